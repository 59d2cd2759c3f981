//! How many calls may be sent again.

use std::{fmt, time::Duration};

use beam_node::Error;
use tower::retry::budget::{Budget as _, TpsBudget};

/// How many of the idempotent calls of a balancer may be sent again, or be hedged: so that calls that
/// fail because members are overloaded do not overload them more.
///
/// Of the calls of the last ten seconds a part, 20 % by default, and besides so many each second, 10 by
/// default. A call that finds the budget used up ends with the error of its last try.
///
/// ```
/// use rpc_load_balancer::{Balancer, RetryBudget};
///
/// let builder = Balancer::builder("my_balancer").retry_budget(RetryBudget::new(0.1, 5));
/// # let _ = builder;
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudget {
    ratio: f32,
    least_per_second: u32,
}

/// For how long a call counts.
const WINDOW: Duration = Duration::from_secs(10);

impl RetryBudget {
    /// A part of the calls, from 0 to 10, and a number in each second that are allowed in any case.
    pub const fn new(ratio: f32, least_per_second: u32) -> Self {
        Self {
            ratio,
            least_per_second,
        }
    }

    /// The budget itself. `bad_request` where the settings make no sense.
    pub(crate) fn open(self) -> Result<Budget, Error> {
        let Self {
            ratio,
            least_per_second,
        } = self;
        if !(0.0..=10.0).contains(&ratio) {
            return Err(Error::bad_request(format!(
                "retry_budget: {ratio} of the calls; expected a part from 0 to 10, such as 0.2"
            )));
        }
        if least_per_second > MOST_PER_SECOND {
            return Err(Error::bad_request(format!(
                "retry_budget: {least_per_second} calls each second; expected at most {MOST_PER_SECOND}"
            )));
        }
        Ok(Budget(TpsBudget::new(WINDOW, least_per_second, ratio)))
    }
}

/// More than any node can send.
const MOST_PER_SECOND: u32 = 100_000_000;

impl Default for RetryBudget {
    fn default() -> Self {
        Self::new(0.2, 10)
    }
}

/// A budget that is being used.
pub(crate) struct Budget(TpsBudget);

impl Budget {
    /// A call is made, which allows for a part of another one.
    pub(crate) fn deposit(&self) {
        self.0.deposit();
    }

    /// Whether a call may be sent again.
    pub(crate) fn withdraw(&self) -> bool {
        self.0.withdraw()
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Budget")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(budget: &Budget) -> usize {
        std::iter::repeat_with(|| budget.withdraw())
            .take_while(|allowed| *allowed)
            .count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_fifth_of_the_calls_may_be_sent_again_and_ten_each_second() {
        let budget = RetryBudget::default().open().unwrap();
        // Ten seconds' worth of those that are allowed in any case.
        assert_eq!(allowed(&budget), 100);
        for _ in 0..1_000 {
            budget.deposit();
        }
        assert_eq!(allowed(&budget), 200);
        for _ in 0..11 {
            tokio::time::advance(Duration::from_secs(1)).await;
            budget.withdraw();
        }
        assert!(allowed(&budget) <= 100);
    }

    #[test]
    fn senseless_budgets_are_refused() {
        for (ratio, least) in [(-0.1, 1), (f32::NAN, 1), (11.0, 1), (0.2, u32::MAX)] {
            let error = RetryBudget::new(ratio, least).open().unwrap_err();
            assert!(error.message.starts_with("retry_budget: "), "{error}");
        }
        assert_eq!(allowed(&RetryBudget::new(0.0, 0).open().unwrap()), 0);
    }
}
