//! Balancers: a pool that follows a process group, and calls over it.
//!
//! # Weights and metadata
//!
//! The weight of a member is its share of the calls, where the algorithm heeds weights; a member of
//! weight 0 gets no new calls, whatever the algorithm. For each member it is
//!
//! 1. the one that is set here, by [`BalancerBuilder::weight`] or [`Balancer::set_weight`]; else
//! 2. the one that the member publishes of itself, by [`BalancerBuilder::own_weight`] or
//!    [`Balancer::publish_weight`]; else
//! 3. 1.
//!
//! A change is seen by each balancer as soon as it arrives, while calls go on. Members may publish
//! [metadata](BalancerBuilder::metadata) as well, any term, which [`Balancer::member_statuses`]
//! shows.
//!
//! What a member publishes vanishes when it leaves the group, stops or dies. It travels as a value
//! that the node [publishes](beam_node::Node::publish) under the key `{balancer, Name}`, in other
//! words as the name of one more group of the scope `rpc_load_balancer`:
//!
//! ```text
//! {'$published', {balancer, my_balancer}, Serial, #{weight => 3, metadata => Metadata}}
//! ```
//!
//! Both keys of the map may be missing; a weight that is no integer from 0 to 2^32 - 1 counts as
//! missing; other keys mean nothing and are passed over. To nodes that know nothing of this it is a
//! group that they do not ask for. A member on a node of OTP publishes its weight by joining such a
//! group before it joins the balancer's, with any process that lives as long. A member that
//! publishes nothing joins its group and no other.

mod builder;
mod drain;
mod ends;
mod follow;
mod handle;
mod pace;
mod published;
mod selector;
mod weights;

pub use builder::BalancerBuilder;
pub(crate) use follow::Changes;
pub use handle::Balancer;
pub(crate) use selector::Selector;
