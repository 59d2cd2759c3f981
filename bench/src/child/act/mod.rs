//! Parts in measurements of something else than calls.

mod callers;
mod hub;
mod member;
mod peers;
mod scale;
mod slots;
mod soak;

use std::time::Duration;

use super::{Place, lifeline::Commands, say};
use crate::{failure::Failure, protocol::Answer};

/// The parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// The node that everybody is connected to.
    Hub,
    /// Many nodes, each connected to the hub.
    Peers,
    /// A node whose function never answers.
    Silent,
    /// A node that calls it, many times at once.
    Waiting,
    /// Pairs of nodes.
    Scale,
    /// A member of the group that can be stopped in good order.
    Member,
    /// A node that calls the members, and keeps account of what becomes of the calls.
    Callers,
    /// A node that calls members of all kinds in all ways, for long.
    Soak,
}

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn run(
    part: Part,
    whom: &str,
    place: &Place,
    commands: Commands,
) -> Result<(), Failure> {
    match part {
        Part::Hub => hub::run(place, commands).await,
        Part::Peers => peers::run(whom, place, commands).await,
        Part::Silent => slots::silent(place, commands).await,
        Part::Waiting => slots::waiting(whom, place, commands).await,
        Part::Scale => scale::run(place, commands).await,
        Part::Member => member::run(whom, place, commands).await,
        Part::Callers => callers::run(place, commands).await,
        Part::Soak => soak::run(place, commands).await,
    }
}

/// What a command is answered with.
type Values = Result<Vec<(&'static str, f64)>, String>;

fn answer(values: Values) {
    say(&match values {
        Ok(values) => {
            let named = |(name, value): (&str, f64)| (name.to_owned(), value);
            Answer::Values(values.into_iter().map(named).collect())
        }
        Err(message) => Answer::Error(message),
    });
}

fn ready(node: &str) {
    say(&Answer::Ready(vec![node.to_owned()]));
}

/// Nanoseconds of the clock that all processes of a machine share.
fn shared_clock() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

fn number(word: &str) -> Result<usize, String> {
    word.parse().map_err(|_| format!("{word:?} is no number"))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
