//! Selection algorithms: how a balancer picks the member that gets the next call.
//!
//! | Algorithm | Picks | Choose it when |
//! |---|---|---|
//! | [`BoundedHash`] | the owner of the key, or the next one if it is too busy | calls of a key should meet, and some keys are hot |
//! | [`CallDirect`] | the own node, whoever the members are | in tests, and where one node does it all |
//! | [`HashRing`] | the owner of the key, the same as on Elixir nodes | calls of a key should meet |
//! | [`LeastConnections`] | the least busy of all members | calls are long, or differ much in length |
//! | [`LeastCpu`] | any of the members whose processors are the least busy | calls are few and heavy |
//! | [`Maglev`] | the owner of the key in a table of even shares | calls of a key should meet, and shares be even |
//! | [`PeakEwma`] | of two random members the one that answers sooner | members or ways to them differ in speed |
//! | [`PowerOfTwo`] | the less busy of two random members | calls or members differ in speed |
//! | [`Random`] | any member, by weight | calls cost about the same; the default |
//! | [`RoundRobin`] | one member after the other | the shares must be exactly even |
//! | [`WeightedRoundRobin`] | one member after the other, the heavier ones more often | the shares must be exactly as the weights |
//!
//! [`Maglev`], [`PeakEwma`], [`Random`] and [`WeightedRoundRobin`] heed weights; nobody picks a member
//! of weight 0.
//!
//! Anything else is an implementation of [`Algorithm`].

mod alias;
mod background;
mod bounded_hash;
mod call_direct;
mod cursor;
mod definition;
mod hash_ring;
mod latency;
mod least_connections;
mod least_cpu;
mod maglev;
mod order;
mod peak_ewma;
mod power_of_two;
mod random;
mod ring;
mod rng;
mod round_robin;
mod schedule;
mod selection;
mod weighted_round_robin;

pub(crate) use alias::AliasTable;
pub use background::{Background, BackgroundTask};
pub use bounded_hash::BoundedHash;
pub use call_direct::CallDirect;
pub use definition::{Algorithm, NodeChange};
pub use hash_ring::HashRing;
pub use least_connections::LeastConnections;
pub use least_cpu::LeastCpu;
pub use maglev::Maglev;
pub use peak_ewma::PeakEwma;
pub use power_of_two::PowerOfTwo;
pub use random::Random;
pub use ring::{AtomKeys, PointHash};
pub use rng::Rng;
pub use round_robin::RoundRobin;
pub use selection::Selection;
pub use weighted_round_robin::WeightedRoundRobin;
