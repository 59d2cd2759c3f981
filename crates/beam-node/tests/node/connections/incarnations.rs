//! Nodes that are started again under the same name.

use beam_dist::control::Recipient;
use beam_node::{Cause, Code, DownReason, Node};
use beam_term::{Atom, Term};
use tokio::sync::mpsc;

use crate::support::{Cluster, PATIENCE, RawPeer, connect, down, up, within};

const GROUP: Term = Term::atom("workers");

/// Exports `the:incarnation/0`, which tells the creation of the node that runs it.
async fn start(cluster: &Cluster, alive: &str) -> Node {
    let node = cluster.start_again(alive).await;
    let creation = node.creation().get();
    node.export("the", "incarnation", move || async move { creation })
        .unwrap();
    node
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_comes_again_replaces_a_link_that_still_seems_alive() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    // It does not close its connection, as if its machine had lost power.
    let mut old = cluster.raw_peer(&a, "b").await;
    old.announce(&GROUP).await;
    within(a.wait_for_members(GROUP, 1, PATIENCE))
        .await
        .unwrap();
    let in_flight = tokio::spawn({
        let call = a.call::<u32, _>("b@127.0.0.1", ("the", "incarnation"), ());
        async move { call.await }
    });
    let (request, _) = old.spawn_request().await;
    let mut mailbox = a.mailbox(Some("inbox")).unwrap();
    let mut events = a.events();

    let new = start(&cluster, "b").await;
    within(new.connect(a.name())).await.unwrap();

    assert_eq!(down(&mut events, new.name()).await, DownReason::Replaced);
    up(&mut events, new.name()).await;
    let error = within(in_flight).await.unwrap().unwrap_err();
    assert_eq!(error.code, Code::ServiceUnavailable);
    assert!(matches!(error.cause(), Cause::ConnectionLost), "{error:?}");
    assert!(error.may_have_run());
    assert!(a.members(&GROUP).is_empty());
    assert_eq!(a.peers().len(), 1);
    assert_eq!(a.peers()[0].creation, new.creation());

    // What the old one still says is not heard.
    let process = old.pid(9);
    let late = [
        old.encode(
            &old.message(Recipient::Name(Atom::from_static("inbox"))),
            &Term::atom("late"),
        ),
        old.encode(
            &RawPeer::end(&request, &process),
            &RawPeer::returned(&request, Term::from(1)),
        ),
    ];
    for frames in late {
        old.write_late(&frames).await;
    }
    let answer: u32 = within(a.call(new.name(), ("the", "incarnation"), ()))
        .await
        .unwrap();
    assert_eq!(answer, new.creation().get());
    let to = (a.name(), Atom::from_static("inbox"));
    within(new.send(to, &"hello")).await.unwrap();
    let delivery = within(mailbox.recv()).await.unwrap();
    assert_eq!(delivery.message.decode().unwrap(), Term::binary("hello"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_for_an_old_incarnation_reaches_the_new_one() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let old = start(&cluster, "b").await;
    connect(&old, &a).await;
    let mut events = a.events();
    // Both incarnations have a process of the same number.
    let old_pid = old.mailbox(None).unwrap().pid().clone();
    let (started, mut starts) = mpsc::unbounded_channel();
    let (answer, _) = tokio::sync::broadcast::channel::<u32>(1);
    a.export("slow", "answer", {
        let answer = answer.clone();
        move || {
            let (started, mut answers) = (started.clone(), answer.subscribe());
            async move {
                started.send(()).unwrap();
                answers.recv().await.unwrap()
            }
        }
    })
    .unwrap();
    let call = |from: &Node| {
        let call = from.call::<u32, _>(a.name(), ("slow", "answer"), ());
        tokio::spawn(async move { call.await })
    };
    let old_call = call(&old);
    within(starts.recv()).await.unwrap();
    let old_creation = old.creation();
    drop(old);
    let name = "b@127.0.0.1".parse().unwrap();
    down(&mut events, &name).await;
    assert!(within(old_call).await.unwrap().unwrap_err().may_have_run());

    let new = start(&cluster, "b").await;
    assert_ne!(new.creation(), old_creation);
    connect(&new, &a).await;
    let mut mailbox = new.mailbox(None).unwrap();
    assert_eq!(mailbox.pid().id, old_pid.id);

    within(a.send(old_pid, &"for the old one")).await.unwrap();
    within(a.send(mailbox.pid().clone(), &"for the new one"))
        .await
        .unwrap();
    let delivery = within(mailbox.recv()).await.unwrap();
    assert_eq!(
        delivery.message.decode().unwrap(),
        Term::binary("for the new one")
    );

    let new_call = call(&new);
    within(starts.recv()).await.unwrap();
    assert_eq!(new.calling(), 1);
    answer.send(7).unwrap();
    assert_eq!(within(new_call).await.unwrap().unwrap(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_an_old_incarnation_does_not_answer_the_new_one() {
    let cluster = Cluster::new();
    let old = cluster.start("b").await;
    let mut peer = cluster.raw_peer(&old, "raw").await;
    let name = peer.name().clone();
    let call = |from: &Node| {
        let call = from.call::<String, _>(&name, ("any", "thing"), ());
        tokio::spawn(async move { call.await })
    };
    let old_call = call(&old);
    let (old_request, _) = peer.spawn_request().await;
    drop(old);
    peer.closed().await;
    within(old_call).await.unwrap().unwrap_err();

    let new = start(&cluster, "b").await;
    let mut peer = cluster.raw_peer(&new, "raw").await;
    let new_call = call(&new);
    let (new_request, _) = peer.spawn_request().await;
    for (request, value) in [(&old_request, "old"), (&new_request, "new")] {
        let answer = RawPeer::returned(request, Term::binary(value));
        peer.started(request, &peer.pid(5)).await;
        peer.ended(request, &peer.pid(5), &answer).await;
    }

    assert_eq!(within(new_call).await.unwrap().unwrap(), "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_members_of_an_old_incarnation_are_gone_with_it() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let (kept, left) = (Term::atom("kept"), Term::atom("left"));
    let old = start(&cluster, "b").await;
    let old_memberships = [
        old.join(kept.clone()).unwrap(),
        old.join(left.clone()).unwrap(),
    ];
    connect(&old, &a).await;
    let mut members = a.watch_members(kept.clone());
    within(members.wait_for(|members| members.len() == 1))
        .await
        .unwrap();
    let old_pid = old_memberships[0].pid().clone();
    let mut events = a.events();
    drop((old, old_memberships));
    down(&mut events, &"b@127.0.0.1".parse().unwrap()).await;
    assert!(a.members(&kept).is_empty() && a.members(&left).is_empty());

    let new = start(&cluster, "b").await;
    let membership = new.join(kept.clone()).unwrap();
    connect(&new, &a).await;
    let found = within(a.wait_for_members(kept, 1, PATIENCE)).await.unwrap();
    let member = found.get(new.name()).unwrap();
    assert_eq!(member.pids(), [membership.pid().clone()]);
    assert_ne!(member.pids(), [old_pid]);
    assert!(a.members(&left).is_empty());
}
