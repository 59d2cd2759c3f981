//! Every limit, reached once.

mod calls;
mod connections;
mod holdings;
mod messages;
mod outgoing;
mod settings;
