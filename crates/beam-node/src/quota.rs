//! Limits that all links of a node share.
//!
//! Every call counts to them. If each were counted here, the processors would pass one cache line
//! around for every call of every link. A link draws on the quota ahead of its use instead: as much
//! again as it uses, and a fixed step or a thousandth of the limit at the most. So a busy link comes
//! here once for dozens of calls, an idle one keeps nothing, and low limits are exact. A high one may be
//! found reached when little more than half of it is in use, if that is spread over a thousand links.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// What all links of a node may use of something together.
#[derive(Debug)]
pub(crate) struct Quota {
    limit: usize,
    /// How much a link may draw ahead of its use.
    step: usize,
    /// What is in use, and what was drawn ahead.
    drawn: AtomicUsize,
    emptied: Notify,
}

/// The part of one link. Whoever has it must put back all that it took.
#[derive(Debug, Default)]
pub(crate) struct Share {
    used: usize,
    ahead: usize,
}

impl Quota {
    /// Links draw `step` ahead, or less if the limit is low.
    pub(crate) fn new(limit: usize, step: usize) -> Self {
        Self {
            limit,
            step: step.min(limit / 1024),
            drawn: AtomicUsize::new(0),
            emptied: Notify::new(),
        }
    }

    /// What is in use, and what links have drawn ahead: zero exactly if nothing is in use.
    pub(crate) fn drawn(&self) -> usize {
        self.drawn.load(Ordering::Acquire)
    }

    /// Waits until nothing is in use.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            if self.drawn() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Draws `needed`, and up to `ahead` more if there is room for all of it.
    fn draw(&self, needed: usize, ahead: usize) -> Option<usize> {
        let fits = |drawn: usize, more: usize| {
            let drawn = drawn.checked_add(more)?;
            (drawn <= self.limit).then_some(drawn)
        };
        let with_ahead = needed.saturating_add(ahead);
        let draw = |more| {
            self.drawn
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |drawn| {
                    fits(drawn, more)
                })
                .is_ok()
                .then_some(more)
        };
        draw(with_ahead).or_else(|| draw(needed))
    }

    /// Draws whatever the limit is, if nobody but the one who asks has anything.
    fn draw_alone(&self, own: usize, more: usize) -> Option<usize> {
        let drawn = own.checked_add(more)?;
        self.drawn
            .compare_exchange(own, drawn, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
            .then_some(more)
    }

    fn give_back(&self, amount: usize) {
        let before = self.drawn.fetch_sub(amount, Ordering::AcqRel);
        debug_assert!(before >= amount, "more was given back than drawn");
        if before == amount {
            self.emptied.notify_waiters();
        }
    }
}

impl Share {
    /// How much is in use.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// How much was drawn ahead of use.
    #[cfg(test)]
    fn ahead(&self) -> usize {
        self.ahead
    }

    /// Takes some into use, unless the quota is used up.
    pub(crate) fn take(&mut self, amount: usize, quota: &Quota) -> bool {
        if amount > self.ahead {
            let drawn = quota.draw(amount - self.ahead, self.used.min(quota.step));
            let Some(drawn) = drawn else {
                return false;
            };
            self.ahead += drawn;
        }
        self.ahead -= amount;
        self.used += amount;
        true
    }

    /// Takes `new` into use in the place of `old`. What is alone in use has room however large it is,
    /// as it would never have any otherwise.
    pub(crate) fn replace_or_alone(&mut self, old: usize, new: usize, quota: &Quota) -> bool {
        if new <= old {
            self.put_back(old - new, quota);
            return true;
        }
        let more = new - old;
        if self.take(more, quota) {
            return true;
        }
        let is_alone = self.used == old;
        if is_alone && quota.draw_alone(old + self.ahead, more).is_some() {
            self.used += more;
            return true;
        }
        false
    }

    /// Takes some out of use.
    pub(crate) fn put_back(&mut self, amount: usize, quota: &Quota) {
        debug_assert!(self.used >= amount, "more was put back than taken");
        self.used -= amount;
        self.ahead += amount;
        let most = self.used.min(quota.step);
        if self.ahead > most {
            // Half, so that the next few do not come here as well.
            let kept = most / 2;
            quota.give_back(self.ahead - kept);
            self.ahead = kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(limit: usize, step: usize) -> Quota {
        Quota {
            step,
            ..Quota::new(limit, 0)
        }
    }

    #[test]
    fn a_low_limit_is_exact() {
        let quota = Quota::new(3, 64);
        let [mut one, mut other] = <[Share; 2]>::default();
        assert!(one.take(1, &quota) && one.take(1, &quota));
        assert!(other.take(1, &quota));
        assert!(!other.take(1, &quota));
    }

    #[test]
    fn links_use_no_more_than_the_quota_together() {
        let quota = quota(10, 4);
        let [mut one, mut other] = <[Share; 2]>::default();
        let mut taken = 0;
        while one.take(1, &quota) | other.take(1, &quota) {
            taken += 1;
            assert!(taken <= 10);
        }
        let used = one.used() + other.used();
        let ahead = one.ahead() + other.ahead();
        assert_eq!(quota.drawn(), 10);
        assert_eq!((used, ahead), (10, 0));
        other.put_back(1, &quota);
        assert!(other.take(1, &quota));
        for share in [&mut one, &mut other] {
            share.put_back(share.used(), &quota);
            assert_eq!(share.ahead(), 0);
        }
        assert_eq!(quota.drawn(), 0);
    }

    #[test]
    fn threads_use_no_more_than_the_quota_together_and_leave_nothing() {
        let quota = quota(100, 8);
        let used = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut share = Share::default();
                    for round in 0..20_000 {
                        if round % 3 < 2 && share.take(1, &quota) {
                            assert!(used.fetch_add(1, Ordering::SeqCst) < 100);
                        } else if share.used() > 0 {
                            used.fetch_sub(1, Ordering::SeqCst);
                            share.put_back(1, &quota);
                        }
                    }
                    used.fetch_sub(share.used(), Ordering::SeqCst);
                    share.put_back(share.used(), &quota);
                });
            }
        });
        assert_eq!((used.into_inner(), quota.drawn()), (0, 0));
    }

    #[test]
    fn a_busy_link_seldom_comes_to_the_quota_and_an_idle_one_keeps_nothing() {
        let quota = quota(1_000, 64);
        let mut share = Share::default();
        let mut visits = 0;
        let mut drawn = 0;
        let mut visited = |quota: &Quota| {
            visits += usize::from(quota.drawn() != drawn);
            drawn = quota.drawn();
        };
        for _ in 0..256 {
            assert!(share.take(1, &quota));
            visited(&quota);
            assert!(share.ahead() <= share.used().min(64));
        }
        for _ in 0..10_000 {
            share.put_back(1, &quota);
            visited(&quota);
            assert!(share.ahead() <= share.used().min(64));
            assert!(share.take(1, &quota));
            visited(&quota);
        }
        for _ in 0..256 {
            share.put_back(1, &quota);
            visited(&quota);
            assert!(share.ahead() <= share.used().min(64));
        }
        assert!(visits <= 40, "{visits}");
        assert_eq!((share.ahead(), quota.drawn()), (0, 0));
    }

    #[test]
    fn what_is_alone_has_room_however_large_it_is() {
        let quota = quota(100, 10);
        let [mut one, mut other] = <[Share; 2]>::default();
        assert!(one.replace_or_alone(0, 1_000, &quota));
        assert!(!one.replace_or_alone(0, 1, &quota));
        assert!(!other.replace_or_alone(0, 1, &quota));
        assert!(one.replace_or_alone(1_000, 2_000, &quota));
        assert!(one.replace_or_alone(2_000, 60, &quota));
        assert!(other.replace_or_alone(0, 30, &quota));
        assert!(!one.replace_or_alone(60, 200, &quota));
        assert!(!one.replace_or_alone(0, usize::MAX, &quota));
        one.put_back(60, &quota);
        other.put_back(30, &quota);
        assert!(other.replace_or_alone(0, usize::MAX, &quota));
        other.put_back(usize::MAX, &quota);
        assert_eq!(quota.drawn(), 0);
    }

    #[tokio::test]
    async fn an_empty_quota_is_told() {
        let quota = quota(3, 2);
        let mut share = Share::default();
        quota.emptied().await;
        assert!(share.take(1, &quota) && share.take(1, &quota));
        let emptied = quota.emptied();
        tokio::pin!(emptied);
        assert!(futures_util::poll!(emptied.as_mut()).is_pending());
        share.put_back(1, &quota);
        assert!(futures_util::poll!(emptied.as_mut()).is_pending());
        share.put_back(1, &quota);
        emptied.await;
    }
}
