//! How many calls may be sent again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use beam_node::Error;
use tokio::time::Instant;

/// How many of the idempotent calls of a balancer may be sent again, or be hedged: so that calls that
/// fail because members are overloaded do not overload them more.
///
/// Of the calls of the last ten seconds a part, 20 % by default, and besides so many each second, 10 by
/// default. A call that finds the budget used up ends with the error of its last try. One that is not sent
/// again after all, as it waited for room in vain, costs nothing.
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

impl RetryBudget {
    /// A part of the calls, from 0 to 10, and a number for each second besides, both for the last ten.
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
        Ok(Budget {
            per_call: (f64::from(ratio) * RESEND as f64).round() as i64,
            always: i64::from(least_per_second) * SECONDS as i64 * RESEND,
            begun: Instant::now(),
            window: Mutex::default(),
        })
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
#[derive(Debug)]
pub(crate) struct Budget {
    /// What a call adds.
    per_call: i64,
    /// What there is besides in each window.
    always: i64,
    begun: Instant,
    window: Mutex<Window>,
}

/// For how many seconds a call counts.
const SECONDS: usize = 10;

/// What it costs to send a call again. No sum overflows: in a window there would have to be 10¹¹ calls
/// with the greatest part.
const RESEND: i64 = 1_000_000;

/// What was added, less what was spent, in each of the last seconds.
#[derive(Debug, Default)]
struct Window {
    /// The last second, counted from the beginning; its sum is at its remainder by their number.
    second: u64,
    sums: [i64; SECONDS],
}

impl Budget {
    /// A call is made, which allows for a part of another one.
    pub(crate) fn deposit(&self) {
        *self.window().sum_of_now() += self.per_call;
    }

    /// What it costs to send a call again, if there is as much.
    pub(crate) fn withdraw(&self) -> Option<Withdrawal<'_>> {
        let mut window = self.window();
        if self.always + window.sums.iter().sum::<i64>() < RESEND {
            return None;
        }
        *window.sum_of_now() -= RESEND;
        Some(Withdrawal {
            budget: self,
            second: window.second,
            is_spent: false,
        })
    }

    /// The window of now.
    fn window(&self) -> MutexGuard<'_, Window> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.move_to(self.begun.elapsed().as_secs());
        window
    }
}

impl Window {
    fn move_to(&mut self, second: u64) {
        let oldest = (second + 1).saturating_sub(SECONDS as u64);
        for new in oldest.max(self.second + 1)..=second {
            self.sums[Self::place(new)] = 0;
        }
        self.second = self.second.max(second);
    }

    fn sum_of_now(&mut self) -> &mut i64 {
        &mut self.sums[Self::place(self.second)]
    }

    fn place(second: u64) -> usize {
        (second % SECONDS as u64) as usize
    }
}

/// What was withdrawn to send a call again. Dropped before it is [spent](Self::spend), it is given back.
#[derive(Debug)]
pub(crate) struct Withdrawal<'a> {
    budget: &'a Budget,
    second: u64,
    is_spent: bool,
}

impl Withdrawal<'_> {
    /// The call is sent again.
    pub(crate) fn spend(mut self) {
        self.is_spent = true;
    }
}

impl Drop for Withdrawal<'_> {
    fn drop(&mut self) {
        if self.is_spent {
            return;
        }
        let mut window = self.budget.window();
        // What was withdrawn longer ago is missing nowhere any more.
        if window.second < self.second + SECONDS as u64 {
            window.sums[Window::place(self.second)] += RESEND;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{iter, time::Duration};

    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How many calls may be sent again now, and are.
    fn allowed(budget: &Budget) -> usize {
        iter::from_fn(|| budget.withdraw().map(Withdrawal::spend)).count()
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
        advance(9 * SECOND).await;
        assert_eq!(allowed(&budget), 0);
        advance(SECOND).await;
        assert_eq!(allowed(&budget), 100);
        advance(1_000 * SECOND).await;
        assert_eq!(allowed(&budget), 100);
    }

    #[test]
    fn any_part_of_the_calls_may_be_sent_again() {
        for ratio in [0.01, 0.3, 0.4, 0.6, 0.9, 1.0, 1.5, 7.0] {
            let budget = RetryBudget::new(ratio, 0).open().unwrap();
            for _ in 0..1_000 {
                budget.deposit();
            }
            assert_eq!(allowed(&budget), (1_000.0 * ratio) as usize, "{ratio}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_spent_is_given_back_for_as_long_as_it_would_be_missing() {
        let budget = RetryBudget::new(0.0, 1).open().unwrap();
        let withdrawn: Vec<_> = iter::from_fn(|| budget.withdraw()).collect();
        assert_eq!(withdrawn.len(), 10);
        advance(3 * SECOND).await;
        drop(withdrawn);
        let withdrawn: Vec<_> = iter::from_fn(|| budget.withdraw()).collect();
        assert_eq!(withdrawn.len(), 10);
        advance(10 * SECOND).await;
        drop(withdrawn);
        assert_eq!(allowed(&budget), 10);
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
