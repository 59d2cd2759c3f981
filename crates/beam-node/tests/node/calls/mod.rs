//! Calls and casts.

mod abandoned;
mod answers;
mod cancelled;
mod counts;
mod deadlines;
mod failures;
mod local;
mod many;
mod panics;
mod values;
