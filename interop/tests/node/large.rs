//! Large messages, and the small ones that go on beside them.

use std::sync::atomic::{AtomicBool, Ordering};

use beam_node::Node;
use beam_term::Term;
use bytes::Bytes;
use interop::{Otp, on_each_release};
use tokio::join;

use crate::cluster::{Cluster, DEADLINE, HIDDEN_AND_VISIBLE, sees};

on_each_release! {
    small_calls_go_on_beside_a_large_one_to_otp,
    small_calls_go_on_beside_a_large_one_from_otp,
}

const LARGE_BYTES: usize = 64 * 1024 * 1024;

/// How many small calls must come back while a large one goes there and back, at the least. If they
/// had to wait for it there would be one before it, one between its two ways and one after it.
const MEANWHILE: u32 = 5;

async fn small_calls_go_on_beside_a_large_one_to_otp(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("otp").start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        node.connect(beam.name()).await.unwrap();
        let large = Bytes::from(vec![7; LARGE_BYTES]);
        let done = AtomicBool::new(false);
        let big = async {
            // There and back.
            let back: Bytes = node
                .call(beam.name(), ("erlang", "hd"), (vec![&large],))
                .timeout(DEADLINE)
                .await
                .unwrap();
            done.store(true, Ordering::Relaxed);
            assert!(back == large);
        };
        let ((), counted) = join!(big, small_calls(&node, beam.name(), &done));
        println!("{counted} small calls came back meanwhile");
        assert!(
            counted >= MEANWHILE,
            "{counted} small calls came back meanwhile"
        );
    }
}

async fn small_calls(node: &Node, to: &str, done: &AtomicBool) -> u32 {
    let mut count = 0;
    while !done.load(Ordering::Relaxed) {
        let sum: u32 = node
            .call(to, ("erlang", "+"), (count, 1))
            .timeout(DEADLINE)
            .await
            .unwrap();
        count = sum;
    }
    count
}

async fn small_calls_go_on_beside_a_large_one_from_otp(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("otp").start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        node.export("demo", "echo", async |term: Term| term)
            .unwrap();
        node.export("demo", "small", async |number: u32| number + 1)
            .unwrap();
        // The small calls are made by a process of their own, which counts those that came back.
        let source = format!(
            "N = '{}', Large = binary:copy(<<7>>, {LARGE_BYTES}), Self = self(),
            Small = spawn_link(fun() ->
                Loop = fun Loop(Count) ->
                    Next = erpc:call(N, demo, small, [Count]),
                    receive stop -> Self ! {{count, Next}} after 0 -> Loop(Next) end
                end,
                Loop(0)
            end),
            Back = erpc:call(N, demo, echo, [Large], 30000),
            Small ! stop,
            receive {{count, Count}} -> {{Back =:= Large, Count}} end",
            node.name()
        );
        let result = beam.eval(&source).await.unwrap();
        let [same, count] = result.as_tuple().unwrap() else {
            panic!("{result}")
        };
        assert_eq!(*same, Term::atom("true"));
        let count = count.as_i64().unwrap();
        assert!(
            count >= MEANWHILE.into(),
            "{count} small calls came back meanwhile"
        );
        println!("{count} small calls came back meanwhile");
        node.shutdown().await.unwrap();
        sees(&beam, node.name(), false).await;
    }
}
