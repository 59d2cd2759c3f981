//! A pair whose two processes run.

use super::ground::{End, Ground};
use crate::{
    failure::Failure,
    pair::Pair,
    process::{Child, Usage, busy_seconds},
    protocol::{Run, Tally},
};

/// Both ends, connected.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) pair: Pair,
    // The caller goes first.
    caller: Child,
    callee: Child,
    processors: Vec<usize>,
    /// What the nodes of OTP among them say of themselves.
    pub(super) otp: Option<String>,
}

/// What a stretch of load took.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    /// What other programs had of both processors meanwhile.
    pub(super) others_percent: f64,
    pub(super) tally: Tally,
    pub(super) caller: Cost,
    pub(super) callee: Cost,
}

/// Seconds of processor time so far: of the two sides, and of everybody.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    used: [f64; 2],
    busy: f64,
}

/// What one side had to spend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    pub(super) cpu_seconds: f64,
    pub(super) peak_kb: f64,
}

impl Running {
    pub(super) fn start(ground: &Ground, pair: Pair) -> Result<Self, Failure> {
        let label = |end: &str| format!("the {end} of {pair}");
        let (callee, said) = ground.start(&label("callee"), pair.callee(), End::Callee, None)?;
        let address = said.first().map(String::as_str);
        let (caller, also) = ground.start(&label("caller"), pair.caller(), End::Caller, address)?;
        let otp = [said, also].into_iter().find_map(|said| match &said[..] {
            [_, version, flavour] => Some(format!("{version} ({flavour})")),
            _ => None,
        });
        Ok(Self {
            pair,
            caller,
            callee,
            processors: ground.processors(),
            otp,
        })
    }

    /// Makes load, and accounts for it. A call that failed is a failure.
    pub(super) fn stretch(&mut self, run: &Run) -> Result<Stretch, Failure> {
        let usages = [self.caller.usage(), self.callee.usage()];
        for usage in usages {
            usage.forget_peak();
        }
        let now = || Reading {
            used: usages.map(Usage::cpu_seconds),
            busy: busy_seconds(&self.processors),
        };
        let [mut before, mut after] = [Reading::default(); 2];
        let tally = self.caller.run(run, || before = now(), || after = now())?;
        if tally.failed > 0 {
            return Err(Failure::Cell {
                label: self.pair.to_string(),
                cell: run.to_string(),
                message: format!("{} calls were lost", tally.failed),
            });
        }
        let cost = |side: usize| Cost {
            cpu_seconds: after.used[side] - before.used[side],
            peak_kb: usages[side].peak_kb(),
        };
        let others = after.busy - before.busy - cost(0).cpu_seconds - cost(1).cpu_seconds;
        let both = tally.elapsed.as_secs_f64() * 2.0;
        Ok(Stretch {
            others_percent: (others / both * 100.0).max(0.0),
            tally,
            caller: cost(0),
            callee: cost(1),
        })
    }
}
