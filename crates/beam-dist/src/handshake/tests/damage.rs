//! Packets that were cut, corrupted or made up.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::pair::{Outcome, acceptor, initiator, nameless, run_watched};
use crate::Creation;
use crate::handshake::packet::Status;
use crate::handshake::{Decision, MAX_PACKET_LEN, take_packet};

#[test]
fn every_truncation_of_a_packet_ends_the_handshake() {
    for decision in [Decision::Ok, Decision::Alive] {
        for step in 0..exchange(decision).len() {
            let packet = &exchange(decision)[step];
            for end in 0..packet.len() {
                let (initiated, _) = run_tampered(decision, step, packet.slice(..end));
                assert!(initiated.is_err(), "step {step} cut to {end} bytes");
            }
        }
    }
}

#[test]
fn every_corrupted_byte_ends_the_handshake_but_those_that_only_their_sender_knows() {
    for decision in [Decision::Ok, Decision::Alive] {
        let packets = exchange(decision);
        for (step, packet) in packets.iter().enumerate() {
            for at in 0..packet.len() {
                // Of the first packet: flags, creation and name. Of the challenge: flags and
                // creation. None of them goes into a digest.
                let is_unproved = match (step, at) {
                    (0, 1..13 | 15..) => true,
                    (_, 1..9 | 13..17) => packet[0] == b'N',
                    _ => false,
                };
                for flipped in 1..=u8::MAX {
                    let mut corrupted = packet.to_vec();
                    corrupted[at] ^= flipped;
                    let (initiated, _) = run_tampered(decision, step, corrupted.into());
                    assert!(initiated.is_err() || is_unproved, "step {step}, byte {at}");
                }
            }
        }
    }
}

#[test]
fn a_given_name_that_was_cut_or_corrupted_is_refused_or_another_name() {
    let name = "x@h".parse().unwrap();
    let status = Status::Named {
        name,
        creation: Creation::new(9),
    }
    .encode()
    .slice(2..);

    for end in 0..status.len() {
        assert!(nameless("h").receive(&status[..end]).is_err());
    }
    let name_and_creation = b"snamed:\0\x03".len()..;
    for (at, flipped) in (0..status.len()).flat_map(|at| (1..=u8::MAX).map(move |bits| (at, bits)))
    {
        let mut corrupted = status.to_vec();
        corrupted[at] ^= flipped;
        let outcome = nameless("h").receive(&corrupted);
        assert!(
            outcome.is_err() || name_and_creation.contains(&at),
            "byte {at}"
        );
    }
}

proptest! {
    #[test]
    fn no_packet_makes_a_side_panic(
        step in 0..6_usize,
        tag in prop::sample::select(&b"Nnsra"[..]),
        fields: Vec<u8>,
    ) {
        let packet = [&[tag][..], &fields].concat();
        for decision in [Decision::Ok, Decision::Alive] {
            let _ = run_tampered(decision, step, packet.clone().into());
        }
        let _ = nameless("h").receive(&packet);
    }

    #[test]
    fn no_status_makes_a_side_panic(fields: Vec<u8>) {
        let packet = [b"snamed:", &fields[..]].concat();
        let _ = nameless("h").receive(&packet);
    }

    #[test]
    fn no_stream_makes_the_splitter_panic(bytes: Vec<u8>) {
        let mut received = BytesMut::from(&bytes[..]);
        while let Ok(Some(packet)) = take_packet(&mut received) {
            prop_assert!(packet.len() <= MAX_PACKET_LEN);
        }
    }
}

/// The packets of a handshake in their order, from both sides.
fn exchange(decision: Decision) -> Vec<Bytes> {
    let mut packets = Vec::new();
    let (initiated, accepted) = run_watched(
        initiator("a@h", "b@h"),
        acceptor("b@h"),
        decision,
        |packet| {
            packets.push(packet.clone());
            packet
        },
    );

    assert!(initiated.is_ok() && accepted.is_ok());
    packets
}

/// Runs a handshake in which the packet number `step` is replaced on its way.
fn run_tampered(decision: Decision, step: usize, replacement: Bytes) -> (Outcome, Outcome) {
    let mut steps = 0..;

    run_watched(
        initiator("a@h", "b@h"),
        acceptor("b@h"),
        decision,
        |packet| {
            if steps.next() == Some(step) {
                replacement.clone()
            } else {
                packet
            }
        },
    )
}
