//! What a peer made by hand says, and what it is answered.

mod exits;
mod monitors;
mod services;
mod spawns;
mod violations;
