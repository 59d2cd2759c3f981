//! Accepting peers that connect.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use beam_dist::{
    NodeName,
    handshake::{
        Acceptor, AcceptorEvent, Challenge, Decision, Established, HandshakeError, simultaneous,
    },
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::OwnedSemaphorePermit,
    time::timeout,
};

use super::{ConnectError, Wire, exchange::Exchange};
use crate::{peer::Slot, state::NodeState};

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
        biased;
        () = node.stop.cancelled() => return,
        result = handshake => result,
    };
    drop(unauthenticated);
    match result {
        Ok(Ok((slot, established, wire))) => {
            let link = node.establish(&slot, established);
            wire.run(&node, &slot, &link);
        }
        Ok(Err(Failed { peer, reason })) => match (peer, &reason) {
            // Part of the protocol, and no failure: the own attempt goes on.
            (_, ConnectError::Handshake(HandshakeError::Refused { .. })) => {}
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

/// A handshake that came to nothing, with the name that the peer claimed.
struct Failed {
    peer: Option<NodeName>,
    reason: ConnectError,
}

async fn handshake(
    node: &Arc<NodeState>,
    stream: TcpStream,
    address: SocketAddr,
) -> Result<(Arc<Slot>, Established, Wire), Failed> {
    let mut claimed = None;
    match steps(node, stream, address, &mut claimed).await {
        Ok((established, wire)) => Ok((node.slot(&established.peer), established, wire)),
        Err(reason) => Err(Failed {
            peer: claimed,
            reason,
        }),
    }
}

async fn steps(
    node: &Arc<NodeState>,
    stream: TcpStream,
    address: SocketAddr,
    claimed: &mut Option<NodeName>,
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
                acceptor
                    .decide(decide(node, &peer.name))
                    .map(|()| AcceptorEvent::Continue)
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

/// What this node thinks of a peer that connects, given its own attempts and links.
fn decide(node: &Arc<NodeState>, peer: &NodeName) -> Decision {
    if node.draining.is_cancelled() {
        return Decision::NotAllowed;
    }
    let slot = node.slot(peer);
    if slot.live().is_some() {
        return Decision::Alive;
    }
    if !slot.is_dialling() {
        return Decision::Ok;
    }
    let decision = simultaneous(node.name(), peer);
    if decision == Decision::OkSimultaneous {
        slot.give_way();
    }
    decision
}
