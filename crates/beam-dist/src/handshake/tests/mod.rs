//! Both sides of a handshake against each other.

mod damage;
mod pair;

use bytes::BytesMut;

use self::pair::{accept, acceptor, cookie, identity, initiate, initiator, name, nameless, run};
use super::*;
use crate::{Creation, Flags};

#[test]
fn a_handshake_with_the_same_cookie_opens_the_same_link_on_both_sides() {
    let (initiated, accepted) = (initiator("a@h", "b@h"), acceptor("b@h"));

    let (initiated, accepted) = run(initiated, accepted, Decision::Ok);
    let (initiated, accepted) = (initiated.unwrap(), accepted.unwrap());

    assert_eq!(
        (initiated.own.as_str(), initiated.peer.as_str()),
        ("a@h", "b@h")
    );
    assert_eq!(
        (accepted.own.as_str(), accepted.peer.as_str()),
        ("b@h", "a@h")
    );
    assert_eq!(initiated.own_creation, accepted.peer_creation);
    assert_eq!(initiated.peer_creation, accepted.own_creation);
    assert_eq!(initiated.flags, accepted.flags);
    assert!(initiated.is_visible() && accepted.is_visible());
}

#[test]
fn a_link_with_a_hidden_node_is_hidden_on_both_sides() {
    let mut hidden = identity("a@h");
    hidden.flags = Flags::for_node(false);
    let hidden = Initiator::new(hidden, name("b@h"), cookie("c"), Challenge::predictable(1));

    let (initiated, accepted) = run(hidden, acceptor("b@h"), Decision::Ok);

    assert!(!initiated.unwrap().is_visible());
    assert!(!accepted.unwrap().is_visible());
}

#[test]
fn a_simultaneous_attempt_that_survives_is_established() {
    let decision = simultaneous(&name("a@h"), &name("b@h"));
    assert_eq!(decision, Decision::OkSimultaneous);

    let (initiated, accepted) = run(initiator("b@h", "a@h"), acceptor("a@h"), decision);

    assert!(initiated.is_ok() && accepted.is_ok());
}

#[test]
fn a_simultaneous_attempt_that_does_not_survive_ends_on_both_sides() {
    let decision = simultaneous(&name("b@h"), &name("a@h"));

    let (initiated, accepted) = run(initiator("a@h", "b@h"), acceptor("b@h"), decision);

    assert_eq!(
        initiated,
        Err(HandshakeError::SimultaneousLost { peer: name("b@h") })
    );
    let refused = HandshakeError::Refused {
        peer: "a@h".to_owned(),
        decision: Decision::Nok,
    };
    assert_eq!(accepted, Err(refused));
}

#[test]
fn a_peer_that_is_not_allowed_is_told_so() {
    let decision = Decision::NotAllowed;

    let (initiated, accepted) = run(initiator("a@h", "b@h"), acceptor("b@h"), decision);

    assert_eq!(
        initiated,
        Err(HandshakeError::NotAllowed { peer: name("b@h") })
    );
    assert_eq!(
        accepted,
        Err(HandshakeError::Refused {
            peer: "a@h".to_owned(),
            decision
        })
    );
}

#[test]
fn a_peer_that_knows_of_no_link_goes_on_though_there_is_one() {
    let (initiated, accepted) = run(initiator("a@h", "b@h"), acceptor("b@h"), Decision::Alive);

    assert!(initiated.is_ok() && accepted.is_ok());
}

#[test]
fn a_peer_that_knows_of_the_link_gives_up_its_attempt() {
    let (mut initiated, mut accepted) = (initiator("a@h", "b@h"), acceptor("b@h"));
    accept(&mut accepted, initiated.outgoing()).unwrap();
    accepted.decide(Decision::Alive).unwrap();
    let event = initiate(&mut initiated, accepted.outgoing());
    assert_eq!(event, Ok(InitiatorEvent::Alive));

    let refused = initiated.confirm(false);
    assert_eq!(
        refused,
        Err(HandshakeError::AliveRefused { peer: name("b@h") })
    );
    let refused = accept(&mut accepted, initiated.outgoing());
    assert_eq!(
        refused,
        Err(HandshakeError::AliveRefused { peer: name("a@h") })
    );
}

#[test]
fn another_cookie_is_noticed_by_the_acceptor_and_told_by_its_silence() {
    let (own, challenge) = (identity("a@h"), Challenge::predictable(1));
    let mut initiated = Initiator::new(own, name("b@h"), cookie("other"), challenge);
    let mut accepted = acceptor("b@h");
    accept(&mut accepted, initiated.outgoing()).unwrap();
    accepted.decide(Decision::Ok).unwrap();
    initiate(&mut initiated, accepted.outgoing()).unwrap();

    let mismatch = accept(&mut accepted, initiated.outgoing());
    assert_eq!(
        mismatch,
        Err(HandshakeError::CookieMismatch { peer: name("a@h") })
    );
    assert_eq!(accepted.outgoing(), None);
    assert_eq!(
        initiated.eof(),
        HandshakeError::CookieRefused { peer: name("b@h") }
    );
}

#[test]
fn an_acceptor_that_does_not_have_the_cookie_is_noticed_by_the_initiator() {
    let (mut initiated, mut accepted) = (initiator("a@h", "b@h"), acceptor("b@h"));
    accept(&mut accepted, initiated.outgoing()).unwrap();
    accepted.decide(Decision::Ok).unwrap();
    assert!(!initiated.has_proved());
    initiate(&mut initiated, accepted.outgoing()).unwrap();
    assert!(initiated.has_proved());

    let forged = packet::Ack {
        digest: challenge::Digest::of(&cookie("other"), 1),
    }
    .encode();
    let mismatch = initiate(&mut initiated, Some(forged));
    assert_eq!(
        mismatch,
        Err(HandshakeError::CookieMismatch { peer: name("b@h") })
    );
}

#[test]
fn a_peer_that_lacks_a_mandatory_flag_is_refused_by_the_name_of_the_flag() {
    let mut old = identity("a@h");
    old.flags -= Flags::MANDATORY_25_DIGEST | Flags::MAP_TAG;
    let missing = HandshakeError::MissingFlags {
        peer: "a@h".to_owned(),
        missing: Flags::MAP_TAG,
    };

    let initiated = Initiator::new(
        old.clone(),
        name("b@h"),
        cookie("c"),
        Challenge::predictable(1),
    );
    let (initiated, accepted) = run(initiated, acceptor("b@h"), Decision::Ok);
    assert_eq!(
        initiated,
        Err(HandshakeError::NotAllowed { peer: name("b@h") })
    );
    assert!(missing.to_string().contains("MAP_TAG"));
    assert_eq!(accepted, Err(missing.clone()));

    let accepted = Acceptor::new(old, cookie("c"), Challenge::predictable(2));
    let (initiated, _) = run(initiator("b@h", "a@h"), accepted, Decision::Ok);
    assert_eq!(initiated, Err(missing));
}

#[test]
fn a_node_with_the_own_name_is_refused_and_knows_why() {
    let own_name = Err(HandshakeError::OwnName { name: name("a@h") });

    let (initiated, accepted) = run(initiator("a@h", "a@h"), acceptor("a@h"), Decision::Ok);
    assert_eq!(initiated, own_name);
    assert_eq!(accepted, own_name);

    // OTP's nodes say something else to a node with their own name.
    let told = initiate(
        &mut initiator("a@h", "a@h"),
        Some(packet::Status::Nok.encode()),
    );
    assert_eq!(told.err(), own_name.err());
}

#[test]
fn an_answer_from_another_node_than_the_dialled_one_is_refused() {
    let (initiated, _) = run(initiator("a@h", "b@h"), acceptor("c@h"), Decision::Ok);

    let wrong = HandshakeError::WrongPeer {
        dialled: name("b@h"),
        answered: name("c@h"),
    };
    assert_eq!(initiated, Err(wrong));
}

#[test]
fn a_node_without_a_name_is_given_one() {
    let (mut initiated, mut accepted) = (nameless("h"), acceptor("b@h"));
    let event = accept(&mut accepted, initiated.outgoing());
    assert_eq!(
        event,
        Ok(AcceptorEvent::NameMe {
            host: "h".to_owned()
        })
    );
    accepted.give_name(name("X1@h"), Creation::new(9)).unwrap();

    let (initiated, accepted) = run(initiated, accepted, Decision::Ok);
    let (initiated, accepted) = (initiated.unwrap(), accepted.unwrap());

    assert_eq!(
        (initiated.own, initiated.own_creation),
        (name("X1@h"), Creation::new(9))
    );
    assert_eq!(
        (accepted.peer, accepted.peer_creation),
        (name("X1@h"), Creation::new(9))
    );
    assert_eq!(initiated.flags, accepted.flags);
    assert!(initiated.flags.contains(Flags::NAME_ME));
    assert!(!initiated.flags.contains(Flags::PUBLISHED));
}

#[test]
fn a_node_without_a_name_that_is_not_named_is_refused() {
    for decision in [Decision::Ok, Decision::Alive, Decision::NotAllowed] {
        let (initiated, accepted) = run(nameless("h"), acceptor("b@h"), decision);

        assert_eq!(
            initiated,
            Err(HandshakeError::NotAllowed { peer: name("b@h") })
        );
        let decision = Decision::NotAllowed;
        assert_eq!(
            accepted,
            Err(HandshakeError::Refused {
                peer: "h".to_owned(),
                decision
            })
        );
    }
}

#[test]
fn a_name_for_another_host_is_neither_given_nor_taken() {
    let (given, host) = (name("x@other"), "h".to_owned());
    let wrong = HandshakeError::NameForOtherHost {
        given: given.clone(),
        host,
    };

    let (mut initiated, mut accepted) = (nameless("h"), acceptor("b@h"));
    accept(&mut accepted, initiated.outgoing()).unwrap();
    assert_eq!(
        accepted.give_name(given.clone(), Creation::new(9)),
        Err(wrong.clone())
    );
    let told = initiate(&mut initiated, accepted.outgoing());
    assert_eq!(told, Err(HandshakeError::NotAllowed { peer: name("b@h") }));

    let status = packet::Status::Named {
        name: given,
        creation: Creation::new(9),
    };
    assert_eq!(
        initiate(&mut nameless("h"), Some(status.encode())),
        Err(wrong)
    );
}

#[test]
fn a_peer_that_gives_no_names_is_told_apart() {
    let told = nameless("h").receive(b"sok");

    assert_eq!(told, Err(HandshakeError::NoNameGiven { peer: name("b@h") }));
}

#[test]
fn a_name_that_was_not_asked_for_is_refused() {
    let status = packet::Status::Named {
        name: name("x@h"),
        creation: Creation::new(9),
    };

    let told = initiate(&mut initiator("a@h", "b@h"), Some(status.encode()));
    assert_eq!(
        told,
        Err(HandshakeError::UnknownStatus {
            status: "named".to_owned()
        })
    );
}

#[test]
fn a_peer_of_version_five_is_refused_as_such() {
    let old_name = b"n\0\x05\0\x03\x7f\xbda@h";
    assert_eq!(
        acceptor("b@h").receive(old_name),
        Err(HandshakeError::OldVersion)
    );

    let mut initiated = initiator("a@h", "b@h");
    initiated.receive(b"sok").unwrap();
    let old_challenge = b"n\0\x05\0\x03\x7f\xbd\0\0\0\x01b@h";
    assert_eq!(
        initiated.receive(old_challenge),
        Err(HandshakeError::OldVersion)
    );
}

#[test]
fn a_status_that_does_not_exist_is_shown_without_its_control_characters() {
    let status = initiator("a@h", "b@h").receive(b"sno\nway\xff");

    assert_eq!(
        status,
        Err(HandshakeError::UnknownStatus {
            status: "no\\nway\\xff".to_owned()
        }),
    );
}

#[test]
fn the_end_of_the_connection_means_another_thing_at_each_stage() {
    let closed = |stage| HandshakeError::Closed { stage };
    let (mut initiated, mut accepted) = (initiator("a@h", "b@h"), acceptor("b@h"));

    assert_eq!(accepted.eof(), closed(Stage::Name));
    accept(&mut accepted, initiated.outgoing()).unwrap();
    accepted.decide(Decision::Alive).unwrap();
    assert_eq!(accepted.eof(), closed(Stage::AliveReply));
    assert_eq!(initiated.eof(), closed(Stage::Status));
    initiate(&mut initiated, accepted.outgoing()).unwrap();
    initiated.confirm(true).unwrap();
    assert_eq!(initiated.eof(), closed(Stage::Challenge));
    accept(&mut accepted, initiated.outgoing()).unwrap();
    assert_eq!(accepted.eof(), closed(Stage::Reply));
    initiate(&mut initiated, accepted.outgoing()).unwrap();
    assert_eq!(
        initiated.eof(),
        HandshakeError::CookieRefused { peer: name("b@h") }
    );
}

#[test]
fn a_packet_out_of_turn_ends_the_handshake() {
    let (mut initiated, mut accepted) = (initiator("a@h", "b@h"), acceptor("b@h"));
    let introduction = initiated.outgoing().unwrap();
    accept(&mut accepted, Some(introduction.clone())).unwrap();

    let again = accept(&mut accepted, Some(introduction));
    assert_eq!(again, Err(HandshakeError::OutOfTurn));
    assert_eq!(
        accepted.decide(Decision::Ok),
        Err(HandshakeError::OutOfTurn)
    );
    assert_eq!(initiated.confirm(true), Err(HandshakeError::OutOfTurn));
}

#[test]
fn nothing_that_is_printed_shows_the_cookie_or_a_digest() {
    let digest = challenge::Digest::of(&cookie("c"), 2);
    let secrets = [
        format!("{:?}", digest.as_bytes()),
        "\"c\"".to_owned(),
        "[99]".to_owned(),
    ];
    let (mut initiated, mut accepted) = (initiator("a@h", "b@h"), acceptor("b@h"));
    accept(&mut accepted, initiated.outgoing()).unwrap();
    accepted.decide(Decision::Ok).unwrap();
    initiate(&mut initiated, accepted.outgoing()).unwrap();

    let printed = format!("{initiated:?} {accepted:?} {:?}", initiated.eof());
    for secret in secrets {
        assert!(!printed.contains(&secret), "{printed}");
    }
    assert!(printed.contains("Cookie(…)"));
}

#[test]
fn packets_are_cut_from_the_stream_as_they_arrive() {
    let stream = b"\0\x03sok\0\0\0\x01a\xff";

    let mut received = BytesMut::new();
    let mut packets = Vec::new();
    for byte in &stream[..10] {
        received.extend_from_slice(&[*byte]);
        while let Some(packet) = take_packet(&mut received).unwrap() {
            packets.push(packet);
        }
    }

    assert_eq!(packets, [&b"sok"[..], b"", b"a"]);
    assert!(received.is_empty());
}

#[test]
fn bytes_after_the_last_packet_stay_in_the_buffer() {
    let mut received = BytesMut::from(&b"\0\x01a\0\0\0\0"[..]);

    assert_eq!(
        take_packet(&mut received).unwrap().as_deref(),
        Some(&b"a"[..])
    );
    assert_eq!(received[..], [0; 4]);
}

#[test]
fn a_packet_beyond_the_bound_is_refused_by_its_length_alone() {
    let mut received = BytesMut::from(&(MAX_PACKET_LEN as u16).to_be_bytes()[..]);
    assert_eq!(take_packet(&mut received), Ok(None));

    let len = MAX_PACKET_LEN + 1;
    let mut received = BytesMut::from(&(len as u16).to_be_bytes()[..]);
    assert_eq!(
        take_packet(&mut received),
        Err(HandshakeError::TooLong { len })
    );
}

#[test]
fn packets_with_long_lengths_are_cut_from_the_stream_as_they_arrive() {
    let stream = with_long_lengths(b"\0\x03sok\0\0\0\x01a");
    assert_eq!(stream, &b"\0\0\0\x03sok\0\0\0\0\0\0\0\x01a"[..]);

    let mut received = BytesMut::new();
    let mut packets = Vec::new();
    for byte in stream {
        received.extend_from_slice(&[byte]);
        while let Some(packet) = take_long_packet(&mut received).unwrap() {
            packets.push(packet);
        }
    }

    assert_eq!(packets, [&b"sok"[..], b"", b"a"]);
    assert!(received.is_empty());
}

#[test]
fn a_packet_beyond_the_bound_is_refused_by_its_long_length_alone() {
    let mut received = BytesMut::from(&(MAX_PACKET_LEN as u32).to_be_bytes()[..]);
    assert_eq!(take_long_packet(&mut received), Ok(None));

    for len in [MAX_PACKET_LEN as u32 + 1, u32::MAX] {
        let mut received = BytesMut::from(&len.to_be_bytes()[..]);
        assert_eq!(
            take_long_packet(&mut received),
            Err(HandshakeError::TooLong { len: len as usize })
        );
    }
}
