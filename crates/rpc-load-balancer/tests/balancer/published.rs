//! What members publish of themselves, and what balancers on other nodes make of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use rpc_load_balancer::{
    Algorithm, Atom, Balancer, BalancerBuilder, Code, MemberStatus, Node, RoundRobin, Selection,
    Snapshot, Term, algorithm::NodeChange,
};

use crate::support::{Cluster, GROUP, until, within};

fn balancer() -> BalancerBuilder {
    Balancer::builder(GROUP).algorithm(RoundRobin::new())
}

/// What the members publish, as the node knows it.
fn published(node: &Node) -> usize {
    let key = Term::tuple([Term::atom("balancer"), Term::atom(GROUP)]);
    node.published(&key).len()
}

/// Waits until the members have these weights and metadata.
async fn becomes(balancer: &Balancer, expected: &[(&Node, u32, Option<Term>)]) {
    let known = || -> Vec<_> {
        let status = |status: &MemberStatus| {
            let MemberStatus { node, weight, .. } = status;
            (node.clone(), *weight, status.metadata.clone())
        };
        balancer.member_statuses().iter().map(status).collect()
    };
    let expected: Vec<_> = expected
        .iter()
        .map(|(node, weight, metadata)| (node.name().clone(), *weight, metadata.clone()))
        .collect();
    until(|| known() == expected).await;
}

#[tokio::test]
async fn weights_that_are_set_count_first_then_those_published_then_one() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let w2 = cluster.node("w2", &[&app]).await;
    let w3 = cluster.node("w3", &[&app]).await;
    let client = balancer().join(false).weight("w1@127.0.0.1", 5);
    let client = client.start(&app).await.unwrap();
    let _one = balancer().own_weight(3).start(&w1).await.unwrap();
    let two = balancer().own_weight(3).metadata(Term::atom("eu"));
    let two = two.start(&w2).await.unwrap();
    let _three = balancer().start(&w3).await.unwrap();
    let eu = || Some(Term::atom("eu"));
    becomes(&client, &[(&w1, 5, None), (&w2, 3, eu()), (&w3, 1, None)]).await;
    // The members see themselves and each other just so, but for what is set elsewhere.
    becomes(&two, &[(&w1, 3, None), (&w2, 3, eu()), (&w3, 1, None)]).await;

    client.set_weight("w1@127.0.0.1", None).unwrap();
    client.set_weight("w2@127.0.0.1", Some(9)).unwrap();
    becomes(&client, &[(&w1, 3, None), (&w2, 9, eu()), (&w3, 1, None)]).await;
    assert_eq!(published(&app), 2);
}

#[tokio::test]
async fn what_is_published_changes_at_run_time_while_selections_go_on() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let w2 = cluster.node("w2", &[&app]).await;
    let (one, _two) = (
        balancer().start(&w1).await.unwrap(),
        balancer().start(&w2).await.unwrap(),
    );
    let client = balancer().join(false).start(&app).await.unwrap();
    becomes(&client, &[(&w1, 1, None), (&w2, 1, None)]).await;
    assert_eq!(published(&app), 0, "nothing is published unasked");

    let selecting = async {
        loop {
            client.select().expect("there is always a fit member");
            tokio::task::yield_now().await;
        }
    };
    let changing = async {
        let text = || Term::binary("v2");
        one.publish_weight(Some(4)).unwrap();
        becomes(&client, &[(&w1, 4, None), (&w2, 1, None)]).await;
        one.publish_metadata(Some(text())).unwrap();
        becomes(&client, &[(&w1, 4, Some(text())), (&w2, 1, None)]).await;
        one.publish_weight(None).unwrap();
        becomes(&client, &[(&w1, 1, Some(text())), (&w2, 1, None)]).await;
        one.publish_weight(Some(0)).unwrap();
        becomes(&client, &[(&w1, 0, Some(text())), (&w2, 1, None)]).await;
        for _ in 0..4 {
            assert_eq!(client.select().unwrap().node(), w2.name());
        }
        one.publish_metadata(None).unwrap();
        becomes(&client, &[(&w1, 0, None), (&w2, 1, None)]).await;
        one.publish_weight(None).unwrap();
        becomes(&client, &[(&w1, 1, None), (&w2, 1, None)]).await;
    };
    tokio::select! {
        () = selecting => {}
        () = changing => {}
    }
    until(|| published(&app) == 0).await;
}

#[tokio::test]
async fn what_a_member_publishes_goes_with_it() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let client = balancer().join(false).start(&app).await.unwrap();
    for end in ["leave", "drop", "shutdown", "death"] {
        let alive = format!("w_{end}");
        let node = cluster.node(&alive, &[&app]).await;
        let member = balancer().own_weight(2).start(&node).await.unwrap();
        becomes(&client, &[(&node, 2, None)]).await;
        match end {
            "leave" => drop(member.leave()),
            "drop" => drop(member),
            "shutdown" => node.shutdown().await.unwrap(),
            _ => drop((member, node)),
        }
        becomes(&client, &[]).await;
        until(|| published(&app) == 0).await;
    }
}

#[tokio::test]
async fn each_change_is_told_with_what_the_member_published_then() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let node = cluster.node("w1", &[&app]).await;
    let client = balancer().join(false).start(&app).await.unwrap();
    let mut events = client.member_events();
    let member = balancer().own_weight(1).metadata(Term::from(1));
    let member = member.start(&node).await.unwrap();
    becomes(&client, &[(&node, 1, Some(Term::from(1)))]).await;
    for n in 2..=3 {
        member.publish_metadata(Some(Term::from(n))).unwrap();
        member.publish_weight(Some(n)).unwrap();
        becomes(&client, &[(&node, n, Some(Term::from(n)))]).await;
    }
    member.leave();
    becomes(&client, &[]).await;
    // All has happened before any of it is read.
    for (state, n) in [("up", 1), ("up", 2), ("up", 3), ("draining", 3)] {
        let event = within(events.next()).await.unwrap();
        let told = (event.state.as_str(), event.weight, event.metadata);
        assert_eq!(told, (state, n, Some(Term::from(n))));
    }
}

/// Picks anybody, and notes every state of the members that could be picked from.
#[derive(Clone, Default)]
struct Witness(Arc<Mutex<BTreeSet<(String, u32)>>>);

impl Algorithm for Witness {
    type Table = ();
    type State = ();

    fn choose(&self, _: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
        Some(0)
    }

    fn on_node_change(&self, snapshot: &Snapshot<Self>, _: &NodeChange) {
        let members = snapshot.members().iter().zip(snapshot.weights());
        let seen = members.map(|(member, weight)| (member.node().to_string(), *weight));
        self.0.lock().unwrap().extend(seen);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_never_seen_without_the_weight_that_it_published() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let witness = Witness::default();
    let client = Balancer::builder(GROUP).algorithm(witness.clone());
    let client = client.join(false).start(&app).await.unwrap();
    let known = |name: &str| {
        let members = client.member_statuses();
        members.iter().any(|member| member.node.as_str() == name)
    };

    let weights = BTreeMap::from([("w0", 0), ("w7", 7)]);
    for (alive, weight) in &weights {
        let name = format!("{alive}@127.0.0.1");
        let node = cluster.node(alive, &[&app]).await;
        for _ in 0..100 {
            let member = balancer().own_weight(*weight).start(&node).await.unwrap();
            until(|| known(&name)).await;
            // Either way of leaving.
            member.leave();
            until(|| !known(&name)).await;
        }
        node.shutdown().await.unwrap();
        // With the link, when the peer tells all that it has, and when it drains or dies.
        for round in 0..10 {
            let node = cluster.node(&format!("{alive}_{round}"), &[]).await;
            let member = balancer().own_weight(*weight).start(&node).await.unwrap();
            app.connect(node.name()).await.unwrap();
            let name = node.name().to_string();
            until(|| known(&name)).await;
            match round % 2 {
                0 => node.shutdown().await.unwrap(),
                _ => assert!(app.disconnect(node.name())),
            }
            drop((member, node));
            until(|| !known(&name)).await;
        }
    }

    let seen = witness.0.lock().unwrap();
    let seven = |(name, weight): &(String, u32)| name.starts_with("w7") && *weight == 7;
    assert!(seen.iter().all(seven), "{seen:?}");
    assert_eq!(seen.len(), 11);
}

#[tokio::test]
async fn a_pure_client_publishes_nothing_and_is_told_so() {
    let cluster = Cluster::new();
    let node = cluster.node("only", &[]).await;
    let starting = [
        balancer().own_weight(3),
        balancer().metadata(Term::atom("eu")),
    ];
    for (builder, option) in starting.into_iter().zip(["own_weight", "metadata"]) {
        let error = builder.join(false).start(&node).await.unwrap_err();
        assert_eq!(error.code, Code::BadRequest);
        let expected = format!("{option}: this node is no member of the balancer");
        assert!(error.message.starts_with(&expected), "{error}");
    }

    let client = balancer().join(false).start(&node).await.unwrap();
    let error = client.publish_weight(Some(1)).unwrap_err();
    assert_eq!(error.code, Code::BadRequest);
    assert_eq!(error.details.balancer.as_deref(), Some(GROUP));
    let member = balancer().start(&node).await.unwrap();
    member.leave();
    let error = member.publish_metadata(None).unwrap_err();
    assert_eq!(error.code, Code::BadRequest);
    assert_eq!(published(&node), 0);
}

#[tokio::test]
async fn metadata_that_is_too_large_is_refused_and_what_was_there_stays() {
    let cluster = Cluster::new();
    let node = cluster.node("only", &[]).await;
    let large = || Term::binary(vec![0; 1_024]);
    let error = balancer().metadata(large()).start(&node).await.unwrap_err();
    assert_eq!(error.code, Code::BadRequest);
    assert!(error.message.contains("too large"), "{error}");
    assert!(node.groups().is_empty(), "nothing was joined");

    let member = balancer().own_weight(2).start(&node).await.unwrap();
    let error = member.publish_metadata(Some(large())).unwrap_err();
    assert_eq!(error.code, Code::BadRequest);
    becomes(&member, &[(&node, 2, None)]).await;
    // What was refused is not remembered.
    member.publish_weight(Some(3)).unwrap();
    becomes(&member, &[(&node, 3, None)]).await;
    let longest = Term::binary(vec![0; 900]);
    member.publish_metadata(Some(longest.clone())).unwrap();
    becomes(&member, &[(&node, 3, Some(longest))]).await;
}

#[tokio::test]
async fn what_cannot_be_read_as_a_weight_counts_as_none() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let node = cluster.node("w1", &[&app]).await;
    let client = balancer().join(false).start(&app).await.unwrap();
    let key = Term::tuple([Term::atom("balancer"), Term::Atom(Atom::from_static(GROUP))]);
    let mut published = node.publish(key, Term::atom("heavy")).unwrap();
    let _member = balancer().start(&node).await.unwrap();
    becomes(&client, &[(&node, 1, None)]).await;

    let map = |weight: Term, extra: Term| {
        let entries = [
            ("weight", weight),
            ("metadata", extra.clone()),
            ("later", extra),
        ];
        let entries = entries
            .into_iter()
            .map(|(key, value)| (Term::atom(key), value));
        Term::Map(entries.collect())
    };
    published.set(map(Term::from(-3), Term::from(1))).unwrap();
    becomes(&client, &[(&node, 1, Some(Term::from(1)))]).await;
    published.set(map(Term::from(3), Term::from(2))).unwrap();
    becomes(&client, &[(&node, 3, Some(Term::from(2)))]).await;
}
