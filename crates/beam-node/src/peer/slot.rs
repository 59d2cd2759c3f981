//! The live link of a peer, and the one attempt to make it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use beam_dist::{
    Creation, NodeName,
    handshake::{Decision, simultaneous},
};
use tokio::{
    sync::watch,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    connect::{self, ConnectError, Progress},
    event::DownReason,
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
    /// Why the last link ended.
    ended: Mutex<Option<DownReason>>,
    turn: Mutex<()>,
    /// The attempt of this node to connect, while there is one. All who want a link wait for it.
    dialling: Mutex<Option<Dialling>>,
    progress: Progress,
    handshakes: Mutex<Handshakes>,
    /// Changes whenever a handshake that the peer began ends.
    accepted: watch::Sender<()>,
    /// Changes whenever a link comes or goes.
    changed: watch::Sender<()>,
}

/// An attempt under way.
#[derive(Clone, Debug)]
struct Dialling {
    outcome: watch::Receiver<Outcome>,
    /// Whether there is a link, in the place of which it is to make another.
    is_renewal: bool,
}

/// What an attempt came to, once it is over.
type Outcome = Option<Result<Arc<Link>, ConnectError>>;

impl Slot {
    pub(crate) fn new(name: NodeName) -> Self {
        Self {
            name,
            live: ArcSwapOption::empty(),
            ended: Mutex::default(),
            turn: Mutex::default(),
            dialling: Mutex::new(None),
            progress: Progress::default(),
            handshakes: Mutex::default(),
            accepted: watch::Sender::new(()),
            changed: watch::Sender::new(()),
        }
    }

    pub(crate) fn name(&self) -> &NodeName {
        &self.name
    }

    /// How far the attempt to connect has come.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The live link, if there is one. One that was closed is none, though it may not be withdrawn.
    pub(crate) fn live(&self) -> Option<Arc<Link>> {
        self.live.load_full().filter(|link| !link.is_closing())
    }

    /// Whether there is a live link.
    pub(crate) fn is_live(&self) -> bool {
        let live = self.live.load();
        live.as_ref().is_some_and(|link| !link.is_closing())
    }

    /// Whether a link was published and not withdrawn, even if it was closed.
    pub(crate) fn is_published(&self) -> bool {
        self.live.load().is_some()
    }

    /// Whether this node tries to connect.
    pub(crate) fn is_dialled(&self) -> bool {
        self.dialling().is_some()
    }

    /// Why there is no live link; `None` where there is one.
    pub(crate) fn down_reason(&self) -> Option<DownReason> {
        if let Some(link) = &*self.live.load() {
            return link.is_closing().then(|| link.reason());
        }
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        Some(ended.clone().unwrap_or(DownReason::Closed))
    }

    /// Whether there is a live link, on which nothing comes.
    pub(crate) fn is_suspect(&self) -> bool {
        let live = self.live.load();
        live.as_ref().is_some_and(|link| link.is_suspect())
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
        let link = async {
            loop {
                let mut attempt = self.dial(node, None)?;
                let link = tokio::select! {
                    biased;
                    outcome = attempt.outcome.wait_for(Option::is_some) => match outcome.as_deref() {
                        // It may be from before its link ended.
                        Ok(Some(Err(_))) if attempt.is_renewal => continue,
                        Ok(Some(result)) => result.clone()?,
                        // The attempt was torn down.
                        Ok(None) | Err(_) => return Err(ConnectError::Lost(self.name.clone())),
                    },
                    link = self.await_link() => link,
                };
                // The attempt may be one from before that link ended. It is over by now, so the
                // next one is another.
                if !link.is_closing() {
                    return Ok(link);
                }
            }
        };
        let timed_out = |_elapsed| ConnectError::TimedOut {
            node: self.name.clone(),
            after: in_millis(deadline.duration_since(started)),
            waiting_for: self.progress.get(),
        };
        timeout_at(deadline, link).await.map_err(timed_out)?
    }

    /// What to say to a peer that begins a handshake, given the attempt of this node and the link that
    /// there is; and what stands for that handshake if it goes on.
    ///
    /// As long as the peer cannot know of an attempt of this node, it may be one that leads nowhere,
    /// as the peer may not listen. One to [renew](Self::renew) the link counts for a moment, in which the two
    /// may cross: a peer that hung may have let another one take its name.
    pub(crate) fn accept(
        self: &Arc<Self>,
        own: &NodeName,
        creation: Creation,
        live: Option<&Link>,
    ) -> (Decision, Option<Accepting>) {
        let mut handshakes = self.handshakes();
        let is_simultaneous = match (handshakes.began_own, live) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(began), Some(live)) => {
                live.is_suspect() && live.creation == creation && began.elapsed() < CROSSING
            }
        };
        let decision = match is_simultaneous {
            true => simultaneous(own, &self.name),
            false => Decision::Ok,
        };
        if decision == Decision::Nok {
            return (decision, None);
        }
        handshakes.accepting += 1;
        let decision = live.map_or(decision, |_| Decision::Alive);
        (decision, Some(Accepting(Arc::clone(self))))
    }

    /// Begins a handshake of this node, once those that the peer has begun are over: both would come
    /// to a link otherwise, at different moments, and one of the two would not last.
    ///
    /// The wait has a bound, because whoever connects in the name of the peer may be a stranger.
    pub(crate) async fn begin(&self) -> OwnHandshake<'_> {
        let mut accepted = self.accepted.subscribe();
        let undisturbed = async {
            loop {
                accepted.mark_unchanged();
                if let Some(own) = self.begin_undisturbed() {
                    return own;
                }
                if accepted.changed().await.is_err() {
                    // The sender is a part of this slot.
                    return std::future::pending().await;
                }
            }
        };
        match timeout(ACCEPTING_PATIENCE, undisturbed).await {
            Ok(own) => own,
            Err(_elapsed) => OwnHandshake::begin(self, &mut self.handshakes()),
        }
    }

    /// Begins a handshake of this node, unless the peer has begun one: from here on the peer is told
    /// that they are simultaneous.
    fn begin_undisturbed(&self) -> Option<OwnHandshake<'_>> {
        let mut handshakes = self.handshakes();
        (handshakes.accepting == 0).then(|| OwnHandshake::begin(self, &mut handshakes))
    }

    /// Waits for the turn to change which link is live, and what follows from that.
    pub(crate) fn turn(&self) -> Turn<'_> {
        Turn {
            slot: self,
            _lock: self.turn.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Whether a link comes or goes from now on.
    pub(crate) fn changes(&self) -> Changes {
        Changes(self.changed.subscribe())
    }

    /// Tries to make another link in the place of this one, on which nothing comes. It lives on if that
    /// fails, or if something comes meanwhile. An attempt that is under way serves.
    pub(crate) fn renew(self: &Arc<Self>, node: &Arc<NodeState>, link: &Arc<Link>) {
        // The outcome is seen by the link that is live.
        let _ = self.dial(node, Some(Arc::clone(link)));
    }

    /// Waits until the peer has a live link.
    pub(crate) async fn await_link(&self) -> Arc<Link> {
        self.await_link_besides(None).await
    }

    /// Waits until the peer has a live link which is not this one.
    pub(crate) async fn await_link_besides(&self, other: Option<&Link>) -> Arc<Link> {
        let is_other = |link: &Arc<Link>| other.is_some_and(|other| other.id == link.id);
        self.until(|live| live.filter(|link| !is_other(link))).await
    }

    /// Waits until this link is not the live one.
    pub(crate) async fn await_end(&self, link_id: u64) {
        let is_live = |link: Arc<Link>| link.id == link_id;
        self.until(|live| (!live.is_some_and(is_live)).then_some(()))
            .await
    }

    /// Waits until there is no live link.
    pub(crate) async fn await_loss(&self) {
        self.until(|live| live.is_none().then_some(())).await
    }

    /// Waits until a look at the live link gives something.
    async fn until<T>(&self, look: impl Fn(Option<Arc<Link>>) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            if let Some(seen) = look(self.live()) {
                return seen;
            }
            if changed.changed().await.is_err() {
                // The sender is a part of this slot.
                return std::future::pending().await;
            }
        }
    }

    fn dial(
        self: &Arc<Self>,
        node: &Arc<NodeState>,
        instead_of: Option<Arc<Link>>,
    ) -> Result<Dialling, ConnectError> {
        let mut dialling = self.dialling();
        if let Some(attempt) = &*dialling {
            return Ok(attempt.clone());
        }
        if self.name == *node.name() {
            return Err(ConnectError::OwnName(self.name.clone()));
        }
        let (done, outcome) = watch::channel(None);
        let attempt = Dialling {
            outcome,
            is_renewal: instead_of.is_some(),
        };
        *dialling = Some(attempt.clone());
        let (slot, node) = (Arc::clone(self), Arc::clone(node));
        node.spawn({
            let node = Arc::clone(&node);
            async move {
                let under_way = UnderWay(&slot);
                let result = match &instead_of {
                    Some(silent) => connect::renew(&node, &slot, silent).await,
                    None => connect::dial(&node, &slot).await,
                };
                drop(under_way);
                if let Err(reason) = &result
                    && instead_of.is_none()
                {
                    node.connect_failed(&slot.name, reason);
                }
                done.send_replace(Some(result));
            }
        });
        Ok(attempt)
    }

    fn handshakes(&self) -> MutexGuard<'_, Handshakes> {
        self.handshakes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn dialling(&self) -> MutexGuard<'_, Option<Dialling>> {
        self.dialling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attempt to connect under way. However it ends, another one can begin.
struct UnderWay<'a>(&'a Slot);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        *self.0.dialling() = None;
    }
}

/// The handshakes that are under way with a peer.
#[derive(Debug, Default)]
struct Handshakes {
    /// When this node began one. There is one at a time, as there is one attempt.
    began_own: Option<Instant>,
    /// How many the peer began, or whoever claims to be it.
    accepting: usize,
}

/// A handshake that this node has begun.
#[must_use = "it is over when this is dropped"]
pub(crate) struct OwnHandshake<'a>(&'a Slot);

impl<'a> OwnHandshake<'a> {
    fn begin(slot: &'a Slot, handshakes: &mut Handshakes) -> Self {
        handshakes.began_own = Some(Instant::now());
        Self(slot)
    }
}

impl Drop for OwnHandshake<'_> {
    fn drop(&mut self) {
        self.0.handshakes().began_own = None;
    }
}

/// A handshake that the peer has begun. It is over when its link is published, or none comes of it.
#[derive(Debug)]
#[must_use = "it is over when this is dropped"]
pub(crate) struct Accepting(Arc<Slot>);

impl Drop for Accepting {
    fn drop(&mut self) {
        self.0.handshakes().accepting -= 1;
        self.0.accepted.send_replace(());
    }
}

/// How long an own handshake waits for those of the peer: longer than these take, unless somebody
/// wants to keep this node from connecting.
const ACCEPTING_PATIENCE: Duration = Duration::from_secs(1);

/// How long a handshake to renew a link may cross one of the peer.
const CROSSING: Duration = Duration::from_secs(3);

/// What has happened to the link of a peer since it was asked for.
#[derive(Debug)]
pub(crate) struct Changes(watch::Receiver<()>);

impl Changes {
    /// Whether a link came or went.
    pub(crate) fn happened(&self) -> bool {
        self.0.has_changed().unwrap_or(false)
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
    /// The link that was published and not withdrawn, even if it was closed.
    pub(crate) fn published(&self) -> Option<Arc<Link>> {
        self.slot.live.load_full()
    }

    /// Whether this is the link that was published and not withdrawn.
    pub(crate) fn is_published(&self, link: &Link) -> bool {
        let live = self.slot.live.load();
        live.as_ref().is_some_and(|live| live.id == link.id)
    }

    /// Makes `link` the live one.
    pub(crate) fn set_live(&self, link: &Arc<Link>) {
        self.slot.live.store(Some(Arc::clone(link)));
        self.slot.changed.send_replace(());
    }

    /// Forgets `link` if it is the live one.
    pub(crate) fn forget(&self, link: &Link) {
        if self.is_published(link) {
            let mut ended = self
                .slot
                .ended
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *ended = Some(link.reason());
            drop(ended);
            self.slot.live.store(None);
            self.slot.changed.send_replace(());
        }
    }
}

/// The timeout that somebody asked for a moment ago, of which a bit is gone.
fn in_millis(rest: Duration) -> Duration {
    Duration::from_millis(u64::try_from(rest.as_micros().div_ceil(1000)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_own_handshake_and_one_of_the_peer_are_never_both_the_only_one() {
        // The own one goes on when both are there.
        let own: NodeName = "b@host".parse().unwrap();
        let slot = Arc::new(Slot::new("a@host".parse().unwrap()));
        assert_eq!(simultaneous(&own, slot.name()), Decision::Nok);
        let done = Arc::new(AtomicBool::new(false));
        // As long as it runs the clock stands still, so that patience has no end.
        let peer = tokio::task::spawn_blocking({
            let (slot, done) = (Arc::clone(&slot), Arc::clone(&done));
            move || {
                let mut both = 0;
                while !done.load(Ordering::Relaxed) {
                    let (_, accepting) = slot.accept(&own, Creation::new(7), None);
                    if accepting.is_some() {
                        std::thread::yield_now();
                        both += u32::from(slot.handshakes().began_own.is_some());
                    }
                }
                both
            }
        });

        for _ in 0..100_000 {
            drop(slot.begin().await);
            tokio::task::yield_now().await;
        }
        done.store(true, Ordering::Relaxed);
        assert_eq!(peer.await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_own_handshake_does_not_wait_for_ever_for_one_of_the_peer() {
        let slot = Arc::new(Slot::new("a@host".parse().unwrap()));
        let (decision, _accepting) =
            slot.accept(&"b@host".parse().unwrap(), Creation::new(7), None);
        assert_eq!(decision, Decision::Ok);
        let begun = Instant::now();

        let own = slot.begin().await;

        assert!(begun.elapsed() >= ACCEPTING_PATIENCE);
        assert!(slot.handshakes().began_own.is_some());
        drop(own);
        assert!(slot.handshakes().began_own.is_none());
    }
}
