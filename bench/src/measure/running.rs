//! A pair whose two processes run.

use super::ground::{End, Ground};
use crate::{
    failure::Failure,
    pair::Pair,
    process::{Account, Child, Usage},
    protocol::{Run, Tally},
};

/// Both ends, connected.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) pair: Pair,
    // The caller goes first.
    caller: Child,
    callee: Child,
    /// What the nodes of OTP among them say of themselves.
    pub(super) otp: Option<String>,
}

/// What a stretch of load took.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    pub(super) tally: Tally,
    pub(super) caller: Cost,
    pub(super) callee: Cost,
}

/// What one side had to spend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    pub(super) account: Account,
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
            otp,
        })
    }

    /// Makes load, and accounts for it. A call that failed is a failure.
    pub(super) fn stretch(&mut self, run: &Run) -> Result<Stretch, Failure> {
        let usages = [self.caller.usage(), self.callee.usage()];
        for usage in usages {
            usage.forget_peak();
        }
        let [mut before, mut after] = [[Account::default(); 2]; 2];
        let tally = self.caller.run(
            run,
            || before = usages.map(Usage::so_far),
            || after = usages.map(Usage::so_far),
        )?;
        if tally.failed > 0 {
            return Err(Failure::Cell {
                label: self.pair.to_string(),
                cell: run.to_string(),
                message: format!("{} calls were lost", tally.failed),
            });
        }
        let cost = |side: usize| Cost {
            account: after[side] - before[side],
            peak_kb: usages[side].peak_kb(),
        };
        Ok(Stretch {
            tally,
            caller: cost(0),
            callee: cost(1),
        })
    }
}
