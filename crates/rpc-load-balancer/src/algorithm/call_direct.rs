//! The own node, always.
//!
//! Source: the algorithm of this name in the Elixir library `rpc_load_balancer`. Costs nothing
//! worth a measurement. Calls run the exports of the node that calls, without a connection, whoever
//! the members are; also when there are none. Choose it in tests, on a developer's machine, and
//! where a service that was spread over nodes runs on a single one.

use super::{Algorithm, Selection};
use crate::members::Snapshot;

/// Picks the own node, whoever the members are.
///
/// Arguments and results are encoded and decoded as on the way to another node, so that what works
/// here works there. A single call is sent to the own node by
/// [`Call::directly`](crate::Call::directly), whatever the algorithm.
///
/// ```no_run
/// use rpc_load_balancer::{Balancer, CallDirect, Node};
///
/// # async fn example(node: Node) -> Result<(), rpc_load_balancer::Error> {
/// node.export("greeter", "hello", async |name: String| format!("hello {name}"))?;
/// let balancer = Balancer::builder("my_balancer").algorithm(CallDirect::new()).start(&node).await?;
/// let greeting: String = balancer.call(("greeter", "hello"), ("world",)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct CallDirect {
    _private: (),
}

impl CallDirect {
    /// The algorithm.
    pub const fn new() -> Self {
        Self { _private: () }
    }
}

impl Algorithm for CallDirect {
    type Table = ();
    type State = ();

    const READS_LOAD: bool = false;
    const SLOW_START: bool = false;

    fn choose(&self, _: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
        Some(0)
    }

    fn is_local(&self) -> bool {
        true
    }
}
