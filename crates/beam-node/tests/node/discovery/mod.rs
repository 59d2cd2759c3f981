//! Finding nodes by asking others.

mod hosts;
mod learned;
mod settled;
