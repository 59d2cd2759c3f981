//! Members that are killed, hang, and stop, while 64 callers call them: what is lost, and for how long.

mod cluster;
mod promises;
mod reference;

use std::{fmt, thread, time::Duration};

use rustix::process::Signal;

use self::cluster::{Around, Cluster};
use super::{
    Results, Table,
    ground::{Ground, Member},
    results::Values,
};
use measurement::Progress;

use crate::{cli::Plan, failure::Failure};

const MEMBERS: usize = 3;
const CALLERS: usize = 64;

/// How long calls wait for their answers, unless they take longer by themselves.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How long a member is looked at before anything happens to it: more than the second that its rate is taken from.
const BEFORE: Duration = Duration::from_millis(1_500);

/// How long it is looked at afterwards: three seconds, and the time of the calls that began in them.
const AFTER: Duration = Duration::from_millis(4_200);

/// How long it may take until a member has calls again.
const LONGEST_BACK: Duration = Duration::from_secs(30);

/// How long a member that stops may take: longer than the longest call, and than its drain.
const LONGEST_STOP: Duration = Duration::from_secs(20);

/// What happens to one of the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Its process is killed, and started again.
    Kill,
    /// Its process is stopped, and goes on.
    Hang,
    /// It ends in good order, and is started again.
    Stop,
}

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    /// Answered at once.
    Add,
    /// Answered after so many milliseconds.
    Sleep(u64),
}

/// A member of some kind that something happens to while it is called so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Case {
    fault: Fault,
    member: Member,
    call: Call,
}

/// What was found in each round.
#[derive(Debug, Default)]
struct Found {
    before: Values,
    in_flight: Values,
    failed: Values,
    failed_elsewhere: Values,
    unavailable: Values,
    timed_out: Values,
    other: Values,
    last_call_ms: Values,
    noticed_ms: Values,
    seconds: [Values; 3],
    recovered_ms: Values,
    back_ms: Values,
}

const COLUMNS: [&str; 15] = [
    "fault, members, call",
    "calls/s before",
    "in flight there",
    "failed calls",
    "of them elsewhere",
    "unavailable",
    "timed out",
    "other errors",
    "last call there after ms",
    "out of the pool after ms",
    "1st s %",
    "2nd s %",
    "3rd s %",
    "≥ 60 % after ms",
    "back after ms",
];

pub(super) fn measure(plan: &Plan, ground: &Ground, results: &mut Results) -> Result<(), Failure> {
    let possible = |case: &Case| case.member == Member::Rust || ground.module.is_some();
    let wanted = |case: &Case| plan.wants(&case.to_string());
    let cases = cases(plan.quick).into_iter();
    let cases: Vec<Case> = cases.filter(possible).filter(wanted).collect();
    let progress = Progress::new(plan.rounds * cases.len());
    let mut found: Vec<Found> = cases.iter().map(|_| Found::default()).collect();
    for round in 0..plan.rounds {
        for (case, found) in cases.iter().zip(&mut found) {
            progress.stage(format_args!("{case}, round {}", round + 1));
            case.run(ground, found)?;
            progress.step();
        }
    }

    let mut table = Table::new(
        "Faults",
        &format!(
            "One of {MEMBERS} members has a fault while {CALLERS} callers call them over RoundRobin, each again as soon as \
             its last call has ended; calls wait 1 s for their answers, those of 3 s wait 10 s. *in flight there*: calls \
             that the member had when it happened. *elsewhere*: failed at another member, or at none. *last call*: \
             when the last one began there. *out of the pool*: the balancer has another state for the member than `up`. *%*: answered calls in the seconds afterwards, of those in the second before. \
             *back*: the first call began there that was answered, counted from SIGCONT, or from when the new process \
             was ready. {}",
            reference::NOTE,
        ),
        &COLUMNS,
    );
    for fault in [Fault::Kill, Fault::Hang, Fault::Stop] {
        let cases = cases.iter().zip(&found);
        let mut of_fault = cases.filter(|(case, _)| case.fault == fault).peekable();
        if of_fault.peek().is_none() {
            continue;
        }
        for (case, found) in of_fault {
            table.row(case.to_string(), found.figures());
            promises::check(case, found, &mut results.promises);
        }
        reference::row(fault, &mut table);
    }
    results.tables.push(table);
    Ok(())
}

fn cases(quick: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for fault in [Fault::Kill, Fault::Hang, Fault::Stop] {
        let calls = match fault {
            Fault::Kill | Fault::Hang => [Call::Add, Call::Sleep(10)],
            Fault::Stop => [Call::Sleep(50), Call::Sleep(3_000)],
        };
        for member in [Member::Rust, Member::Otp] {
            for call in calls.into_iter().skip(usize::from(quick)) {
                cases.push(Case {
                    fault,
                    member,
                    call,
                });
            }
        }
    }
    cases
}

impl Case {
    fn run(&self, ground: &Ground, found: &mut Found) -> Result<(), Failure> {
        let mut cluster = Cluster::start(ground, self.member, MEMBERS)?;
        cluster.begin(self.call, CALLERS)?;
        cluster.watch_one()?;
        match self.fault {
            Fault::Kill => {
                thread::sleep(BEFORE);
                let at = cluster.signal(Signal::KILL);
                thread::sleep(AFTER);
                found.note(&cluster.around(at)?);
                found.back(cluster.restart(ground)?);
            }
            Fault::Hang => {
                thread::sleep(BEFORE);
                let at = cluster.signal(Signal::STOP);
                thread::sleep(AFTER);
                found.note(&cluster.around(at)?);
                let at = cluster.signal(Signal::CONT);
                found.back(cluster.back_since(at)?);
            }
            Fault::Stop => {
                let long = self.call.duration();
                // In the middle of the calls.
                thread::sleep(BEFORE.max(long / 2));
                let at = cluster.stop(long)?;
                // Each caller makes another call that would show what is lost.
                thread::sleep(AFTER.max(long + Duration::from_secs(1)));
                found.note(&cluster.around(at)?);
                found.back(cluster.restart(ground)?);
            }
        }
        cluster.end()
    }
}

impl Call {
    fn duration(self) -> Duration {
        match self {
            Self::Add => Duration::ZERO,
            Self::Sleep(millis) => Duration::from_millis(millis),
        }
    }

    fn timeout(self) -> Duration {
        match self.duration() < TIMEOUT {
            true => TIMEOUT,
            false => 10 * TIMEOUT,
        }
    }
}

impl Found {
    fn note(&mut self, around: &Around) {
        let columns = [
            (&mut self.before, "before"),
            (&mut self.in_flight, "in_flight"),
            (&mut self.failed, "failed"),
            (&mut self.failed_elsewhere, "failed_elsewhere"),
            (&mut self.unavailable, "unavailable"),
            (&mut self.timed_out, "timed_out"),
            (&mut self.other, "other"),
            (&mut self.last_call_ms, "last_call_ms"),
            (&mut self.noticed_ms, "noticed_ms"),
            (&mut self.recovered_ms, "recovered_ms"),
        ];
        let seconds = self.seconds.iter_mut();
        let columns = columns
            .into_iter()
            .chain(seconds.zip(["first", "second", "third"]));
        for (values, name) in columns {
            let value = around.value(name);
            // There is no rate of calls that nobody has answered yet.
            if value.is_finite() {
                values.push(value);
            }
        }
    }

    fn back(&mut self, after: Option<Duration>) {
        if let Some(after) = after {
            self.back_ms.push(after.as_secs_f64() * 1e3);
        }
    }

    fn figures(&self) -> Vec<Option<super::Spread>> {
        let [first, second, third] = &self.seconds;
        [
            &self.before,
            &self.in_flight,
            &self.failed,
            &self.failed_elsewhere,
            &self.unavailable,
            &self.timed_out,
            &self.other,
            &self.last_call_ms,
            &self.noticed_ms,
            first,
            second,
            third,
            &self.recovered_ms,
            &self.back_ms,
        ]
        .map(Values::spread)
        .to_vec()
    }
}

/// `kill -9, Rust, add`
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}", self.fault, self.member, self.call)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "kill -9",
            Self::Hang => "kill -STOP",
            Self::Stop => "stop",
        })
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add => f.write_str("add"),
            Self::Sleep(millis @ ..1_000) => write!(f, "{millis} ms"),
            Self::Sleep(millis) => write!(f, "{} s", millis / 1_000),
        }
    }
}
