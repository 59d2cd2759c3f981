//! The requests of a link that the peer has not answered, and until when their callers wait.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use beam_dist::control::Target;
use beam_term::Pid;
use tokio::{sync::oneshot, time::Instant};

use super::Unsent;
use crate::{
    Limits,
    call::{Answer, Pending, RequestId},
    group::MonitorId,
    quota::{Quota, Share},
};

/// A request that the peer has not answered.
#[derive(Debug)]
pub(super) enum Request {
    /// A call.
    Call(Call),
    /// A monitor on a name that nobody has: any answer proves the peer alive.
    Probe(oneshot::Sender<()>),
    /// The same, by which the link itself finds out whether anybody is there.
    SignOfLife,
    /// A monitor that the scope of process groups holds.
    Scope { id: MonitorId, target: Target },
}

/// A call, for as long as its caller holds on to it.
#[derive(Debug)]
pub(super) struct Call {
    deadline: Instant,
    on_silence: OnSilence,
    /// Until when it waits, at most, for a peer that is suspect.
    grace_end: Option<Instant>,
    answer: Option<Answer>,
    /// The caller, while it waits.
    caller: Option<Waker>,
    /// The process that runs it, once the peer told us.
    runner: Option<Pid>,
}

/// All requests of a link.
///
/// The deadlines of calls have no timers of their own: nearly all calls are answered long before.
/// The link task has one timer for all of them, which is set to the earliest deadline that was ever
/// seen since it last looked. When it looks, it looks at every call, and learns the earliest deadline
/// of those that still wait; with equal timeouts that is once per timeout.
#[derive(Debug)]
pub(crate) struct Requests {
    pending: Pending<Request>,
    /// How many of them are calls, which all links of the node have a quota of.
    calls: Share,
    quota: Arc<Quota>,
    /// No call has an earlier deadline than this.
    next_timeout: Option<Instant>,
    suspicion: Option<Suspicion>,
}

/// What a call does when its peer becomes suspect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnSilence {
    /// It waits on.
    #[default]
    Wait,
    /// It ends.
    GiveUp,
}

/// The peer is suspect.
#[derive(Clone, Copy, Debug)]
struct Suspicion {
    /// Since when nothing has come from it.
    since: Instant,
    /// How long a call waits for it.
    call_grace: Option<Duration>,
}

impl Requests {
    /// An empty table; `seed` makes the references of successive links differ.
    pub(crate) fn new(seed: u64, quota: Arc<Quota>) -> Self {
        Self {
            pending: Pending::new(seed),
            calls: Share::default(),
            quota,
            next_timeout: None,
            suspicion: None,
        }
    }

    /// How many there are, and how many more that only prove the peer alive.
    #[cfg(rlb_simulation)]
    pub(super) fn count(&mut self) -> (usize, usize) {
        let is_probe =
            |request: &&mut Request| matches!(request, Request::Probe(_) | Request::SignOfLife);
        let all = self.pending.iter_mut().count();
        let probes = self.pending.iter_mut().filter(is_probe).count();
        (all - probes, probes)
    }

    pub(super) fn insert(&mut self, request: Request) -> RequestId {
        self.pending.insert(request)
    }

    /// How many calls there are.
    pub(crate) fn calls(&self) -> usize {
        self.calls.used()
    }

    /// Stores a call, if there are fewer than so many, and the quota of the node is not used up; gives
    /// the name of the limit otherwise. Tells whether its deadline comes before all that the link task
    /// knows of.
    pub(super) fn insert_call(
        &mut self,
        deadline: Instant,
        on_silence: OnSilence,
        limits: &Limits,
    ) -> Result<(RequestId, bool), Unsent> {
        let Limits {
            calls_per_peer,
            calls_per_node,
            ..
        } = *limits;
        if self.calls.used() >= calls_per_peer {
            return Err(Unsent::Limit("calls_per_peer", calls_per_peer));
        }
        if !self.calls.take(1, &self.quota) {
            return Err(Unsent::Limit("calls_per_node", calls_per_node));
        }
        let call = Call {
            deadline,
            on_silence,
            grace_end: self.suspicion.and_then(Suspicion::grace_end),
            answer: None,
            caller: None,
            runner: None,
        };
        let is_next = self.is_next(call.due());
        let id = self.pending.insert(Request::Call(call));
        Ok((id, is_next))
    }

    /// Notes that a call is due then. Tells whether that is before all that the link task knows of.
    fn is_next(&mut self, due: Instant) -> bool {
        let is_next = self.next_timeout.is_none_or(|next| due < next);
        if is_next {
            self.next_timeout = Some(due);
        }
        is_next
    }

    /// Nothing has come from the peer since then. Ends the calls that are not to wait for it, and
    /// gives their callers.
    pub(super) fn suspect(&mut self, since: Instant, call_grace: Option<Duration>) -> Vec<Waker> {
        let suspicion = Suspicion { since, call_grace };
        self.suspicion = Some(suspicion);
        let grace_end = suspicion.grace_end();
        let mut callers = Vec::new();
        let mut due = None;
        for request in self.pending.iter_mut() {
            let Request::Call(call) = request else {
                continue;
            };
            if call.answer.is_some() {
                continue;
            }
            if call.on_silence == OnSilence::GiveUp {
                callers.extend(call.fulfil(Answer::Silent { since }));
            } else {
                call.grace_end = grace_end;
                due = grace_end;
            }
        }
        if let Some(due) = due {
            self.is_next(due);
        }
        callers
    }

    /// Something came from the peer again: calls wait as long as their deadlines say.
    pub(super) fn recover(&mut self) {
        if self.suspicion.take().is_none() {
            return;
        }
        for request in self.pending.iter_mut() {
            if let Request::Call(call) = request {
                call.grace_end = None;
            }
        }
    }

    /// Whether the peer is known to run a call that has no answer.
    pub(in crate::link) fn has_running(&mut self) -> bool {
        self.pending.iter_mut().any(|request| match request {
            Request::Call(call) => call.answer.is_none() && call.runner.is_some(),
            _ => false,
        })
    }

    /// Whether a request has no answer.
    pub(super) fn is_waiting(&mut self, id: RequestId) -> bool {
        self.pending.get_mut(id).is_some()
    }

    pub(super) fn remove(&mut self, id: RequestId) -> Option<Request> {
        let removed = self.pending.remove(id);
        if matches!(removed, Some(Request::Call(_))) {
            self.calls.put_back(1, &self.quota);
        }
        removed
    }

    /// The answer to a request has come. A call stays until its caller takes it out.
    pub(super) fn fulfil(&mut self, id: RequestId, answer: Answer) -> Fulfilled {
        match self.pending.get_mut(id) {
            Some(Request::Call(call)) => Fulfilled::Call(call.fulfil(answer)),
            Some(_) => match self.remove(id) {
                Some(Request::Probe(alive)) => Fulfilled::Probe(alive),
                Some(Request::Scope { id, .. }) => Fulfilled::Scope(id),
                Some(Request::Call(_) | Request::SignOfLife) | None => Fulfilled::Unknown,
            },
            None => Fulfilled::Unknown,
        }
    }

    /// The call under this id, unless it has its answer.
    pub(super) fn waiting_call(&mut self, id: RequestId) -> Option<&mut Call> {
        match self.pending.get_mut(id) {
            Some(Request::Call(call)) if call.answer.is_none() => Some(call),
            _ => None,
        }
    }

    /// The answer to a call, which takes the call out, unless the peer is still to be told that
    /// nobody waits any more. Without one the task is woken when it comes.
    pub(super) fn poll_answer(&mut self, id: RequestId, task: &mut Context<'_>) -> Poll<Answer> {
        let Some(Request::Call(call)) = self.pending.get_mut(id) else {
            return Poll::Ready(Answer::Lost);
        };
        match call.answer.take() {
            Some(answer @ (Answer::TimedOut | Answer::Silent { .. })) => Poll::Ready(answer),
            Some(answer) => {
                self.remove(id);
                Poll::Ready(answer)
            }
            None => {
                match &mut call.caller {
                    Some(caller) => caller.clone_from(task.waker()),
                    none => *none = Some(task.waker().clone()),
                }
                Poll::Pending
            }
        }
    }

    /// No call has an earlier deadline than this.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.next_timeout
    }

    /// Ends the calls that have waited long enough, and gives their callers.
    pub(super) fn time_out(&mut self, now: Instant) -> Vec<Waker> {
        if self.next_timeout.is_none_or(|next| now < next) {
            return Vec::new();
        }
        let mut next: Option<Instant> = None;
        let mut callers = Vec::new();
        for request in self.pending.iter_mut() {
            let Request::Call(call) = request else {
                continue;
            };
            if call.answer.is_some() {
                continue;
            }
            let due = call.due();
            if due <= now {
                let answer = match self.suspicion {
                    Some(Suspicion { since, .. }) if due < call.deadline => {
                        Answer::Silent { since }
                    }
                    _ => Answer::TimedOut,
                };
                callers.extend(call.fulfil(answer));
            } else if next.is_none_or(|next| due < next) {
                next = Some(due);
            }
        }
        self.next_timeout = next;
        callers
    }

    /// The link is lost: no more answers come. Those that have come are still there for their
    /// callers. Gives the callers to wake and the requests that have none, whose drop wakes those who
    /// wait, neither of which must happen under the lock.
    pub(super) fn lose(&mut self) -> (Vec<Waker>, Vec<Request>) {
        let mut callers = Vec::new();
        let others = self.pending.take_where(|request| match request {
            Request::Call(call) => {
                callers.extend(call.fulfil(Answer::Lost));
                false
            }
            Request::Probe(_) | Request::SignOfLife | Request::Scope { .. } => true,
        });
        self.next_timeout = None;
        (callers, others)
    }
}

/// Whose answer has come, and what is to be done outside the lock.
pub(super) enum Fulfilled {
    /// A caller is to be woken, unless it has not begun to wait.
    Call(Option<Waker>),
    Probe(oneshot::Sender<()>),
    Scope(MonitorId),
    /// Nobody waits for it.
    Unknown,
}

impl Suspicion {
    /// How long a call that is in flight now, or is sent now, waits.
    fn grace_end(self) -> Option<Instant> {
        Instant::now().checked_add(self.call_grace?)
    }
}

impl Call {
    /// The first answer counts. Gives the caller, to be woken.
    pub(super) fn fulfil(&mut self, answer: Answer) -> Option<Waker> {
        if self.answer.is_none() {
            self.answer = Some(answer);
        }
        self.caller.take()
    }

    /// When it ends without an answer.
    fn due(&self) -> Instant {
        self.grace_end
            .map_or(self.deadline, |end| end.min(self.deadline))
    }

    pub(super) fn started(&mut self, runner: Pid) {
        self.runner = Some(runner);
    }

    /// The process that runs a call which nobody waits for any more, though no answer came.
    pub(super) fn abandoned(self) -> Option<Pid> {
        match self.answer {
            None | Some(Answer::TimedOut | Answer::Silent { .. }) => self.runner,
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Wake,
        time::Duration,
    };

    use beam_term::Atom;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Callers that wait; each knows how often it was woken.
    fn callers<const N: usize>() -> [(Arc<Woken>, Waker); N] {
        std::array::from_fn(|_| {
            let woken = Arc::new(Woken::default());
            (Arc::clone(&woken), Waker::from(woken))
        })
    }

    fn requests() -> Requests {
        Requests::new(0, Arc::new(Quota::new(1024, 0)))
    }

    fn insert(
        requests: &mut Requests,
        deadline: Instant,
        on_silence: OnSilence,
    ) -> (RequestId, bool) {
        let inserted = requests.insert_call(deadline, on_silence, &Limits::default());
        inserted.unwrap()
    }

    fn poll(requests: &mut Requests, id: RequestId, caller: &Waker) -> Poll<Answer> {
        requests.poll_answer(id, &mut Context::from_waker(caller))
    }

    fn refused() -> Answer {
        Answer::Refused(Atom::from_static("system_limit"))
    }

    #[test]
    fn a_call_runs_from_when_the_peer_has_started_it_until_it_is_answered() {
        let mut requests = requests();
        let deadline = Instant::now() + Duration::from_secs(1);
        let (id, _) = insert(&mut requests, deadline, OnSilence::Wait);
        assert!(!requests.has_running());

        let runner = Pid {
            node: Atom::from_static("a@b"),
            id: 1,
            serial: 0,
            creation: 1,
        };
        requests.waiting_call(id).unwrap().started(runner);
        assert!(requests.has_running());
        requests.fulfil(id, refused());
        assert!(!requests.has_running());
    }

    #[test]
    fn an_answer_that_came_before_the_link_was_lost_is_not_lost() {
        let mut requests = requests();
        let deadline = Instant::now() + Duration::from_secs(1);
        let [answered, waiting, late] =
            [(); 3].map(|()| insert(&mut requests, deadline, OnSilence::Wait).0);
        let [(one, first), (two, second)] = callers();
        assert!(poll(&mut requests, answered, &first).is_pending());
        assert!(poll(&mut requests, waiting, &second).is_pending());
        let Fulfilled::Call(Some(caller)) = requests.fulfil(answered, refused()) else {
            panic!("nobody waits");
        };
        caller.wake();

        let (lost, others) = requests.lose();
        assert!(others.is_empty());
        lost.into_iter().for_each(Waker::wake);

        assert_eq!(
            [one, two].map(|woken| woken.0.load(Ordering::Relaxed)),
            [1, 1]
        );
        let answer = poll(&mut requests, answered, &first);
        assert!(matches!(answer, Poll::Ready(Answer::Refused(_))));
        for id in [waiting, late] {
            let answer = poll(&mut requests, id, &second);
            assert!(matches!(answer, Poll::Ready(Answer::Lost)));
        }
    }

    #[test]
    fn the_earliest_deadline_is_known_anew_after_each_look() {
        let mut requests = requests();
        let begun = Instant::now();
        let after = |secs| begun + Duration::from_secs(secs);
        let (short, is_next) = insert(&mut requests, after(2), OnSilence::Wait);
        assert!(is_next);
        let (long, is_next) = insert(&mut requests, after(9), OnSilence::Wait);
        assert!(!is_next);
        assert!(insert(&mut requests, after(1), OnSilence::Wait).1);
        let [(woken, caller)] = callers();
        assert!(poll(&mut requests, short, &caller).is_pending());

        assert!(requests.time_out(begun).is_empty());
        assert_eq!(requests.next_timeout(), Some(after(1)));
        for caller in requests.time_out(after(2)) {
            caller.wake();
        }

        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert_eq!(requests.next_timeout(), Some(after(9)));
        let answer = poll(&mut requests, short, &caller);
        assert!(matches!(answer, Poll::Ready(Answer::TimedOut)));
        assert!(poll(&mut requests, long, &caller).is_pending());
        // The answer that comes too late changes nothing for a call that is over.
        assert!(requests.remove(short).is_some());
        assert!(matches!(
            requests.fulfil(short, refused()),
            Fulfilled::Unknown
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn calls_to_a_suspect_end_as_they_are_told_to() {
        let mut requests = requests();
        let now = Instant::now();
        let deadline = now + Duration::from_secs(10);
        let grace = Duration::from_secs(2);
        let (leaving, _) = insert(&mut requests, deadline, OnSilence::GiveUp);
        let (waiting, _) = insert(&mut requests, deadline, OnSilence::Wait);
        let (impatient, _) = insert(&mut requests, now + grace / 2, OnSilence::Wait);
        let [(left, first), (woken, second)] = callers();
        assert!(poll(&mut requests, leaving, &first).is_pending());
        assert!(poll(&mut requests, waiting, &second).is_pending());

        for caller in requests.suspect(now, Some(grace)) {
            caller.wake();
        }

        assert_eq!(left.0.load(Ordering::Relaxed), 1);
        let answer = poll(&mut requests, leaving, &first);
        assert!(matches!(answer, Poll::Ready(Answer::Silent { since }) if since == now));
        // One that is sent now knows whom it is sent to, and waits for the grace as well.
        let (late, _) = insert(&mut requests, deadline, OnSilence::GiveUp);
        assert!(poll(&mut requests, late, &first).is_pending());
        assert!(
            requests
                .next_timeout()
                .is_some_and(|due| due <= now + grace)
        );
        for caller in requests.time_out(now + grace) {
            caller.wake();
        }
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        let answers = [waiting, impatient, late].map(|id| poll(&mut requests, id, &second));
        assert!(matches!(
            answers,
            [
                Poll::Ready(Answer::Silent { .. }),
                Poll::Ready(Answer::TimedOut),
                Poll::Ready(Answer::Silent { .. })
            ]
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_is_back_in_time_has_the_whole_timeout_again() {
        let mut requests = requests();
        let now = Instant::now();
        let deadline = now + Duration::from_secs(10);
        let grace = Duration::from_secs(2);
        let (id, _) = insert(&mut requests, deadline, OnSilence::Wait);
        let [(_, caller)] = callers();

        assert!(requests.suspect(now, Some(grace)).is_empty());
        requests.recover();

        assert!(requests.time_out(now + grace).is_empty());
        assert!(poll(&mut requests, id, &caller).is_pending());
        assert_eq!(requests.next_timeout(), Some(deadline));
        requests.time_out(deadline);
        let answer = poll(&mut requests, id, &caller);
        assert!(matches!(answer, Poll::Ready(Answer::TimedOut)));
    }

    #[test]
    fn a_call_that_timed_out_is_told_to_the_peer_and_one_that_was_answered_is_not() {
        let mut requests = requests();
        let now = Instant::now();
        let runner = Pid {
            node: Atom::from_static("a@h"),
            id: 1,
            serial: 0,
            creation: 1,
        };
        let [(_, caller)] = callers();
        let [timed_out, answered] = [(); 2].map(|()| insert(&mut requests, now, OnSilence::Wait).0);
        for id in [timed_out, answered] {
            let call = requests.waiting_call(id).unwrap();
            call.started(runner.clone());
        }
        requests.fulfil(answered, refused());
        requests.time_out(now);
        assert!(poll(&mut requests, timed_out, &caller).is_ready());

        let abandoned = [timed_out, answered].map(|id| match requests.remove(id) {
            Some(Request::Call(call)) => call.abandoned(),
            _ => None,
        });
        assert_eq!(abandoned, [Some(runner), None]);
    }
}
