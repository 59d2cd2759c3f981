//! Members that are asked how busy their processors are.

use std::{collections::BTreeSet, time::Duration};

use rpc_load_balancer::{Atom, Balancer, Function, LeastCpu, Node, Term};
use serde::Serialize;

use crate::support::{Cluster, GROUP, member, members_become, until, within};

const CACHE: (&str, &str) = (
    "Elixir.RpcLoadBalancer.LoadBalancer.NodeCpuCache",
    "get_local_cpu",
);

async fn least_cpu(node: &Node) -> Balancer {
    let algorithm = LeastCpu::new()
        .initial_delay(Duration::ZERO)
        .interval(Duration::from_millis(20));
    let balancer = Balancer::builder(GROUP).algorithm(algorithm).join(false);
    balancer.start(node).await.unwrap()
}

/// Waits until selections go to these nodes alone.
async fn picks_become(balancer: &Balancer, nodes: &[&Node]) {
    let expected: BTreeSet<_> = nodes.iter().map(|node| node.name().clone()).collect();
    until(|| {
        let picks = (0..64).map(|_| balancer.select().unwrap().node().clone());
        picks.collect::<BTreeSet<_>>() == expected
    })
    .await;
}

/// What a member says of its processors, in the words of the Elixir library.
#[derive(Clone, Serialize)]
struct Said {
    cpu: f64,
    fetched_at: i64,
}

/// Lets a node say that its processors are so busy.
fn says(node: &Node, percent: Option<f64>) {
    // The clocks of others are not to be believed.
    let said = percent.map(|cpu| Said { cpu, fetched_at: 1 });
    let answer = move || std::future::ready(Ok::<_, ()>(said.clone()));
    node.export(CACHE.0, CACHE.1, answer).unwrap();
}

/// Makes a node one that has nothing but OTP's `cpu_sup`.
fn has_load_average(node: &Node, average: impl Into<Term>, runs: bool) {
    let average = average.into();
    assert!(node.unregister(&Function::try_from(CACHE).unwrap(), 0));
    node.export("cpu_sup", "avg1", move || {
        std::future::ready(average.clone())
    })
    .unwrap();
    node.export("erlang", "system_info", async |_what: Atom| 4)
        .unwrap();
    let supervisor = match runs {
        true => Term::from(node.join(Term::atom("cpu_sup")).unwrap().pid().clone()),
        false => Term::atom("undefined"),
    };
    node.export("erlang", "whereis", move |_name: Atom| {
        std::future::ready(supervisor.clone())
    })
    .unwrap();
}

#[tokio::test]
async fn calls_go_to_the_members_that_say_they_are_least_busy() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let busy = cluster.node("w1", &[&app]).await;
    let idle = cluster.node("w2", &[&app]).await;
    let nearly = cluster.node("w3", &[&app]).await;
    says(&busy, Some(95.5));
    says(&idle, Some(2.0));
    says(&nearly, Some(6.5));
    let _members = (
        member(&busy).await,
        member(&idle).await,
        member(&nearly).await,
    );
    let balancer = least_cpu(&app).await;
    members_become(&balancer, &[&busy, &idle, &nearly]).await;
    picks_become(&balancer, &[&idle, &nearly]).await;
}

#[tokio::test]
async fn a_member_that_cannot_tell_yet_counts_as_half_busy() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let silent = cluster.node("w1", &[&app]).await;
    let busy = cluster.node("w2", &[&app]).await;
    says(&silent, None);
    says(&busy, Some(80.0));
    let _members = (member(&silent).await, member(&busy).await);
    let balancer = least_cpu(&app).await;
    members_become(&balancer, &[&silent, &busy]).await;
    picks_become(&balancer, &[&silent]).await;
}

#[tokio::test]
async fn a_member_with_nothing_but_otp_is_asked_for_its_load_average() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let idle = cluster.node("w1", &[&app]).await;
    let busy = cluster.node("w2", &[&app]).await;
    let unknown = cluster.node("w3", &[&app]).await;
    let stopped = cluster.node("w4", &[&app]).await;
    let _members = (
        member(&idle).await,
        member(&busy).await,
        member(&unknown).await,
        member(&stopped).await,
    );
    // A load of one on four processors, of forty, one that the operating system does not tell, and
    // what OTP answers when its application does not run.
    has_load_average(&idle, 256, true);
    has_load_average(&busy, 256 * 40, true);
    let failed = Term::tuple([Term::atom("error"), Term::atom("down")]);
    has_load_average(&unknown, failed, true);
    has_load_average(&stopped, 0, false);
    let balancer = least_cpu(&app).await;
    members_become(&balancer, &[&idle, &busy, &unknown, &stopped]).await;
    picks_become(&balancer, &[&idle]).await;
}

#[tokio::test]
async fn every_member_answers_how_busy_it_is_itself() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let _member = member(&w1).await;
    // The second one finds the function there.
    let _again = member(&w1).await;
    let answer = within(app.call::<Term, _>(w1.name(), CACHE, ()).send())
        .await
        .unwrap();
    let answer = answer.to_string();
    assert!(answer.starts_with("{ok,#{cpu => "), "{answer}");
}
