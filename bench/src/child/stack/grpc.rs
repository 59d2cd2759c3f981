//! gRPC with tonic.

use bytes::Bytes;
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};

pub(crate) use super::Fields;
use super::{Callee, DEADLINE};
use crate::failure::Failure;

use generated::{
    bench_client::BenchClient,
    bench_server::{Bench, BenchServer},
};

/// What `build.rs` writes.
#[allow(missing_docs, unreachable_pub, clippy::all)] // It is not written here.
mod generated {
    include!(concat!(env!("OUT_DIR"), "/bench.Bench.rs"));
}

/// So that a binary of 1 MiB, and all of them that are in flight, cross without waiting for a window; as the guides for
/// throughput advise.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 64 << 20;

/// More than the largest concurrency. The default of hyper is 200.
const STREAMS: u32 = 4_096;

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Pair {
    #[prost(int64, tag = "1")]
    a: i64,
    #[prost(int64, tag = "2")]
    b: i64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Number {
    #[prost(int64, tag = "1")]
    value: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Payload {
    #[prost(bytes = "bytes", tag = "1")]
    bytes: Bytes,
}

struct Service;

#[tonic::async_trait]
impl Bench for Service {
    async fn add(&self, request: Request<Pair>) -> Result<Response<Number>, Status> {
        let Pair { a, b } = request.into_inner();
        Ok(Response::new(Number { value: a + b }))
    }

    async fn echo(&self, request: Request<Payload>) -> Result<Response<Payload>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    async fn map20(&self, request: Request<Fields>) -> Result<Response<Number>, Status> {
        let value = request.into_inner().digest();
        Ok(Response::new(Number { value }))
    }
}

/// Serves every connection; hyper has a task for each request.
pub(super) async fn serve(ready: impl FnOnce(String)) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .map_err(Failure::io("listening"))?;
    let address = listener.local_addr().map_err(Failure::io("listening"))?;
    ready(address.to_string());
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .add_service(BenchServer::new(Service))
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
        .await
        .map_err(|error| Failure::Other(format!("serving gRPC failed: {error}")))
}

/// A client; clones share its connection.
#[derive(Clone)]
pub(crate) struct Client(BenchClient<Channel>);

pub(crate) async fn connect(callee: &str) -> Result<Client, Failure> {
    let failed =
        |error: tonic::transport::Error| Failure::Other(format!("connecting failed: {error}"));
    let channel = Endpoint::from_shared(format!("http://{callee}"))
        .map_err(failed)?
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .connect()
        .await
        .map_err(failed)?;
    Ok(Client(BenchClient::new(channel)))
}

impl Callee for Client {
    async fn add(&self, a: i64, b: i64) -> Result<i64, String> {
        let answer = self.0.clone().add(request(Pair { a, b })).await;
        Ok(answer.map_err(text)?.into_inner().value)
    }

    async fn echo(&self, payload: Bytes) -> Result<Bytes, String> {
        let answer = self
            .0
            .clone()
            .echo(request(Payload { bytes: payload }))
            .await;
        Ok(answer.map_err(text)?.into_inner().bytes)
    }

    async fn map20(&self, fields: &Fields) -> Result<i64, String> {
        let answer = self.0.clone().map20(request(fields.clone())).await;
        Ok(answer.map_err(text)?.into_inner().value)
    }
}

fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    request
}

fn text(status: Status) -> String {
    status.to_string()
}
