//! Connecting to peers and accepting them.

mod accept;
mod dial;
mod error;
mod exchange;
mod handshaken;
mod io_error;
mod progress;
mod renew;
mod stream;
mod tls_error;
mod transport;

pub use error::ConnectError;
pub use io_error::IoError;
pub use progress::WaitingFor;
pub use tls_error::TlsError;
pub(crate) use {
    accept::serve,
    dial::dial,
    exchange::Socket,
    handshaken::{Handshaken, Side},
    progress::Progress,
    renew::renew,
    stream::{Stream, close_in_order},
    transport::Transport,
};
