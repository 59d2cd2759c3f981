//! The book of calls: who made which, what came of it, and who ran it.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::clock::{HostId, Millis};

/// A call, by a number that no other call of the simulation has.
pub(crate) type CallId = u64;

/// One life of a node: its host, and how often that was started before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Life {
    pub(crate) host: HostId,
    pub(crate) number: u32,
}

/// What a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is answered, and runs once at most.
    Call,
    /// It is not answered, and runs once at most.
    Cast,
    /// It is answered, and may run more than once.
    Idempotent,
}

/// A call, from its beginning to its end.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) kind: Kind,
    pub(crate) caller: Life,
    pub(crate) begun: Millis,
    pub(crate) deadline: Millis,
    /// When and how it ended; none while it runs, and for good where its caller was killed.
    pub(crate) ended: Option<(Millis, End)>,
    /// Where and when it ran.
    pub(crate) runs: Vec<(Life, Millis)>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With the answer for this call.
    Answered(CallId),
    /// With an error.
    Failed { error: String, may_have_run: bool },
    /// Its caller did not wait for it any longer.
    Abandoned,
}

/// The calls of a simulation, which all its hosts share, and what must not be.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Book>>);

#[derive(Default)]
pub(crate) struct Book {
    pub(crate) calls: BTreeMap<CallId, Call>,
    pub(crate) violations: Vec<String>,
    /// Handlers that run at the moment.
    pub(crate) running: BTreeMap<Life, usize>,
    /// What is at work at the moment: callers that wait, and handlers that run.
    at_work: AtWork,
    /// The most of them since that was last asked.
    most_at_work: AtWork,
    /// When hosts hung, from and to.
    pub(crate) hung: BTreeMap<HostId, Vec<(Millis, Millis)>>,
}

/// Callers that wait and handlers that run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AtWork {
    /// How many there are.
    pub(crate) count: usize,
    /// The bytes of the arguments and the results of their calls.
    pub(crate) bytes: usize,
}

/// One of those, until it is dropped.
pub(crate) struct Working {
    ledger: Ledger,
    bytes: usize,
}

impl Drop for Working {
    fn drop(&mut self) {
        let at_work = &mut self.ledger.book().at_work;
        at_work.count -= 1;
        at_work.bytes -= self.bytes;
    }
}

/// How much later than its deadline a call may end: the clock of timers shows whole milliseconds.
const GRANULARITY: Millis = 2;

/// How often a call that may run twice may run at one node: where all members die or fall silent within
/// it, it goes from one to the next, and to one of them again, each time that somebody comes back.
const MOST_RUNS: usize = 3;

impl Book {
    /// How many were at work at the most since this was last asked, and how many bytes they had.
    pub(crate) fn most_at_work(&mut self) -> AtWork {
        mem::replace(&mut self.most_at_work, self.at_work)
    }

    /// When a call must have ended: a caller that hangs finds out when it goes on, unless it hangs
    /// again before it can.
    fn latest_end(&self, call: &Call) -> Millis {
        let hung = self.hung.get(&call.caller.host).into_iter().flatten();
        let end = hung.fold(call.deadline, |end, (from, to)| {
            match call.begun <= *to && *from <= end + GRANULARITY {
                true => end.max(*to),
                false => end,
            }
        });
        end + GRANULARITY
    }
}

impl Ledger {
    /// The book, while nobody else writes in it.
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes something that must not be.
    pub(crate) fn violation(&self, what: String) {
        self.book().violations.push(what);
    }

    /// Begins a call.
    pub(crate) fn begin(
        &self,
        kind: Kind,
        caller: Life,
        begun: Millis,
        deadline: Millis,
    ) -> CallId {
        let mut book = self.book();
        let id = book.calls.len() as CallId + 1;
        let call = Call {
            kind,
            caller,
            begun,
            deadline,
            ended: None,
            runs: Vec::new(),
        };
        book.calls.insert(id, call);
        id
    }

    /// Ends a call.
    pub(crate) fn end(&self, id: CallId, at: Millis, end: End) {
        let mut book = self.book();
        let latest = book.calls.get(&id).map(|call| book.latest_end(call));
        let Book {
            calls, violations, ..
        } = &mut *book;
        let (Some(call), Some(latest)) = (calls.get_mut(&id), latest) else {
            return violations.push(format!("call {id} ended, but was never begun"));
        };
        if at > latest {
            violations.push(format!(
                "call {id} ended at {at} ms, too late: {call:?} {end:?}"
            ));
        }
        if let Some((before, how)) = &call.ended {
            violations.push(format!(
                "call {id} ended twice: at {before} ms as {how:?}, at {at} ms as {end:?}"
            ));
        }
        if let End::Answered(answer) = end
            && answer != id
        {
            violations.push(format!("call {id} got the answer of call {answer}"));
        }
        call.ended = Some((at, end));
    }

    /// Somebody is at work for a call, with so many bytes to carry and to give.
    pub(crate) fn work(&self, bytes: usize) -> Working {
        let mut book = self.book();
        let AtWork { count, bytes: all } = &mut book.at_work;
        (*count, *all) = (*count + 1, *all + bytes);
        let AtWork { count, bytes: all } = book.at_work;
        let most = &mut book.most_at_work;
        (most.count, most.bytes) = (most.count.max(count), most.bytes.max(all));
        Working {
            ledger: self.clone(),
            bytes,
        }
    }

    /// Notes that a call runs.
    pub(crate) fn run(&self, id: CallId, life: Life, at: Millis) {
        let mut book = self.book();
        match book.calls.get_mut(&id) {
            Some(call) => call.runs.push((life, at)),
            None => book
                .violations
                .push(format!("call {id} runs on {life:?}, but was never begun")),
        }
    }

    /// What the calls of the whole simulation must not have done. Nothing runs any more.
    pub(crate) fn check(&self) {
        let mut book = self.book();
        let Book {
            calls, violations, ..
        } = &mut *book;
        for (id, call) in calls {
            let at_one = |life: &Life| call.runs.iter().filter(|(at, _)| at == life).count();
            let too_often = match call.kind {
                Kind::Call | Kind::Cast => call.runs.len() > 1,
                Kind::Idempotent => call.runs.iter().any(|(life, _)| at_one(life) > MOST_RUNS),
            };
            if too_often {
                violations.push(format!("call {id} ran {} times: {call:?}", call.runs.len()));
            }
            match &call.ended {
                Some((_, End::Answered(_))) if call.runs.is_empty() && call.kind != Kind::Cast => {
                    violations.push(format!("call {id} was answered, but did not run: {call:?}"));
                }
                Some((_, End::Failed { may_have_run, .. }))
                    if !may_have_run && !call.runs.is_empty() =>
                {
                    violations.push(format!("call {id} ran, against its error: {call:?}"));
                }
                _ => {}
            }
        }
    }
}
