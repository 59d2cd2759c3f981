//! Who may connect.

mod networks;
mod peers;
