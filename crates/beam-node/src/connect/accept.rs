//! Accepting peers that connect.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use beam_dist::{
    NodeName,
    handshake::{Acceptor, AcceptorEvent, Challenge, Decision, Established, HandshakeError},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::OwnedSemaphorePermit,
    time::timeout,
};

use super::{ConnectError, Wire, exchange::Exchange};
use crate::{
    peer::{Accepting, Slot},
    state::NodeState,
};

/// How long to wait after the operating system refused to accept, for example for want of file
/// descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until the node stops.
pub(crate) async fn serve(node: Arc<NodeState>, listener: TcpListener) {
    loop {
        let accepted = tokio::select! {
            () = node.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => match Arc::clone(&node.unauthenticated).try_acquire_owned() {
                Ok(permit) => {
                    node.spawn(welcome(Arc::clone(&node), stream, address, permit));
                }
                Err(_none_left) => {
                    tracing::warn!(%address, "refused a connection: the limit `unauthenticated_connections` is reached");
                }
            },
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Takes one connection through the handshake and starts its link.
async fn welcome(
    node: Arc<NodeState>,
    stream: TcpStream,
    address: SocketAddr,
    unauthenticated: OwnedSemaphorePermit,
) {
    let handshake = timeout(node.handshake_timeout(), handshake(&node, stream, address));
    let result = tokio::select! {
        () = node.stop.cancelled() => return,
        result = handshake => result,
    };
    drop(unauthenticated);
    match result {
        Ok(Ok(Accepted {
            slot,
            established,
            wire,
            // It is under way until its link is seen.
            accepting: _accepting,
        })) => {
            let link = node.link_established(&slot, established);
            wire.run(&node, &slot, &link);
        }
        Ok(Err(Failed {
            peer,
            reason,
            was_alive,
        })) => match (peer, &reason) {
            // Part of the protocol, and no failure: the own attempt goes on.
            (_, ConnectError::Handshake(HandshakeError::Refused { .. })) => {}
            // So is that the peer gives its attempt up for another one.
            (Some(peer), reason)
                if is_gone(reason) && (was_alive || node.slot(&peer).is_live_or_dialling()) =>
            {
                tracing::debug!(%peer, %address, %reason, "the peer gave an attempt to connect up");
            }
            (Some(peer), _) => {
                tracing::warn!(%peer, %address, %reason, "refused a connection");
                node.refused(&peer, &reason);
            }
            (None, _) => tracing::warn!(%address, %reason, "refused a connection"),
        },
        Err(_elapsed) => {
            tracing::warn!(%address, "refused a connection: its handshake took too long");
        }
    }
}

/// Whether a handshake failed for no other reason than that the peer ended it.
fn is_gone(reason: &ConnectError) -> bool {
    matches!(
        reason,
        ConnectError::Io { .. }
            | ConnectError::Handshake(
                HandshakeError::Closed { .. } | HandshakeError::AliveRefused { .. }
            )
    )
}

/// The peer, where its introduction was refused already.
fn named(reason: &ConnectError) -> Option<NodeName> {
    match reason {
        ConnectError::Handshake(HandshakeError::OwnName { name }) => Some(name.clone()),
        ConnectError::Handshake(HandshakeError::MissingFlags { peer, .. }) => peer.parse().ok(),
        _ => None,
    }
}

/// A handshake that succeeded.
struct Accepted {
    slot: Arc<Slot>,
    established: Established,
    wire: Wire,
    accepting: Option<Accepting>,
}

/// A handshake that came to nothing, with the name that the peer claimed.
struct Failed {
    peer: Option<NodeName>,
    reason: ConnectError,
    /// Whether there was a link with the peer.
    was_alive: bool,
}

async fn handshake(
    node: &Arc<NodeState>,
    stream: TcpStream,
    address: SocketAddr,
) -> Result<Accepted, Failed> {
    let (mut claimed, mut accepting) = (None, None);
    match steps(node, stream, address, &mut claimed, &mut accepting).await {
        Ok((established, wire)) => Ok(Accepted {
            slot: node.slot(&established.peer),
            established,
            wire,
            accepting,
        }),
        Err(reason) => Err(Failed {
            was_alive: claimed.is_some() && accepting.is_none(),
            peer: claimed.or_else(|| named(&reason)),
            reason,
        }),
    }
}

async fn steps(
    node: &Arc<NodeState>,
    stream: TcpStream,
    address: SocketAddr,
    claimed: &mut Option<NodeName>,
    accepting: &mut Option<Accepting>,
) -> Result<(Established, Wire), ConnectError> {
    let challenge =
        Challenge::random().map_err(|error| ConnectError::Entropy(error.to_string()))?;
    let mut acceptor = Acceptor::new(node.introduction(), node.cookie.clone(), challenge);
    let mut exchange = Exchange::new(stream, &address);
    loop {
        let Some(packet) = exchange.receive().await? else {
            return Err(acceptor.eof().into());
        };
        let event = acceptor.receive(&packet);
        let event = match event {
            Ok(AcceptorEvent::Decide(peer)) => {
                *claimed = Some(peer.name.clone());
                let decision;
                (decision, *accepting) = decide(node, &peer.name);
                acceptor.decide(decision).map(|()| AcceptorEvent::Continue)
            }
            // This node gives no names: a peer without one is told so.
            Ok(AcceptorEvent::NameMe { .. }) => acceptor
                .decide(Decision::NotAllowed)
                .map(|()| AcceptorEvent::Continue),
            event => event,
        };
        let sent = exchange.send(acceptor.outgoing()).await;
        match event? {
            AcceptorEvent::Established(established) => {
                sent?;
                return Ok((established, exchange.into_wire()));
            }
            _ => sent?,
        }
    }
}

/// What this node thinks of a peer that connects.
fn decide(node: &Arc<NodeState>, peer: &NodeName) -> (Decision, Option<Accepting>) {
    if node.draining.is_cancelled() {
        return (Decision::NotAllowed, None);
    }
    node.slot(peer).decide(node.name())
}
