//! What became of the calls that the node made.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use beam_dist::control::{Control, SpawnRequest};
use beam_node::{Code, Error};
use beam_term::{Reference, Term};

/// The calls of the node by their numbers, which are their arguments, and what the peer has answered.
#[derive(Clone, Default)]
pub(super) struct Book(Arc<Mutex<Pages>>);

#[derive(Default)]
struct Pages {
    last: u64,
    unfinished: usize,
    /// The calls that have come over the connection that there is, by their references.
    received: HashMap<Reference, u64>,
    /// All that have reached the peer.
    reached: HashSet<u64>,
    /// The values that the peer has returned.
    returned: HashMap<u64, Vec<Term>>,
    refused: HashSet<u64>,
    /// Calls that failed with the promise that they have not run.
    not_run: HashSet<u64>,
    /// Whether the peer has sent something of which it is not known what it says.
    is_garbled: bool,
}

/// A call, until its end.
pub(super) struct Open {
    book: Book,
    pub(super) number: u64,
}

impl Book {
    pub(super) fn open(&self) -> Open {
        let mut pages = self.pages();
        pages.last += 1;
        pages.unfinished += 1;
        Open {
            number: pages.last,
            book: self.clone(),
        }
    }

    /// A request of the node has come.
    pub(super) fn received(&self, request: &SpawnRequest, arguments: &Term) {
        if let Some([.., Term::List(arguments)]) = arguments.as_list()
            && let [number] = &arguments[..]
            && let Some(number) = number.as_i64().and_then(|number| number.try_into().ok())
        {
            let mut pages = self.pages();
            pages.received.insert(request.request.clone(), number);
            pages.reached.insert(number);
        }
    }

    /// There is another connection, over which nobody may answer what has come over the last one.
    pub(super) fn connected(&self) {
        self.pages().received.clear();
    }

    /// The peer has said this.
    pub(super) fn said(&self, control: &Control, payload: Option<&Term>) {
        let mut pages = self.pages();
        match (control, payload.and_then(Term::as_tuple)) {
            (Control::MonitorExit(exit), Some([_, _, value])) => {
                if let Some(&number) = pages.received.get(&exit.reference) {
                    pages
                        .returned
                        .entry(number)
                        .or_default()
                        .push(value.clone());
                }
            }
            (Control::SpawnReply(reply), _) if reply.result.is_err() => {
                if let Some(&number) = pages.received.get(&reply.request) {
                    pages.refused.insert(number);
                }
            }
            _ => {}
        }
    }

    pub(super) fn garbled(&self) {
        self.pages().is_garbled = true;
    }

    /// Every call must have ended, and none that reached the peer may have ended as if it had not.
    pub(super) fn check(&self) {
        let pages = self.pages();
        assert_eq!(pages.unfinished, 0, "calls that have not ended");
        for number in &pages.reached {
            let is_lie = pages.not_run.contains(number) && !pages.refused.contains(number);
            assert!(
                !is_lie || pages.is_garbled,
                "call {number} has reached the peer"
            );
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// The call has ended so.
    pub(super) fn end(self, result: &Result<Term, Error>) {
        let mut pages = self.book.pages();
        match result {
            Ok(value) => {
                let returned = pages.returned.get(&self.number);
                let is_answer = returned.is_some_and(|values| values.contains(value));
                assert!(is_answer || pages.is_garbled, "nobody has returned {value}");
            }
            Err(error) => {
                let is_lost = matches!(error.code, Code::ServiceUnavailable | Code::RequestTimeout);
                if is_lost && !error.may_have_run() {
                    pages.not_run.insert(self.number);
                }
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.book.pages().unfinished -= 1;
    }
}
