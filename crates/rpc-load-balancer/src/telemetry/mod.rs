//! What calls and selections tell of themselves.
//!
//! Every call and cast, also each of a multicall, runs in a [`tracing`] span `call` of the level `debug`, with the fields
//! `balancer`, `function`, `kind`, `node` and, at its end, `outcome`.
//!
//! With the crate's feature `metrics`, the series below go to the recorder of the [`metrics`]
//! facade, whichever the program has installed; install it before the balancers are started.
//! Without the feature there is nothing of this in the program. The names are those of the Elixir
//! library `rpc_load_balancer`, so that its dashboards carry over; but `node` is always the node
//! that was picked, where the library shows the caller's on balanced calls.
//!
//! | Series | Kind | Labels |
//! |---|---|---|
//! | `rpc_load_balancer_rpc_request_start_count` | counter | `node`, `module`, `function`, `type`, `load_balancer` |
//! | `rpc_load_balancer_rpc_request_stop_count` | counter | the same, and `status` |
//! | `rpc_load_balancer_rpc_duration_milliseconds` | histogram | the same, and `status` |
//! | `rpc_load_balancer_node_selected_count` | counter | `load_balancer`, `algorithm`, `node` |
//! | `rpc_load_balancer_node_selected_empty_count` | counter | `load_balancer`, `algorithm` |
//! | `rpc_load_balancer_node_pool_size` | gauge | `load_balancer`, `algorithm` |
//!
//! A call that went to another node, because the first could not be reached, counts once for each, with
//! the time that it took there: a wait for room, where calls are limited, is not included.
//! `type` is `call` or `cast`, `status` is `ok`, the code of the error, or `cancelled` for a call that
//! its caller gave up, `module` is written as
//! Elixir does (`String`, `:erlang`), and `load_balancer` is empty for calls on random nodes. The
//! histogram's buckets belong to the recorder; [`DURATION_BUCKETS`] are those of the library.
//!
//! [`metrics`]: https://docs.rs/metrics

#[cfg(feature = "metrics")]
mod recorded;
#[cfg(not(feature = "metrics"))]
mod unrecorded;

#[cfg(feature = "metrics")]
pub(crate) use recorded::Telemetry;
#[cfg(not(feature = "metrics"))]
pub(crate) use unrecorded::Telemetry;

/// The upper bounds of the buckets, in milliseconds, for the histogram
/// `rpc_load_balancer_rpc_duration_milliseconds`.
pub const DURATION_BUCKETS: [f64; 17] = [
    0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0,
    10_000.0, 30_000.0, 60_000.0,
];

/// Whether a result is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Call,
    Cast,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Cast => "cast",
        }
    }
}
