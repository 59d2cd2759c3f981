//! Accepting peers that connect.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use beam_dist::{
    NodeName,
    handshake::{Acceptor, AcceptorEvent, Challenge, Decision, HandshakeError, Identity},
};
use bytes::Bytes;
use tokio::time::timeout;

use super::{ConnectError, Handshaken, Side, Socket, Stream, exchange::Exchange};
use crate::{
    link::Unpublished,
    net::{TcpListener, TcpStream},
    peer::Accepting,
    seldom::Refusals,
    state::NodeState,
    strangers::Place,
};

/// How long to wait after the operating system refused to accept, for example for want of file
/// descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The status `not_allowed`, as the packet that it is.
const NOT_ALLOWED: Bytes = Bytes::from_static(b"\0\x0csnot_allowed");

/// Accepts connections until the node stops.
pub(crate) async fn serve(node: Arc<NodeState>, listener: TcpListener) {
    loop {
        let accepted = tokio::select! {
            () = node.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((_, address)) if !node.allowed.allows_address(address.ip()) => {
                refuse(
                    &node,
                    None,
                    address,
                    &ConnectError::AddressNotAllowed(address.ip()),
                );
            }
            Ok((stream, address)) => {
                let entered = node.unauthenticated.enter(address.ip());
                let Some(place) = node.stop.run_until_cancelled(entered).await else {
                    return;
                };
                node.spawn(welcome(Arc::clone(&node), stream, address, place));
            }
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
    unauthenticated: Place,
) {
    // What waits for it would hold it several times over otherwise.
    let handshake = Box::pin(handshake(&node, stream, address));
    let handshake = timeout(node.handshake_timeout(), handshake);
    let result = tokio::select! {
        biased;
        () = node.stop.cancelled() => return,
        result = handshake => result,
        () = unauthenticated.evicted() => {
            if let Some(left_out) = node.warnings.evicted.now(address.ip(), None, None) {
                tracing::warn!(%address, %left_out, "closed a connection in its handshake for a newer one: the limit `unauthenticated_connections` is reached");
            }
            return;
        }
    };
    drop(unauthenticated);
    match result {
        // The handshake is over when its link is published.
        Ok(Ok((handshaken, socket, _accepting))) => {
            let slot = node.slot(&handshaken.established.peer);
            match node.establish(&slot, handshaken) {
                Ok(link) => socket.run(&node, &slot, &link),
                Err(Unpublished::Outlasted) => {
                    tracing::debug!(peer = %slot.name(), %address, "kept the link made meanwhile");
                }
                Err(Unpublished::NoRoom) => {
                    refuse(
                        &node,
                        Some(slot.name()),
                        address,
                        &no_room(&node, slot.name()),
                    );
                }
            }
        }
        Ok(Err(Failed { peer, reason })) if is_given_up(&reason) => {
            let peer = peer.as_ref().map(tracing::field::display);
            tracing::debug!(peer, %address, %reason, "no link came of a connection");
        }
        Ok(Err(Failed { peer, reason })) => refuse(&node, peer.as_ref(), address, &reason),
        Err(_elapsed) => {
            if let Some(left_out) = node.warnings.late.now(address.ip(), None, None) {
                tracing::warn!(%address, %left_out, "refused a connection: its handshake took too long");
            }
        }
    }
}

/// Tells that a connection was refused.
fn refuse(node: &NodeState, peer: Option<&NodeName>, address: SocketAddr, reason: &ConnectError) {
    let matter = matter(node, reason);
    if let Some(left_out) = matter.warnings.now(address.ip(), peer, Some(reason.into())) {
        let peer = peer.map(tracing::field::display);
        tracing::warn!(peer, %address, %reason, %left_out, "refused a connection");
    }
    if matter.events.now().is_some() {
        node.refused(address, peer, reason);
    }
}

fn no_room(node: &NodeState, peer: &NodeName) -> ConnectError {
    ConnectError::TooManyPeers {
        peer: peer.clone(),
        limit: node.identity.limits.connected_peers,
    }
}

/// A handshake that succeeded, and what stands for it.
type Accepted = (Handshaken, Socket, Option<Accepting>);

/// A handshake that came to nothing, with the name that the peer claimed.
struct Failed {
    peer: Option<NodeName>,
    reason: ConnectError,
}

/// For which matter a connection is refused. Those who only make noise must not keep it from being told
/// that somebody tries cookies.
fn matter<'a>(node: &'a NodeState, reason: &ConnectError) -> &'a Refusals {
    match reason {
        ConnectError::Handshake(HandshakeError::CookieMismatch { .. }) => {
            &node.warnings.authentication
        }
        ConnectError::PeerNotAllowed(_) => &node.warnings.names,
        ConnectError::AddressNotAllowed(_) => &node.warnings.networks,
        ConnectError::TooManyPeers { .. } => &node.warnings.peers,
        ConnectError::Tls { .. } | ConnectError::WantsTls { .. } => &node.warnings.tls,
        ConnectError::Handshake(
            HandshakeError::OwnName { .. }
            | HandshakeError::MissingFlags { .. }
            | HandshakeError::OldVersion,
        ) => &node.warnings.unfit,
        _ => &node.warnings.connections,
    }
}

/// Whether a connection was given up in good order, by either side: mostly because the nodes have
/// made another one meanwhile, or by who only looks whether anybody listens.
fn is_given_up(reason: &ConnectError) -> bool {
    matches!(
        reason,
        ConnectError::Handshake(
            HandshakeError::Refused { .. }
                | HandshakeError::AliveRefused { .. }
                | HandshakeError::Closed { .. }
        )
    )
}

async fn handshake(
    node: &Arc<NodeState>,
    stream: TcpStream,
    address: SocketAddr,
) -> Result<Accepted, Failed> {
    let mut claimed = None;
    let result = steps(node, stream, address, &mut claimed).await;
    result.map_err(|reason| Failed {
        peer: claimed.or_else(|| named(&reason)),
        reason,
    })
}

/// The peer, where its introduction was refused already.
fn named(reason: &ConnectError) -> Option<NodeName> {
    match reason {
        ConnectError::Handshake(HandshakeError::OwnName { name }) => Some(name.clone()),
        ConnectError::Handshake(HandshakeError::MissingFlags { peer, .. }) => peer.parse().ok(),
        _ => None,
    }
}

async fn steps(
    node: &Arc<NodeState>,
    stream: TcpStream,
    address: SocketAddr,
    claimed: &mut Option<NodeName>,
) -> Result<Accepted, ConnectError> {
    let challenge =
        Challenge::random().map_err(|error| ConnectError::Entropy(error.to_string()))?;
    let mut acceptor = Acceptor::new(node.introduction(), node.cookie.clone(), challenge);
    let stream = node.transport.accept(stream, address).await?;
    let mut exchange = Exchange::new(stream, &address);
    let (mut disowned, mut accepting) = (None, None);
    loop {
        let packet = match exchange.receive().await {
            Ok(Some(packet)) => packet,
            Ok(None) => return Err(acceptor.eof().into()),
            Err(error @ ConnectError::WantsTls { .. }) => {
                // What is no TLS tells a peer at once that there is none.
                exchange.send(Some(NOT_ALLOWED)).await?;
                exchange.close().await;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        let event = acceptor.receive(&packet);
        let mut not_allowed = None;
        let event = match event {
            Ok(AcceptorEvent::Decide(peer)) => {
                let decision;
                (decision, disowned, accepting) = match check(node, exchange.stream(), &peer.name) {
                    Ok(()) => decide(node, &peer),
                    Err(reason) => {
                        not_allowed = Some(reason);
                        (Decision::NotAllowed, None, None)
                    }
                };
                *claimed = Some(peer.name);
                acceptor.decide(decision).map(|()| AcceptorEvent::Continue)
            }
            // This node gives no names: a peer without one is told so.
            Ok(AcceptorEvent::NameMe { .. }) => acceptor
                .decide(Decision::NotAllowed)
                .map(|()| AcceptorEvent::Continue),
            event => event,
        };
        // A peer that has the last packet counts on the link, which is to be seen here by then.
        if let Ok(AcceptorEvent::Established(established)) = event {
            let handshaken = Handshaken {
                established,
                made_by: Side::Peer,
                disowned,
            };
            let socket = exchange.into_socket(acceptor.outgoing());
            return Ok((handshaken, socket, accepting));
        }
        // What there is to say to a peer that is refused is said before the connection goes.
        let sent = exchange.send(acceptor.outgoing()).await;
        if let Some(reason) = not_allowed {
            return Err(reason);
        }
        event?;
        sent?;
    }
}

/// Whether a node of this name may connect at all, over this connection.
fn check(node: &NodeState, stream: &Stream, peer: &NodeName) -> Result<(), ConnectError> {
    if !node.allowed.allows_name(peer) {
        return Err(ConnectError::PeerNotAllowed(peer.clone()));
    }
    node.transport.check_claim(stream, peer)?;
    // Others may come first while it shows the cookie, so that this is looked at again.
    match node.has_room_for(&node.slot(peer)) {
        true => Ok(()),
        false => Err(no_room(node, peer)),
    }
}

/// What this node thinks of a peer that connects, given its own attempts and links; and the link
/// that there is, if the peer is asked about one.
///
/// Nobody has shown the cookie yet, so that nothing changes by it: an attempt of this node goes on.
fn decide(node: &Arc<NodeState>, peer: &Identity) -> (Decision, Option<u64>, Option<Accepting>) {
    if node.draining.is_cancelled() {
        return (Decision::NotAllowed, None, None);
    }
    let slot = node.slot(&peer.name);
    let live = slot.live();
    let (decision, accepting) = slot.accept(node.name(), peer.creation, live.as_deref());
    (decision, live.map(|live| live.id), accepting)
}
