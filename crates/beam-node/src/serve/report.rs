//! How a process came to its end, for those who are told of it when there is room.

use beam_term::{EncodeError, RawTerm, Term, Writer};

use super::{Serving, Shape};
use crate::{
    export::Outcome,
    link::SendError,
    process::{Process, Told, Watcher},
};

/// What is still to be told, and to whom.
pub(super) struct Late {
    told: Told,
    end: End,
}

enum End {
    Ran(Outcome),
    /// With a reason that is encoded already.
    Encoded(RawTerm),
    Killed(Term),
}

impl Late {
    /// `None` where nobody is to be told.
    fn new(told: Told, end: End) -> Option<Self> {
        (!told.is_empty()).then_some(Self { told, end })
    }

    pub(super) fn returned(told: Told, outcome: Outcome) -> Option<Self> {
        Self::new(told, End::Ran(outcome))
    }

    pub(super) fn ended(told: Told, reason: RawTerm) -> Option<Self> {
        Self::new(told, End::Encoded(reason))
    }

    pub(super) fn killed(told: Told, reason: Term) -> Option<Self> {
        Self::new(told, End::Killed(reason))
    }

    /// Tells everybody how the process of a call ended, one after another.
    pub(super) async fn tell(self, serving: &Serving) {
        let Self { told, end } = self;
        let (process, shape) = (serving.process(), serving.shape());
        for watcher in told {
            watcher.link().forget_watchers(1);
            let told = end.tell(&watcher, process, shape).await;
            // A link that closed meanwhile has told the peer already.
            if let Err(SendError::Encode(error)) = told
                && let Some(outcome) = serving.unsendable(error)
            {
                let _ = End::Ran(outcome).tell(&watcher, process, shape).await;
            }
        }
    }
}

impl End {
    async fn tell(
        &self,
        watcher: &Watcher,
        process: &Process,
        shape: &Shape,
    ) -> Result<(), SendError> {
        let mut payload = |writer: &mut Writer<'_>| self.write(shape, writer);
        watcher.tell_patiently(&process.pid, &mut payload).await
    }

    fn write(&self, shape: &Shape, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        match self {
            Self::Ran(Outcome::Returned(value)) => {
                shape.write_returned(|writer| writer.raw(value), writer)
            }
            Self::Ran(Outcome::Raised(exception)) => shape.write_raised(exception, writer),
            Self::Ran(Outcome::Refused(reason)) => shape.write_refused(reason, writer),
            Self::Encoded(reason) => writer.raw(reason),
            Self::Killed(reason) => writer.term(reason),
        }
    }
}
