//! Room for the calls that are served, in number and in bytes.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use beam_dist::NodeName;

use super::{Wanted, answers::Answers};
use crate::{
    identity::Identity,
    link::Link,
    process::{Process, Served},
    quota::Share,
};

/// The calls that are served for one peer, or for the node itself.
#[derive(Debug, Default)]
pub(crate) struct Load(Mutex<Shares>);

#[derive(Debug, Default)]
struct Shares {
    calls: Share,
    bytes: Share,
    /// How many calls there were that the node was not told of.
    untold: u64,
    /// The answers that may not have arrived, over the link that there is.
    answers: Answers,
}

/// How many calls a link keeps to itself, at the most, until it tells how many it has served.
const MOST_UNTOLD: u64 = 64;

/// A call that was let in. It counts as served for as long as somebody [holds](Held) it.
#[derive(Debug)]
pub(crate) struct Admitted {
    caller: Caller,
    bytes: AtomicUsize,
    /// Those who hold it; the first is whoever lets it in.
    holders: AtomicUsize,
}

/// Who made a call.
#[derive(Debug)]
pub(crate) enum Caller {
    /// The peer at the other end of this link.
    Peer(Arc<Link>),
    /// This node itself.
    Own(Arc<Identity>),
}

impl Admitted {
    /// Lets a call with so many bytes of arguments in, unless a limit is reached; then gives its
    /// name.
    pub(crate) fn new(caller: Caller, bytes: usize, is_work: bool) -> Result<Self, &'static str> {
        let node = caller.node();
        caller
            .load()
            .enter(node, bytes, caller.link().is_some(), is_work)?;
        Ok(Self {
            caller,
            bytes: AtomicUsize::new(bytes),
            holders: AtomicUsize::new(1),
        })
    }

    /// The node that called.
    pub(crate) fn caller(&self) -> &NodeName {
        match &self.caller {
            Caller::Peer(link) => &link.peer,
            Caller::Own(node) => &node.name,
        }
    }

    /// The link that the call came over; none for a call of this node itself.
    pub(crate) fn link(&self) -> Option<&Arc<Link>> {
        self.caller.link()
    }

    /// Counts the bytes of the result in the place of those of the arguments, unless a limit is
    /// reached; then gives its name.
    pub(super) fn hold(&self, bytes: usize) -> Result<(), &'static str> {
        let before = self.bytes.load(Ordering::Relaxed);
        let is_of_peer = self.link().is_some();
        let mut shares = self.caller.load().shares();
        shares.exchange_bytes(self.caller.node(), before, bytes, is_of_peer)?;
        self.bytes.store(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Whoever held it does so no more, and has queued the answer that is wanted.
    fn release(&self, wanted: Option<Wanted>) {
        if self.holders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.leave(wanted);
        } else if let Some(wanted) = wanted {
            self.note_answer(wanted);
        }
    }

    /// The answer is queued, or has to wait for room, and may not have arrived from here on.
    pub(super) fn note_answer(&self, wanted: Wanted) {
        if let Some(link) = self.link() {
            link.serving.answered(link, wanted);
        }
    }

    fn leave(&self, wanted: Option<Wanted>) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        let answer = self.link().map(Arc::as_ref).zip(wanted);
        self.caller.load().leave(self.caller.node(), bytes, answer);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        // Nobody came to hold it.
        if *self.holders.get_mut() > 0 {
            self.leave(None);
        }
    }
}

impl Caller {
    fn node(&self) -> &Identity {
        match self {
            Self::Peer(link) => link.identity(),
            Self::Own(node) => node,
        }
    }

    /// What its calls count to.
    fn load(&self) -> &Load {
        match self {
            Self::Peer(link) => &link.serving,
            Self::Own(node) => node.serving.own(),
        }
    }

    fn link(&self) -> Option<&Arc<Link>> {
        match self {
            Self::Peer(link) => Some(link),
            Self::Own(_) => None,
        }
    }
}

/// A hold on a call that is served. The process itself may be kept for longer, by a handler that
/// keeps its context.
#[derive(Debug)]
pub(crate) struct Held {
    process: Arc<Process>,
    /// Whether somebody was told of the end of the call, or is about to be.
    has_told: bool,
}

impl Held {
    /// The first hold on a call that was let in just now.
    pub(super) fn first(process: Arc<Process>) -> Self {
        debug_assert!(process.served().is_some());
        Self::of(process)
    }

    fn of(process: Arc<Process>) -> Self {
        Self {
            process,
            has_told: false,
        }
    }

    /// Another hold, unless the call is over.
    pub(crate) fn another(process: &Arc<Process>) -> Option<Self> {
        let holders = &process.served()?.admitted.holders;
        let more = |holders| (holders > 0).then_some(holders + 1);
        holders
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more)
            .ok()?;
        Some(Self::of(Arc::clone(process)))
    }

    pub(super) fn process(&self) -> &Arc<Process> {
        &self.process
    }

    pub(super) fn served(&self) -> Option<&Served> {
        self.process.served()
    }

    /// Somebody was told of the end of the call, or is about to be.
    pub(super) fn note_told(&mut self) {
        self.has_told = true;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(served) = self.process.served() {
            let answer = self.has_told.then(|| served.wanted()).flatten();
            served.admitted.release(answer);
        }
    }
}

impl Load {
    /// How many calls there were that the node was not told of.
    pub(super) fn untold(&self) -> u64 {
        self.shares().untold
    }

    /// How many calls are served.
    pub(crate) fn count(&self) -> usize {
        self.shares().calls.used()
    }

    /// The end of a process was told to who watched it over a link, or to who linked to it that there is
    /// none. That there is nothing to monitor does not count: that is how probes of the peer are answered.
    pub(crate) fn answered(&self, link: &Link, wanted: Wanted) {
        self.shares().give(link, wanted);
    }

    /// The peer is about to be probed.
    pub(crate) fn probe_answers(&self) {
        self.shares().answers.probe();
    }

    /// Whether there are answers that no probe has confirmed.
    pub(crate) fn has_unconfirmed_answers(&self) -> bool {
        self.shares().answers.are_unconfirmed()
    }

    /// What was answered before the last probe has arrived.
    pub(crate) fn confirm_answers(&self) {
        self.shares().answers.confirm();
    }

    /// The link has ended, and what was on its way over it is lost.
    pub(crate) fn forget_answers(&self) {
        self.shares().answers = Answers::default();
    }

    /// Whether somebody is taken to wait for an answer that may not have arrived, where the peer has been
    /// silent for so long.
    pub(crate) fn has_answers_wanted(&self, silent_for: Duration) -> bool {
        self.shares().answers.are_wanted(silent_for)
    }

    fn enter(
        &self,
        node: &Identity,
        bytes: usize,
        is_of_peer: bool,
        is_work: bool,
    ) -> Result<(), &'static str> {
        let mut shares = self.shares();
        if is_of_peer && shares.calls.used() >= node.limits.served_per_peer {
            return Err("served_per_peer");
        }
        if !shares.calls.take(1, &node.serving.calls) {
            return Err("served_per_node");
        }
        if let Err(limit) = shares.exchange_bytes(node, 0, bytes, is_of_peer) {
            shares.calls.put_back(1, &node.serving.calls);
            return Err(limit);
        }
        shares.untold += u64::from(is_of_peer && is_work);
        Ok(())
    }

    fn leave(&self, node: &Identity, bytes: usize, answer: Option<(&Link, Wanted)>) {
        let mut shares = self.shares();
        if let Some((link, wanted)) = answer {
            shares.give(link, wanted);
        }
        shares.bytes.put_back(bytes, &node.serving.bytes);
        // Whoever finds no calls any more is to know of all that there were.
        if shares.untold > 0 && (shares.calls.used() == 1 || shares.untold >= MOST_UNTOLD) {
            let untold = std::mem::take(&mut shares.untold);
            node.serving.tell(untold);
        }
        shares.calls.put_back(1, &node.serving.calls);
    }

    /// Every critical section is a change of the counts.
    fn shares(&self) -> MutexGuard<'_, Shares> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shares {
    /// Notes an answer, unless its link has ended: what went over that is lost, and
    /// [forgotten](Load::forget_answers) after its end. It says nothing of the link that there is now.
    fn give(&mut self, link: &Link, wanted: Wanted) {
        if !link.is_closing() {
            self.answers.give(wanted);
        }
    }

    /// Counts bytes in the place of others. What is alone has room, however large it is.
    fn exchange_bytes(
        &mut self,
        node: &Identity,
        old: usize,
        new: usize,
        is_of_peer: bool,
    ) -> Result<(), &'static str> {
        let others = self.bytes.used() - old;
        let limit = node.limits.served_bytes_per_peer;
        let is_over = others > 0 && new > old && others.saturating_add(new) > limit;
        if is_of_peer && is_over {
            return Err("served_bytes_per_peer");
        }
        let quota = &node.serving.bytes;
        match self.bytes.replace_or_alone(old, new, quota) {
            true => Ok(()),
            false => Err("served_bytes_per_node"),
        }
    }
}
