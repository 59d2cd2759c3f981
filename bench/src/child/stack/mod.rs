//! The peers that are measured: each serves the same functions, and calls them.

mod fields;
pub(crate) mod grpc;
pub(super) mod node;
pub(super) mod tarpc;

pub(crate) use fields::Fields;

use std::{
    future::Future,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use bytes::Bytes;

use super::{Place, lifeline::Commands, say};
use crate::{
    failure::Failure,
    protocol::{Answer, Large},
};

/// How long a call waits for its answer, with every peer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// The same for large ones.
pub(crate) const LARGE_DEADLINE: Duration = Duration::from_secs(60);

/// The peers by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Name {
    Node,
    Tarpc,
    Tonic,
}

/// One that can be called. Clones share the connection.
pub(crate) trait Callee: Clone + Send + Sync + 'static {
    fn add(&self, a: i64, b: i64) -> impl Future<Output = Result<i64, String>> + Send;

    fn echo(&self, payload: Bytes) -> impl Future<Output = Result<Bytes, String>> + Send;

    fn map20(&self, fields: &Fields) -> impl Future<Output = Result<i64, String>> + Send;

    /// Sends what the callee only counts.
    fn cast(&self) -> impl Future<Output = Result<(), String>> + Send {
        async { Err("it has no casts".to_owned()) }
    }

    /// How many casts have arrived.
    fn arrived(&self) -> impl Future<Output = Result<i64, String>> + Send {
        async { Err("it has no casts".to_owned()) }
    }

    /// Has something large cross the link.
    fn large(&self, _large: Large) -> impl Future<Output = Result<(), String>> + Send {
        async { Err("it is not measured with large calls".to_owned()) }
    }
}

/// Serves until the process ends.
pub(super) async fn serve(
    name: Name,
    place: &Place,
    mut commands: Commands,
) -> Result<(), Failure> {
    match name {
        Name::Node => {
            let _served = node::serve(place).await?;
            say(&Answer::Ready(vec![place.name.clone()]));
            // The end of the process closes it.
            while commands.recv().await.is_some() {}
            Ok(())
        }
        Name::Tarpc => tarpc::serve(|address| say(&Answer::Ready(vec![address]))).await,
        Name::Tonic => grpc::serve(|address| say(&Answer::Ready(vec![address]))).await,
    }
}

/// What is counted.
#[derive(Debug, Default)]
struct Arrived(AtomicI64);

impl Arrived {
    fn note(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn so_far(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}
