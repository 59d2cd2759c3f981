//! Every limit, reached once.

mod blocking;
mod calls;
mod connections;
mod holdings;
mod messages;
mod outgoing;
mod peers;
mod served_bytes;
mod settings;
mod warnings;
