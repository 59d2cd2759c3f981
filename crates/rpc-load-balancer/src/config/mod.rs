//! Settings of balancers and of their node, from a file in TOML and from the environment.
//!
//! ```toml
//! [defaults]                              # of every balancer
//! retry_count = 3
//!
//! [balancers.my_balancer]
//! algorithm = "hash-ring:weight=256"
//! node_match = ["worker", "/^app[0-9]+@/"]
//! weights = { "big@10.0.0.1" = 3 }
//!
//! [node]
//! allow_peers = ["*@10.0.0.7", "/^app[0-9]+@/"]
//! allow_networks = ["10.0.0.0/8", "fd00::/8"]
//! suspect_after = "2s"
//!
//! [limits]                                # of the node
//! calls_per_peer = 1024
//!
//! [tls]                                   # of the node, with the feature `tls`
//! ca = "ca.pem"
//! certificate = "web1.pem"
//! key = "web1.key"
//! ```
//!
//! The keys of `[node]` are the fields of [`NodeConfig`], and those of `[limits]` those of
//! [`Limits`](crate::Limits). Those of `[tls]` are
//!
//! | Key | Values | Default | Meaning |
//! |---|---|---|---|
//! | `ca` | a path, or a list of them | must be set | whose certificates are trusted |
//! | `certificate`, `key` | paths | none | what the node shows of itself |
//! | `require_client_certificates` | `true`, `false` | `true` | whether nodes that connect must show one |
//! | `check_host` | `true`, `false` | `true` | whether a node that is connected to must have one for the host of its name |
//! | `check_client_host` | `true`, `false` | `true` | the same of a node that connects |
//!
//! and those of a balancer are
//!
//! | Key | Values | Default | Meaning |
//! |---|---|---|---|
//! | `algorithm` | [`AlgorithmConfig`] | `"random"` | how members are selected |
//! | `join` | `true`, `false` | `true` | whether the node becomes a member |
//! | `node_match` | `"all"`, or patterns | `"all"` | the nodes that become members ([`NodeFilter`]) |
//! | `node_exclude` | texts | none | those that do not, though they match |
//! | `own_weight` | a number | none | the weight that the node publishes of itself |
//! | `weights` | numbers by node | none | the weights of members, whatever they publish |
//! | `timeout` | a duration | `"10s"` | how long calls wait for answers |
//! | `call_directly` | `true`, `false` | `false` | whether calls run on the own node |
//! | `retry` | `true`, `false` | `true` | whether calls are tried again without a route |
//! | `retry_count` | a number, `"infinity"` | 5 | how often |
//! | `retry_sleep` | a duration | `"5s"` | how long to wait in between for a member |
//! | `slow_start` | a duration | `"10s"` | how long a member that is back gets less calls ([`Health`]) |
//! | `eject` | `true`, `false` | `true` | whether members whose calls fail are kept from calls ([`Ejection`]) |
//! | `eject_failures` | a number | 5 | after how many failures in a row; 0: after no number |
//! | `eject_interval` | a duration | `"10s"` | how often members are compared |
//! | `eject_latency_factor` | a number | 5 | how many times as slow as the median a member is ejected; 0: never |
//! | `eject_raised` | `true`, `false` | `false` | whether exceptions are failures |
//! | `eject_first` | a duration | `"30s"` | for how long the first time |
//! | `eject_longest` | a duration | `"5m"` | for how long at most |
//! | `retry_budget` | a number | 0.2 | which part of the idempotent calls may be sent again ([`RetryBudget`]) |
//! | `retry_budget_per_second` | a number | 10 | how many in each second besides |
//! | `calls_in_flight` | a number above 0 | no limit | calls in flight at a time ([`CallLimits`]) |
//! | `calls_per_member` | a number above 0 | no limit | the same for each member |
//! | `calls_waiting` | a number | 1024 | calls that wait for room, where there is a limit |
//! | `drain_timeout` | a duration | `"15s"` | how long a drain waits for calls to end |
//! | `drain_linger` | a duration | `"1s"` | how long it waits for late calls |
//!
//! What is wrong in a file is told with its key, line and column, and never with its value, which may be a
//! secret that belongs elsewhere: no setting of a file is one, the cookie is not among them.
//!
//! Durations are texts with a unit, such as `"500ms"` and `"2m"`, or numbers of milliseconds ([`duration()`]).
//! The environment variables `RLB_ALGORITHM`, `RLB_RETRY_COUNT` and so on, one for each key but
//! `weights` and the limits, come before what the file says; several patterns or networks are
//! separated by commas there, so that none can hold one. A list of who is allowed cannot be empty, neither
//! there nor in a file: it may be meant for nobody, or for everybody. Nor can `node_match` in a file. Those of
//! `[tls]` are `RLB_TLS_CA` and so on.
//! What the program itself says to a builder after [`BalancerBuilder::config`] comes before all of these.
//!
//! [`CallLimits`]: crate::CallLimits
//! [`Ejection`]: crate::Ejection
//! [`Health`]: crate::Health
//! [`NodeFilter`]: crate::NodeFilter
//! [`RetryBudget`]: crate::RetryBudget
//! [`BalancerBuilder::config`]: crate::BalancerBuilder::config

mod algorithm;
mod balancer;
mod duration;
mod file;
mod list;
mod node;
mod options;
mod table;
#[cfg(feature = "tls")]
mod tls;
mod variables;
mod wording;

pub use algorithm::AlgorithmConfig;
pub use balancer::BalancerConfig;
pub use duration::duration;
pub use file::Config;
pub use node::{NodeConfig, suspect_after};
#[cfg(feature = "tls")]
pub use tls::TlsConfig;
