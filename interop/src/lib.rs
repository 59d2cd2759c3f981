//! Runs real Erlang/OTP nodes for tests, and asks them things over a channel of their own.
//!
//! An [`Otp`] is one installed release; a [`Beam`] is a running node of it. The test evaluates
//! Erlang there with [`Beam::eval`], or Elixir with [`Beam::elixir`]. Requests travel over a pair of
//! pipes, never over the distribution protocol: what the tests look at stays out of the way they
//! look. Nodes register with an [`Epmd`] of the test's own, so that tests run side by side, and a
//! [`Network`] gives them namespaces whose cables can be pulled, or made bad ones. A [`Rust`] is a node
//! of this project in a process of its own, to be killed or put into such a namespace. A [`Program`] is
//! run as a user runs it from a shell.
//!
//! Releases live under `target/otp/<release>`, or where `RLB_OTP_DIR` says; the machine's own
//! installation serves for the release that it is. `./test` at the root of the repository installs
//! all of them.
//!
//! ```no_run
//! # async fn example() -> interop::Result<()> {
//! use beam_term::Term;
//! use interop::{Otp, unique_name};
//!
//! let otp = Otp::release(27)?;
//! let epmd = otp.epmd().start().await?;
//! let beam = otp.beam().name(unique_name("w")).epmd(&epmd).start().await?;
//! assert_eq!(beam.eval("lists:sum([1, 2, 3])").await?, Term::from(6));
//! # Ok(())
//! # }
//! ```
//!
//! Everything started here ends when its value is dropped, and what a node printed is then printed
//! for the test runner, which shows it when the test failed.
#![forbid(unsafe_code)]

mod beam;
mod cable;
mod channel;
mod directory;
mod epmd;
mod error;
mod expression;
mod network;
mod otp;
mod program;
mod releases;
mod rust;
mod supervised;
mod wait;

pub use beam::{Beam, BeamBuilder};
pub use cable::{Cable, Conditions, Passed};
pub use directory::Directory;
pub use epmd::{Epmd, EpmdBuilder};
pub use error::{Error, Exception, Result};
pub use expression::{Expression, Running, Session};
pub use network::{Host, Network};
pub use otp::Otp;
pub use program::{Program, ProgramBuilder};
pub use rust::{Rust, RustBuilder};
pub use wait::{Condition, eventually, free_port, unique_name};
