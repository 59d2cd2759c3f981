//! Knowing when the node has found out all that there is to find out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

use crate::error::{Cause, Code, Error};

/// Which questions about the cluster are open: attempts to connect, peers that were asked for
/// nodes, and peers that were asked for their groups.
///
/// A question that leads to others is closed only after those were opened, so that there is none
/// left only when nothing follows.
#[derive(Clone, Debug)]
pub(crate) struct Settling(watch::Sender<Open>);

#[derive(Debug, Default)]
struct Open {
    next: u64,
    /// Whom the questions are about, in the order in which they were opened.
    about: BTreeMap<u64, String>,
}

/// A question whose answer is to come; it is closed when this is dropped.
#[derive(Debug)]
#[must_use = "a question that is dropped is closed"]
pub(crate) struct Question {
    open: watch::Sender<Open>,
    number: u64,
}

/// The most that an error names of those who have not answered.
const NAMED: usize = 8;

impl Settling {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::default())
    }

    /// Opens a question about somebody.
    pub(crate) fn question(&self, whom: &impl Display) -> Question {
        let whom = whom.to_string();
        let mut number = 0;
        self.0.send_modify(|open| {
            number = open.next;
            open.next += 1;
            open.about.insert(number, whom);
        });
        Question {
            open: self.0.clone(),
            number,
        }
    }

    /// Waits until no question is open.
    pub(crate) async fn settled(&self, patience: Duration) -> Result<(), Error> {
        let mut open = self.0.subscribe();
        let none_open = open.wait_for(|open| open.about.is_empty());
        if timeout(patience, none_open).await.is_ok() {
            return Ok(());
        }
        let whom: BTreeSet<_> = self.0.borrow().about.values().cloned().collect();
        // The last question was closed just now.
        if whom.is_empty() {
            return Ok(());
        }
        let more = match whom.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let whom: Vec<_> = whom.into_iter().take(NAMED).collect();
        Err(Error::new(
            Code::RequestTimeout,
            format!(
                "not connected or not answered after {patience:?}: {}{more}",
                whom.join(", ")
            ),
            Cause::Timeout(patience),
        ))
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.open
            .send_modify(|open| _ = open.about.remove(&self.number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn it_is_settled_when_no_question_is_open() {
        let settling = Settling::new();
        assert!(settling.settled(PATIENCE).await.is_ok());

        let question = settling.question(&"a@h");
        let error = settling.settled(PATIENCE).await.unwrap_err();
        assert_eq!(error.code, Code::RequestTimeout);
        assert!(error.message.ends_with(": a@h"), "{error}");
        let more: Vec<_> = (0..10)
            .map(|n| settling.question(&format!("c{n}@h")))
            .collect();
        let error = settling.settled(PATIENCE).await.unwrap_err();
        assert!(
            error
                .message
                .ends_with(": a@h, c0@h, c1@h, c2@h, c3@h, c4@h, c5@h, c6@h and 3 more"),
            "{error}"
        );
        drop(more);

        let waiting = tokio::spawn({
            let settling = settling.clone();
            async move { settling.settled(PATIENCE).await }
        });
        let following = settling.question(&"b@h");
        drop(question);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(following);
        assert!(waiting.await.unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn no_error_names_nobody() {
        let settling = Settling::new();
        // As after the end of the last question.
        let question = settling.question(&"a@h");
        settling.0.send_modify(|open| open.about.clear());

        assert!(settling.settled(PATIENCE).await.is_ok());
        drop(question);
    }
}
