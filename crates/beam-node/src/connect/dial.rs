//! Connecting to a peer.

use std::sync::Arc;

use beam_dist::handshake::{Challenge, Established, HandshakeError, Initiator, InitiatorEvent};
use tokio::{net::TcpStream, time::timeout_at};
use tokio_util::sync::CancellationToken;

use super::{ConnectError, Wire, exchange::Exchange};
use crate::{deadline, link::Link, peer::Slot, state::NodeState};

/// Connects to a peer and starts the link.
///
/// When the peer connects at the same time and its attempt takes precedence, as `give_way` or the
/// peer's own status says, the link that it makes is the result.
pub(crate) async fn dial(
    node: &Arc<NodeState>,
    slot: &Arc<Slot>,
    give_way: CancellationToken,
) -> Result<Arc<Link>, ConnectError> {
    let patience = node.handshake_timeout();
    let attempt = tokio::select! {
        biased;
        () = node.stop.cancelled() => return Err(ConnectError::ShutDown),
        () = give_way.cancelled() => Err(ConnectError::Handshake(HandshakeError::SimultaneousLost {
            peer: slot.name().clone(),
        })),
        attempt = attempt(node, slot) => attempt,
    };
    match attempt {
        Ok((established, wire)) => {
            let link = node.establish(slot, established);
            wire.run(node, slot, &link);
            Ok(link)
        }
        Err(lost @ ConnectError::Handshake(HandshakeError::SimultaneousLost { .. })) => {
            slot.await_link(patience).await.ok_or(lost)
        }
        Err(error) => Err(error),
    }
}

async fn attempt(node: &NodeState, slot: &Slot) -> Result<(Established, Wire), ConnectError> {
    let deadline = deadline::after(node.handshake_timeout());
    let peer = slot.name();
    if peer.is_long() != node.name().is_long() {
        return Err(ConnectError::NameForm {
            own: node.name().clone(),
            peer: peer.clone(),
        });
    }
    let stream = node.resolver.connect(peer, deadline).await?;
    let timed_out = |_elapsed| ConnectError::TimedOut {
        node: peer.clone(),
        after: node.handshake_timeout(),
    };
    timeout_at(deadline, handshake(node, slot, stream))
        .await
        .map_err(timed_out)?
}

async fn handshake(
    node: &NodeState,
    slot: &Slot,
    stream: TcpStream,
) -> Result<(Established, Wire), ConnectError> {
    let challenge =
        Challenge::random().map_err(|error| ConnectError::Entropy(error.to_string()))?;
    let mut initiator = Initiator::new(
        node.introduction(),
        slot.name().clone(),
        node.cookie.clone(),
        challenge,
    );
    let mut exchange = Exchange::new(stream, slot.name());
    loop {
        exchange.send(initiator.outgoing()).await?;
        let Some(packet) = exchange.receive().await? else {
            return Err(initiator.eof().into());
        };
        match initiator.receive(&packet) {
            Ok(InitiatorEvent::Continue) => {}
            // A link that the peer still has to this name is one that this node knows nothing of,
            // from before a restart or a cut.
            Ok(InitiatorEvent::Alive) => initiator.confirm(slot.live().is_none())?,
            Ok(InitiatorEvent::Established(established)) => {
                exchange.send(initiator.outgoing()).await?;
                return Ok((established, exchange.into_wire()));
            }
            Err(error) => {
                // What there is to say to the peer is said before the connection goes.
                let _ = exchange.send(initiator.outgoing()).await;
                return Err(error.into());
            }
            Ok(_) => return Err(HandshakeError::OutOfTurn.into()),
        }
    }
}
