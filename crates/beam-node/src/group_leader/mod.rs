//! The group leader: answers what functions print that this node has called on others.
//!
//! A function that runs on a node of the BEAM prints to the group leader of its caller, and waits for
//! the answer: see "The Erlang I/O Protocol" in the user's guide of OTP's application `stdlib`. Text
//! commonly comes as it is; `io:format` sends the format and its arguments, and leaves it to the
//! group leader to put them together.

mod chars;
mod format;
mod request;
mod text;

pub(crate) use request::IoRequest;
