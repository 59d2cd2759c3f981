//! The room for calls, and those who wait for it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use beam_node::{Cause, Code, Error};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::{CallLimits, gradient::Adapting};

/// The room for the calls of a balancer.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: CallLimits,
    state: Mutex<State>,
    /// How many wait; so that whoever makes room need not look when nobody does.
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    /// Those who wait, the most urgent first.
    queue: BTreeMap<Place, Arc<Notify>>,
    next: u64,
    adapting: Option<Adapting>,
}

/// A place among those who wait: by deadline, then by arrival.
type Place = (Instant, u64);

/// The room for one call, until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    gate: &'a Gate,
    begun: Instant,
    is_answered: bool,
    /// The place of the one that looks for what else it needs: it need not look again for this.
    place: Option<Place>,
}

impl Gate {
    /// The room within these limits; `None` where there are none.
    pub(crate) fn new(limits: CallLimits) -> Option<Self> {
        limits.are_any().then(|| Self {
            state: Mutex::new(State {
                adapting: limits.gradient.map(|gradient| gradient.start()),
                ..State::default()
            }),
            limits,
            waiting: AtomicUsize::new(0),
        })
    }

    /// How many calls each member may have in flight.
    pub(crate) fn per_member(&self) -> u32 {
        self.limits.per_member.unwrap_or(u32::MAX)
    }

    /// Waits for room, and for what `find` looks for, such as a member that has room as well.
    ///
    /// Those who wait look one at a time, the most urgent first, each time that a call or a selection
    /// ends.
    ///
    /// # Errors
    ///
    /// `too_many_requests` at once where too many wait already, or when the deadline has come; and
    /// those of `find`, which gives `None` where there is no room.
    pub(crate) async fn enter<T>(
        &self,
        deadline: Instant,
        mut find: impl FnMut() -> Result<Option<T>, Error>,
    ) -> Result<(Permit<'_>, T), Error> {
        if let Some(entered) = self.try_enter(None, &mut find)? {
            return Ok(entered);
        }
        let waiter = self.queue_up(deadline)?;
        loop {
            // Room that was made meanwhile is not missed.
            if let Some(entered) = self.try_enter(Some(waiter.place), &mut find)? {
                return Ok(entered);
            }
            if timeout_at(deadline, waiter.turn.notified()).await.is_err() {
                return Err(self.full("no room came for the call in time"));
            }
        }
    }

    fn try_enter<T>(
        &self,
        place: Option<Place>,
        find: &mut impl FnMut() -> Result<Option<T>, Error>,
    ) -> Result<Option<(Permit<'_>, T)>, Error> {
        {
            let mut state = self.state();
            let first = state.queue.keys().next().copied();
            if first != place || state.running >= self.most(&state) {
                return Ok(None);
            }
            state.running += 1;
        }
        // From here on the drop of the permit undoes what was done.
        let mut permit = Permit {
            gate: self,
            begun: Instant::now(),
            is_answered: false,
            place,
        };
        Ok(find()?.map(|found| {
            permit.place = None;
            (permit, found)
        }))
    }

    fn queue_up(&self, deadline: Instant) -> Result<Waiter<'_>, Error> {
        let mut state = self.state();
        if state.queue.len() >= self.limits.waiting {
            return Err(self.full("as many calls as may wait for room do so already"));
        }
        let place = (deadline, state.next);
        state.next += 1;
        let turn = Arc::new(Notify::new());
        state.queue.insert(place, Arc::clone(&turn));
        self.waiting.store(state.queue.len(), Ordering::SeqCst);
        Ok(Waiter {
            gate: self,
            place,
            turn,
        })
    }

    /// Something ended, or there are other members: lets the most urgent of those who wait look again.
    pub(crate) fn made_room(&self) {
        self.make_room_for_others(None);
    }

    /// The same, but for the one in this place.
    fn make_room_for_others(&self, place: Option<Place>) {
        if self.waiting.load(Ordering::SeqCst) > 0
            && let Some((first, turn)) = self.state().queue.first_key_value()
            && place != Some(*first)
        {
            turn.notify_one();
        }
    }

    fn most(&self, state: &State) -> usize {
        let adapting = state.adapting.as_ref().map(Adapting::limit);
        let limits = [self.limits.in_flight, adapting];
        limits.into_iter().flatten().min().unwrap_or(usize::MAX)
    }

    fn full(&self, what: &str) -> Error {
        Error::new(
            Code::TooManyRequests,
            format!("{what}; call again later, or raise the limits of the balancer"),
            Cause::Limit("call_limits"),
        )
    }

    /// Every critical section is a few look-ups.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// A member has answered the call, which tells how busy the members are. What was refused, or came to
    /// nothing, tells nothing.
    pub(crate) fn answered(&mut self) {
        self.is_answered = true;
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        {
            let mut state = self.gate.state();
            let running = state.running;
            if self.is_answered
                && let Some(adapting) = &mut state.adapting
            {
                adapting.ended(self.begun.elapsed(), running);
            }
            state.running -= 1;
        }
        self.gate.make_room_for_others(self.place);
    }
}

/// One that waits, until this is dropped.
struct Waiter<'a> {
    gate: &'a Gate,
    place: Place,
    turn: Arc<Notify>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        {
            let mut state = self.gate.state();
            state.queue.remove(&self.place);
            self.gate.waiting.store(state.queue.len(), Ordering::SeqCst);
        }
        // The turn may have come to this one, and there may be room for more than one.
        self.gate.made_room();
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::pin, time::Duration};

    use futures_util::FutureExt as _;

    use super::*;

    fn gate(limits: CallLimits) -> Gate {
        Gate::new(limits).unwrap()
    }

    fn later(secs: u64) -> Instant {
        Instant::now() + Duration::from_secs(secs)
    }

    async fn enter(gate: &Gate, deadline: Instant) -> Result<Permit<'_>, Error> {
        let entered = gate.enter(deadline, || Ok(Some(()))).await;
        entered.map(|(permit, ())| permit)
    }

    fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
        pin!(future).now_or_never()
    }

    #[tokio::test(start_paused = true)]
    async fn those_whose_deadlines_come_first_are_first() {
        let gate = gate(CallLimits::new().in_flight(1));
        let running = enter(&gate, later(1)).await.unwrap();
        let mut patient = pin!(enter(&gate, later(60)));
        let mut urgent = pin!(enter(&gate, later(2)));
        assert!(patient.as_mut().now_or_never().is_none());
        assert!(urgent.as_mut().now_or_never().is_none());
        drop(running);
        // One that comes later does not overtake those who wait.
        assert!(at_once(enter(&gate, later(90))).is_none());
        assert!(patient.as_mut().now_or_never().is_none());
        let running = urgent.as_mut().now_or_never().unwrap().unwrap();
        assert!(patient.as_mut().now_or_never().is_none());
        drop(running);
        drop(patient.await.unwrap());
        assert_eq!(gate.state().running, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_ends_with_the_deadline_and_is_bounded() {
        let gate = gate(CallLimits::new().in_flight(1).waiting(1));
        let running = enter(&gate, later(1)).await.unwrap();
        let mut waiting = pin!(enter(&gate, later(5)));
        assert!(waiting.as_mut().now_or_never().is_none());
        let error = at_once(enter(&gate, later(5))).unwrap().unwrap_err();
        assert_eq!(error.code, Code::TooManyRequests);
        assert!(!error.may_have_run());
        let error = waiting.await.unwrap_err();
        assert_eq!(error.code, Code::TooManyRequests);
        assert!(error.message.contains("in time"), "{error}");
        assert_eq!(gate.state().queue.len(), 0);
        drop(running);
        assert!(enter(&gate, later(1)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_gives_up_passes_its_turn_on() {
        let gate = gate(CallLimits::new().in_flight(1));
        let running = enter(&gate, later(1)).await.unwrap();
        let mut last = pin!(enter(&gate, later(9)));
        {
            let mut first = pin!(enter(&gate, later(2)));
            assert!(first.as_mut().now_or_never().is_none());
            assert!(last.as_mut().now_or_never().is_none());
            drop(running);
        }
        assert!(last.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_enters_until_what_is_looked_for_is_found() {
        let gate = gate(CallLimits::new().per_member(1));
        let found = std::cell::Cell::new(None);
        let mut waiting = pin!(gate.enter(later(9), || Ok(found.get())));
        assert!(waiting.as_mut().now_or_never().is_none());
        gate.made_room();
        assert!(waiting.as_mut().now_or_never().is_none());
        found.set(Some(7));
        gate.made_room();
        let (permit, seven) = waiting.await.unwrap();
        assert_eq!(seven, 7);
        drop(permit);
        let failed = gate.enter::<()>(later(9), || Err(Error::shut_down())).await;
        assert!(failed.is_err());
        assert_eq!(gate.state().running, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_adaptive_limit_follows_the_calls() {
        let limits = CallLimits::new().adaptive(super::super::Gradient::new(1, 1, 2));
        let gate = gate(limits);
        for _ in 0..20 {
            let mut permit = enter(&gate, later(9)).await.unwrap();
            tokio::time::advance(Duration::from_millis(10)).await;
            permit.answered();
            drop(permit);
        }
        let _one = enter(&gate, later(9)).await.unwrap();
        let _two = at_once(enter(&gate, later(9))).unwrap().unwrap();
        assert!(at_once(enter(&gate, later(9))).is_none());
    }

    #[test]
    fn without_limits_there_is_no_gate() {
        assert!(Gate::new(CallLimits::new().waiting(0)).is_none());
        for limits in [
            CallLimits::new().in_flight(0),
            CallLimits::new().per_member(0),
        ] {
            let error = limits.check().unwrap_err();
            assert!(error.message.starts_with("call_limits: "), "{error}");
        }
    }
}
