//! Two sides and the connection between them.

use bytes::{Bytes, BytesMut};

use crate::handshake::{
    Acceptor, AcceptorEvent, Challenge, Decision, Established, HandshakeError, Identity, Initiator,
    InitiatorEvent, take_packet,
};
use crate::{Cookie, Creation, Flags, NodeName};

pub(super) type Outcome = Result<Established, HandshakeError>;

/// Runs both sides to their ends.
pub(super) fn run(
    initiated: Initiator,
    accepted: Acceptor,
    decision: Decision,
) -> (Outcome, Outcome) {
    run_watched(initiated, accepted, decision, |packet| packet)
}

/// Runs both sides to their ends, with each packet passing through `on_the_way`.
///
/// A side that fails closes the connection once all that it had to say was sent.
pub(super) fn run_watched(
    mut initiated: Initiator,
    mut accepted: Acceptor,
    decision: Decision,
    mut on_the_way: impl FnMut(Bytes) -> Bytes,
) -> (Outcome, Outcome) {
    let (mut initiators, mut acceptors) = (None, None);

    loop {
        let to_acceptor = packets(initiated.outgoing());
        for packet in &to_acceptor {
            let outcome = match accepted.receive(&on_the_way(packet.clone())) {
                Ok(AcceptorEvent::Decide(_) | AcceptorEvent::NameMe { .. }) => {
                    accepted.decide(decision).err().map(Err)
                }
                Ok(AcceptorEvent::Established(link)) => Some(Ok(link)),
                Ok(AcceptorEvent::Continue) => None,
                Err(error) => Some(Err(error)),
            };
            acceptors = acceptors.or(outcome);
        }

        let to_initiator = packets(accepted.outgoing());
        for packet in &to_initiator {
            if initiators.is_some() {
                break;
            }
            initiators = match initiated.receive(&on_the_way(packet.clone())) {
                Ok(InitiatorEvent::Alive) => initiated.confirm(true).err().map(Err),
                Ok(InitiatorEvent::Established(link)) => Some(Ok(link)),
                Ok(InitiatorEvent::Continue) => None,
                Err(error) => Some(Err(error)),
            };
        }

        if to_acceptor.is_empty() && to_initiator.is_empty() {
            let initiators = initiators.unwrap_or_else(|| Err(initiated.eof()));
            let acceptors = acceptors.unwrap_or_else(|| Err(accepted.eof()));
            return (initiators, acceptors);
        }
    }
}

/// Hands the acceptor what the other side had to send; gives what came of the last packet.
pub(super) fn accept(
    accepted: &mut Acceptor,
    outgoing: Option<Bytes>,
) -> Result<AcceptorEvent, HandshakeError> {
    let received = packets(outgoing)
        .into_iter()
        .map(|packet| accepted.receive(&packet));

    received.reduce(Result::and).unwrap()
}

/// Hands the initiator what the other side had to send; gives what came of the last packet.
pub(super) fn initiate(
    initiated: &mut Initiator,
    outgoing: Option<Bytes>,
) -> Result<InitiatorEvent, HandshakeError> {
    let received = packets(outgoing)
        .into_iter()
        .map(|packet| initiated.receive(&packet));

    received.reduce(Result::and).unwrap()
}

fn packets(outgoing: Option<Bytes>) -> Vec<Bytes> {
    let mut stream = BytesMut::from(&outgoing.unwrap_or_default()[..]);
    let packets = std::iter::from_fn(|| take_packet(&mut stream).unwrap()).collect();

    assert!(stream.is_empty());
    packets
}

pub(super) fn initiator(own: &str, peer: &str) -> Initiator {
    Initiator::new(
        identity(own),
        name(peer),
        cookie("c"),
        Challenge::predictable(1),
    )
}

pub(super) fn nameless(host: &str) -> Initiator {
    let (flags, challenge) = (Flags::for_node(true), Challenge::predictable(1));

    Initiator::nameless(host, flags, name("b@h"), cookie("c"), challenge).unwrap()
}

pub(super) fn acceptor(own: &str) -> Acceptor {
    Acceptor::new(identity(own), cookie("c"), Challenge::predictable(2))
}

pub(super) fn identity(own: &str) -> Identity {
    let creation = Creation::new(100 + own.len() as u32);

    Identity {
        name: name(own),
        creation,
        flags: Flags::for_node(true),
    }
}

pub(super) fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

pub(super) fn cookie(text: &str) -> Cookie {
    text.parse().unwrap()
}
