//! How much memory a simulation takes, and how much it may.
//!
//! All of a simulation runs on one thread, so what that allocates and frees is what there is.

use allocation_counter::{AllocationInfo, measure};

use crate::{ledger::AtWork, program::SPARE_BYTES};

/// Does something; gives what comes of it, and how many bytes are left, those of what comes of it among
/// them.
pub(crate) fn left_after<T>(act: impl FnOnce() -> T) -> (T, usize) {
    let mut outcome = None;
    let counted = measure(|| outcome = Some(act()));
    let left = usize::try_from(counted.bytes_current).unwrap_or(0);
    (outcome.expect("it was done"), left)
}

/// What there is at a time that takes memory.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    /// Nodes that run.
    pub(crate) nodes: usize,
    /// Connections, both ends of each.
    pub(crate) connections: usize,
    /// Bytes that the network holds.
    pub(crate) network_bytes: usize,
    /// Calls that were ever made, which the book keeps.
    pub(crate) calls: usize,
    /// The most since the last look.
    pub(crate) at_work: AtWork,
}

impl Load {
    /// A node and its balancer: their tables, of which the largest is that of `maglev`, twice while a
    /// new one is made, and those that have grown with bursts of calls.
    const NODE: usize = 1536 * 1024;

    /// An end of a connection: what it reads into and the two buffers that it writes from keep 64 KiB
    /// each; and half as much for what is known of the peer.
    const END: usize = 3 * 64 * 1024 + 32 * 1024;

    /// A small argument or answer holds all of what was read with it.
    const AT_WORK: usize = 64 * 1024;

    /// What is queued, and what of it the peer has already.
    const QUEUED: usize = 2;

    /// An argument or a result, as it is given, queued, received and decoded.
    const COPIES: usize = 4;

    /// A call in the book, whose tables grow at a stroke.
    const CALL: usize = 768;

    /// The network, and what the thread keeps.
    const BASE: usize = 64 * 1024;

    /// How much memory all of this may take.
    fn bytes(&self) -> usize {
        Self::BASE
            + self.nodes * (Self::NODE + SPARE_BYTES)
            + self.connections * 2 * Self::END
            + self.network_bytes
            + self.calls * Self::CALL
            + self.at_work.count * Self::AT_WORK
            + self.at_work.bytes * Self::COPIES
    }
}

/// The memory that a simulation takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    held: i64,
    /// What there was when this was last looked at.
    load: Load,
    /// The most that was queued since the rest explained what there was: the last pieces of large messages
    /// wait at the peer for those that follow.
    queued: usize,
    /// How much of what was allowed was taken at the most, in percent.
    pub(crate) most: usize,
}

impl Memory {
    /// Takes in what was allocated and freed while other things changed to what they are now. Gives what
    /// was taken and what was allowed, in bytes, where that was less, for the first time.
    ///
    /// Requests whose callers wait no more are still sent. How many bytes of them are queued is only asked
    /// where it matters.
    pub(crate) fn count(
        &mut self,
        counted: AllocationInfo,
        load: Load,
        queued: impl FnOnce() -> usize,
    ) -> Option<(usize, usize)> {
        let most = usize::try_from(self.held).unwrap_or(0) + counted.bytes_max as usize;
        self.held += counted.bytes_current;
        // Neither what is gone by the end nor what was not there at the beginning is missing.
        let mut allowed = self.load.bytes().max(load.bytes());
        if most > allowed {
            self.queued = self.queued.max(queued());
            allowed += self.queued * Load::QUEUED;
        } else {
            self.queued = 0;
        }
        self.load = load;
        let before = self.most;
        self.most = before.max(100 * most / allowed.max(1));
        (before <= 100 && self.most > 100).then_some((most, allowed))
    }
}
