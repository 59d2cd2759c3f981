//! Telemetry without metrics: nothing.

use std::time::Duration;

use beam_dist::NodeName;
use beam_node::{Function, Members};

use super::Kind;

/// Where the series of a balancer go.
#[derive(Clone, Debug)]
pub(crate) struct Telemetry;

/// A call under way.
pub(crate) struct Measured;

impl Telemetry {
    pub(crate) fn of_balancer(_name: &str, _algorithm: &'static str) -> Self {
        Self
    }

    pub(crate) fn of_nobody() -> Self {
        Self
    }

    pub(crate) fn members(&self, _members: &Members) {}

    pub(crate) fn selected(&self, _node: &NodeName) {}

    pub(crate) fn selected_nobody(&self) {}

    pub(crate) fn begin(&self, _kind: Kind, _node: &NodeName, _function: &Function) -> Measured {
        Measured
    }
}

impl Measured {
    pub(crate) fn end(self, _status: &'static str, _elapsed: Duration) {}
}
