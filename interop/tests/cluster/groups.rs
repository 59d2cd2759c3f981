//! Who is in which group, as each side sees the other, through all that can happen to either.

use beam_term::{Pid, Term};
use interop::{Otp, eventually, on_each_release};

use crate::{
    members::{JOIN, SCOPE, processes, run, seen_by_otp, seen_by_rust},
    nodes::{Cluster, DEADLINE, connected, name, rust_name, text},
};

on_each_release! {
    joins_and_leaves_are_seen_both_ways,
    a_node_of_rust_leaves_when_it_ends_and_is_seen_again_under_the_same_name,
    a_node_of_otp_leaves_when_it_ends_and_is_seen_again_under_the_same_name,
    a_scope_that_starts_after_the_link_is_found_and_found_again,
}

async fn joins_and_leaves_are_seen_both_ways(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam().start().await.unwrap();
    text(&beam, SCOPE).await;
    // Before the link is there, so that each side has to tell what it has.
    let early = processes(&beam, 2).await;
    run(&beam, "ok = pg:join(rpc_load_balancer, early, P)", &early).await;
    for node in cluster.hidden_and_visible(&[&beam]).await {
        let known = node.join(Term::atom("early")).unwrap();
        seen_by_otp(&beam, "early", node.name(), &[&known]).await;
        seen_by_rust(&node, "early", &name(&beam), &early[..1]).await;

        let first = node.join(Term::atom("workers")).unwrap();
        let second = node.join(Term::atom("workers")).unwrap();
        let other = node
            .join(Term::tuple([Term::atom("a"), Term::from(1)]))
            .unwrap();
        seen_by_otp(&beam, "workers", node.name(), &[&first, &second]).await;
        seen_by_otp(&beam, "{a, 1}", node.name(), &[&other]).await;
        drop(first);
        seen_by_otp(&beam, "workers", node.name(), &[&second]).await;
        drop(second);
        seen_by_otp(&beam, "workers", node.name(), &[]).await;
        seen_by_otp(&beam, "{a, 1}", node.name(), &[&other]).await;

        let [p, q] = &early[..] else {
            panic!("two processes")
        };
        for (change, expected) in [
            ("join(rpc_load_balancer, workers, P)", vec![p]),
            ("join(rpc_load_balancer, workers, [Q, P])", vec![p, p, q]),
            ("leave(rpc_load_balancer, workers, P)", vec![p, q]),
            ("join(rpc_load_balancer, workers, [Q, Q])", vec![p, q, q, q]),
            ("leave(rpc_load_balancer, workers, [Q, P, Q])", vec![q]),
            ("leave(rpc_load_balancer, workers, Q)", vec![]),
        ] {
            run(&beam, &format!("ok = pg:{change}"), &early).await;
            let expected: Vec<Pid> = expected.into_iter().cloned().collect();
            seen_by_rust(&node, "workers", &name(&beam), &expected).await;
        }

        // A process that ends leaves all that it was in, as often as it was.
        let ending = processes(&beam, 1).await;
        let join = "[ok = pg:join(rpc_load_balancer, Group, P) || Group <- [one, two, one]]";
        run(&beam, join, &ending).await;
        seen_by_rust(&node, "one", &name(&beam), &[&ending[..], &ending].concat()).await;
        seen_by_rust(&node, "two", &name(&beam), &ending).await;
        run(&beam, "P ! stop", &ending).await;
        seen_by_rust(&node, "one", &name(&beam), &[]).await;
        seen_by_rust(&node, "two", &name(&beam), &[]).await;
        seen_by_rust(&node, "early", &name(&beam), &early[..1]).await;
    }
}

async fn a_node_of_rust_leaves_when_it_ends_and_is_seen_again_under_the_same_name(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam().start().await.unwrap();
    text(&beam, SCOPE).await;
    for visible in [false, true] {
        let name = rust_name("rust");
        let start = async || {
            // The name is free again once the port mapper has seen that its owner is gone.
            let start = async || {
                let node = cluster.rust(&name, &[&beam]).visible(visible);
                node.start().await.ok()
            };
            eventually("the name to be free", DEADLINE, start).await
        };

        let node = start().await;
        let left = node.join(Term::atom("workers")).unwrap();
        seen_by_otp(&beam, "workers", node.name(), &[&left]).await;
        node.shutdown().await.unwrap();
        seen_by_otp(&beam, "workers", node.name(), &[]).await;
        connected(&beam, node.name(), false).await;
        drop((left, node));

        let node = start().await;
        let dropped = node.join(Term::atom("workers")).unwrap();
        seen_by_otp(&beam, "workers", node.name(), &[&dropped]).await;
        let again = node.name().clone();
        drop(node);
        seen_by_otp(&beam, "workers", &again, &[]).await;

        let node = start().await;
        let last = node.join(Term::atom("workers")).unwrap();
        assert_ne!(last.pid(), dropped.pid());
        seen_by_otp(&beam, "workers", node.name(), &[&last]).await;
    }
}

async fn a_node_of_otp_leaves_when_it_ends_and_is_seen_again_under_the_same_name(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let builder = cluster.beam();
    let mut beam = builder.clone().start().await.unwrap();
    let nodes = cluster.hidden_and_visible(&[&beam]).await;
    let members = nodes
        .each_ref()
        .map(|node| node.join(Term::atom("workers")).unwrap());

    for end in [End::Kill, End::Stop, End::Drop] {
        text(&beam, SCOPE).await;
        let worker = processes(&beam, 1).await;
        run(&beam, JOIN, &worker).await;
        for (node, member) in nodes.iter().zip(&members) {
            seen_by_rust(node, "workers", &name(&beam), &worker).await;
            seen_by_otp(&beam, "workers", node.name(), &[member]).await;
        }
        match end {
            End::Kill => beam.kill().await.unwrap(),
            End::Stop => assert!(beam.stop().await.unwrap().success()),
            End::Drop => break,
        }
        for node in &nodes {
            seen_by_rust(node, "workers", &name(&beam), &[]).await;
            assert!(node.members(&Term::atom("workers")).contains(node.name()));
        }
        beam = builder.clone().start().await.unwrap();
    }
}

enum End {
    Kill,
    Stop,
    Drop,
}

async fn a_scope_that_starts_after_the_link_is_found_and_found_again(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam().start().await.unwrap();
    let nodes = cluster.hidden_and_visible(&[&beam]).await;
    let members = nodes
        .each_ref()
        .map(|node| node.join(Term::atom("workers")).unwrap());
    for node in &nodes {
        connected(&beam, node.name(), true).await;
        node.settled(DEADLINE).await.unwrap();
    }

    let kill = "exit(whereis(rpc_load_balancer), kill)";
    // As a supervisor does: the new scope is there before anybody can look for it in vain.
    let restart = format!(
        "true = {kill},
        Start = fun Start() -> case pg:start(rpc_load_balancer) of {{ok, _}} -> ok; _ -> Start() end end,
        ok = Start()"
    );
    for (start, end) in [(SCOPE, Some(kill)), (SCOPE, None), (&restart, None)] {
        text(&beam, start).await;
        let worker = processes(&beam, 1).await;
        run(&beam, JOIN, &worker).await;
        for (node, member) in nodes.iter().zip(&members) {
            seen_by_rust(node, "workers", &name(&beam), &worker).await;
            seen_by_otp(&beam, "workers", node.name(), &[member]).await;
        }
        if let Some(end) = end {
            text(&beam, end).await;
            for node in &nodes {
                seen_by_rust(node, "workers", &name(&beam), &[]).await;
            }
        }
    }
}
