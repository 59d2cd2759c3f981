//! Handlers that do not give way.

use std::{
    sync::{Mutex, mpsc},
    time::Duration,
};

use tokio::sync::oneshot;

use crate::support::{Cluster, within};

/// How long a handler looks whether its node ends before it.
const LOOK: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_has_not_ended_before_its_last_handler_has() {
    let (a, b) = Cluster::new().pair().await;
    let mut events = a.events();
    let (started, has_started) = oneshot::channel();
    let (looked, has_looked) = oneshot::channel();
    let (end, ended) = mpsc::channel::<()>();
    let parts = Mutex::new(Some((started, looked, ended)));
    a.export("slow", "work", move || {
        let (started, looked, ended) = parts.lock().unwrap().take().unwrap();
        async move {
            started.send(()).unwrap();
            // It blocks in its poll, so that nobody can end it.
            looked.send(ended.recv_timeout(LOOK)).unwrap();
        }
    })
    .unwrap();
    let call = b.call::<(), _>(a.name(), ("slow", "work"), ());
    let call = tokio::spawn(async move { call.await });
    within(has_started).await.unwrap();

    drop(a);
    while within(events.next()).await.is_some() {}
    // Nobody listens where it ended in good order.
    let _ = end.send(());

    let seen = within(has_looked).await.unwrap();
    assert_eq!(seen, Err(mpsc::RecvTimeoutError::Timeout));
    within(call).await.unwrap().unwrap_err();
}
