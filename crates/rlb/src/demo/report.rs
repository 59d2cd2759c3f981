//! What came of the demo.

use std::{fmt, process::ExitStatus, time::Duration};

use beam_node::NodeName;
use serde::Serialize;

use crate::{failure::Failure, format::Short, printer::Printer, summary::Summary, tally::Tally};

/// The calls, and what happened to workers meanwhile.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) tally: Tally,
    pub(super) took: Duration,
    pub(super) killed: Killed,
    pub(super) stopped: Stopped,
    pub(super) started: Started,
}

/// The worker that was killed.
#[derive(Debug)]
pub(super) struct Killed {
    pub(super) node: NodeName,
    /// From the kill until it was no member any more.
    pub(super) out_of_pool_after: Duration,
}

/// The worker that was asked to stop.
#[derive(Debug)]
pub(super) struct Stopped {
    pub(super) node: NodeName,
    /// From the signal until it was no member any more.
    pub(super) out_of_pool_after: Duration,
    /// From the signal until its process had ended.
    pub(super) ended_after: Duration,
    pub(super) status: ExitStatus,
}

/// The worker that was started on the way.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) node: NodeName,
    /// From the start of its process until it was a member.
    pub(super) member_after: Duration,
}

impl Report {
    /// Writes the report to stdout.
    pub(super) fn print(&self, printer: Printer) -> Result<(), Failure> {
        // The verdict follows, whoever reads this.
        printer.announce(self, self.as_json())
    }

    /// Fails if anything was lost that must not be.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        let lost = self.tally.failures() - self.failures_of(&self.killed.node);
        if lost > 0 {
            let reason = format!("{lost} calls failed that were not with the killed worker");
            return Err(Failure::internal(reason));
        }
        if !self.stopped.status.success() {
            let Stopped { node, status, .. } = &self.stopped;
            return Err(Failure::internal(format!(
                "{node} did not stop well: {status}"
            )));
        }
        Ok(())
    }

    fn failures_of(&self, node: &NodeName) -> u64 {
        self.tally.node(node).map_or(0, |node| node.failures())
    }

    fn as_json(&self) -> impl Serialize {
        #[derive(Serialize)]
        struct Json<'a> {
            #[serde(flatten)]
            summary: Summary<'a>,
            killed: KilledJson<'a>,
            stopped: StoppedJson<'a>,
            started: StartedJson<'a>,
        }

        #[derive(Serialize)]
        struct KilledJson<'a> {
            node: &'a str,
            out_of_pool_after_ms: f64,
            failed: u64,
        }

        #[derive(Serialize)]
        struct StoppedJson<'a> {
            node: &'a str,
            out_of_pool_after_ms: f64,
            ended_after_ms: f64,
            failed: u64,
        }

        #[derive(Serialize)]
        struct StartedJson<'a> {
            node: &'a str,
            member_after_ms: f64,
        }

        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        let Self {
            killed,
            stopped,
            started,
            ..
        } = self;
        Json {
            summary: Summary::new(&self.tally, self.took),
            killed: KilledJson {
                node: killed.node.as_str(),
                out_of_pool_after_ms: ms(killed.out_of_pool_after),
                failed: self.failures_of(&killed.node),
            },
            stopped: StoppedJson {
                node: stopped.node.as_str(),
                out_of_pool_after_ms: ms(stopped.out_of_pool_after),
                ended_after_ms: ms(stopped.ended_after),
                failed: self.failures_of(&stopped.node),
            },
            started: StartedJson {
                node: started.node.as_str(),
                member_after_ms: ms(started.member_after),
            },
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            killed,
            stopped,
            started,
            ..
        } = self;
        writeln!(f, "{}", Summary::new(&self.tally, self.took))?;
        writeln!(
            f,
            "{} was killed: out of the pool after {}; {} of its calls failed",
            killed.node,
            Short(killed.out_of_pool_after),
            self.failures_of(&killed.node),
        )?;
        writeln!(
            f,
            "{} was stopped: out of the pool after {}, ended after {}; {} of its calls failed",
            stopped.node,
            Short(stopped.out_of_pool_after),
            Short(stopped.ended_after),
            self.failures_of(&stopped.node),
        )?;
        write!(
            f,
            "{} was started: a member after {}",
            started.node,
            Short(started.member_after),
        )
    }
}
