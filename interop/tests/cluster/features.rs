//! What nodes of Rust tell each other of themselves through the scope, with nodes of OTP among them.

use beam_node::{CallContext, Cause, Node};
use interop::{Beam, Otp, eventually, on_each_release, unique_name};

use crate::{
    members::SCOPE,
    nodes::{Cluster, DEADLINE, rust_name, text},
};

on_each_release! {
    a_deadline_goes_to_nodes_of_rust_and_never_to_one_of_otp,
}

async fn a_deadline_goes_to_nodes_of_rust_and_never_to_one_of_otp(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam().start().await.unwrap();
    text(&beam, SCOPE).await;
    let scope = text(&beam, "whereis(rpc_load_balancer)").await;
    for visible in [false, true] {
        let alive = unique_name("twice");
        let name = format!("{alive}@127.0.0.1");
        let caller = cluster.rust(&rust_name("caller"), &[&beam]);
        let caller = caller.peer(&name).visible(visible).start().await.unwrap();
        let callee = cluster.rust(&name, &[&beam]).visible(visible);
        let callee = callee.start().await.unwrap();
        let has_deadline = async |call: CallContext| call.deadline().is_some();
        callee
            .export("clock", "has_deadline", has_deadline)
            .unwrap();

        let told = async || {
            let call = caller.call::<bool, _>(&name, ("clock", "has_deadline"), ());
            call.await.unwrap()
        };
        eventually("a deadline to come with the call", DEADLINE, told).await;
        // By now the caller knows the scope of OTP as well, which takes no option that it has not.
        let introduced =
            async || introduces(&beam, &caller).await && introduces(&beam, &callee).await;
        eventually("OTP to see what they say", DEADLINE, introduced).await;
        for _ in 0..3 {
            assert_eq!(add(&caller, beam.name()).await.unwrap(), 3);
        }
        let call = format!("erpc:call('{name}', clock, has_deadline, [], 5000)");
        assert_eq!(text(&beam, &call).await, "false");

        callee.shutdown().await.unwrap();
        drop(callee);
        // The name is free again once the port mapper has seen that its owner is gone.
        let start = async || cluster.beam().name(alive.clone()).start().await.ok();
        let otp = eventually("the name to be free", DEADLINE, start).await;
        text(&otp, SCOPE).await;
        let answered = async || match add(&caller, &name).await {
            Ok(sum) => sum == 3,
            Err(error) => {
                assert!(!matches!(error.cause(), Cause::Refused(_)), "{error:?}");
                false
            }
        };
        eventually("the node of OTP to answer", DEADLINE, answered).await;
        for _ in 0..3 {
            assert_eq!(add(&caller, &name).await.unwrap(), 3);
        }
    }
    assert_eq!(text(&beam, "whereis(rpc_load_balancer)").await, scope);
}

async fn add(node: &Node, to: &str) -> Result<i64, beam_node::Error> {
    node.call(to, ("erlang", "+"), (1, 2)).await
}

/// Whether OTP sees what a node says of itself: as a group with one process of the node in it.
async fn introduces(beam: &Beam, node: &Node) -> bool {
    let source = format!(
        "[ok || P <- pg:get_members(rpc_load_balancer,
            {{'$published', rpc_load_balancer, 1, #{{features => [deadline_ms]}}}}),
            node(P) =:= '{}']",
        node.name()
    );
    text(beam, &source).await == "[ok]"
}
