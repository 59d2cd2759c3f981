//! The live link of a peer, and the one attempt to make it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use beam_dist::{
    NodeName,
    handshake::{Decision, simultaneous},
};
use tokio::{
    sync::watch,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    connect::{self, ConnectError},
    link::Link,
    state::NodeState,
};

/// Another node that this one knows by name, with the live link to it, if any.
///
/// There is one value per name and node for as long as anybody holds it, so that a balancer can
/// keep it across reconnects.
#[derive(Debug)]
pub(crate) struct Slot {
    name: NodeName,
    link: ArcSwapOption<Link>,
    attempts: Mutex<Attempts>,
    turn: Mutex<()>,
    /// Changes whenever a link comes or goes, or an attempt of the peer ends.
    changed: watch::Sender<()>,
}

/// The attempts to connect that are under way.
#[derive(Debug, Default)]
struct Attempts {
    /// That of this node.
    dialling: Option<Dialling>,
    /// How many the peer makes that were let pass.
    accepting: usize,
}

/// An attempt of the peer that was let pass; it is under way until this is dropped.
#[derive(Debug)]
pub(crate) struct Accepting(Arc<Slot>);

/// What an attempt came to, once it is over.
type Outcome = Option<Result<Arc<Link>, ConnectError>>;

/// An attempt of this node to connect, shared by all who wait for it.
#[derive(Debug)]
struct Dialling {
    outcome: watch::Receiver<Outcome>,
    /// Tells the attempt to make way for one that the peer made.
    give_way: CancellationToken,
    /// Whether the peer may know of the attempt. Before that it waits for those of the peer.
    begun: bool,
}

/// How long an own attempt waits for one of the peer, which then serves as well. It takes a few
/// round trips, unless somebody who has no cookie wants to keep this node from connecting.
const ACCEPTING_PATIENCE: Duration = Duration::from_secs(1);

impl Slot {
    pub(crate) fn new(name: NodeName) -> Self {
        Self {
            name,
            link: ArcSwapOption::empty(),
            attempts: Mutex::default(),
            turn: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    pub(crate) fn name(&self) -> &NodeName {
        &self.name
    }

    /// The live link, if there is one.
    pub(crate) fn live(&self) -> Option<Arc<Link>> {
        self.link.load_full()
    }

    /// Whether there is a live link.
    pub(crate) fn is_live(&self) -> bool {
        self.link.load().is_some()
    }

    /// The live link, made by dialling where there is none.
    ///
    /// All who ask at the same time wait for one attempt, which goes on when they give up.
    pub(crate) async fn link(
        self: &Arc<Self>,
        node: &Arc<NodeState>,
        deadline: Instant,
    ) -> Result<Arc<Link>, ConnectError> {
        if let Some(link) = self.live() {
            return Ok(link);
        }
        let started = Instant::now();
        let mut outcome = self.dial(node)?;
        match timeout_at(deadline, outcome.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) => outcome.clone().unwrap_or(Err(ConnectError::ShutDown)),
            Ok(Err(_abandoned)) => Err(ConnectError::ShutDown),
            Err(_elapsed) => Err(ConnectError::TimedOut {
                node: self.name.clone(),
                after: in_millis(deadline.duration_since(started)),
            }),
        }
    }

    /// What to say to an attempt of the peer, given the live link and the own attempt. One that
    /// may pass is under way until what comes with the decision is dropped.
    ///
    /// Where both have made an attempt, one of them gives way. What waited for the own one then
    /// gets the link that the peer makes.
    pub(crate) fn decide(self: &Arc<Self>, own: &NodeName) -> (Decision, Option<Accepting>) {
        let mut attempts = self.attempts();
        if self.live().is_some() {
            return (Decision::Alive, None);
        }
        let decision = match &attempts.dialling {
            Some(dialling) if dialling.begun => simultaneous(own, &self.name),
            _ => Decision::Ok,
        };
        if decision == Decision::Nok {
            return (decision, None);
        }
        if decision == Decision::OkSimultaneous
            && let Some(dialling) = &attempts.dialling
        {
            dialling.give_way.cancel();
        }
        attempts.accepting += 1;
        (decision, Some(Accepting(Arc::clone(self))))
    }

    /// Whether there is a link, or an attempt of this node to make it.
    pub(crate) fn is_live_or_dialling(&self) -> bool {
        self.attempts().dialling.is_some() || self.live().is_some()
    }

    /// Held while a link comes or goes, so that all who are told of several links to one peer are
    /// told in the same order.
    pub(crate) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes `link` the live one, and gives the one that it replaces.
    pub(crate) fn establish(&self, link: &Arc<Link>) -> Option<Arc<Link>> {
        let old = self.link.swap(Some(Arc::clone(link)));
        self.changed.send_replace(());
        old
    }

    /// Forgets `link` if it is still the live one.
    pub(crate) fn lost(&self, link: &Arc<Link>) {
        self.link.compare_and_swap(link, None);
        self.changed.send_replace(());
    }

    /// Waits until the peer has a live link, for at most `patience`.
    pub(crate) async fn await_link(&self, patience: Duration) -> Option<Arc<Link>> {
        let mut changed = self.changed.subscribe();
        let found = async {
            loop {
                changed.mark_unchanged();
                if let Some(link) = self.live() {
                    return Some(link);
                }
                changed.changed().await.ok()?;
            }
        };
        timeout(patience, found).await.ok().flatten()
    }

    /// Waits until the attempts of the peer that are under way have led to a live link, or to none,
    /// for at most `patience`.
    pub(crate) async fn await_accepted(&self, patience: Duration) -> Option<Arc<Link>> {
        let mut changed = self.changed.subscribe();
        let accepted = async {
            loop {
                changed.mark_unchanged();
                // An attempt is under way until its link is live.
                let is_over = self.attempts().accepting == 0;
                let link = self.live();
                if is_over || link.is_some() {
                    return link;
                }
                changed.changed().await.ok()?;
            }
        };
        timeout(patience, accepted).await.ok().flatten()
    }

    /// Waits until there is no live link.
    pub(crate) async fn await_loss(&self) {
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            if self.live().is_none() || changed.changed().await.is_err() {
                return;
            }
        }
    }

    fn dial(
        self: &Arc<Self>,
        node: &Arc<NodeState>,
    ) -> Result<watch::Receiver<Outcome>, ConnectError> {
        let mut attempts = self.attempts();
        if let Some(dialling) = &attempts.dialling {
            return Ok(dialling.outcome.clone());
        }
        if self.name == *node.name() {
            return Err(ConnectError::OwnName(self.name.clone()));
        }
        let (done, outcome) = watch::channel(None);
        let give_way = CancellationToken::new();
        attempts.dialling = Some(Dialling {
            outcome: outcome.clone(),
            give_way: give_way.clone(),
            begun: false,
        });
        let (slot, node) = (Arc::clone(self), Arc::clone(node));
        node.spawn({
            let node = Arc::clone(&node);
            async move {
                let result = match slot.begin().await {
                    Some(link) => Ok(link),
                    None => connect::dial(&node, &slot, give_way).await,
                };
                slot.attempts().dialling = None;
                if let Err(reason) = &result {
                    node.refused(&slot.name, reason);
                }
                done.send_replace(Some(result));
            }
        });
        Ok(outcome)
    }

    /// Begins the own attempt, unless one that the peer has made before leads to a link.
    ///
    /// Both would succeed otherwise, at different moments: what one side sends over the first link
    /// is lost when the other side takes the second one for the live one.
    async fn begin(&self) -> Option<Arc<Link>> {
        let mut changed = self.changed.subscribe();
        let decided = async {
            loop {
                changed.mark_unchanged();
                if let Some(decided) = self.try_begin(0) {
                    return decided;
                }
                // The sender lives as long as this does.
                let _ = changed.changed().await;
            }
        };
        match timeout(ACCEPTING_PATIENCE, decided).await {
            Ok(decided) => decided,
            Err(_elapsed) => self.try_begin(usize::MAX).flatten(),
        }
    }

    /// Gives the live link, else begins the own attempt if the peer makes at most so many.
    fn try_begin(&self, accepting: usize) -> Option<Option<Arc<Link>>> {
        let mut attempts = self.attempts();
        if let Some(link) = self.live() {
            return Some(Some(link));
        }
        if attempts.accepting > accepting {
            return None;
        }
        if let Some(dialling) = &mut attempts.dialling {
            dialling.begun = true;
        }
        Some(None)
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.0.attempts().accepting -= 1;
        self.0.changed.send_replace(());
    }
}

/// The timeout that somebody asked for a moment ago, of which a bit is gone.
fn in_millis(rest: Duration) -> Duration {
    Duration::from_millis(u64::try_from(rest.as_micros().div_ceil(1000)).unwrap_or(u64::MAX))
}
