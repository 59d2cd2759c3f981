//! The encoders and decoders against what nodes of OTP sent.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use beam_dist::epmd::{Alive2Response, NodeKind, Port2Response, Request};
use beam_dist::handshake::{
    Acceptor, AcceptorEvent, Challenge, Decision, Identity, Initiator, InitiatorEvent, take_packet,
};
use beam_dist::{Creation, Flags};
use bytes::{Bytes, BytesMut};

const EPMD: &str = include_str!("captures/epmd.txt");
const HANDSHAKE: &str = include_str!("captures/handshake.txt");

/// What nodes of OTP 25 announce.
const OTP_25: Flags = Flags::from_bits_retain(0xd_07df_7fbd);

#[test]
fn registrations_decode_and_encode_to_the_same_bytes() {
    let captured = captured(EPMD);

    for (node, port, creation) in [("w1", 9101, 0x6b01_0d5e), ("c", 46671, 0x6b01_0d60)] {
        let bytes = &captured[&format!("ALIVE2_REQ {node}")];
        let request = Request::decode(bytes).unwrap().unwrap();
        let Request::Alive2(registration) = &request else {
            panic!("decoded to {request:?}");
        };
        assert_eq!(
            (registration.name.as_str(), registration.port),
            (node, port)
        );
        assert_eq!(registration.kind, NodeKind::Visible);
        assert!(registration.is_compatible());
        assert_eq!(request.encode(), bytes);

        let bytes = &captured[&format!("ALIVE2_X_RESP {node}")];
        let response = Alive2Response::decode(bytes).unwrap().unwrap();
        assert_eq!(
            response,
            Alive2Response::Registered(Creation::new(creation))
        );
        assert_eq!(response.encode(registration.highest_version), bytes);
    }
}

#[test]
fn a_question_for_a_port_decodes_and_encodes_to_the_same_bytes() {
    let captured = captured(EPMD);

    let bytes = &captured["PORT_PLEASE2_REQ"];
    let request = Request::decode(bytes).unwrap().unwrap();
    assert_eq!(request, Request::PortPlease2("w1".parse().unwrap()));
    assert_eq!(request.encode(), bytes);

    let bytes = &captured["PORT2_RESP"];
    let response = Port2Response::decode(bytes).unwrap().unwrap();
    let Port2Response::Found(registration) = &response else {
        panic!("decoded to {response:?}");
    };
    assert_eq!(
        (registration.name.as_str(), registration.port),
        ("w1", 9101)
    );
    assert_eq!(response.encode(), bytes);
}

#[test]
fn an_initiator_sends_what_the_initiator_of_otp_sent() {
    let captured = captured(HANDSHAKE);
    let (peer, cookie) = ("w1@127.0.0.1".parse().unwrap(), "c".parse().unwrap());
    let challenge = Challenge::predictable(0x093c_4d3a);
    let mut initiator = Initiator::new(
        identity("c@127.0.0.1", 0x6b01_0d60),
        peer,
        cookie,
        challenge,
    );

    assert_eq!(initiator.outgoing().as_ref(), Some(&captured["send_name"]));
    for received in ["send_status", "send_challenge"] {
        let event = initiator.receive(&packet(&captured[received]));
        assert_eq!(event, Ok(InitiatorEvent::Continue));
    }
    assert_eq!(
        initiator.outgoing().as_ref(),
        Some(&captured["send_challenge_reply"])
    );
    let event = initiator
        .receive(&packet(&captured["send_challenge_ack"]))
        .unwrap();

    let InitiatorEvent::Established(link) = event else {
        panic!("ended with {event:?}");
    };
    assert_eq!(link.peer_creation, Creation::new(0x6b01_0d5e));
    assert_eq!(link.flags, OTP_25);
}

#[test]
fn an_acceptor_sends_what_the_acceptor_of_otp_sent() {
    let captured = captured(HANDSHAKE);
    let challenge = Challenge::predictable(0x7654_ee70);
    let own = identity("w1@127.0.0.1", 0x6b01_0d5e);
    let mut acceptor = Acceptor::new(own, "c".parse().unwrap(), challenge);

    let event = acceptor.receive(&packet(&captured["send_name"]));
    let peer = identity("c@127.0.0.1", 0x6b01_0d60);
    assert_eq!(event, Ok(AcceptorEvent::Decide(peer)));
    acceptor.decide(Decision::Ok).unwrap();
    let sent = [&captured["send_status"][..], &captured["send_challenge"]].concat();
    assert_eq!(acceptor.outgoing().unwrap(), sent);
    let event = acceptor
        .receive(&packet(&captured["send_challenge_reply"]))
        .unwrap();

    let AcceptorEvent::Established(link) = event else {
        panic!("ended with {event:?}");
    };
    assert_eq!(link.peer.as_str(), "c@127.0.0.1");
    assert_eq!(
        acceptor.outgoing().as_ref(),
        Some(&captured["send_challenge_ack"])
    );
}

fn identity(name: &str, creation: u32) -> Identity {
    Identity {
        name: name.parse().unwrap(),
        creation: Creation::new(creation),
        flags: OTP_25,
    }
}

/// The messages of a capture by what they are.
fn captured(text: &str) -> HashMap<String, Bytes> {
    let messages = text.lines().map(|line| line.split_once(": ").unwrap());

    messages
        .map(|(what, hex)| (what.to_owned(), bytes(hex)))
        .collect()
}

fn bytes(hex: &str) -> Bytes {
    let digits = hex.replace(' ', "");
    let pairs = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| str::from_utf8(pair).unwrap());

    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

fn packet(message: &Bytes) -> Bytes {
    take_packet(&mut BytesMut::from(&message[..]))
        .unwrap()
        .unwrap()
}
