//! The live link of a peer, and the one attempt to make it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use beam_dist::NodeName;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
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
    live: ArcSwapOption<Link>,
    turn: Mutex<()>,
    dialling: Mutex<Option<Dialling>>,
    /// Changes whenever a link comes or goes.
    changed: watch::Sender<()>,
}

/// What an attempt came to, once it is over.
type Outcome = Option<Result<Arc<Link>, ConnectError>>;

/// An attempt of this node to connect, shared by all who wait for it.
#[derive(Debug)]
struct Dialling {
    outcome: watch::Receiver<Outcome>,
    /// Tells the attempt to make way for one that the peer made.
    give_way: CancellationToken,
}

impl Slot {
    pub(crate) fn new(name: NodeName) -> Self {
        Self {
            name,
            live: ArcSwapOption::empty(),
            turn: Mutex::default(),
            dialling: Mutex::new(None),
            changed: watch::Sender::new(()),
        }
    }

    pub(crate) fn name(&self) -> &NodeName {
        &self.name
    }

    /// The live link, if there is one.
    pub(crate) fn live(&self) -> Option<Arc<Link>> {
        self.live.load_full()
    }

    /// Whether there is a live link.
    pub(crate) fn is_live(&self) -> bool {
        self.live.load().is_some()
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

    /// Whether this node is dialling the peer right now.
    pub(crate) fn is_dialling(&self) -> bool {
        self.dialling().is_some()
    }

    /// Lets an attempt of the peer pass before our own. What waited for ours then gets the link
    /// that the peer makes.
    pub(crate) fn give_way(&self) {
        if let Some(dialling) = &*self.dialling() {
            dialling.give_way.cancel();
        }
    }

    /// Waits for the turn to change which link is live, and what follows from that.
    pub(crate) fn turn(&self) -> Turn<'_> {
        Turn {
            slot: self,
            _lock: self.turn.lock().unwrap_or_else(PoisonError::into_inner),
        }
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
        tokio::time::timeout(patience, found).await.ok().flatten()
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
        let mut dialling = self.dialling();
        if let Some(dialling) = &*dialling {
            return Ok(dialling.outcome.clone());
        }
        if self.name == *node.name() {
            return Err(ConnectError::OwnName(self.name.clone()));
        }
        let (done, outcome) = watch::channel(None);
        let give_way = CancellationToken::new();
        *dialling = Some(Dialling {
            outcome: outcome.clone(),
            give_way: give_way.clone(),
        });
        let (slot, node) = (Arc::clone(self), Arc::clone(node));
        node.spawn({
            let node = Arc::clone(&node);
            async move {
                // A link that the peer made meanwhile serves as well.
                let result = match slot.live() {
                    Some(link) => Ok(link),
                    None => connect::dial(&node, &slot, give_way).await,
                };
                *slot.dialling() = None;
                if let Err(reason) = &result {
                    node.refused(&slot.name, reason);
                }
                done.send_replace(Some(result));
            }
        });
        Ok(outcome)
    }

    fn dialling(&self) -> MutexGuard<'_, Option<Dialling>> {
        self.dialling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn to change which link of a peer is live. Only one task at a time has it, and none waits
/// while it does.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    slot: &'a Slot,
    _lock: MutexGuard<'a, ()>,
}

impl Turn<'_> {
    /// Makes `link` the live one.
    pub(crate) fn set_live(&self, link: &Arc<Link>) {
        self.slot.live.store(Some(Arc::clone(link)));
        self.slot.changed.send_replace(());
    }

    /// Forgets `link` if it is the live one.
    pub(crate) fn forget(&self, link: &Link) {
        if self.slot.live().is_some_and(|live| live.id == link.id) {
            self.slot.live.store(None);
            self.slot.changed.send_replace(());
        }
    }
}

/// The timeout that somebody asked for a moment ago, of which a bit is gone.
fn in_millis(rest: Duration) -> Duration {
    Duration::from_millis(u64::try_from(rest.as_micros().div_ceil(1000)).unwrap_or(u64::MAX))
}
