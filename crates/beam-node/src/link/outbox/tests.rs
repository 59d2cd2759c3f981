//! What is queued, in which order it goes, and what is kept.

use std::time::Duration;

use beam_dist::{
    Flags,
    control::{Control, Recipient, SendTo},
    frame::{self, FrameEncoder, FrameLimits},
};
use beam_term::{Atom, Pid, Writer};
use bytes::Buf;
use tokio::time::timeout;

use super::*;

const LIMIT: usize = 1000;

/// A send to a name.
fn send() -> Control {
    let node = Atom::from_static("a@h");
    Control::Send(SendTo {
        from: Some(Pid {
            node,
            id: 1,
            serial: 0,
            creation: 1,
        }),
        to: Recipient::Name(Atom::from_static("x")),
        priority: false,
        token: None,
    })
}

/// Messages that are encoded, as a link does it.
fn large(encoder: &FrameEncoder, fragments: usize) -> Fragments {
    // A list of empty lists, one byte each.
    let size = (fragments - 1) * frame::FRAGMENT_BYTES + 1;
    let mut payload = vec![106; size];
    payload[0] = 108;
    payload[1..5].copy_from_slice(&(size as u32 - 6).to_be_bytes());
    let payload = Bytes::from(payload);
    match encoder.encode_bytes(&send(), &payload, &mut BytesMut::new()) {
        Ok(frame::Encoded::Fragmented(row)) if row.len() == fragments => row,
        other => panic!("{other:?}"),
    }
}

fn encoder() -> FrameEncoder {
    FrameEncoder::new(Flags::for_node(false), FrameLimits::default())
}

/// What is sent next, as if it was written at once.
fn next(outbox: &Outbox) -> Bytes {
    let mut batch = Batch::default();
    let taken = outbox.take(&mut batch);
    outbox.written(taken);
    batch.copy_to_bytes(batch.len())
}

#[test]
fn what_is_queued_is_bounded() {
    let outbox = Outbox::new(LIMIT);
    assert_eq!(outbox.push_whole(Lane::Free, &[0; 600]), Ok(()));
    assert_eq!(outbox.push_whole(Lane::Ordered, &[0; 400]), Ok(()));
    assert_eq!(outbox.push_whole(Lane::Free, &[0; 1]), Err(Rejected::Full));
    assert_eq!(outbox.push_whole(Lane::Owed, &[0; 10]), Ok(()));
    assert_eq!(next(&outbox).len(), 1010);
    assert_eq!(outbox.push_whole(Lane::Free, &[0; 1000]), Ok(()));
}

#[test]
fn one_message_larger_than_the_limit_leaves_room_for_small_ones() {
    let outbox = Outbox::new(LIMIT);
    assert_eq!(outbox.push_whole(Lane::Free, &[0; 10]), Ok(()));
    assert_eq!(outbox.push_whole(Lane::Free, &[0; 5000]), Ok(()));
    assert_eq!(outbox.push_whole(Lane::Free, &[0; 990]), Ok(()));
    for size in [1, 5000] {
        let refused = outbox.push_whole(Lane::Free, &vec![0; size]);
        assert_eq!(refused, Err(Rejected::Full), "{size}");
    }
    assert_eq!(next(&outbox).len(), 6000);
    assert_eq!(outbox.push_whole(Lane::Free, &[0; 1000]), Ok(()));
    assert_eq!(outbox.push_whole(Lane::Free, &[0; 5000]), Ok(()));
}

#[test]
fn a_result_takes_what_room_there_is_and_leaves_some_for_small_messages() {
    let outbox = Outbox::new(LIMIT);
    assert_eq!(outbox.push_whole(Lane::Free, &[0; 600]), Ok(()));
    assert_eq!(
        outbox.push_whole(Lane::Free, &[0; 600]),
        Err(Rejected::Full)
    );
    assert_eq!(outbox.push_whole(Lane::Result, &[0; 600]), Ok(()));
    assert_eq!(
        outbox.push_whole(Lane::Result, &[0; 600]),
        Err(Rejected::Full)
    );
    assert_eq!(outbox.push_whole(Lane::Free, &[0; 400]), Ok(()));
    assert_eq!(outbox.push_whole(Lane::Free, &[0; 1]), Err(Rejected::Full));
    assert_eq!(next(&outbox).len(), 1600);
    assert_eq!(outbox.push_whole(Lane::Free, &[0; 1000]), Ok(()));
    assert_eq!(outbox.push_whole(Lane::Free, &[0; 1]), Err(Rejected::Full));
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_room_get_it_one_after_another() {
    let outbox = std::sync::Arc::new(Outbox::new(1));
    assert_eq!(outbox.push_whole(Lane::Free, b"first"), Ok(()));
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let outbox = std::sync::Arc::clone(&outbox);
            tokio::spawn(async move {
                while outbox.push_whole(Lane::Result, b"next").is_err() {
                    outbox.room(4).await;
                }
                outbox.pass_on();
            })
        })
        .collect();
    for _ in 0..3 {
        tokio::task::yield_now().await;
        assert!(!next(&outbox).is_empty());
    }
    for waiter in waiting {
        timeout(Duration::from_secs(1), waiter)
            .await
            .unwrap()
            .unwrap();
    }
    assert_eq!(next(&outbox), "next");
    assert!(next(&outbox).is_empty());
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_room_are_told_of_the_end() {
    let outbox = Outbox::new(1);
    assert_eq!(outbox.push_whole(Lane::Free, b"first"), Ok(()));
    let mut taken = Batch::default();
    let count = outbox.take(&mut taken);
    let (_, ()) = tokio::join!(outbox.room(1), async { outbox.close() });
    assert_eq!(outbox.push_whole(Lane::Result, b"x"), Err(Rejected::Closed));
    outbox.written(count);
}

#[test]
fn what_was_queued_before_the_end_is_sent_unless_it_is_discarded() {
    for discarded in [false, true] {
        let outbox = Outbox::new(LIMIT);
        assert_eq!(outbox.push_whole(Lane::Ordered, b"first"), Ok(()));
        outbox.close();
        for lane in [Lane::Free, Lane::Result, Lane::Ordered, Lane::Owed] {
            assert_eq!(outbox.push_whole(lane, b"x"), Err(Rejected::Closed));
        }
        if discarded {
            outbox.discard();
        }
        assert_eq!(next(&outbox).is_empty(), discarded);
        assert_eq!(outbox.push_whole(Lane::Free, b"x"), Err(Rejected::Closed));
    }
}

#[test]
fn what_is_owed_is_taken_beyond_any_limit_but_twice_its_own() {
    let outbox = Outbox::new(1);
    let owed = vec![0; LEAST_OWED_LIMIT];
    assert_eq!(outbox.push_whole(Lane::Owed, &owed), Ok(()));
    assert!(!outbox.is_overdue());
    assert_eq!(outbox.push_whole(Lane::Reply, b"x"), Ok(()));
    assert!(outbox.is_overdue());
    assert_eq!(outbox.push_whole(Lane::Owed, &owed), Ok(()));
    assert_eq!(outbox.push_whole(Lane::Owed, b"x"), Err(Rejected::Full));
    assert_eq!(outbox.push_whole(Lane::Reply, b"x"), Err(Rejected::Full));
    assert_eq!(next(&outbox).len(), 2 * LEAST_OWED_LIMIT + 1);
    assert!(!outbox.is_overdue());
}

#[test]
fn the_reply_to_a_request_is_ahead_of_its_result_whatever_is_under_way() {
    let outbox = Outbox::new(usize::MAX);
    let encoder = encoder();
    outbox
        .push_large(Lane::Ordered, large(&encoder, 9))
        .unwrap();
    outbox.push_whole(Lane::Owed, b"ordered").unwrap();
    outbox.push_whole(Lane::Reply, b"reply").unwrap();
    outbox.push_whole(Lane::Result, b"result").unwrap();
    assert!(next(&outbox).starts_with(b"replyresult"));
    let rest = [next(&outbox), next(&outbox)].concat();
    assert!(rest.ends_with(b"ordered"));
}

#[test]
fn large_messages_get_ahead_however_many_small_ones_there_are() {
    let outbox = Outbox::new(usize::MAX);
    let encoder = encoder();
    for lane in [Lane::Free, Lane::Ordered] {
        outbox.push_large(lane, large(&encoder, 3)).unwrap();
    }
    for _ in 0..3 {
        let many = vec![0; 2 * BATCH_BYTES];
        outbox.push_whole(Lane::Free, &many).unwrap();
        assert!(next(&outbox).len() > many.len());
    }
    assert!(next(&outbox).is_empty());
    assert_eq!(outbox.lanes().queued, 0);
}

#[test]
fn only_so_many_large_messages_are_sent_at_a_time() {
    const MESSAGES: usize = 3 * INTERLEAVED;
    const FRAGMENTS: usize = 3;
    let outbox = Outbox::new(usize::MAX);
    let encoder = encoder();
    for _ in 0..MESSAGES {
        outbox
            .push_large(Lane::Free, large(&encoder, FRAGMENTS))
            .unwrap();
    }
    let mut lanes = outbox.lanes();
    let (mut ended, mut most) = (0, 0);
    let mut batch = Batch::default();
    while lanes.take_free(&mut batch, &mut Taken::default()) {
        ended = MESSAGES - lanes.free.len();
        let begun = lanes.free.iter().filter(|row| row.len() < FRAGMENTS);
        most = most.max(begun.count());
    }
    assert_eq!(ended, MESSAGES);
    assert_eq!(most, INTERLEAVED);
}

#[test]
fn the_memory_of_a_burst_is_freed() {
    let outbox = Outbox::new(usize::MAX);
    let mut batch = Batch::default();
    for _ in 0..3 {
        outbox
            .push_whole(Lane::Free, &vec![0; 4 * IDLE_BYTES])
            .unwrap();
        let taken = outbox.take(&mut batch);
        outbox.written(taken);
        batch.advance(batch.len());
    }
    assert!(batch.has_memory(2 * IDLE_BYTES));

    assert_eq!(outbox.take(&mut batch), Taken::default());
    assert!(!batch.has_memory(IDLE_BYTES + 1));
    assert!(!outbox.lanes().ready.try_reclaim(IDLE_BYTES + 1));
}

/// A large message as it is encoded where its binary is given by reference.
fn large_binary(binary: &Bytes) -> Fragments {
    let write = |writer: &mut Writer<'_>| {
        writer.tuple(2);
        writer.shared_binary(binary);
        writer.integer(7);
        Ok(())
    };
    match encoder().encode_with(&send(), write, &mut BytesMut::new()) {
        Ok(frame::Encoded::Fragmented(row)) => row,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_large_binary_goes_to_the_socket_from_where_it_is() {
    for size in [10_000, 1 << 20] {
        let binary = Bytes::from(vec![7; size]);
        let memory = binary.as_ptr_range();
        let outbox = Outbox::new(usize::MAX);
        outbox
            .push_large(Lane::Result, large_binary(&binary))
            .unwrap();
        outbox
            .push_large(Lane::Ordered, large_binary(&binary))
            .unwrap();
        let mut in_place = 0;
        loop {
            let mut batch = Batch::default();
            let taken = outbox.take(&mut batch);
            if batch.is_empty() {
                break;
            }
            while !batch.is_empty() {
                let part = batch.chunk();
                if memory.contains(&part.as_ptr()) {
                    in_place += part.len();
                }
                batch.advance(part.len());
            }
            outbox.written(taken);
        }
        assert_eq!(in_place, 2 * size);
    }
}

#[test]
fn what_is_sent_by_reference_counts_until_it_is_written() {
    let binary = Bytes::from(vec![7; 300_000]);
    let outbox = Outbox::new(1_000_000);
    for _ in 0..3 {
        outbox
            .push_large(Lane::Free, large_binary(&binary))
            .unwrap();
    }
    let refused = outbox.push_large(Lane::Free, large_binary(&binary));
    assert!(matches!(refused, Err((Rejected::Full, _))));
    outbox
        .push_large(Lane::Owed, large_binary(&binary))
        .unwrap();

    let size = large_binary(&binary).remaining_bytes();
    let mut sum = Taken::default();
    loop {
        let mut batch = Batch::default();
        let taken = outbox.take(&mut batch);
        if batch.is_empty() {
            break;
        }
        assert!(batch.len() < 2 * BATCH_BYTES);
        sum.queued += taken.queued;
        sum.owed += taken.owed;
        assert_eq!(outbox.lanes().queued, 3 * size);
    }
    assert_eq!((sum.queued, sum.owed), (3 * size, size));
    outbox.written(sum);
    let lanes = outbox.lanes();
    assert_eq!((lanes.queued, lanes.owed), (0, 0));
}

#[test]
fn what_is_owed_comes_behind_all_that_is_small_while_there_is_room() {
    let (outbox, encoder) = (Outbox::new(LIMIT), encoder());
    assert!(outbox.is_in_order());
    for lane in [
        Lane::Free,
        Lane::Result,
        Lane::Ordered,
        Lane::Owed,
        Lane::Reply,
    ] {
        outbox.push_whole(lane, b"small").unwrap();
        assert!(outbox.is_in_order(), "{lane:?}");
    }
    while outbox.is_filled() {
        next(&outbox);
    }
    // Others wait for room.
    outbox.push_whole(Lane::Result, &[0; LIMIT]).unwrap();
    assert!(!outbox.is_in_order());
    next(&outbox);
    assert!(outbox.is_in_order());
    for lane in [Lane::Free, Lane::Ordered] {
        outbox.push_large(lane, large(&encoder, 2)).unwrap();
        assert!(!outbox.is_in_order(), "{lane:?}");
        while outbox.is_filled() {
            next(&outbox);
        }
        assert!(outbox.is_in_order(), "{lane:?}");
    }
}
