//! How nodes connect, lose each other, and meet again.

mod refusals;
mod simultaneous;
