//! Connecting to a peer, and what can be in the way.

mod error;
mod io_error;

pub use error::ConnectError;
pub use io_error::IoError;
