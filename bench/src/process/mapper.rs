//! The EPMD of the nodes that are measured: one of this project's, at a port of its own, so that no node of the machine
//! is met, and none has to run an EPMD.

use rpc_load_balancer::beam_node::EpmdServer;
use tokio::runtime::Runtime;

use crate::failure::Failure;

/// A port mapper that lives as long as this.
#[derive(Debug)]
pub(crate) struct Mapper {
    port: u16,
    _server: EpmdServer,
    _runtime: Runtime,
}

impl Mapper {
    pub(crate) fn start() -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(Failure::io("starting tokio"))?;
        let entered = runtime.enter();
        let server = EpmdServer::bind(0, []).map_err(Failure::io("serving EPMD"))?;
        drop(entered);
        Ok(Self {
            port: server.port(),
            _server: server,
            _runtime: runtime,
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}
