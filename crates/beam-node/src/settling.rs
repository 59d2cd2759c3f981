//! Knowing when the node has found out all that there is to find out.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};

use crate::error::{Cause, Code, Error};

/// How many questions about the cluster are open: attempts to connect, peers that were asked for
/// nodes, and peers that were asked for their groups.
///
/// A question that leads to others is closed only after those were opened, so that there is none
/// left only when nothing follows.
#[derive(Clone, Debug)]
pub(crate) struct Settling(Arc<watch::Sender<usize>>);

/// A question whose answer is to come; it is closed when this is dropped.
#[derive(Debug)]
#[must_use = "a question that is dropped is closed"]
pub(crate) struct Question(Arc<watch::Sender<usize>>);

impl Settling {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    /// Opens a question.
    pub(crate) fn question(&self) -> Question {
        self.0.send_modify(|open| *open += 1);
        Question(Arc::clone(&self.0))
    }

    /// Waits until no question is open.
    pub(crate) async fn settled(&self, patience: Duration) -> Result<(), Error> {
        let mut open = self.0.subscribe();
        let none_open = open.wait_for(|&open| open == 0);
        if timeout(patience, none_open).await.is_ok() {
            return Ok(());
        }
        Err(Error::new(
            Code::RequestTimeout,
            format!(
                "{} attempts to connect or questions to peers were open after {patience:?}",
                *self.0.borrow()
            ),
            Cause::Timeout(patience),
        ))
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
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

        let question = settling.question();
        let error = settling.settled(PATIENCE).await.unwrap_err();
        assert_eq!(error.code, Code::RequestTimeout);
        assert!(error.message.starts_with("1 attempt"), "{error}");

        let waiting = tokio::spawn({
            let settling = settling.clone();
            async move { settling.settled(PATIENCE).await }
        });
        let following = settling.question();
        drop(question);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(following);
        assert!(waiting.await.unwrap().is_ok());
    }
}
