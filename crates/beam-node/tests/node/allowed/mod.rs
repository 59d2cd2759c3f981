//! Who may connect, and who may call.

mod callers;
mod networks;
mod peers;
