//! Peers' processes that monitor or link to ours.

use std::sync::Arc;

use beam_dist::control::{Control, Exit, MonitorExit, Target};
use beam_term::{Atom, EncodeError, Pid, Reference, Term, Writer};

use super::Key;
use crate::{
    link::{Lane, Link, Payload, SendError, Written},
    serve::Wanted,
};

/// A peer's process that wants to know when one of ours ends.
#[derive(Clone, Debug)]
pub(crate) enum Watcher {
    /// By monitor; `name` is what was monitored, where that was not the pid.
    Monitor {
        link: Arc<Link>,
        from: Pid,
        name: Option<Atom>,
        reference: Reference,
    },
    /// By link.
    Link { link: Arc<Link>, from: Pid },
}

impl Watcher {
    pub(crate) fn link(&self) -> &Arc<Link> {
        match self {
            Self::Monitor { link, .. } | Self::Link { link, .. } => link,
        }
    }

    /// By what the peer names it.
    pub(super) fn key(&self) -> Key {
        match self {
            Self::Monitor {
                link, reference, ..
            } => Key::Monitor(link.id, reference.clone()),
            Self::Link { link, from } => Key::Link(link.id, from.clone()),
        }
    }

    /// Tells that `process` ended, at once.
    pub(crate) fn tell(&self, process: &Pid, reason: &Term) {
        self.link().forget_watchers(1);
        self.tell_uncounted(process, reason);
    }

    /// The same for a watcher that was never counted, as it was refused.
    pub(crate) fn tell_uncounted(&self, process: &Pid, reason: &Term) {
        let mut payload = |writer: &mut Writer<'_>| writer.term(reason);
        let link = self.link();
        link.answer(&self.exit(process), Payload::Written(&mut payload));
        link.serving.answered(link, Wanted::ForEver);
    }

    /// Tells that `process` ended with a reason of any size, if the link has room for it.
    pub(crate) fn tell_result(
        &self,
        process: &Pid,
        reason: &mut dyn FnMut(&mut Writer<'_>) -> Result<(), EncodeError>,
    ) -> Result<(), SendError> {
        let control = self.exit(process);
        self.link()
            .send(Lane::Result, &control, Payload::Written(reason))
    }

    /// Tells that `process` ended with a reason of any size, when the link has room for it.
    pub(crate) async fn tell_patiently(
        &self,
        process: &Pid,
        reason: &mut Written<'_>,
    ) -> Result<(), SendError> {
        self.link().send_result(&self.exit(process), reason).await
    }

    fn exit(&self, process: &Pid) -> Control {
        match self {
            Self::Monitor {
                from,
                name,
                reference,
                ..
            } => Control::MonitorExit(MonitorExit {
                from: match name {
                    Some(name) => Target::Name(name.clone()),
                    None => Target::Pid(process.clone()),
                },
                to: from.clone(),
                reference: reference.clone(),
            }),
            Self::Link { from, .. } => Control::Exit(Exit {
                from: process.clone(),
                to: from.clone(),
                token: None,
            }),
        }
    }
}
