//! Calls and casts.

mod abandoned;
mod answers;
mod counts;
mod failures;
mod local;
mod many;
mod panics;
mod values;
