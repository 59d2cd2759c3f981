//! Nodes over TLS.

mod certificates;
mod links;
mod plain;
mod reload;
mod strangers;

use beam_node::{Cause, ConnectError, Error, Node, Tls, TlsError};

use crate::support::{Cluster, within};

/// The host of the nodes.
const HOST: &str = "127.0.0.1";

async fn start(cluster: &Cluster, alive: &str, tls: Tls) -> Node {
    within(cluster.builder(alive).tls(tls).start())
        .await
        .unwrap()
}

/// Why TLS failed.
#[track_caller]
fn of_tls(error: &ConnectError) -> &TlsError {
    match error {
        ConnectError::Tls { error, .. } => error,
        other => panic!("{other:?}"),
    }
}

/// Why there is no connection.
#[track_caller]
fn not_connected(error: &Error) -> &ConnectError {
    match error.cause() {
        Cause::NotConnected(error) => error,
        other => panic!("{other:?}"),
    }
}
