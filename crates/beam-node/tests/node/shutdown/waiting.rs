//! Those who wait for what a node will not tell any more.

use beam_node::{Event, Events, Mailbox};

use crate::support::{Cluster, within};

/// Waits for the end of what `a` tells. It ends with the events and messages that came before.
async fn learn_of_the_end(mut events: Events, mut mailbox: Mailbox) {
    assert!(matches!(
        within(events.next()).await,
        Some(Event::Down { .. })
    ));
    assert_eq!(within(events.next()).await, None);
    assert!(within(mailbox.recv()).await.is_some());
    assert!(within(mailbox.recv()).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn events_and_messages_end_with_a_node_that_is_shut_down() {
    let (a, b) = Cluster::new().pair().await;
    let mailbox = a.mailbox(None).unwrap();
    within(b.send(mailbox.pid().clone(), &1)).await.unwrap();
    // What was sent is there once what was sent later is answered.
    within(b.ping(a.name())).await.unwrap();
    let waiting = tokio::spawn(learn_of_the_end(a.events(), mailbox));

    within(a.shutdown()).await.unwrap();

    within(waiting).await.unwrap();
    assert_eq!(within(a.events().next()).await, None);
    assert!(within(a.mailbox(None).unwrap().recv()).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn events_and_messages_end_with_a_node_that_is_dropped() {
    let (a, b) = Cluster::new().pair().await;
    let mailbox = a.mailbox(None).unwrap();
    within(b.send(mailbox.pid().clone(), &1)).await.unwrap();
    within(b.ping(a.name())).await.unwrap();
    let events = a.events();

    drop(a);

    learn_of_the_end(events, mailbox).await;
}
