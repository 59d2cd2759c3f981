//! Connecting to peers and accepting them.

mod accept;
mod dial;
mod error;
mod exchange;
mod handshaken;
mod io_error;

pub use error::ConnectError;
pub use io_error::IoError;
pub(crate) use {
    accept::serve,
    dial::dial,
    exchange::Socket,
    handshaken::{Handshaken, Side},
};
