//! Bytes of the calls that are served.

use std::sync::Arc;

use beam_node::{Cause, Code, Export, Limits, Node};
use beam_term::{Atom, Term};
use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::support::{Cluster, RawPeer, eventually, within};

const SIZE: usize = 400_000;

/// More than may wait to be sent.
const LARGE: usize = 2_000_000;

fn bytes(count: usize) -> Term {
    Term::binary(vec![7; count])
}

/// A node that holds two calls of `SIZE` bytes at most, and exports `slow:take/1`, which ends when
/// it is let, and `large:result/1` and `large:error/1`, which return and raise so many bytes.
async fn start(cluster: &Cluster, limits: Limits) -> (Node, Arc<Semaphore>) {
    let a = within(cluster.builder("a").limits(limits).start())
        .await
        .unwrap();
    let gate = Arc::new(Semaphore::new(0));
    a.export("slow", "take", {
        let gate = Arc::clone(&gate);
        move |bytes: Bytes| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.unwrap().forget();
                bytes.len()
            }
        }
    })
    .unwrap();
    a.export("large", "result", async |count: usize| {
        Bytes::from(vec![7; count])
    })
    .unwrap();
    let raise = async |count: usize| Err::<(), _>(Bytes::from(vec![7; count]));
    a.register(Export::raising("large", "error", raise))
        .unwrap();
    (a, gate)
}

/// Asks for a call, and tells whether it was started.
async fn starts(peer: &mut RawPeer, id: u32, arguments: Term) -> Result<(), Atom> {
    let request = peer.reference(id);
    peer.call(&request, ("slow", "take"), [arguments]).await;
    peer.spawn_reply().await.result.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_of_the_calls_of_one_peer_are_limited_in_bytes() {
    let cluster = Cluster::new();
    let limits = Limits {
        served_bytes_per_peer: 1_000_000,
        ..Limits::default()
    };
    let (a, gate) = start(&cluster, limits).await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let mut other = cluster.raw_peer(&a, "other").await;
    let refused = Err(Atom::from_static("system_limit"));

    assert_eq!(starts(&mut peer, 1, bytes(SIZE)).await, Ok(()));
    assert_eq!(starts(&mut peer, 2, bytes(SIZE)).await, Ok(()));
    assert_eq!(starts(&mut peer, 3, bytes(SIZE)).await, refused);
    assert_eq!(starts(&mut peer, 4, bytes(1_000)).await, Ok(()));
    assert_eq!(starts(&mut other, 1, bytes(SIZE)).await, Ok(()));
    assert_eq!(a.serving(), 4);

    gate.add_permits(4);
    eventually(|| a.serving() == 0).await;
    for _ in 0..3 {
        peer.monitor_exit().await;
    }
    // One that is larger by itself is served alone.
    gate.add_permits(1);
    assert_eq!(starts(&mut peer, 5, bytes(2_000_000)).await, Ok(()));
    peer.monitor_exit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_of_the_calls_of_all_are_limited_in_bytes() {
    let cluster = Cluster::new();
    let limits = Limits {
        served_bytes_per_node: 1_000_000,
        ..Limits::default()
    };
    let (a, gate) = start(&cluster, limits).await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let mut other = cluster.raw_peer(&a, "other").await;

    assert_eq!(starts(&mut peer, 1, bytes(SIZE)).await, Ok(()));
    assert_eq!(starts(&mut peer, 2, bytes(SIZE)).await, Ok(()));
    let refused = starts(&mut other, 1, bytes(SIZE)).await;
    assert_eq!(refused, Err(Atom::from_static("system_limit")));
    let own = within(a.call::<Term, _>(a.name(), ("slow", "take"), (bytes(SIZE),))).await;
    let error = own.unwrap_err();
    assert_eq!(error.code, Code::TooManyRequests);
    assert!(
        matches!(error.cause(), Cause::Limit("served_bytes_per_node")),
        "{error:?}"
    );

    gate.add_permits(2);
    eventually(|| a.serving() == 0).await;
}

/// Makes more calls of a function of `large` than there is room for what comes of them, reads nothing
/// meanwhile, and gives the reasons with which they ended, but for those that say that there was no room.
async fn ends_beyond_the_limit(function: &'static str) -> Vec<Term> {
    const CALLS: usize = 40;
    let cluster = Cluster::new();
    let limits = Limits {
        outgoing_bytes_per_peer: 1_000_000,
        served_bytes_per_peer: 4_000_000,
        ..Limits::default()
    };
    let (a, _gate) = start(&cluster, limits).await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    for id in 0..CALLS {
        let request = peer.reference(id as u32);
        let size = Term::from(LARGE);
        peer.call(&request, ("large", function), [size]).await;
    }
    // Those that nothing is left of but an exception have ended, as that waits for no room.
    eventually(|| a.served() == CALLS as u64 && a.serving() <= 2).await;

    let (mut kept, mut refused) = (Vec::new(), 0);
    while kept.len() + refused < CALLS {
        let Some(payload) = peer.next().await.payload else {
            continue;
        };
        let end = payload.decode().unwrap();
        match end.as_tuple().unwrap() {
            [_, Term::Atom(kind), Term::Tuple(_), _] if *kind == "error" => {
                let reason = end.as_tuple().unwrap()[2].to_string();
                assert!(reason.starts_with("{system_limit,"), "{reason}");
                assert!(reason.contains("served_bytes_per_peer"), "{reason}");
                refused += 1;
            }
            _ => kept.push(end),
        }
    }
    assert!(
        !kept.is_empty() && refused > 0,
        "{} and {refused}",
        kept.len()
    );
    eventually(|| a.serving() == 0).await;
    kept
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_wait_for_a_peer_are_limited_in_bytes() {
    for end in ends_beyond_the_limit("result").await {
        match end.as_tuple().unwrap() {
            [_, Term::Atom(kind), Term::Binary(bytes)] if *kind == "return" => {
                assert_eq!(bytes.len(), LARGE);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exceptions_that_wait_for_a_peer_are_limited_in_bytes() {
    for end in ends_beyond_the_limit("error").await {
        match end.as_tuple().unwrap() {
            [_, Term::Atom(kind), Term::Binary(bytes), _] if *kind == "error" => {
                assert_eq!(bytes.len(), LARGE);
            }
            other => panic!("{other:?}"),
        }
    }
}
