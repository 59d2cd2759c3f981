//! Load-balanced RPC for clusters of Erlang, Elixir and Rust nodes.
//!
//! A [`Node`] is a member of the cluster. A [`Balancer`] calls functions on the members of a group,
//! each call on the one that its [`Algorithm`] picks, and makes this node a member too. What the
//! node exports, others can call and balance over.
//!
//! ```no_run
//! use rpc_load_balancer::{Balancer, Node};
//!
//! # async fn example() -> Result<(), rpc_load_balancer::Error> {
//! let node = Node::builder("app@127.0.0.1").cookie("secret").peer("w1@127.0.0.1").start().await?;
//! node.export("greeter", "hello", async |name: String| format!("hello {name}"))?;
//!
//! let balancer = Balancer::builder("my_balancer").start(&node).await?;
//! let greeting: String = balancer.call(("greeter", "hello"), ("world",)).await?;
//! node.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! The most used types of the floors below are here as well; the rest is in [`beam_node`],
//! [`beam_dist`] and [`beam_term`], so that users depend on this crate alone.
#![forbid(unsafe_code)]

pub mod algorithm;
pub mod balancer;
pub mod call;
pub mod config;
pub mod health;
pub mod members;
pub mod overload;
pub mod telemetry;

mod deadline;
mod node_cpu;
mod node_filter;
mod random_node;
mod retry;
mod retry_budget;
mod sync;

pub use algorithm::{
    Algorithm, BoundedHash, CallDirect, HashRing, LeastConnections, LeastCpu, Maglev, NodeChange,
    PeakEwma, PowerOfTwo, Random, RoundRobin, Selection, WeightedRoundRobin,
};
pub use balancer::{Balancer, BalancerBuilder};
pub use beam_dist::{InvalidNodeName, NodeName};
#[cfg(feature = "tls")]
pub use beam_node::Tls;
pub use beam_node::{
    Arguments, CallContext, Cause, Code, Details, Error, Event, Exception, Export, Function,
    Limits, NamePattern, Network, Node, NodeBuilder, Result,
};
pub use beam_term::{Atom, Binary, Term};
pub use call::{Call, Cast, Hedge, Multicall};
pub use health::{Ejection, Health, MemberEvent, MemberState, MemberStatus};
pub use members::{Candidate, Lease, Member, Outcome, OutcomeKind, Pool, Snapshot, Tracked};
pub use node_filter::NodeFilter;
pub use overload::{CallLimits, Gradient};
pub use random_node::{call_on_random_node, cast_on_random_node};
pub use retry::{Retry, with_retry};
pub use retry_budget::RetryBudget;
pub use {beam_dist, beam_node, beam_term};

/// The README's Rust must compile.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
