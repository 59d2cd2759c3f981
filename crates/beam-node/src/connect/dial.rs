//! Connecting to a peer.

use std::{future::Future, sync::Arc, time::Duration};

use beam_dist::handshake::{Challenge, HandshakeError, Initiator, InitiatorEvent};
use tokio::time::{Instant, timeout, timeout_at};

use super::{ConnectError, Handshaken, Side, Socket, Stream, WaitingFor, exchange::Exchange};
use crate::{deadline, link::Link, peer::Slot, state::NodeState};

/// How long to wait for the attempt of a peer that has precedence, before the own one is made anew.
const PRECEDENCE: Duration = Duration::from_millis(500);

/// Connects to a peer and starts the link.
///
/// The peer may connect at the same time: a link that it makes serves as well. An attempt is given
/// up for a link that is there, and never for less, as whoever connects in the name of the peer may
/// be a stranger.
pub(crate) async fn dial(
    node: &Arc<NodeState>,
    slot: &Arc<Slot>,
) -> Result<Arc<Link>, ConnectError> {
    let aim = Aim::Link;
    unless_stopped(node, until_made(node, Sought { slot, aim })).await
}

/// Gives an attempt up when the node is stopped.
pub(super) async fn unless_stopped(
    node: &NodeState,
    attempt: impl Future<Output = Result<Arc<Link>, ConnectError>>,
) -> Result<Arc<Link>, ConnectError> {
    tokio::select! {
        biased;
        () = node.stop.cancelled() => Err(ConnectError::ShutDown),
        result = attempt => result,
    }
}

/// What an attempt is to come to.
#[derive(Clone, Copy)]
pub(super) struct Sought<'a> {
    pub(super) slot: &'a Arc<Slot>,
    pub(super) aim: Aim<'a>,
}

#[derive(Clone, Copy)]
pub(super) enum Aim<'a> {
    /// A link where there is none.
    Link,
    /// An answer of the peer of this link, on which nothing comes. It makes another one only if the peer
    /// knows of none.
    SignOfLife(&'a Link),
    /// A link in the place of this one, which counts as none as long as nothing has come over it since then.
    Replacement(&'a Link, Instant),
}

impl<'a> Sought<'a> {
    fn instead_of(self) -> Option<&'a Link> {
        match self.aim {
            Aim::Link => None,
            Aim::SignOfLife(silent) | Aim::Replacement(silent, _) => Some(silent),
        }
    }

    fn live(self) -> Option<Arc<Link>> {
        let is_none = |live: &Link| {
            self.instead_of()
                .is_some_and(|silent| silent.id == live.id && live.is_suspect())
        };
        self.slot.live().filter(|live| !is_none(live))
    }

    /// Whether the link is to be made though the peer, which has answered, knows of another one.
    fn is_to_be_made(self, node: &NodeState) -> bool {
        match (self.aim, self.slot.live()) {
            (Aim::SignOfLife(_), _) => false,
            (_, None) => true,
            (Aim::Link, Some(_)) => false,
            (Aim::Replacement(silent, since), Some(live)) => {
                live.id == silent.id && node.may_replace(&live, since)
            }
        }
    }

    /// Does a part of an attempt, or gives the attempt up for a link that the peer makes meanwhile.
    async fn unless_made<T>(
        self,
        part: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, ConnectError> {
        tokio::select! {
            biased;
            _link = self.slot.await_link_besides(self.instead_of()) => Err(linked(self.slot)),
            done = part => done,
        }
    }
}

/// Attempts it until an attempt says something of the peer, as those that meet with its own do not.
pub(super) async fn until_made(
    node: &Arc<NodeState>,
    sought: Sought<'_>,
) -> Result<Arc<Link>, ConnectError> {
    let slot = sought.slot;
    let deadline = deadline::after(node.handshake_timeout());
    loop {
        let changes = slot.changes();
        if let Some(link) = sought.live() {
            return Ok(link);
        }
        let error = match publish(node, slot, attempt(node, sought, deadline).await) {
            Ok(link) => return Ok(link),
            Err(error) => error,
        };
        let is_lost = matches!(
            error,
            ConnectError::Handshake(HandshakeError::SimultaneousLost { .. })
        );
        if is_lost {
            // The attempt of the peer may come to nothing, while its own node can be reached.
            let patience = PRECEDENCE.min(deadline.saturating_duration_since(Instant::now()));
            let _ = timeout(patience, slot.await_link_besides(sought.instead_of())).await;
        }
        // An attempt that met with another link says nothing of the peer, even if that is gone.
        let is_inconclusive = is_lost || changes.happened();
        if !is_inconclusive || Instant::now() >= deadline {
            return slot.live().ok_or(error);
        }
    }
}

/// Attempts it once.
pub(super) async fn once(
    node: &Arc<NodeState>,
    sought: Sought<'_>,
) -> Result<Arc<Link>, ConnectError> {
    let deadline = deadline::after(node.handshake_timeout());
    publish(node, sought.slot, attempt(node, sought, deadline).await)
}

/// Starts the link of a handshake that succeeded.
fn publish(
    node: &Arc<NodeState>,
    slot: &Arc<Slot>,
    attempted: Result<(Handshaken, Socket), ConnectError>,
) -> Result<Arc<Link>, ConnectError> {
    let (handshaken, socket) = attempted?;
    let link = node.establish(slot, handshaken).map_err(|_| linked(slot))?;
    socket.run(node, slot, &link);
    Ok(link)
}

async fn attempt(
    node: &NodeState,
    sought: Sought<'_>,
    deadline: Instant,
) -> Result<(Handshaken, Socket), ConnectError> {
    let peer = sought.slot.name();
    if peer.is_long() != node.name().is_long() {
        return Err(ConnectError::NameForm {
            own: node.name().clone(),
            peer: peer.clone(),
        });
    }
    if !node.allowed.allows_name(peer) {
        return Err(ConnectError::PeerNotAllowed(peer.clone()));
    }
    let connecting = node
        .resolver
        .connect(peer, &node.allowed, deadline, sought.slot.progress());
    let stream = sought.unless_made(connecting).await?;
    let secured = node.transport.connect(stream, peer, deadline);
    let stream = sought.unless_made(secured).await?;
    let timed_out = |_elapsed| ConnectError::TimedOut {
        node: peer.clone(),
        after: node.handshake_timeout(),
        waiting_for: WaitingFor::Node,
    };
    let handshake = timeout_at(deadline, handshake(node, sought, stream));
    let done = handshake.await.map_err(timed_out)?;
    done.map_err(|error| with_hint(node, error))
}

/// Says what a peer may have against this node. It says no more than that it does not allow it, for
/// whatever reason.
fn with_hint(node: &NodeState, error: ConnectError) -> ConnectError {
    let ConnectError::Handshake(HandshakeError::NotAllowed { peer }) = error else {
        return error;
    };
    let Some(certificate) = node.transport.own_host(node.name()) else {
        return HandshakeError::NotAllowed { peer }.into();
    };
    if let Some(left_out) = node.warnings.own_host.now() {
        tracing::warn!(%peer, error = %certificate, left_out, "a peer does not allow this node to connect");
    }
    ConnectError::NotAllowed { peer, certificate }
}

async fn handshake(
    node: &NodeState,
    sought: Sought<'_>,
    stream: Stream,
) -> Result<(Handshaken, Socket), ConnectError> {
    let slot = sought.slot;
    let challenge =
        Challenge::random().map_err(|error| ConnectError::Entropy(error.to_string()))?;
    let mut initiator = Initiator::new(
        node.introduction(),
        slot.name().clone(),
        node.cookie.clone(),
        challenge,
    );
    let mut exchange = Exchange::new(stream, slot.name());
    let _handshake = sought.unless_made(async { Ok(slot.begin().await) }).await?;
    exchange.send(initiator.outgoing()).await?;
    // The peer has a link from when it sees the proof of the cookie. Up to then the attempt can be
    // given up; after that, which of two links stays is for `establish` to say, as it is there.
    let mut proved = false;
    loop {
        let received = match proved {
            true => exchange.receive().await?,
            false => sought.unless_made(exchange.receive()).await?,
        };
        let Some(packet) = received else {
            return Err(initiator.eof().into());
        };
        let step = match initiator.receive(&packet) {
            Ok(InitiatorEvent::Continue) => Ok(()),
            // A link that the peer still has to this name is one that this node knows nothing of,
            // from before a restart or a cut, or one on which nothing comes.
            Ok(InitiatorEvent::Alive) => initiator.confirm(sought.is_to_be_made(node)),
            Ok(InitiatorEvent::Established(established)) => {
                let handshaken = Handshaken {
                    established,
                    made_by: Side::ThisNode,
                    disowned: sought.instead_of().map(|silent| silent.id),
                };
                return Ok((handshaken, exchange.into_socket(initiator.outgoing())));
            }
            Ok(_) => Err(HandshakeError::OutOfTurn),
            Err(error) => Err(error),
        };
        let outgoing = initiator.outgoing();
        proved = initiator.has_proved();
        let sent = exchange.send(outgoing).await;
        // What there is to say to the peer is said before the connection goes.
        step?;
        sent?;
    }
}

fn linked(slot: &Slot) -> ConnectError {
    ConnectError::Handshake(HandshakeError::AliveRefused {
        peer: slot.name().clone(),
    })
}
