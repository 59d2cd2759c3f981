//! Who may connect, and who may call.

mod names;
mod networks;
mod peers;

pub(crate) use names::Names;
pub(crate) use networks::Networks;
pub(crate) use peers::AllowedPeers;
