//! The members and their caller, each a process of its own.

use std::{thread, time::Duration};

use rustix::{
    process::Signal,
    time::{ClockId, clock_gettime},
};

use super::{Call, LONGEST_BACK, LONGEST_STOP};
use crate::{
    failure::Failure,
    measure::ground::{End, Ground, Member},
    process::Child,
};

/// The first member is the one that things happen to.
pub(super) struct Cluster {
    kind: Member,
    members: Vec<(String, Child)>,
    // Ends last, so that no call fails for want of a caller.
    caller: Child,
    caller_name: String,
}

/// What became of the calls around a fault.
#[derive(Debug)]
pub(super) struct Around(Vec<(String, f64)>);

impl Around {
    pub(super) fn value(&self, name: &str) -> f64 {
        let found = self.0.iter().find(|(found, _)| found == name);
        found.map_or(f64::NAN, |&(_, value)| value)
    }
}

impl Cluster {
    pub(super) fn start(ground: &Ground, kind: Member, count: usize) -> Result<Self, Failure> {
        let processor = ground.processor(End::Caller);
        let (mut caller, caller_name) = ground.act("callers", "", processor, &[])?;
        let mut members = Vec::new();
        for _ in 0..count {
            let name = ground.name("member");
            let member = ground.member(kind, &name, &caller_name)?;
            members.push((name, member));
        }
        caller.ask(&format!("members {count}"))?;
        Ok(Self {
            kind,
            members,
            caller,
            caller_name,
        })
    }

    pub(super) fn begin(&mut self, call: Call, callers: usize) -> Result<(), Failure> {
        let what = match call {
            Call::Add => "add".to_owned(),
            Call::Sleep(millis) => millis.to_string(),
        };
        let timeout = call.timeout().as_millis();
        self.caller
            .ask(&format!("load {what} {callers} {timeout}"))?;
        Ok(())
    }

    /// Keeps account of the calls to the member that things happen to.
    pub(super) fn watch_one(&mut self) -> Result<(), Failure> {
        let name = &self.members[0].0;
        self.caller.ask(&format!("watch {name}"))?;
        Ok(())
    }

    /// Sends the member a signal, and tells when.
    pub(super) fn signal(&mut self, signal: Signal) -> u64 {
        let at = now();
        self.members[0].1.signal(signal);
        at
    }

    /// Has the member end in good order, waits until it has, and tells when it was told to. Its calls take at most so
    /// long.
    pub(super) fn stop(&mut self, longest: Duration) -> Result<u64, Failure> {
        let (_, member) = &mut self.members[0];
        let at = now();
        match self.kind {
            Member::Rust => {
                member.signal(Signal::TERM);
                member.ended(LONGEST_STOP)?;
            }
            // OTP would end the calls that it serves.
            Member::Otp => {
                member.ask("leave")?;
                thread::sleep(longest + Duration::from_secs(1));
                member.end();
            }
        }
        Ok(at)
    }

    /// Starts the member again under its name, and tells how long it then took until it answered a call.
    pub(super) fn restart(&mut self, ground: &Ground) -> Result<Option<Duration>, Failure> {
        let name = self.members[0].0.clone();
        let before = now();
        let member = ground.member(self.kind, &name, &self.caller_name)?;
        let ready = now();
        self.members[0].1 = member;
        let at = self.first_answered_since(before)?;
        Ok(at.map(|at| Duration::from_nanos(at.saturating_sub(ready))))
    }

    /// How long after this moment the member answered a call that began after it.
    pub(super) fn back_since(&mut self, since: u64) -> Result<Option<Duration>, Failure> {
        let at = self.first_answered_since(since)?;
        Ok(at.map(|at| Duration::from_nanos(at - since)))
    }

    pub(super) fn around(&mut self, at: u64) -> Result<Around, Failure> {
        self.caller.ask_all(&format!("account {at}")).map(Around)
    }

    /// Ends the calls, of which none may be left.
    pub(super) fn end(mut self) -> Result<(), Failure> {
        let left = self.caller.ask("stop")?;
        if left > 0.0 {
            return Err(Failure::Other(format!(
                "{left} calls were in flight after all callers had ended"
            )));
        }
        Ok(())
    }

    fn first_answered_since(&mut self, since: u64) -> Result<Option<u64>, Failure> {
        let patience = LONGEST_BACK.as_millis();
        let found = self.caller.ask_all(&format!("taken {since} {patience}"))?;
        Ok(found.first().map(|&(_, at)| at as u64))
    }
}

/// Nanoseconds of the clock that all processes of a machine share.
fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
