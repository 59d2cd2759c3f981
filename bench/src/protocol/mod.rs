//! What the orchestrator and callers say to each other, a line at a time on standard input and output. Callers in Rust
//! and in Erlang speak it alike. A line of the protocol begins with `@` in the direction of the orchestrator; any
//! other is what the program happened to print.

mod answer;
mod run;

pub(crate) use answer::{Answer, Tally};
pub(crate) use run::{Large, Load, Run};
