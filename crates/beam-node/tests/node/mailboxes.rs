//! Messages to mailboxes, of others and of the own node.

use beam_node::{Cause, Code, Limits};
use beam_term::{Atom, Term};

use crate::support::{Cluster, down, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_gets_messages_by_its_pid_and_by_its_name_from_any_node() {
    let (a, b) = Cluster::new().pair().await;
    let mut inbox = a.mailbox(Some("inbox")).unwrap();

    for from in [&a, &b] {
        let by_atom = (a.name(), Atom::from_static("inbox"));
        within(from.send(inbox.pid().clone(), &"by pid"))
            .await
            .unwrap();
        within(from.send(by_atom, &"by atom")).await.unwrap();
        within(from.send((a.name(), "inbox"), &"by name"))
            .await
            .unwrap();
        within(from.send((a.name(), "nobody"), &"lost"))
            .await
            .unwrap();
        for expected in ["by pid", "by atom", "by name"] {
            let delivery = within(inbox.recv()).await.unwrap();
            assert_eq!(delivery.node, *from.name());
            assert_eq!(delivery.from.unwrap().node, *from.name().as_atom());
            assert_eq!(delivery.message.decode().unwrap(), Term::binary(expected));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_to_the_own_node_says_why() {
    let cluster = Cluster::new();
    let limits = Limits {
        mailbox_messages: 1,
        ..Limits::default()
    };
    let a = within(cluster.builder("a").limits(limits).start())
        .await
        .unwrap();
    let _inbox = a.mailbox(Some("inbox")).unwrap();
    let to = || (a.name(), "inbox");

    let error = within(a.send(to(), &f64::NAN)).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Encode(_)), "{error:?}");
    let long = "x".repeat(256);
    let error = within(a.send((a.name(), long.as_str()), &1))
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::BadRequest);
    within(a.send(to(), &1)).await.unwrap();
    let error = within(a.send(to(), &2)).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Limit("mailbox_messages")));
    assert_eq!(error.code, Code::TooManyRequests);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_disconnected_by_any_form_of_its_name() {
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;

    let mut events = a.events();

    assert!(!a.disconnect("no name"));
    assert!(a.disconnect("b@127.0.0.1"));
    down(&mut events, b.name()).await;
    within(a.ping(b.name())).await.unwrap();
    assert!(a.disconnect(b.name()));
}
