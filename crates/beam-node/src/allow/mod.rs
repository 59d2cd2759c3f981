//! Who may connect, and who may call.

mod names;
mod networks;
mod peers;

pub use names::NamePattern;
pub(crate) use names::Names;
pub use networks::Network;
pub(crate) use networks::Networks;
pub(crate) use peers::AllowedPeers;
