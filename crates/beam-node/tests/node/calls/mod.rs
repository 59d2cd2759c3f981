//! Calls and casts.

mod abandoned;
mod answers;
mod failures;
mod local;
mod many;
mod values;
