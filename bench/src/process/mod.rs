//! The processes that are measured: started, spoken with, watched, and ended with the orchestrator.

mod busy;
mod child;
pub(crate) mod erlang;
mod mapper;
pub(crate) mod rlb;
pub(crate) mod starter;
mod usage;

pub(crate) use busy::busy_seconds;
pub(crate) use child::{Child, Program};
pub(crate) use mapper::Mapper;
pub(crate) use usage::Usage;
