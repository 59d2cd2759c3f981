//! How many calls a balancer has in flight.

use beam_node::Error;

use super::Gradient;

/// How many calls a balancer has in flight at a time, and how many more wait for room, see
/// [the module](super).
///
/// ```
/// use rpc_load_balancer::{Balancer, CallLimits};
///
/// let limits = CallLimits::new().in_flight(1_000).per_member(100).waiting(500);
/// let builder = Balancer::builder("my_balancer").call_limits(limits);
/// # let _ = builder;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CallLimits {
    pub(super) in_flight: Option<usize>,
    pub(super) per_member: Option<u32>,
    pub(super) waiting: usize,
    pub(super) gradient: Option<Gradient>,
}

impl CallLimits {
    /// No limits yet; once there are some, 1,024 calls may wait.
    pub const fn new() -> Self {
        Self {
            in_flight: None,
            per_member: None,
            waiting: 1_024,
            gradient: None,
        }
    }

    /// Sets how many calls may be in flight, to all members together; at least 1. Default: no limit.
    pub const fn in_flight(mut self, calls: usize) -> Self {
        self.in_flight = Some(calls);
        self
    }

    /// Sets how many calls may be in flight to each member; at least 1. It holds for calls that are
    /// sent again, which wait for room too, and for hedges, which do not; but not for
    /// [`Multicall`](crate::Multicall), which asks every member. Selections that are held otherwise count
    /// as well. Default: no limit.
    pub const fn per_member(mut self, calls: u32) -> Self {
        self.per_member = Some(calls);
        self
    }

    /// Sets how many calls may wait for room. Default: 1,024.
    pub const fn waiting(mut self, calls: usize) -> Self {
        self.waiting = calls;
        self
    }

    /// Sets that the limit of all members together follows the latency. [`in_flight`](Self::in_flight)
    /// is then the most that it can become. Default: it does not.
    pub const fn adaptive(mut self, gradient: Gradient) -> Self {
        self.gradient = Some(gradient);
        self
    }

    /// Whether there is any limit.
    pub(super) fn are_any(&self) -> bool {
        self.in_flight.is_some() || self.per_member.is_some() || self.gradient.is_some()
    }

    /// Refuses what makes no sense.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let zero = match (self.in_flight, self.per_member) {
            (Some(0), _) => "in_flight",
            (_, Some(0)) => "per_member",
            _ => return self.gradient.as_ref().map_or(Ok(()), Gradient::check),
        };
        Err(Error::bad_request(format!(
            "call_limits: {zero} is 0; no call could be made, at least 1 is needed"
        )))
    }
}

impl Default for CallLimits {
    fn default() -> Self {
        Self::new()
    }
}
