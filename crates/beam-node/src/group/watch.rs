//! The scope as the tasks of a node share it, and views of groups that follow every change.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use beam_dist::NodeName;
use beam_term::{Pid, Term};
use tokio::{sync::watch, time::Instant};

use crate::group::{Action, Members, Scope};

/// The groups of one node.
#[derive(Debug)]
pub(crate) struct Groups(Mutex<State>);

#[derive(Debug)]
struct State {
    scope: Scope,
    watched: HashMap<Term, watch::Sender<Arc<Members>>>,
    /// How many watched groups there may be before those that nobody watches are looked for.
    sweep_at: usize,
}

impl Groups {
    /// Groups of a node whose scope is the process `own`; see [`Scope::new`].
    pub(crate) fn new(node: NodeName, own: Pid, memberships_per_peer: usize) -> Self {
        Self(Mutex::new(State {
            scope: Scope::new(node, own, memberships_per_peer),
            watched: HashMap::new(),
            sweep_at: SWEEP_AT_LEAST,
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
        let mut state = self.lock();
        state.sweep();
        let State { scope, watched, .. } = &mut *state;
        let members = scope.members(&group);
        watched
            .entry(group)
            .or_insert_with(|| watch::Sender::new(members))
            .subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fewer watched groups than this are not worth a search.
const SWEEP_AT_LEAST: usize = 16;

impl State {
    /// Tells those who watch of what has changed.
    fn publish(&mut self) {
        while let Some(change) = self.scope.next_change() {
            if let Some(sender) = self.watched.get(&change.group) {
                if sender.is_closed() {
                    self.watched.remove(&change.group);
                } else {
                    sender.send_replace(change.members);
                }
            }
        }
    }

    /// Frees the groups that nobody watches any more, whenever there may be more of them than of
    /// the others.
    fn sweep(&mut self) {
        if self.watched.len() >= self.sweep_at {
            self.watched.retain(|_, sender| !sender.is_closed());
            self.sweep_at = SWEEP_AT_LEAST.max(2 * self.watched.len());
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
        (Groups::new(node.clone(), pid(1), 100), pid(2))
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
        assert!(groups.lock().watched.len() <= 2 * SWEEP_AT_LEAST);
        assert!(groups.lock().watched.contains_key(&Term::atom("kept")));
        drop(kept);

        drop(groups.watch(Term::from(7)));
        join(&groups, 7, &pid);
        assert!(!groups.lock().watched.contains_key(&Term::from(7)));
    }
}
