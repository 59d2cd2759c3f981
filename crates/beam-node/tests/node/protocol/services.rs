//! What OTP sends to every node that it connects to.

use beam_dist::{
    Message,
    control::{Control, Recipient},
};
use beam_term::{Atom, Term};

use crate::support::{Cluster, RawPeer};

fn to_name(peer: &RawPeer, name: &'static str) -> Control {
    peer.message(Recipient::Name(Atom::from_static(name)))
}

fn sent(message: Message) -> (Recipient, Term) {
    match message.control {
        Control::Send(send) => (send.to, message.payload.unwrap().decode().unwrap()),
        other => panic!("{other:?}"),
    }
}

/// `{'$gen_call', {From, Tag}, Request}`
fn gen_call(peer: &RawPeer, tag: Term, request: Term) -> Term {
    Term::tuple([
        Term::atom("$gen_call"),
        Term::tuple([Term::from(peer.pid(7)), tag]),
        request,
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_is_answered_to_the_pid_or_to_the_alias_in_its_tag() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let reference = Term::from(peer.reference(1));
    let alias = Term::list_with_tail([Term::atom("alias")], reference.clone());
    let of_many = Term::list_with_tail([alias.clone()], Term::from(peer.reference(2)));
    for (tag, to) in [
        (reference, Recipient::Pid(peer.pid(7))),
        (alias, Recipient::Alias(peer.reference(1))),
        (of_many, Recipient::Alias(peer.reference(1))),
    ] {
        let request = Term::tuple([Term::atom("is_auth"), Term::atom("raw@127.0.0.1")]);
        let ping = gen_call(&peer, tag.clone(), request);
        peer.send_with(to_name(&peer, "net_kernel"), &ping).await;

        let answer = Term::tuple([tag, Term::atom("yes")]);
        assert_eq!(sent(peer.next().await), (to, answer));
    }
    // What is no ping is not answered.
    for text in ["hello", "{'$gen_call', x, y}", "{is_auth, a}"] {
        let message = text.parse().unwrap();
        peer.send_with(to_name(&peer, "net_kernel"), &message).await;
    }
    peer.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rex_tells_its_features_and_refuses_what_came_before_erpc() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut peer = cluster.raw_peer(&a, "raw").await;

    let request = Term::tuple([Term::from(peer.pid(7)), Term::atom("features_request")]);
    peer.send_with(to_name(&peer, "rex"), &request).await;
    let features = "{features_reply, 'a@127.0.0.1', [erpc]}".parse().unwrap();
    assert_eq!(
        sent(peer.next().await),
        (Recipient::Pid(peer.pid(7)), features)
    );

    let tag = Term::from(peer.reference(1));
    let request = "{call, erlang, node, [], user}".parse().unwrap();
    let call = gen_call(&peer, tag.clone(), request);
    peer.send_with(to_name(&peer, "rex"), &call).await;
    let (_, answer) = sent(peer.next().await);
    let refusal = "{badrpc, enotsup}".parse().unwrap();
    assert_eq!(answer, Term::tuple([tag, refusal]));
}

#[tokio::test(flavor = "multi_thread")]
async fn global_is_told_that_this_node_is_in_sync() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let to = || to_name(&peer, "global_name_server");
    let (cast, other) = (to(), to());

    let connect = "{'$gen_cast', {init_connect, {5, 1}, raw, {locker, [], [], x, y}}}";
    peer.send_with(cast, &connect.parse().unwrap()).await;

    let (to, message) = sent(peer.next().await);
    assert_eq!(to, Recipient::Name(Atom::from_static("global_name_server")));
    let expected = "{'$gen_cast', {in_sync, 'a@127.0.0.1', true}}"
        .parse()
        .unwrap();
    assert_eq!(message, expected);
    let lost = "{'$gen_cast', {lost_connection, x, y, z}}".parse().unwrap();
    peer.send_with(other, &lost).await;
    peer.settle().await;
}
