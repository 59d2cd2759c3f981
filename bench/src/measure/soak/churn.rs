//! Members that come and go.

use std::{
    fmt,
    time::{Duration, Instant},
};

use fastrand::Rng;
use rustix::process::Signal;

use crate::{
    cli::Soak,
    failure::Failure,
    measure::ground::{Ground, Member},
    process::Child,
};

/// Members beside those that stay.
const PLACES: usize = 4;

/// Time between two changes.
const PAUSES_MS: std::ops::Range<u64> = 200..1_800;

/// How long a member hangs: shorter and longer than it takes to be noticed.
const HANGS_MS: std::ops::Range<u64> = 100..4_000;

/// How long a member may take to stop in good order.
const LONGEST_STOP: Duration = Duration::from_secs(30);

/// Everybody who comes and goes.
pub(super) struct Churn<'a> {
    ground: &'a Ground,
    hub: String,
    /// Nobody is killed or hangs.
    gentle: bool,
    rng: Rng,
    places: Vec<Place>,
    next: Instant,
    counts: Counts,
}

/// A place in the pool; it may be empty.
struct Place {
    name: String,
    state: State,
}

enum State {
    Empty,
    Member(Child),
    /// Out of the group, but running.
    Outside(Child),
    Hanging(Child, Instant),
    Stopping(Child, Instant),
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    started: u32,
    stopped: u32,
    killed: u32,
    hung: u32,
    left: u32,
    joined: u32,
}

impl<'a> Churn<'a> {
    pub(super) fn new(ground: &'a Ground, hub: &str, soak: Soak) -> Self {
        let place = || Place {
            name: ground.name("churn"),
            state: State::Empty,
        };
        Self {
            ground,
            hub: hub.to_owned(),
            gentle: soak.gentle,
            rng: Rng::with_seed(soak.seed),
            places: std::iter::repeat_with(place).take(PLACES).collect(),
            next: Instant::now(),
            counts: Counts::default(),
        }
    }

    /// Does what is due.
    pub(super) fn turn(&mut self) -> Result<(), Failure> {
        for place in &mut self.places {
            place.go_on()?;
        }
        if Instant::now() >= self.next {
            let pause = self.rng.u64(PAUSES_MS);
            self.next = Instant::now() + Duration::from_millis(pause);
            let which = self.rng.usize(..PLACES);
            self.change(which)?;
        }
        Ok(())
    }

    fn change(&mut self, which: usize) -> Result<(), Failure> {
        let place = &mut self.places[which];
        let state = std::mem::replace(&mut place.state, State::Empty);
        place.state = match state {
            State::Empty => {
                // Under the same name as before it is a new incarnation of a node, else another node.
                if self.rng.bool() {
                    place.name = self.ground.name("churn");
                }
                self.counts.started += 1;
                State::Member(self.ground.member(Member::Rust, &place.name, &self.hub)?)
            }
            State::Outside(mut member) => {
                self.counts.joined += 1;
                member.ask("join")?;
                State::Member(member)
            }
            State::Member(mut member) => match self.rng.u32(..4) {
                choice if choice == 0 || self.gentle && choice == 1 => {
                    self.counts.stopped += 1;
                    member.signal(Signal::TERM);
                    State::Stopping(member, Instant::now())
                }
                1 => {
                    self.counts.killed += 1;
                    member.signal(Signal::KILL);
                    State::Empty
                }
                2 if !self.gentle => {
                    self.counts.hung += 1;
                    member.signal(Signal::STOP);
                    let hangs = Duration::from_millis(self.rng.u64(HANGS_MS));
                    State::Hanging(member, Instant::now() + hangs)
                }
                _ => {
                    self.counts.left += 1;
                    member.ask("leave")?;
                    State::Outside(member)
                }
            },
            other @ (State::Hanging(..) | State::Stopping(..)) => other,
        };
        Ok(())
    }

    /// Has everybody stop in good order.
    pub(super) fn end(mut self) -> Result<(), Failure> {
        for place in &mut self.places {
            place.state = match std::mem::replace(&mut place.state, State::Empty) {
                State::Member(mut member)
                | State::Outside(mut member)
                | State::Hanging(mut member, _) => {
                    member.signal(Signal::CONT);
                    member.signal(Signal::TERM);
                    State::Stopping(member, Instant::now())
                }
                other => other,
            };
        }
        for place in &mut self.places {
            if let State::Stopping(member, _) = &mut place.state {
                member.ended(LONGEST_STOP)?;
            }
        }
        Ok(())
    }
}

impl Place {
    fn go_on(&mut self) -> Result<(), Failure> {
        self.state = match std::mem::replace(&mut self.state, State::Empty) {
            State::Hanging(mut member, until) if Instant::now() >= until => {
                member.signal(Signal::CONT);
                State::Member(member)
            }
            State::Stopping(mut member, since) => {
                if member.has_ended() {
                    State::Empty
                } else if since.elapsed() > LONGEST_STOP {
                    return Err(Failure::Other(format!(
                        "{} has not ended {} s after SIGTERM",
                        self.name,
                        LONGEST_STOP.as_secs()
                    )));
                } else {
                    State::Stopping(member, since)
                }
            }
            other => other,
        };
        Ok(())
    }
}

impl fmt::Display for Churn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts {
            started,
            stopped,
            killed,
            hung,
            left,
            joined,
        } = self.counts;
        write!(
            f,
            "{started} started, {stopped} stopped, {killed} killed, {hung} hung, {left} left, {joined} came back"
        )
    }
}
