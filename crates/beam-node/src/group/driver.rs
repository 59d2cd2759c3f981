//! The scope of a node at work: between its links, its members and the clock.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use beam_dist::{
    NodeName,
    control::{Recipient, Target},
};
use beam_term::{Pid, RawTerm, Term};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until},
};

use super::{
    Action, Bound, Destination, Groups, InvalidGroup, Members, MonitorId, PublishedValues, Scope,
    message::Message, publications::is_published,
};
use crate::{
    atoms,
    call::RequestId,
    link::Link,
    settling::{Question, Settling},
    state::NodeState,
};

/// Feeds the scope of a node with what happens on its links, and sends what the scope asks for.
#[derive(Debug)]
pub(crate) struct ScopeDriver {
    groups: Groups,
    bound: Bound,
    wires: Mutex<Wires>,
    /// Tells the task of the timer to look again.
    rescheduled: Notify,
    settling: Settling,
}

#[derive(Debug, Default)]
struct Wires {
    links: HashMap<NodeName, Arc<Link>>,
    /// The requests behind the scope's monitors, with the link that each went over.
    monitors: HashMap<MonitorId, (u64, RequestId)>,
    /// The peers that have not told their groups yet.
    awaited: HashMap<NodeName, Awaited>,
    /// When a process of this node left its groups last.
    left: Option<Instant>,
    /// Whether the node shuts down.
    is_closed: bool,
}

/// Why a process did not join a group, or publish a value.
#[derive(Debug)]
pub(crate) enum NotJoined {
    Invalid(InvalidGroup),
    /// The node shuts down.
    Closed,
}

impl From<InvalidGroup> for NotJoined {
    fn from(invalid: InvalidGroup) -> Self {
        Self::Invalid(invalid)
    }
}

/// A peer that is asked for its groups.
#[derive(Debug)]
struct Awaited {
    /// When its answer is waited for no longer: it counts, whenever it comes.
    until: Instant,
    _question: Question,
}

/// How long a peer may take to tell its groups until the node counts as settled without it.
const PATIENCE: Duration = Duration::from_secs(5);

impl ScopeDriver {
    pub(crate) fn new(node: NodeName, own: Pid, bound: Bound, settling: Settling) -> Self {
        Self {
            groups: Groups::new(node, own, bound),
            bound,
            wires: Mutex::default(),
            rescheduled: Notify::new(),
            settling,
        }
    }

    pub(crate) fn link_up(&self, link: &Arc<Link>) {
        let mut wires = self.wires();
        wires.links.insert(link.peer.clone(), Arc::clone(link));
        let awaited = Awaited {
            until: Instant::now() + PATIENCE,
            _question: self.settling.question(&link.peer),
        };
        wires.awaited.insert(link.peer.clone(), awaited);
        self.feed(&mut wires, |scope| scope.link_up(&link.peer));
        // The timer does not know yet of whom it waits for.
        self.rescheduled.notify_one();
    }

    pub(crate) fn link_down(&self, link: &Link) {
        let mut wires = self.wires();
        // A newer link to the same peer stays.
        if wires.is_wired(link) {
            self.feed(&mut wires, |scope| scope.link_down(&link.peer));
            wires.links.remove(&link.peer);
        }
        wires.monitors.retain(|_, (over, _)| *over != link.id);
    }

    /// A message to the scope.
    pub(crate) fn deliver(&self, link: &Link, message: &RawTerm) {
        // Nobody waits while a long one is read.
        let announced = |group: &Term| self.groups.announced(&link.peer, group);
        let message = Message::parse(message, link.peer.as_atom(), self.bound, &announced);
        let mut wires = self.wires();
        if wires.is_wired(link) {
            self.feed(&mut wires, |scope| scope.message(&link.peer, message));
        }
    }

    /// A monitor of the scope fired.
    pub(crate) fn monitor_fired(&self, link: &Link, id: MonitorId) {
        let mut wires = self.wires();
        if wires.is_wired(link) {
            wires.monitors.remove(&id);
            self.feed(&mut wires, |scope| {
                scope.down(&link.peer, id, Instant::now())
            });
        }
    }

    pub(crate) fn join(&self, group: &Term, pid: &Pid) -> Result<(), NotJoined> {
        let mut wires = self.wires();
        if wires.is_closed {
            return Err(NotJoined::Closed);
        }
        Ok(self.feed(&mut wires, |scope| scope.local_join(group, pid))?)
    }

    /// Publishes a value in the name of a process; see [`Scope::local_publish`].
    pub(crate) fn publish(
        &self,
        key: &Term,
        value: Term,
        pid: &Pid,
        replaced: Option<&Term>,
    ) -> Result<Term, NotJoined> {
        let mut wires = self.wires();
        if wires.is_closed {
            return Err(NotJoined::Closed);
        }
        Ok(self.feed(&mut wires, |scope| {
            scope.local_publish(key, value, pid, replaced)
        })?)
    }

    /// Takes a process of this node out of its groups.
    pub(crate) fn leave(&self, pid: &Pid) {
        let mut wires = self.wires();
        if self.feed(&mut wires, |scope| scope.local_exit(pid)) {
            wires.left = Some(Instant::now());
        }
    }

    /// Takes every process of this node out of every group, and lets none join or publish any more.
    /// Tells when the last process left, if there ever was one.
    pub(crate) fn close(&self) -> Option<Instant> {
        let mut wires = self.wires();
        wires.is_closed = true;
        if self.feed(&mut wires, Scope::local_leave_all) {
            wires.left = Some(Instant::now());
        }
        wires.left
    }

    /// The groups that have members, but for those that carry published values.
    pub(crate) fn groups(&self) -> Vec<Term> {
        self.feed(&mut self.wires(), |scope| {
            let groups = scope.groups().filter(|group| !is_published(group));
            groups.cloned().collect()
        })
    }

    /// How often any group has changed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.groups.changes()
    }

    /// How many memberships a peer has.
    pub(crate) fn memberships(&self, peer: &NodeName) -> usize {
        self.groups.memberships(peer)
    }

    /// The members of a group now.
    pub(crate) fn members(&self, group: &Term) -> Arc<Members> {
        self.groups.members(group)
    }

    /// The members of a group, now and as they change.
    pub(crate) fn watch(&self, group: Term) -> watch::Receiver<Arc<Members>> {
        self.groups.watch(group)
    }

    /// What nodes publish under a key now.
    pub(crate) fn published(&self, key: &Term) -> Arc<PublishedValues> {
        self.groups.published(key)
    }

    /// What nodes publish under a key, now and as it changes.
    pub(crate) fn watch_published(&self, key: Term) -> watch::Receiver<Arc<PublishedValues>> {
        self.groups.watch_published(key)
    }

    /// The members of a group and what nodes publish under a key, at one moment.
    pub(crate) fn members_and_published(
        &self,
        group: &Term,
        key: &Term,
    ) -> (Arc<Members>, Arc<PublishedValues>) {
        self.groups.members_and_published(group, key)
    }

    /// Looks for the scopes of peers when it is time, for as long as the node runs.
    pub(crate) async fn run_timer(node: Arc<NodeState>) {
        let driver = &node.groups;
        let run = async {
            loop {
                let rescheduled = driver.rescheduled.notified();
                match driver.next_due() {
                    None => rescheduled.await,
                    Some(due) => tokio::select! {
                        () = rescheduled => {}
                        () = sleep_until(due) => {
                            driver.feed(&mut driver.wires(), |scope| scope.timer(Instant::now()));
                        }
                    },
                }
            }
        };
        node.stop.run_until_cancelled(run).await;
    }

    /// When the timer is to look next.
    fn next_due(&self) -> Option<Instant> {
        let wires = self.wires();
        let awaited = wires.awaited.values().map(|awaited| awaited.until);
        awaited.chain(self.groups.next_timer()).min()
    }

    /// Gives the scope an input and does what it asks for, in its order: the wires are held
    /// meanwhile, for messages between scopes must not overtake each other.
    fn feed<T>(&self, wires: &mut Wires, input: impl FnOnce(&mut Scope) -> T) -> T {
        let due = self.groups.next_timer();
        let result = self.groups.update(input, |action| wires.perform(action));
        if !wires.awaited.is_empty() {
            let now = Instant::now();
            wires
                .awaited
                .retain(|peer, awaited| now < awaited.until && !self.groups.has_answered(peer));
        }
        if self.groups.next_timer() != due {
            self.rescheduled.notify_one();
        }
        result
    }

    /// The link over which the scope talks to a peer.
    #[cfg(test)]
    pub(crate) fn wired(&self, peer: &NodeName) -> Option<u64> {
        self.wires().links.get(peer).map(|link| link.id)
    }

    /// How many monitors the scope holds.
    #[cfg(any(test, rlb_simulation))]
    pub(crate) fn monitors(&self) -> usize {
        self.wires().monitors.len()
    }

    fn wires(&self) -> MutexGuard<'_, Wires> {
        self.wires.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wires {
    /// Whether the scope talks to the peer over this link. What still comes over another one was
    /// said before what comes over this one, or over the last one that there was.
    fn is_wired(&self, link: &Link) -> bool {
        let wired = self.links.get(&link.peer);
        wired.is_some_and(|wired| wired.id == link.id)
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Send { peer, to, message } => {
                if let Some(link) = self.links.get(&peer) {
                    let to = match to {
                        Destination::Name => Recipient::Name(atoms::SCOPE),
                        Destination::Pid(pid) => Recipient::Pid(pid),
                    };
                    link.send_for_scope(&to, &message);
                }
            }
            Action::Monitor { peer, target, id } => {
                if let Some(link) = self.links.get(&peer) {
                    let request = link.monitor_for_scope(id, target.into());
                    self.monitors.insert(id, (link.id, request));
                }
            }
            Action::Demonitor { peer, id, .. } => {
                if let (Some((_, request)), Some(link)) =
                    (self.monitors.remove(&id), self.links.get(&peer))
                {
                    link.demonitor_for_scope(request);
                }
            }
            Action::Learn { peer, features } => {
                if let Some(link) = self.links.get(&peer) {
                    link.learn(features);
                }
            }
        }
    }
}

impl From<Destination> for Target {
    fn from(destination: Destination) -> Self {
        match destination {
            Destination::Name => Self::Name(atoms::SCOPE),
            Destination::Pid(pid) => Self::Pid(pid),
        }
    }
}
