//! How nodes connect, lose each other, and meet again.

mod addresses;
mod black_holes;
mod incarnations;
mod reconnects;
mod refusals;
mod simultaneous;
mod ticks;
