//! What it takes to send a call once more.

use beam_node::Error;

use super::{Target, verdict::goes_elsewhere};
use crate::retry_budget::Withdrawal;

/// Whether a call may be sent once more.
pub(super) struct Resend<'a> {
    /// It certainly did not run.
    is_certain: bool,
    /// What it costs else, which is given back unless it is sent.
    payment: Option<Withdrawal<'a>>,
}

impl<'a> Resend<'a> {
    /// A call that has failed so.
    pub(super) fn after(error: &Error) -> Self {
        Self {
            is_certain: goes_elsewhere(error),
            payment: None,
        }
    }

    /// Whether it certainly did not run.
    pub(super) fn is_certain(&self) -> bool {
        self.is_certain
    }

    /// Withdraws what it costs, where that is necessary and not done yet.
    pub(super) fn is_allowed(&mut self, target: &'a Target) -> bool {
        if !self.is_certain && self.payment.is_none() {
            self.payment = target.withdraw();
        }
        self.is_certain || self.payment.is_some()
    }

    /// It is sent.
    pub(super) fn pay(self) {
        if let Some(payment) = self.payment {
            payment.spend();
        }
    }
}
