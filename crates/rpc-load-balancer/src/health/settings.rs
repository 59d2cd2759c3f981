//! How a balancer judges its members.

use std::time::Duration;

use beam_node::Error;

use super::Ejection;

/// How a balancer judges its members, see [the module](super).
///
/// ```
/// use std::time::Duration;
///
/// use rpc_load_balancer::health::{Ejection, Health};
///
/// let health = Health::new()
///     .slow_start(Duration::from_secs(30))
///     .ejection(Ejection::new().consecutive_failures(3));
/// # let _ = health;
/// // Members are never ejected, but suspects get no calls all the same.
/// let health = Health::new().ejection(None);
/// # let _ = health;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    pub(super) slow_start: Duration,
    pub(super) ejection: Option<Ejection>,
}

impl Health {
    /// The defaults: a slow start of 10 s, and [`Ejection::new`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets for how long a member that is back gets less than its share of the calls: a tenth at first,
    /// and then in proportion to the time that has passed. It is back once it was suspect, ejected, or lost
    /// with its connection; one that left in order is a newcomer when it joins again. Default: 10 s. Zero:
    /// all of it at once.
    ///
    /// Algorithms that hash keys do without, as keys would wander. A call that finds no room at the others
    /// ([`CallLimits::per_member`](crate::CallLimits::per_member)) goes to it all the same, as does one that
    /// is sent again.
    pub fn slow_start(mut self, duration: Duration) -> Self {
        self.slow_start = duration;
        self
    }

    /// Sets when members are ejected. Default: [`Ejection::new`]. `None`: never.
    pub fn ejection(mut self, ejection: impl Into<Option<Ejection>>) -> Self {
        self.ejection = ejection.into();
        self
    }

    /// Refuses what makes no sense; the message begins with the name of the option.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.ejection.as_ref().map_or(Ok(()), Ejection::check)
    }

    /// How many failures in a row are reported at once, and whether exceptions are failures.
    pub(crate) fn reports(&self) -> (u32, bool) {
        match &self.ejection {
            Some(ejection) => (ejection.consecutive_failures, ejection.raised_counts),
            None => (0, false),
        }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self {
            slow_start: Duration::from_secs(10),
            ejection: Some(Ejection::new()),
        }
    }
}
