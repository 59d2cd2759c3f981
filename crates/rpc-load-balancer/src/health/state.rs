//! The states that a member can be in.

use std::{fmt, time::Duration};

use beam_node::DownReason;

/// How a member is, as a balancer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MemberState {
    /// It is well.
    Up,
    /// It does not answer probes; it gets no new calls until it does.
    Suspect,
    /// Its calls failed, or its process died again and again; it gets none for a while.
    Ejected,
    /// It has left the group, and its node is still connected: what is in flight there may end.
    Draining,
    /// Its node is not connected any more.
    Down,
}

impl MemberState {
    /// The state in a word, as in `suspect`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Suspect => "suspect",
            Self::Ejected => "ejected",
            Self::Draining => "draining",
            Self::Down => "down",
        }
    }
}

impl fmt::Display for MemberState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a member is in its state.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StateReason {
    /// It joined the group.
    #[error("it joined")]
    Joined,
    /// It was suspect, and has answered.
    #[error("it is heard of again")]
    Heard,
    /// It was ejected, and has served its time.
    #[error("its time is over")]
    Readmitted,
    /// It gives no sign of life.
    #[error("it gives no sign of life")]
    Silent,
    /// So many calls failed in a row.
    #[error("{0} calls failed in a row")]
    FailuresInARow(u32),
    /// More of its calls fail than of the others.
    #[error("{:.0} % of its calls fail, {:.0} % on average", rate * 100.0, mean * 100.0)]
    FailureRate {
        /// The part of its calls that failed, from 0 to 1.
        rate: f64,
        /// The same on average over all members.
        mean: f64,
    },
    /// Its answers take longer than those of the others.
    #[error("its answers take {latency:?} on average, those of the median member {median:?}")]
    Latency {
        /// How long its answers take on average.
        latency: Duration,
        /// The same of the median member.
        median: Duration,
    },
    /// Its process died again soon after it had been started anew.
    #[error("its process died again soon after it had been started anew")]
    Unsteady,
    /// It left the group.
    #[error("it left")]
    Left,
    /// The connection to its node ended.
    #[error("{0}")]
    Disconnected(DownReason),
}
