//! Names that others told, which may be those of nodes that cannot be reached, or of none at all.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use beam_dist::NodeName;
use tokio::{sync::Semaphore, time::Instant};

use super::attempts::{Attempts, met_with_silence};
use crate::{deadline, peer::Slot, seldom::Seldom, settling::Question, state::NodeState};

/// After how many refusals in a row a name is given up. Silence is no refusal: a name that meets with
/// nothing else is given up after a [long outage](Attempts::is_long_outage).
///
/// Nodes that live for one command show up in the lists of others, and are gone before anybody
/// can connect to them.
const REFUSALS: u32 = 6;

/// How long a name is left alone that was given up for the first time, however often it is told.
const FIRST_REST: Duration = Duration::from_secs(10);

/// How long it is left alone in the end. Nodes that do not listen are told of for as long as they
/// are connected to others.
const LONGEST_REST: Duration = Duration::from_secs(160);

/// How many names are tried for the first time at a time. One answer may have thousands of them.
const FIRST_DIALS_AT_A_TIME: usize = 16;

/// How many are tried again at a time. In a cut these attempts take long, and those that can be
/// reached again wait for those that cannot.
const DIALS_AT_A_TIME: usize = 64;

/// The names that others told.
#[derive(Debug)]
pub(super) struct Learned {
    names: Mutex<HashMap<NodeName, Found>>,
    /// They are connected without having been told.
    configured: HashSet<NodeName>,
    first_dials: Semaphore,
    dials: Semaphore,
    warned: Seldom,
}

/// What became of a name.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    /// How often it was given up in a row.
    given_up: u32,
    /// Whether the last attempt failed.
    failed: bool,
    /// Until when it is left alone; none while it is tried or connected.
    rests_until: Option<Instant>,
}

impl Learned {
    pub(super) fn new(configured: &[NodeName]) -> Self {
        Self {
            names: Mutex::default(),
            configured: configured.iter().cloned().collect(),
            first_dials: Semaphore::new(FIRST_DIALS_AT_A_TIME),
            dials: Semaphore::new(DIALS_AT_A_TIME),
            warned: Seldom::default(),
        }
    }

    /// Tries a name, unless it is tried or connected already, or is to be left alone. Whether it can
    /// be reached is part of the question, if there is one.
    pub(super) fn learn(
        self: &Arc<Self>,
        node: &Arc<NodeState>,
        name: &str,
        from: &impl Display,
        question: Option<&Question>,
    ) {
        let Ok(name) = NodeName::try_from(name) else {
            return;
        };
        if name == *node.name()
            || name.is_long() != node.name().is_long()
            || self.configured.contains(&name)
            || !node.allowed.allows_name(&name)
        {
            return;
        }
        let slot = node.slot(&name);
        if slot.live().is_some() {
            self.recovered(&name);
        } else if self.begin(&name, node.identity.limits.learned_peers) {
            tracing::debug!(peer = %name, %from, "learned of a node");
            let question = question.map(|_| node.settling.question(&name));
            let (learned, tried) = (Arc::clone(self), Arc::clone(node));
            node.spawn(async move {
                let tries = learned.try_to_connect(&tried, &slot, question);
                tried.draining.run_until_cancelled(tries).await;
            });
        }
    }

    /// Whether the last attempt at a name failed.
    pub(super) fn has_failed(&self, name: &NodeName) -> bool {
        self.names().get(name).is_some_and(|found| found.failed)
    }

    /// Whether a name is to be tried now: it is new and there is room, or it has rested.
    fn begin(&self, name: &NodeName, limit: usize) -> bool {
        let mut names = self.names();
        let now = Instant::now();
        if let Some(found) = names.get_mut(name) {
            let has_rested = found.rests_until.is_some_and(|until| until <= now);
            if has_rested {
                found.rests_until = None;
            }
            return has_rested;
        }
        if names.len() >= limit && !make_room(&mut names) {
            if let Some(left_out) = self.warned.now() {
                tracing::warn!(peer = %name, left_out, "ignored a node that others know: the limit `learned_peers` is reached");
            }
            return false;
        }
        names.insert(name.clone(), Found::default());
        true
    }

    /// Connects, and reconnects, until it fails too often in a row.
    async fn try_to_connect(
        &self,
        node: &Arc<NodeState>,
        slot: &Arc<Slot>,
        question: Option<Question>,
    ) {
        let mut question = question;
        let name = slot.name();
        let mut attempts = Attempts::new();
        let mut dials = &self.first_dials;
        let mut refusals = 0;
        loop {
            let attempt = {
                // It is never closed.
                let _turn = dials.acquire().await;
                attempts.begin();
                slot.link(node, deadline::after(node.handshake_timeout()))
                    .await
            };
            drop(question.take());
            dials = &self.dials;
            match attempt {
                Ok(_link) => {
                    self.recovered(name);
                    refusals = 0;
                    let since = Instant::now();
                    slot.await_loss().await;
                    attempts.lost(since.elapsed());
                }
                Err(error) => {
                    tracing::debug!(peer = %name, %error, "failed to connect to a learned node");
                    attempts.failed();
                    refusals += u32::from(!met_with_silence(&error));
                    let is_enough = refusals >= REFUSALS || attempts.is_long_outage();
                    if self.failed(name, is_enough) {
                        return;
                    }
                }
            }
            attempts.pause().await;
        }
    }

    /// A node is connected, by whatever way. One that was left alone is as good as new.
    fn recovered(&self, name: &NodeName) {
        let mut names = self.names();
        if let Some(found) = names.get_mut(name) {
            found.failed = false;
            found.given_up = 0;
            if found.rests_until.is_some() {
                names.remove(name);
            }
        }
    }

    /// Notes a failure, and tells whether the name is given up: it is after enough of them, or after
    /// the first one since it has rested.
    fn failed(&self, name: &NodeName, is_enough: bool) -> bool {
        let mut names = self.names();
        let Entry::Occupied(mut entry) = names.entry(name.clone()) else {
            return true;
        };
        let found = entry.get_mut();
        found.failed = true;
        let is_given_up = is_enough || found.given_up > 0;
        if is_given_up {
            let rest = FIRST_REST.saturating_mul(1 << found.given_up.min(16));
            found.rests_until = Some(Instant::now() + rest.min(LONGEST_REST));
            found.given_up += 1;
        }
        is_given_up
    }

    /// Every critical section is some look-ups and one change.
    fn names(&self) -> MutexGuard<'_, HashMap<NodeName, Found>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets the name that is left alone for the shortest time from now; `false` if there is none.
fn make_room(names: &mut HashMap<NodeName, Found>) -> bool {
    let resting = names
        .iter()
        .filter_map(|(name, found)| Some((found.rests_until?, name)));
    match resting.min().map(|(_, name)| name.clone()) {
        Some(name) => names.remove(&name).is_some(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn name(number: u32) -> NodeName {
        format!("n{number}@h").parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_cannot_be_reached_rests_longer_and_longer() {
        let learned = Learned::new(&[]);
        assert!(learned.begin(&name(1), 10));
        assert!(!learned.begin(&name(1), 10));
        assert!(!learned.has_failed(&name(1)));
        assert!(!learned.failed(&name(1), false));
        assert!(learned.failed(&name(1), true));
        assert!(learned.has_failed(&name(1)));

        for rest in [10, 20, 40, 80, 160, 160] {
            advance(Duration::from_secs(rest) - Duration::from_millis(1)).await;
            assert!(!learned.begin(&name(1), 10), "{rest}");
            advance(Duration::from_millis(1)).await;
            assert!(learned.begin(&name(1), 10), "{rest}");
            assert!(learned.failed(&name(1), false));
        }
        learned.recovered(&name(1));
        assert!(!learned.has_failed(&name(1)));
        assert!(learned.begin(&name(1), 10));
        assert!(!learned.failed(&name(1), false));
    }

    #[tokio::test(start_paused = true)]
    async fn names_that_rest_make_room_for_new_ones() {
        let learned = Learned::new(&[]);
        assert!(learned.begin(&name(1), 2) && learned.begin(&name(2), 2));
        assert!(!learned.begin(&name(3), 2));
        assert!(learned.failed(&name(1), true));

        assert!(learned.begin(&name(3), 2));
        assert!(!learned.begin(&name(4), 2));
        assert!(learned.failed(&name(3), true));
        assert!(learned.begin(&name(1), 2), "it is new again");
    }
}
