//! A node of an Erlang cluster: links, names, monitors, process groups, calls and exports.
#![forbid(unsafe_code)]

mod atoms;
mod backoff;
mod builder;
mod builtin;
mod call;
mod connect;
mod cookie;
mod discovery;
mod epmd;
mod error;
mod event;
mod export;
mod function;
mod group;
mod group_leader;
mod identity;
mod limits;
mod link;
mod listen;
mod mailbox;
mod node;
mod peer;
mod process;
mod resolve;
mod serve;
mod service;
mod settling;
mod shutdown;
mod state;

pub use beam_dist::{Creation, NodeName};
pub use builder::NodeBuilder;
pub use call::{Call, Cast};
pub use connect::{ConnectError, IoError};
pub use epmd::{Epmd, EpmdServer};
pub use error::{Cause, Class, Code, Details, Error, Exception, Result};
pub use event::{DownReason, Event, Events};
pub use export::{CallContext, Export, Handler};
pub use function::{Arguments, Function};
pub use group::{Member, Members, Membership};
pub use limits::Limits;
pub use listen::{InvalidListen, Listen};
pub use mailbox::{Delivery, Destination, Mailbox};
pub use node::{Node, PeerStatus};
pub use peer::Peer;
pub use service::Output;
