//! The scope as the tasks of a node share it, and views of groups that follow every change.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use beam_dist::NodeName;
use beam_term::{Pid, Term};
use tokio::{sync::watch, time::Instant};

use crate::group::{Action, Bound, Features, Members, PublishedValues, Scope, pids::Pids};

/// The groups of one node.
#[derive(Debug)]
pub(crate) struct Groups(Mutex<State>);

#[derive(Debug)]
struct State {
    scope: Scope,
    members: Watched<Members>,
    published: Watched<PublishedValues>,
    /// How often anything changed.
    changes: watch::Sender<u64>,
}

/// Values by name, which change, and those who watch them.
#[derive(Debug)]
struct Watched<T> {
    senders: HashMap<Term, watch::Sender<Arc<T>>>,
    /// How many there may be before those that nobody watches are looked for.
    sweep_at: usize,
}

impl Groups {
    /// Groups of a node whose scope is the process `own`; see [`Scope::new`].
    pub(crate) fn new(node: NodeName, own: Pid, bound: Bound) -> Self {
        Self(Mutex::new(State {
            scope: Scope::new(node, own, bound).introducing(Features::OWN),
            members: Watched::default(),
            published: Watched::default(),
            changes: watch::Sender::new(0),
        }))
    }

    /// Feeds the scope, and performs what it asks for.
    ///
    /// All happens under one lock, so that messages to a peer keep their order: `perform` queues
    /// them, and must not come back here.
    pub(crate) fn update<R>(
        &self,
        input: impl FnOnce(&mut Scope) -> R,
        mut perform: impl FnMut(Action),
    ) -> R {
        let mut state = self.lock();
        let result = input(&mut state.scope);
        while let Some(action) = state.scope.next_action() {
            perform(action);
        }
        state.publish();
        result
    }

    /// When the scope is to be fed with [`Scope::timer`].
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.lock().scope.next_timer()
    }

    /// What a peer has announced in a group.
    pub(crate) fn announced(&self, peer: &NodeName, group: &Term) -> Pids {
        self.lock().scope.announced(peer, group)
    }

    /// Whether a peer has nothing more to tell; see [`Scope::has_answered`].
    pub(crate) fn has_answered(&self, peer: &NodeName) -> bool {
        self.lock().scope.has_answered(peer)
    }

    /// How many memberships a peer has.
    pub(crate) fn memberships(&self, peer: &NodeName) -> usize {
        self.lock().scope.memberships(peer)
    }

    /// The members of a group now.
    pub(crate) fn members(&self, group: &Term) -> Arc<Members> {
        self.lock().scope.members(group)
    }

    /// The members of a group, as a value that follows every change.
    pub(crate) fn watch(&self, group: Term) -> watch::Receiver<Arc<Members>> {
        let State { scope, members, .. } = &mut *self.lock();
        let now = scope.members(&group);
        members.watch(group, now)
    }

    /// What nodes publish under a key now.
    pub(crate) fn published(&self, key: &Term) -> Arc<PublishedValues> {
        self.lock().scope.published(key)
    }

    /// What nodes publish under a key, as a value that follows every change.
    pub(crate) fn watch_published(&self, key: Term) -> watch::Receiver<Arc<PublishedValues>> {
        let State {
            scope, published, ..
        } = &mut *self.lock();
        let now = scope.published(&key);
        published.watch(key, now)
    }

    /// How often any group has changed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.lock().changes.subscribe()
    }

    /// The members of a group and what nodes publish under a key, at one moment.
    pub(crate) fn members_and_published(
        &self,
        group: &Term,
        key: &Term,
    ) -> (Arc<Members>, Arc<PublishedValues>) {
        let scope = &self.lock().scope;
        (scope.members(group), scope.published(key))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Tells those who watch of what has changed.
    fn publish(&mut self) {
        let before = *self.changes.borrow();
        let mut changes = before;
        while let Some((key, values)) = self.scope.next_published() {
            self.published.tell(&key, values);
            changes += 1;
        }
        while let Some(change) = self.scope.next_change() {
            self.members.tell(&change.group, change.members);
            changes += 1;
        }
        if changes > before {
            self.changes.send_replace(changes);
        }
    }
}

/// Fewer watched values than this are not worth a search.
const SWEEP_AT_LEAST: usize = 16;

impl<T> Watched<T> {
    /// Watches what has this name, which is `now`.
    fn watch(&mut self, name: Term, now: Arc<T>) -> watch::Receiver<Arc<T>> {
        self.sweep();
        self.senders
            .entry(name)
            .or_insert_with(|| watch::Sender::new(now))
            .subscribe()
    }

    fn tell(&mut self, name: &Term, value: Arc<T>) {
        if let Some(sender) = self.senders.get(name) {
            if sender.is_closed() {
                self.senders.remove(name);
            } else {
                sender.send_replace(value);
            }
        }
    }

    /// Frees those that nobody watches any more, whenever there may be more of them than of the
    /// others.
    fn sweep(&mut self) {
        if self.senders.len() >= self.sweep_at {
            self.senders.retain(|_, sender| !sender.is_closed());
            self.sweep_at = SWEEP_AT_LEAST.max(2 * self.senders.len());
        }
    }
}

impl<T> Default for Watched<T> {
    fn default() -> Self {
        Self {
            senders: HashMap::new(),
            sweep_at: SWEEP_AT_LEAST,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup() -> (Groups, Pid) {
        let node: NodeName = "own@h".parse().unwrap();
        let pid = |id| Pid {
            node: node.as_atom().clone(),
            id,
            serial: 0,
            creation: 1,
        };
        (Groups::new(node.clone(), pid(1), Bound::NONE), pid(2))
    }

    fn join(groups: &Groups, group: u32, pid: &Pid) {
        let result = groups.update(|scope| scope.local_join(&Term::from(group), pid), drop);
        assert_eq!(result, Ok(()));
    }

    #[test]
    fn a_watcher_sees_the_members_now_and_every_change_of_its_group() {
        let (groups, pid) = setup();
        join(&groups, 1, &pid);
        let mut watcher = groups.watch(Term::from(1));
        assert_eq!(watcher.borrow_and_update().len(), 1);

        join(&groups, 2, &pid);
        assert!(!watcher.has_changed().unwrap());
        groups.update(|scope| scope.local_exit(&pid), drop);
        assert!(watcher.has_changed().unwrap());
        assert!(watcher.borrow_and_update().is_empty());

        join(&groups, 1, &pid);
        assert_eq!(*watcher.borrow(), groups.members(&Term::from(1)));
    }

    #[test]
    fn actions_are_performed_in_the_order_that_they_are_asked_for() {
        let (groups, _) = setup();
        let peer: NodeName = "peer@h".parse().unwrap();
        let mut performed = Vec::new();
        groups.update(
            |scope| scope.link_up(&peer),
            |action| performed.push(action),
        );
        assert!(matches!(
            performed[..],
            [Action::Monitor { .. }, Action::Send { .. }]
        ));
    }

    #[test]
    fn groups_that_nobody_watches_any_more_are_freed() {
        let (groups, pid) = setup();
        let kept = groups.watch(Term::atom("kept"));
        for group in 0..10_000 {
            drop(groups.watch(Term::from(group)));
        }
        assert!(groups.lock().members.senders.len() <= 2 * SWEEP_AT_LEAST);
        assert!(
            groups
                .lock()
                .members
                .senders
                .contains_key(&Term::atom("kept"))
        );
        drop(kept);

        drop(groups.watch(Term::from(7)));
        join(&groups, 7, &pid);
        assert!(!groups.lock().members.senders.contains_key(&Term::from(7)));
    }

    #[test]
    fn a_watcher_of_a_key_sees_every_change_of_its_values() {
        let (groups, pid) = setup();
        let publish = |key: u32, value: u32| {
            let publish =
                |scope: &mut Scope| scope.local_publish(&Term::from(key), value.into(), &pid, None);
            groups.update(publish, drop).unwrap();
        };
        publish(1, 10);
        let mut watcher = groups.watch_published(Term::from(1));
        let values = |values: &PublishedValues| -> Vec<_> {
            let terms = values.values().map(|value| Term::clone(value));
            terms.collect()
        };
        assert_eq!(values(&watcher.borrow_and_update()), [Term::from(10)]);

        publish(2, 20);
        assert!(!watcher.has_changed().unwrap());
        publish(1, 11);
        assert!(watcher.has_changed().unwrap());
        assert_eq!(values(&watcher.borrow_and_update()), [Term::from(11)]);
        groups.update(|scope| scope.local_exit(&pid), drop);
        assert_eq!(values(&watcher.borrow_and_update()), []);
        assert_eq!(*watcher.borrow(), groups.published(&Term::from(1)));
    }
}
