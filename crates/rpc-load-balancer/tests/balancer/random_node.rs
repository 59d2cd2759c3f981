//! Calls on a random node whose name matches.

use std::{collections::BTreeSet, time::Duration};

use rpc_load_balancer::{Code, NodeFilter, Retry, call_on_random_node, cast_on_random_node};

use crate::support::{Cluster, member, until, within};

#[tokio::test]
async fn any_connected_member_that_matches_may_be_called() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let w2 = cluster.node("w2", &[&app]).await;
    let (_member1, _member2) = (member(&w1).await, member(&w2).await);
    let _stranger = cluster.node("w3", &[&app]).await;
    until(|| {
        let peers = app.peers();
        peers.len() == 3 && peers.iter().filter(|peer| peer.memberships > 0).count() == 2
    })
    .await;

    let mut called = BTreeSet::new();
    // The hidden peer without any group is never called; each of the others is, but for a chance
    // of one in 2^62.
    for _ in 0..64 {
        let filter: NodeFilter = "/^w/".parse().unwrap();
        let call = call_on_random_node::<String, _>(&app, filter, ("demo", "node"), ());
        called.insert(within(call.send()).await.unwrap());
    }
    assert_eq!(
        called,
        BTreeSet::from(["w1@127.0.0.1".into(), "w2@127.0.0.1".into()])
    );
    let filter: NodeFilter = "w2@".parse().unwrap();
    within(cast_on_random_node(&app, filter, ("demo", "node"), ()).send())
        .await
        .unwrap();
}

#[tokio::test]
async fn the_own_node_comes_first_where_its_name_matches() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let call = call_on_random_node::<String, _>(&app, NodeFilter::all(), ("demo", "node"), ());
    assert_eq!(within(call.send()).await.unwrap(), app.name().as_str());
    let absent = call_on_random_node::<(), _>(&app, NodeFilter::all(), ("demo", "absent"), ());
    assert!(within(absent.send()).await.unwrap_err().is_undefined());
}

#[tokio::test]
async fn without_a_match_the_error_names_the_filter() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let filter = NodeFilter::any(["db", "/^cache/"]).unwrap();
    let call = call_on_random_node::<(), _>(&app, filter, ("demo", "node"), ());
    let error = within(call.retry(Retry::never()).send()).await.unwrap_err();
    assert_eq!(error.code, Code::ServiceUnavailable);
    assert!(error.message.contains("\"db\" or /^cache/"), "{error}");
    assert!(
        error.message.starts_with("no connected node is visible"),
        "{error}"
    );
}

#[tokio::test]
async fn without_a_match_the_error_names_who_is_there_instead() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let failure = async |pattern: &str| {
        let filter: NodeFilter = pattern.parse().unwrap();
        let filter = filter.except(app.name().clone());
        let call = call_on_random_node::<(), _>(&app, filter, ("demo", "node"), ());
        let error = within(call.retry(Retry::never()).send()).await.unwrap_err();
        assert_eq!(error.code, Code::ServiceUnavailable);
        error.message
    };
    let mut members = Vec::new();
    for count in 1..=10 {
        let node = cluster.node(&format!("w{count}"), &[&app]).await;
        members.push((member(&node).await, node));
        until(|| {
            let peers = app.peers();
            peers.iter().filter(|peer| peer.memberships > 0).count() == count
        })
        .await;
        let expected = match count {
            1 => "the one node that may be picked, w1@127.0.0.1, has no name that matches \"db\"",
            3 => {
                "none of the 3 nodes that may be picked has a name that matches \"db\": \
                  w1@127.0.0.1, w2@127.0.0.1 and w3@127.0.0.1"
            }
            10 => "w6@127.0.0.1, w7@127.0.0.1 and 2 more",
            _ => continue,
        };
        let message = failure("db").await;
        assert!(message.ends_with(expected), "{message}");
    }
    let mut of_no_group = Vec::new();
    for (name, expected) in [
        ("db1", "db1@127.0.0.1 matches \"db\", but is hidden"),
        (
            "db2",
            "db1@127.0.0.1 and db2@127.0.0.1 match \"db\", but are hidden",
        ),
    ] {
        let node = cluster.node(name, &[&app]).await;
        until(|| app.peers().iter().any(|peer| peer.name == *node.name())).await;
        of_no_group.push(node);
        let message = failure("db").await;
        assert!(message.starts_with(expected), "{message}");
    }
}

#[tokio::test]
async fn a_call_waits_for_a_node_that_matches() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let filter: NodeFilter = "w1".parse().unwrap();
    // The pause would last for ever.
    let retry = Retry::times(1).pause(Duration::MAX);
    let call = call_on_random_node::<String, _>(&app, filter, ("demo", "node"), ());
    let call = tokio::spawn(call.timeout(Duration::MAX).retry(retry).send());
    let w1 = cluster.node("w1", &[&app]).await;
    until(|| !app.peers().is_empty()).await;
    tokio::task::yield_now().await;
    let _member = member(&w1).await;
    assert_eq!(within(call).await.unwrap().unwrap(), w1.name().as_str());
}
