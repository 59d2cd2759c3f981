//! What is promised about faults, and whether it was kept.

use super::{Call, Case, Fault, Found, Values};
use crate::measure::Promise;

/// Compares the worst of the rounds with what is promised.
pub(super) fn check(case: &Case, found: &Found, promises: &mut Vec<Promise>) {
    let mut promise = |promised: &str, found: String, kept: bool| {
        promises.push(Promise {
            subject: case.to_string(),
            promised: promised.to_owned(),
            found,
            kept,
        });
    };
    let most = |values: &Values| values.spread().map_or(f64::INFINITY, |found| found.max);
    let least = |values: &Values| values.spread().map_or(0.0, |found| found.min);
    let out = most(&found.last_call_ms).max(most(&found.noticed_ms));
    let back = most(&found.back_ms);
    let elsewhere = most(&found.failed_elsewhere);
    match case.fault {
        Fault::Kill => {
            promise(
                "failed calls only of those that the dead member had",
                format!("{elsewhere} others"),
                elsewhere == 0.0,
            );
            promise(
                "out of the pool within 20 ms",
                format!("{out:.1} ms"),
                out <= 20.0,
            );
        }
        Fault::Hang => {
            promise(
                "failed calls only of those that the hung member had",
                format!("{elsewhere} others"),
                elsewhere == 0.0,
            );
            promise(
                "out of the pool within 1.5 s",
                format!("{out:.0} ms"),
                out <= 1_500.0,
            );
            // How fast `add` is answered is up to what else the processors have to do.
            if case.call != Call::Add {
                let third = least(&found.seconds[2]);
                promise(
                    "60 % of the calls after 2 s",
                    format!("{third:.0} %"),
                    third >= 60.0,
                );
            }
            promise(
                "back within 2 s of SIGCONT",
                format!("{back:.0} ms"),
                back <= 2_000.0,
            );
        }
        Fault::Stop => {
            let failed = most(&found.failed);
            promise("no call fails", format!("{failed}"), failed == 0.0);
        }
    }
}
