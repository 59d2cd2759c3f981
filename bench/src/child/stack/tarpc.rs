//! tarpc over TCP with bincode, as its README and its example service have it.

use std::time::Instant;

use bytes::Bytes;
use futures_util::StreamExt;
use tarpc::{
    client,
    context::{self, Context},
    serde_transport::tcp,
    server::{self, Channel},
    tokio_serde::formats::Bincode,
};

use super::{Callee, DEADLINE, Fields};
use crate::failure::Failure;

#[tarpc::service]
pub(crate) trait Bench {
    async fn add(a: i64, b: i64) -> i64;
    async fn echo(payload: Bytes) -> Bytes;
    async fn map20(fields: Fields) -> i64;
}

/// More than the largest concurrency, so that nobody waits for anything but the peer. The default for a client is 1,000
/// calls in flight.
const IN_FLIGHT: usize = 4_096;

#[derive(Clone)]
struct Server;

impl Bench for Server {
    async fn add(self, _: Context, a: i64, b: i64) -> i64 {
        a + b
    }

    async fn echo(self, _: Context, payload: Bytes) -> Bytes {
        payload
    }

    async fn map20(self, _: Context, fields: Fields) -> i64 {
        fields.digest()
    }
}

/// Serves every connection, each request in a task of its own, as in its examples.
pub(super) async fn serve(ready: impl FnOnce(String)) -> Result<(), Failure> {
    let listening = tcp::listen("127.0.0.1:0", Bincode::default);
    let mut listener = listening.await.map_err(Failure::io("listening"))?;
    listener.config_mut().max_frame_length(usize::MAX);
    ready(listener.local_addr().to_string());
    while let Some(transport) = listener.next().await {
        let transport = transport.map_err(Failure::io("accepting a connection"))?;
        transport
            .get_ref()
            .set_nodelay(true)
            .map_err(Failure::io("setting TCP_NODELAY"))?;
        let config = server::Config {
            pending_response_buffer: IN_FLIGHT,
        };
        let requests = server::BaseChannel::new(config, transport).execute(Server.serve());
        tokio::spawn(requests.for_each(|response| async {
            tokio::spawn(response);
        }));
    }
    Ok(())
}

/// A client; clones share its connection.
#[derive(Clone)]
pub(crate) struct Client(BenchClient);

pub(crate) async fn connect(callee: &str) -> Result<Client, Failure> {
    let mut connecting = tcp::connect(callee, Bincode::default);
    connecting.config_mut().max_frame_length(usize::MAX);
    let transport = connecting.await.map_err(Failure::io("connecting"))?;
    transport
        .get_ref()
        .set_nodelay(true)
        .map_err(Failure::io("setting TCP_NODELAY"))?;
    let mut config = client::Config::default();
    config.max_in_flight_requests = IN_FLIGHT;
    config.pending_request_buffer = IN_FLIGHT;
    Ok(Client(BenchClient::new(config, transport).spawn()))
}

impl Callee for Client {
    async fn add(&self, a: i64, b: i64) -> Result<i64, String> {
        self.0.add(context(), a, b).await.map_err(text)
    }

    async fn echo(&self, payload: Bytes) -> Result<Bytes, String> {
        self.0.echo(context(), payload).await.map_err(text)
    }

    async fn map20(&self, fields: &Fields) -> Result<i64, String> {
        let call = self.0.map20(context(), fields.clone());
        call.await.map_err(text)
    }
}

fn context() -> Context {
    let mut context = context::current();
    context.deadline = Instant::now() + DEADLINE;
    context
}

fn text(error: client::RpcError) -> String {
    error.to_string()
}
