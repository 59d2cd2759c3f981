use beam_dist::handshake::{
    Acceptor, AcceptorEvent, Challenge, Decision, HandshakeError, Identity, Initiator,
    InitiatorEvent, MAX_PACKET_LEN, take_packet,
};
use beam_dist::{Cookie, Creation, Flags, NodeName};
use bytes::{Bytes, BytesMut};

/// The most packets that either side of a handshake sends.
const MAX_PACKETS: usize = 3;

/// Takes the input for what a peer sends in a handshake. The first byte says which side listens to
/// it and how it decides, the second in which pieces the rest arrives.
///
/// What is sent in answer must be well-formed and little, and no more than the one error comes of
/// whatever the peer sends.
pub fn handshake(input: &[u8]) {
    let [choice, piece, stream @ ..] = input else {
        return;
    };
    let pieces = stream.chunks(usize::from(*piece).max(1));
    if choice & 1 == 0 {
        accept(choice >> 1, pieces);
    } else {
        initiate(choice >> 1, pieces);
    }
}

fn accept<'a>(choice: u8, pieces: impl Iterator<Item = &'a [u8]>) {
    let mut acceptor = Acceptor::new(own(), cookie(), challenge());
    let mut sent = Sent::default();
    let mut introduced = None;
    let mut is_over = false;
    each_packet(pieces, |packet| {
        let received = acceptor.receive(packet);
        sent.take(acceptor.outgoing());
        if is_over {
            assert_eq!(received, Err(HandshakeError::OutOfTurn));
            return;
        }
        let decided = match received {
            Ok(AcceptorEvent::Continue) => Ok(()),
            Ok(AcceptorEvent::Decide(peer)) => {
                introduced = Some(peer.name);
                acceptor.decide(decision(choice))
            }
            Ok(AcceptorEvent::NameMe { host }) => match format!("given@{host}").parse::<NodeName>()
            {
                Ok(name) => {
                    introduced = Some(name.clone());
                    acceptor.give_name(name, Creation::new(9))
                }
                Err(_) => acceptor.decide(Decision::NotAllowed),
            },
            Ok(AcceptorEvent::Established(link)) => {
                assert_eq!(Some(&link.peer), introduced.as_ref());
                // A node that gives a name away says that it can.
                let offered = own().flags | Flags::NAME_ME;
                assert!(offered.contains(link.flags));
                is_over = true;
                Ok(())
            }
            Ok(other) => panic!("unknown event {other:?}"),
            Err(error) => Err(error),
        };
        is_over |= decided.is_err();
        sent.take(acceptor.outgoing());
    });
    let _ = acceptor.eof();
}

fn initiate<'a>(choice: u8, pieces: impl Iterator<Item = &'a [u8]>) {
    let peer = name("peer@127.0.0.1");
    let mut initiator = if choice & 1 == 0 {
        Initiator::new(own(), peer.clone(), cookie(), challenge())
    } else {
        let flags = Flags::for_node(false);
        Initiator::nameless("127.0.0.1", flags, peer.clone(), cookie(), challenge())
            .expect("the host is valid")
    };
    let mut sent = Sent::default();
    sent.take(initiator.outgoing());
    let mut is_over = false;
    each_packet(pieces, |packet| {
        let received = initiator.receive(packet);
        sent.take(initiator.outgoing());
        if is_over {
            assert_eq!(received, Err(HandshakeError::OutOfTurn));
            return;
        }
        let confirmed = match received {
            Ok(InitiatorEvent::Continue) => Ok(()),
            Ok(InitiatorEvent::Alive) => initiator.confirm(choice & 2 == 0),
            Ok(InitiatorEvent::Established(link)) => {
                assert_eq!(link.peer, peer);
                is_over = true;
                Ok(())
            }
            Ok(other) => panic!("unknown event {other:?}"),
            Err(error) => Err(error),
        };
        is_over |= confirmed.is_err();
        sent.take(initiator.outgoing());
    });
    let _ = initiator.eof();
}

/// Cuts what arrives piece by piece into packets, until one is too long.
fn each_packet<'a>(pieces: impl Iterator<Item = &'a [u8]>, mut receive: impl FnMut(&[u8])) {
    let mut received = BytesMut::new();
    for piece in pieces {
        received.extend_from_slice(piece);
        loop {
            match take_packet(&mut received) {
                Ok(Some(packet)) => receive(&packet),
                Ok(None) => break,
                Err(error) => {
                    assert!(matches!(error, HandshakeError::TooLong { .. }));
                    return;
                }
            }
        }
        assert!(received.len() < 2 + MAX_PACKET_LEN + piece.len());
    }
}

/// What was sent to the peer.
#[derive(Default)]
struct Sent {
    packets: usize,
}

impl Sent {
    fn take(&mut self, outgoing: Option<Bytes>) {
        let Some(outgoing) = outgoing else { return };
        let mut outgoing = BytesMut::from(outgoing);
        while let Some(packet) = take_packet(&mut outgoing).expect("a packet within the bound") {
            assert!(!packet.is_empty());
            self.packets += 1;
        }
        assert!(outgoing.is_empty(), "half a packet");
        assert!(self.packets <= MAX_PACKETS, "{} packets", self.packets);
    }
}

fn decision(choice: u8) -> Decision {
    match choice % 5 {
        0 => Decision::Ok,
        1 => Decision::OkSimultaneous,
        2 => Decision::Nok,
        3 => Decision::NotAllowed,
        _ => Decision::Alive,
    }
}

fn own() -> Identity {
    Identity {
        name: name("own@127.0.0.1"),
        creation: Creation::new(4),
        flags: Flags::for_node(true),
    }
}

fn name(name: &str) -> NodeName {
    name.parse().expect("the name is valid")
}

/// The seeds were made with this cookie and this challenge, so that they lead to the end.
fn cookie() -> Cookie {
    "fuzz".parse().expect("the cookie is valid")
}

fn challenge() -> Challenge {
    Challenge::predictable(77)
}
