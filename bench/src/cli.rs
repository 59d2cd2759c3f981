//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand};

use crate::{child::Role, pair::Pair};

/// Measures calls between nodes, and what else one could pick.
#[derive(Debug, Parser)]
#[command(about, version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// About a minute for everything: fewer cells, one round, short measurements.
    #[arg(long, global = true)]
    quick: bool,
    /// How often each cell is measured; the median counts. Default: 5, of faults 1.
    #[arg(long, global = true, value_name = "N")]
    rounds: Option<usize>,
    /// How long a cell is measured each time. Default: 1.
    #[arg(long, global = true, value_name = "S", value_parser = seconds)]
    seconds: Option<f64>,
    /// Only cells with this in their name, such as `add/256/direct`; any of several.
    #[arg(long, global = true, value_name = "TEXT")]
    only: Vec<String>,
    /// Only these pairs: beam-beam, rust-beam, beam-rust, rust-rust, tarpc, tonic.
    #[arg(long, global = true, value_name = "PAIR,…", value_delimiter = ',')]
    pairs: Vec<Pair>,
    /// Calls per second of the open loop. Default: half of what BEAM to BEAM reached at 256 at a time.
    #[arg(long, global = true, value_name = "N")]
    rate: Option<u64>,
    /// Where the results are written. Default: `target/bench`.
    #[arg(long, global = true, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Calls per second, latencies, processor time and memory, for each pair and each kind of call.
    Calls,
    /// Small calls while something large crosses the same link.
    Interference,
    /// Start-up time, and memory of idle nodes, peers and pending calls.
    Footprint,
    /// A node with 1,000 connected peers.
    Hub,
    /// Several links on one and on two processors.
    Scale,
    /// Members that are killed, hang, and stop, under load: what is lost. About three minutes.
    ///
    /// It ends with 1 where a promise is not kept.
    Faults,
    /// Members that come, go and are killed for a long time: what grows.
    ///
    /// It prints a line each 10 s, and a table in the end; it ends with 1 where something has grown.
    Soak {
        /// How long; at least 1.
        #[arg(long, value_name = "N", default_value_t = 30.0, value_parser = minutes)]
        minutes: f64,
        /// What the choices of who comes and goes follow from. Default: another one each time, which is printed.
        #[arg(long, value_name = "N")]
        seed: Option<u64>,
        /// Nobody is killed or hangs; then no call may fail.
        #[arg(long)]
        gentle: bool,
    },
    #[command(flatten)]
    Child(#[command(subcommand)] HiddenRole),
}

#[derive(Clone, Debug, Subcommand)]
enum HiddenRole {
    /// What the program starts itself with.
    #[command(hide = true)]
    Child {
        #[command(subcommand)]
        role: Role,
    },
}

/// What the program was started for.
#[derive(Debug)]
pub(crate) enum Task {
    Child(Role),
    Measure(Plan),
}

/// What to measure, and with how much effort.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) suites: Vec<Suite>,
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    pub(crate) only: Vec<String>,
    /// Empty for all that there are.
    pub(crate) pairs: Vec<Pair>,
    pub(crate) rate: Option<u64>,
    pub(crate) out: PathBuf,
}

/// A part of the measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    Calls,
    Interference,
    Footprint,
    Hub,
    Scale,
    Faults,
    Soak(Soak),
}

/// How long everything comes and goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Soak {
    pub(crate) duration: Duration,
    /// What the random choices follow from.
    pub(crate) seed: u64,
    /// Whether members only stop in good order, and leave.
    pub(crate) gentle: bool,
}

impl Cli {
    pub(crate) fn into_task(self) -> Task {
        let suites = match self.command {
            Some(Command::Child(HiddenRole::Child { role })) => return Task::Child(role),
            Some(Command::Calls) => vec![Suite::Calls],
            Some(Command::Interference) => vec![Suite::Interference],
            Some(Command::Footprint) => vec![Suite::Footprint],
            Some(Command::Hub) => vec![Suite::Hub],
            Some(Command::Scale) => vec![Suite::Scale],
            Some(Command::Faults) => vec![Suite::Faults],
            Some(Command::Soak {
                minutes,
                seed,
                gentle,
            }) => vec![Suite::Soak(Soak {
                duration: Duration::from_secs_f64(minutes * 60.0),
                seed: seed.unwrap_or_else(|| fastrand::u64(..)),
                gentle,
            })],
            None => vec![
                Suite::Calls,
                Suite::Interference,
                Suite::Footprint,
                Suite::Hub,
                Suite::Scale,
            ],
        };
        let one_round = self.quick || suites == [Suite::Faults];
        Task::Measure(Plan {
            suites,
            quick: self.quick,
            rounds: self.rounds.unwrap_or(if one_round { 1 } else { 5 }).max(1),
            seconds: self.seconds.unwrap_or(if self.quick { 0.2 } else { 1.0 }),
            only: self.only,
            pairs: self.pairs,
            rate: self.rate,
            out: self.out.unwrap_or_else(|| "target/bench".into()),
        })
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    match seconds {
        0.01..=3_600.0 => Ok(seconds),
        _ => Err("it may be from 0.01 to 3600".to_owned()),
    }
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    match minutes {
        1.0..=10_000.0 => Ok(minutes),
        _ => Err("it may be from 1 to 10000".to_owned()),
    }
}

impl Plan {
    /// Whether something with this name is to be measured.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|text| name.contains(text.as_str()))
    }
}
