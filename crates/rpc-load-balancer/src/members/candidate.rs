//! Who may be a member, and how much of the work it is to get.

use beam_dist::NodeName;

use super::SlowStart;

/// A node that is to be a member of a pool, with its weight.
///
/// ```
/// use rpc_load_balancer::{Candidate, NodeName, Pool, Random, Selection};
///
/// let pool = Pool::new(Random::new());
/// let [big, small]: [NodeName; 2] = ["big@host".parse()?, "small@host".parse()?];
/// pool.update([Candidate::new(big, 3), Candidate::new(small.clone(), 0)]);
/// let lease = pool.select(&Selection::default()).expect("the big one takes calls");
/// assert_eq!(lease.node().as_str(), "big@host");
///
/// // The weight is 1 unless told otherwise.
/// pool.update([Candidate::from(small)]);
/// # Ok::<(), rpc_load_balancer::InvalidNodeName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub(super) node: NodeName,
    pub(super) weight: u32,
    pub(super) slow_start: Option<SlowStart>,
}

impl Candidate {
    /// A node with a weight: its share of the calls in proportion to those of the others, where the
    /// algorithm heeds weights. With 0 it gets no new calls, whatever the algorithm.
    pub fn new(node: NodeName, weight: u32) -> Self {
        Self {
            node,
            weight,
            slow_start: None,
        }
    }

    /// The same, with less than its share of the calls for a while.
    ///
    /// It holds for algorithms that [say so](crate::Algorithm::SLOW_START).
    #[must_use]
    pub fn slow_start(mut self, slow_start: Option<SlowStart>) -> Self {
        self.slow_start = slow_start;
        self
    }

    /// The node.
    pub fn node(&self) -> &NodeName {
        &self.node
    }

    /// Its weight.
    pub fn weight(&self) -> u32 {
        self.weight
    }
}

impl From<NodeName> for Candidate {
    fn from(node: NodeName) -> Self {
        Self::new(node, 1)
    }
}
