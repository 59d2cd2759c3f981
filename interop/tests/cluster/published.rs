//! What nodes publish: to OTP the groups that carry it are groups like any others, and its processes
//! can publish by joining them.

use beam_node::Node;
use beam_term::{Pid, Term};
use interop::{Beam, Otp, eventually, on_each_release};
use rpc_load_balancer::{Balancer, RoundRobin};

use crate::{
    members::{SCOPE, pids, processes, run},
    nodes::{Cluster, DEADLINE, name, rust_name, text},
};

on_each_release! {
    to_otp_a_published_value_is_a_group_like_any_other,
    members_of_otp_and_of_rust_publish_their_weights,
    a_weight_that_otp_publishes_goes_with_its_process_its_scope_and_its_node,
}

async fn to_otp_a_published_value_is_a_group_like_any_other(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam().start().await.unwrap();
    text(&beam, SCOPE).await;
    let scope = text(&beam, "whereis(rpc_load_balancer)").await;
    let worker = processes(&beam, 1).await;
    join(&beam, "my_balancer", &worker).await;
    for node in cluster.hidden_and_visible(&[&beam]).await {
        let member = balancer().own_weight(3).start(&node).await.unwrap();
        let carried = |value: &str| format!("{{'$published',{{balancer,my_balancer}},_,{value}}}");
        let weight = |weight: u32| carried(&format!("#{{weight := {weight}}}"));
        let expected = [worker[0].clone(), pid_in(&beam, "my_balancer", &node).await];
        // One process that is in no other group.
        let publishes = pid_in(&beam, &weight(3), &node).await;
        assert!(!expected.contains(&publishes));

        member.publish_weight(Some(0)).unwrap();
        assert_eq!(pid_in(&beam, &weight(0), &node).await, publishes);
        gone(&beam, &weight(3)).await;
        member.publish_metadata(Some(Term::binary("eu"))).unwrap();
        let both = carried("#{weight := 0, metadata := <<\"eu\">>}");
        assert_eq!(pid_in(&beam, &both, &node).await, publishes);
        let mut seen = pids(&members(&beam, "my_balancer").await);
        seen.sort();
        let mut expected = expected.to_vec();
        expected.sort();
        assert_eq!(seen, expected);

        member.leave();
        gone(&beam, &carried("_")).await;
        assert_eq!(pids(&members(&beam, "my_balancer").await), worker);
        let member = balancer().own_weight(2).start(&node).await.unwrap();
        pid_in(&beam, &weight(2), &node).await;
        node.shutdown().await.unwrap();
        gone(&beam, &carried("_")).await;
        drop((member, node));
    }

    let node = cluster.rust(&rust_name("dies"), &[&beam]);
    let node = node.start().await.unwrap();
    let _kept = node.publish(Term::atom("k"), 1).unwrap();
    pid_in(&beam, "{'$published',k,_,1}", &node).await;
    drop(node);
    gone(&beam, "{'$published',_,_,_}").await;

    let groups = text(&beam, "pg:which_groups(rpc_load_balancer)").await;
    assert_eq!(groups, "[my_balancer]");
    assert_eq!(text(&beam, "whereis(rpc_load_balancer)").await, scope);
}

async fn members_of_otp_and_of_rust_publish_their_weights(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam().start().await.unwrap();
    text(&beam, SCOPE).await;
    let worker = processes(&beam, 1).await;
    join(
        &beam,
        &carrying(1, "#{weight => 3, metadata => eu}"),
        &worker,
    )
    .await;
    join(&beam, "my_balancer", &worker).await;
    // They do not know each other.
    for node in cluster.hidden_and_visible(&[&beam]).await {
        let member = balancer().own_weight(2).start(&node).await.unwrap();
        sees(&member, &beam, Some((3, Some(Term::atom("eu"))))).await;

        join(&beam, &carrying(2, "#{weight => 0, later => 1}"), &worker).await;
        leave(
            &beam,
            &carrying(1, "#{weight => 3, metadata => eu}"),
            &worker,
        )
        .await;
        sees(&member, &beam, Some((0, None))).await;
        for _ in 0..4 {
            assert_eq!(member.select().unwrap().node(), node.name());
        }
        // Malformed, and then withdrawn.
        join(
            &beam,
            &carrying(3, "#{weight => heavy, metadata => 1}"),
            &worker,
        )
        .await;
        sees(&member, &beam, Some((1, Some(Term::from(1))))).await;
        join(
            &beam,
            "{'$published', {balancer, my_balancer}, last, 7}",
            &worker,
        )
        .await;
        join(&beam, &carrying(4, "not_a_map"), &worker).await;
        sees(&member, &beam, Some((1, None))).await;

        join(
            &beam,
            &carrying(5, "#{weight => 3, metadata => eu}"),
            &worker,
        )
        .await;
        let rest = [
            carrying(2, "#{weight => 0, later => 1}"),
            carrying(3, "#{weight => heavy, metadata => 1}"),
            carrying(4, "not_a_map"),
            "{'$published', {balancer, my_balancer}, last, 7}".to_owned(),
        ];
        for group in rest {
            leave(&beam, &group, &worker).await;
        }
        sees(&member, &beam, Some((3, Some(Term::atom("eu"))))).await;
        leave(
            &beam,
            &carrying(5, "#{weight => 3, metadata => eu}"),
            &worker,
        )
        .await;
        sees(&member, &beam, Some((1, None))).await;
        join(
            &beam,
            &carrying(1, "#{weight => 3, metadata => eu}"),
            &worker,
        )
        .await;
    }
}

async fn a_weight_that_otp_publishes_goes_with_its_process_its_scope_and_its_node(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let builder = cluster.beam();
    let mut beam = builder.clone().start().await.unwrap();
    let nodes = cluster.hidden_and_visible(&[&beam]).await;
    let mut balancers = Vec::new();
    for node in &nodes {
        balancers.push(balancer().join(false).start(node).await.unwrap());
    }
    let key = Term::tuple([Term::atom("balancer"), Term::atom("my_balancer")]);
    let forgotten = async |beam: &Beam| {
        for (node, balancer) in nodes.iter().zip(&balancers) {
            sees(balancer, beam, None).await;
            let agreed = async || node.published(&key).is_empty();
            eventually("the value to be forgotten", DEADLINE, agreed).await;
        }
    };

    for end in ["process", "scope", "kill", "stop"] {
        // One that is still there may have a scope.
        if text(&beam, "whereis(rpc_load_balancer)").await == "undefined" {
            text(&beam, SCOPE).await;
        }
        let worker = processes(&beam, 1).await;
        join(&beam, &carrying(1, "#{weight => 3}"), &worker).await;
        join(&beam, "my_balancer", &worker).await;
        for balancer in &balancers {
            sees(balancer, &beam, Some((3, None))).await;
        }
        match end {
            "process" => run(&beam, "P ! stop", &worker).await,
            "scope" => drop(text(&beam, "exit(whereis(rpc_load_balancer), kill)").await),
            "kill" => beam.kill().await.unwrap(),
            _ => assert!(beam.stop().await.unwrap().success()),
        }
        forgotten(&beam).await;
        if end == "kill" {
            beam = builder.clone().start().await.unwrap();
        }
    }
}

fn balancer() -> rpc_load_balancer::BalancerBuilder {
    Balancer::builder("my_balancer").algorithm(RoundRobin::new())
}

/// The name of a group that carries a value of members.
fn carrying(serial: u32, value: &str) -> String {
    format!("{{'$published', {{balancer, my_balancer}}, {serial}, {value}}}")
}

async fn join(beam: &Beam, group: &str, pids: &[Pid]) {
    let source = format!("ok = pg:join(rpc_load_balancer, {group}, P)");
    run(beam, &source, pids).await;
}

async fn leave(beam: &Beam, group: &str, pids: &[Pid]) {
    let source = format!("ok = pg:leave(rpc_load_balancer, {group}, P)");
    run(beam, &source, pids).await;
}

async fn members(beam: &Beam, group: &str) -> Term {
    let source = format!("pg:get_members(rpc_load_balancer, {group})");
    beam.eval(&source).await.unwrap()
}

/// The members of the groups whose names match a pattern.
async fn matching(beam: &Beam, pattern: &str) -> Vec<Pid> {
    let source = format!(
        "lists:append([pg:get_members(rpc_load_balancer, G)
            || {pattern} = G <- pg:which_groups(rpc_load_balancer)])"
    );
    pids(&beam.eval(&source).await.unwrap())
}

/// Waits until just one process of a node is in the groups that match a pattern, and tells which.
async fn pid_in(beam: &Beam, pattern: &str, node: &Node) -> Pid {
    let found = async || {
        let of_node = |pid: &Pid| pid.node == *node.name().as_atom();
        let found = matching(beam, pattern).await;
        match &found.into_iter().filter(of_node).collect::<Vec<_>>()[..] {
            [pid] => Some(pid.clone()),
            _ => None,
        }
    };
    let what = format!("{} to be in {pattern}", node.name());
    eventually(&what, DEADLINE, found).await
}

/// Waits until there is no group whose name matches a pattern.
async fn gone(beam: &Beam, pattern: &str) {
    let agreed = async || matching(beam, pattern).await.is_empty();
    eventually(&format!("{pattern} to be gone"), DEADLINE, agreed).await;
}

/// Waits until a balancer sees a node with this weight and metadata, or not at all.
async fn sees(balancer: &Balancer, beam: &Beam, expected: Option<(u32, Option<Term>)>) {
    let node = name(beam);
    let agreed = async || {
        let members = balancer.member_statuses();
        let status = members.iter().find(|member| member.node == node);
        status.map(|status| (status.weight, status.metadata.clone())) == expected
    };
    let what = format!("{} to see {node} as {expected:?}", balancer.node().name());
    eventually(&what, DEADLINE, agreed).await;
}
