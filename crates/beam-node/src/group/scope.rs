//! The scope: who is in which group, on this node and on its peers.
//!
//! It speaks the protocol of OTP's `pg` (see the module `pg` of OTP's application `kernel`): two
//! scopes find each other by `discover`, tell each other all that they have by `sync`, and then
//! every `join` and `leave`. Each monitors the other, and forgets what the other announced when it
//! goes.
//!
//! OTP looks for scopes on visible nodes only, and only when a node comes up. A hidden node has to
//! look for itself, again and again, since a peer may start its scope long after the connection,
//! or start it anew.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use beam_dist::NodeName;
use beam_term::{DecodeError, EncodeError, Pid, Term};
use bytes::Bytes;
use tokio::time::Instant;

use crate::group::{
    Bound, Features, Members,
    announced::{Announced, Changed, counted},
    message::{self, InvalidGroup, Message},
    peer::{Peer, Search},
    pids::Pids,
    publications::{self, Publications, PublishedValues},
};

/// The scope of one node, as a state machine without I/O.
///
/// Each input may make it ask for [`Action`]s, to be performed in order, and change groups.
#[derive(Debug)]
pub(crate) struct Scope {
    own: Pid,
    node: NodeName,
    bound: Bound,
    /// The name of the group that says what this node is, if it is to be said.
    introduction: Option<Term>,
    local: Announced,
    /// What tells a peer all that is here, as long as that does not change.
    own_sync: Option<Bytes>,
    peers: BTreeMap<NodeName, Peer>,
    groups: BTreeMap<Term, Arc<Members>>,
    publications: Publications,
    /// What the next value that this node publishes gets.
    next_serial: i64,
    /// When peers are to be asked again.
    timers: BTreeSet<(Instant, NodeName)>,
    next_monitor: u64,
    version: u64,
    ignored: u64,
    actions: VecDeque<Action>,
    changed: BTreeSet<Term>,
}

/// What the scope wants done; all of it concerns a connected peer, in the scope's own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Send a message, which is encoded, without a version byte.
    Send {
        peer: NodeName,
        to: Destination,
        message: Bytes,
    },
    /// Monitor a process, and report its end to [`Scope::down`] under this identifier.
    Monitor {
        peer: NodeName,
        target: Destination,
        id: MonitorId,
    },
    /// Give a monitor up.
    Demonitor {
        peer: NodeName,
        target: Destination,
        id: MonitorId,
    },
    /// From here on the peer takes these, and nothing else beyond what every node does.
    Learn { peer: NodeName, features: Features },
}

/// A process of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// The one that has the name of the scope.
    Name,
    /// This one.
    Pid(Pid),
}

/// A monitor of the scope; no two have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct MonitorId(pub(crate) u64);

/// A group that has changed, and its members now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupChange {
    pub(crate) group: Term,
    pub(crate) members: Arc<Members>,
}

impl Scope {
    /// A scope of a node, as the process `own`. A peer may announce so much; further joins
    /// of it are ignored.
    pub(crate) fn new(node: NodeName, own: Pid, bound: Bound) -> Self {
        Self {
            own,
            node,
            bound,
            introduction: None,
            local: Announced::default(),
            own_sync: None,
            peers: BTreeMap::new(),
            groups: BTreeMap::new(),
            publications: Publications::default(),
            next_serial: publications::FIRST_SERIAL,
            timers: BTreeSet::new(),
            next_monitor: 1,
            version: 0,
            ignored: 0,
            actions: VecDeque::new(),
            changed: BTreeSet::new(),
        }
    }

    /// Makes the scope tell others what its node takes.
    pub(crate) fn introducing(mut self, features: Features) -> Self {
        self.introduction = Some(features.name());
        self
    }

    /// A peer is connected: looks for its scope.
    pub(crate) fn link_up(&mut self, name: &NodeName) {
        self.link_down(name);
        let monitor = self.ask(name);
        self.peers
            .insert(name.clone(), Peer::new(name.clone(), monitor));
    }

    /// A peer is no longer connected: forgets what it announced. Nothing more can be sent to it.
    pub(crate) fn link_down(&mut self, name: &NodeName) {
        let Some(mut peer) = self.peers.remove(name) else {
            return;
        };
        if let Search::Waiting { until } = peer.search {
            self.timers.remove(&(until, name.clone()));
        }
        self.apply(name, peer.forget());
    }

    /// A peer sent a message to the scope, by name or by pid; see [`Message::parse`]. What no scope
    /// says is ignored.
    pub(crate) fn message(&mut self, name: &NodeName, message: Result<Message, DecodeError>) {
        let bound = self.bound;
        let Some(peer) = self.peers.get_mut(name) else {
            return self.ignore(name, "it is not connected");
        };
        let known = peer.features;
        let message = match message {
            Ok(message) => message,
            Err(error) => return self.ignore(name, &error.to_string()),
        };
        let changed = match message {
            Message::Discover { scope } => {
                self.discovered(name, scope);
                return self.learn(name, known);
            }
            Message::Sync { scope, groups } => {
                if let Search::Found { scope: found, .. } = &peer.search {
                    // A late message of a scope that was succeeded by the one that is known. If it
                    // is the successor itself, its `discover` follows, or the end of the other.
                    if *found != scope {
                        return self.ignore(name, "a sync from another scope than the known one");
                    }
                } else {
                    self.find(name, scope);
                }
                self.peers
                    .get_mut(name)
                    .map(|peer| peer.sync(groups, bound))
            }
            Message::Join { scope, groups } => {
                peer.is_found(&scope).then(|| peer.join(groups, bound))
            }
            Message::Leave {
                scope,
                pids,
                groups,
            } => peer.is_found(&scope).then(|| peer.leave(&pids, &groups)),
        };
        match changed {
            Some(changed) => self.apply(name, changed),
            None => self.ignore(name, "an announcement of a scope that is not known"),
        }
        self.learn(name, known);
    }

    /// What a monitor watched at a peer is gone, or was not there.
    pub(crate) fn down(&mut self, name: &NodeName, id: MonitorId, now: Instant) {
        if let Some(peer) = self.peers.get_mut(name)
            && peer.search.monitor() == Some(id)
        {
            let known = peer.features;
            let (until, changed) = peer.wait(now);
            self.timers.insert((until, name.clone()));
            self.apply(name, changed);
            self.learn(name, known);
        }
    }

    /// A process of this node joins a group; it may do so more than once.
    pub(crate) fn local_join(&mut self, group: &Term, pid: &Pid) -> Result<(), InvalidGroup> {
        message::check_name(group)?;
        let message = message::join(&self.own, group, pid)?;
        let changed = self.local.join(group.clone(), vec![pid.clone()]);
        self.own_sync = None;
        self.apply(&self.node.clone(), vec![changed]);
        self.broadcast(&message);
        Ok(())
    }

    /// A process of this node publishes a value under a key; gives the name of the group that
    /// carries it, which is the one to leave. The process may leave that of an earlier value: peers
    /// learn of the new one first, so that there is one at any time.
    pub(crate) fn local_publish(
        &mut self,
        key: &Term,
        value: Term,
        pid: &Pid,
        replaced: Option<&Term>,
    ) -> Result<Term, InvalidGroup> {
        let group = publications::name(key, self.next_serial, value);
        self.local_join(&group, pid)?;
        self.next_serial += 1;
        if let Some(replaced) = replaced {
            self.local_leave(replaced, pid);
        }
        Ok(group)
    }

    /// A process of this node leaves a group once; `false` if it is not in it.
    pub(crate) fn local_leave(&mut self, group: &Term, pid: &Pid) -> bool {
        self.leave(pid, std::slice::from_ref(group))
    }

    /// A process of this node has ended: it leaves all groups.
    pub(crate) fn local_exit(&mut self, pid: &Pid) -> bool {
        let groups = self.local.groups_of(pid);
        self.leave(pid, &groups)
    }

    /// Every process of this node leaves all its groups; `false` if none is in any. Those that
    /// publish are the last: what a node says of itself as a member holds for as long as it is one.
    pub(crate) fn local_leave_all(&mut self) -> bool {
        let mut pids = BTreeSet::new();
        for (group, in_group) in self.local.iter() {
            let publishes = publications::is_published(group);
            pids.extend(in_group.iter().map(|pid| (publishes, pid.clone())));
        }
        for (_, pid) in &pids {
            self.local_exit(pid);
        }
        !pids.is_empty()
    }

    /// Looks again for the scopes for which it is time.
    pub(crate) fn timer(&mut self, now: Instant) {
        while self.next_timer().is_some_and(|due| due <= now)
            && let Some((_, name)) = self.timers.pop_first()
        {
            let monitor = self.ask(&name);
            if let Some(peer) = self.peers.get_mut(&name) {
                peer.search = Search::Asked { monitor };
            }
        }
    }

    /// When [`timer`](Self::timer) wants to be called.
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// Whether a peer has told which groups it has, or that it has no scope. One that is not
    /// connected has nothing more to tell.
    pub(crate) fn has_answered(&self, peer: &NodeName) -> bool {
        self.peers.get(peer).is_none_or(|peer| peer.has_answered)
    }

    /// How many memberships a peer has announced.
    pub(crate) fn memberships(&self, peer: &NodeName) -> usize {
        self.peers.get(peer).map_or(0, Peer::memberships)
    }

    /// What a peer has announced in a group.
    pub(crate) fn announced(&self, peer: &NodeName, group: &Term) -> Pids {
        let peer = self.peers.get(peer);
        peer.map(|peer| peer.announced(group)).unwrap_or_default()
    }

    /// The members of a group now.
    pub(crate) fn members(&self, group: &Term) -> Arc<Members> {
        match self.groups.get(group) {
            Some(members) => Arc::clone(members),
            None => Arc::new(Members::nobody(self.version)),
        }
    }

    /// What nodes publish under a key now.
    pub(crate) fn published(&self, key: &Term) -> Arc<PublishedValues> {
        self.publications.values(key)
    }

    /// The groups that have members, among them those that carry published values.
    pub(crate) fn groups(&self) -> impl ExactSizeIterator<Item = &Term> {
        self.groups.keys()
    }

    /// The next thing to do.
    pub(crate) fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// A group that has changed since it was last asked for.
    pub(crate) fn next_change(&mut self) -> Option<GroupChange> {
        let group = self.changed.pop_first()?;
        let members = self.members(&group);
        Some(GroupChange { group, members })
    }

    /// A key under which other values are published than when it was last asked for.
    pub(crate) fn next_published(&mut self) -> Option<(Term, Arc<PublishedValues>)> {
        self.publications.next_change()
    }

    /// How many messages were ignored: unknown shapes, and what strangers announced.
    #[cfg(test)]
    pub(crate) fn ignored(&self) -> u64 {
        self.ignored
    }

    /// How many memberships of a peer were refused at the bound since it connected.
    #[cfg(test)]
    pub(crate) fn refused(&self, peer: &NodeName) -> u64 {
        self.peers.get(peer).map_or(0, |state| state.refused)
    }

    /// Asks whoever has the scope's name at a peer. The monitor comes first: what has the name when
    /// it arrives will get the question, or its end will be reported.
    fn ask(&mut self, name: &NodeName) -> MonitorId {
        let monitor = self.monitor(name, Destination::Name);
        let message = message::discover(&self.own);
        self.send(name, Destination::Name, message);
        monitor
    }

    /// Answers with all that is here, and asks back if the other scope is new.
    fn discovered(&mut self, name: &NodeName, scope: Pid) {
        let known = self
            .peers
            .get(name)
            .is_some_and(|peer| peer.is_found(&scope));
        match self.own_sync() {
            Ok(message) => self.send(name, Destination::Pid(scope.clone()), message),
            Err(error) => tracing::error!(peer = %name, %error, "failed to announce groups"),
        }
        if !known {
            self.find(name, scope.clone());
            let message = message::discover(&self.own);
            self.send(name, Destination::Pid(scope), message);
        }
    }

    /// Tells what a peer takes, if that is something else than was known.
    fn learn(&mut self, name: &NodeName, known: Features) {
        if let Some(peer) = self.peers.get(name)
            && peer.features != known
        {
            self.actions.push_back(Action::Learn {
                peer: name.clone(),
                features: peer.features,
            });
        }
    }

    /// All that is here, as a message. A peer may ask for it again and again.
    fn own_sync(&mut self) -> Result<Bytes, EncodeError> {
        if let Some(message) = &self.own_sync {
            return Ok(message.clone());
        }
        let local = self.local.iter();
        let local = local.map(|(group, pids)| (group, pids.as_slice()));
        let own = std::slice::from_ref(&self.own);
        let introduction = self.introduction.iter().map(|group| (group, own));
        let groups: Vec<_> = local.chain(introduction).collect();
        let message = message::sync(&self.own, groups.into_iter())?;
        self.own_sync = Some(message.clone());
        Ok(message)
    }

    /// Ends the search for the scope of a peer, in favour of this one.
    fn find(&mut self, name: &NodeName, scope: Pid) {
        let monitor = self.monitor(name, Destination::Pid(scope.clone()));
        let Some(peer) = self.peers.get_mut(name) else {
            return;
        };
        let (before, changed) = peer.found(scope, monitor);
        match before {
            Search::Waiting { until } => {
                self.timers.remove(&(until, name.clone()));
            }
            Search::Asked { monitor } => self.demonitor(name, Destination::Name, monitor),
            Search::Found { scope, monitor } => {
                self.demonitor(name, Destination::Pid(scope), monitor);
            }
        }
        self.apply(name, changed);
    }

    /// Takes a local process out of groups, and tells every scope that is known.
    fn leave(&mut self, pid: &Pid, groups: &[Term]) -> bool {
        let changed = self
            .local
            .leave(std::slice::from_ref(pid), &counted(groups));
        let left = !changed.is_empty();
        if left {
            self.own_sync = None;
            self.apply(&self.node.clone(), changed);
            match message::leave(&self.own, pid, groups) {
                Ok(message) => self.broadcast(&message),
                Err(error) => tracing::error!(%error, "failed to announce that a process left"),
            }
        }
        left
    }

    /// Puts what a node has in groups now into their members.
    fn apply(&mut self, node: &NodeName, changed: Vec<Changed>) {
        for (group, pids) in changed {
            self.version += 1;
            self.publications
                .group_changed(&group, node, !pids.is_empty());
            let members = self.groups.entry(group.clone()).or_default();
            Arc::make_mut(members).set(self.version, node, pids);
            if members.is_empty() {
                self.groups.remove(&group);
            }
            self.changed.insert(group);
        }
    }

    fn broadcast(&mut self, message: &Bytes) {
        for (name, peer) in &self.peers {
            if let Search::Found { scope, .. } = &peer.search {
                self.actions.push_back(Action::Send {
                    peer: name.clone(),
                    to: Destination::Pid(scope.clone()),
                    message: message.clone(),
                });
            }
        }
    }

    fn send(&mut self, peer: &NodeName, to: Destination, message: Bytes) {
        self.actions.push_back(Action::Send {
            peer: peer.clone(),
            to,
            message,
        });
    }

    fn monitor(&mut self, peer: &NodeName, target: Destination) -> MonitorId {
        let id = MonitorId(self.next_monitor);
        self.next_monitor += 1;
        self.actions.push_back(Action::Monitor {
            peer: peer.clone(),
            target,
            id,
        });
        id
    }

    fn demonitor(&mut self, peer: &NodeName, target: Destination, id: MonitorId) {
        self.actions.push_back(Action::Demonitor {
            peer: peer.clone(),
            target,
            id,
        });
    }

    fn ignore(&mut self, peer: &NodeName, reason: &str) {
        self.ignored += 1;
        tracing::debug!(%peer, reason, "ignored a message to the scope");
    }
}

#[cfg(test)]
mod features_tests;
#[cfg(test)]
mod names_tests;
#[cfg(test)]
mod published_tests;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
