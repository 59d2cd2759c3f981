//! A node of an Erlang cluster: links, names, monitors, process groups, calls and exports.
#![forbid(unsafe_code)]

mod allow;
mod atoms;
mod backoff;
mod builder;
mod builtin;
mod call;
mod connect;
mod cookie;
mod deadline;
mod discovery;
mod epmd;
mod error;
mod event;
mod export;
mod function;
mod group;
mod group_leader;
mod held_bytes;
#[cfg(rlb_simulation)]
mod holdings;
mod identity;
mod limits;
mod link;
mod listen;
mod mailbox;
mod net;
mod node;
mod peer;
mod process;
mod quota;
mod regular_file;
mod resolve;
mod seldom;
mod serve;
mod service;
mod settling;
mod shutdown;
mod state;
mod strangers;
mod suspects;
#[cfg(feature = "tls")]
mod tls;

pub use allow::{NamePattern, Network};
pub use beam_dist::{Creation, NodeName};
pub use builder::NodeBuilder;
pub use call::{Call, Cast};
pub use connect::{ConnectError, IoError, TlsError, WaitingFor};
pub use epmd::{Epmd, EpmdServer};
pub use error::{Cause, Class, Code, Details, Error, Exception, Result};
pub use event::{DownReason, Event, Events};
pub use export::{CallContext, Export, Handler};
pub use function::{Arguments, Function};
pub use group::{Member, Members, Membership, Published, PublishedValues};
#[cfg(rlb_simulation)]
pub use holdings::Holdings;
pub use limits::Limits;
pub use listen::{InvalidListen, Listen};
pub use mailbox::{Delivery, Destination, Mailbox};
#[cfg(rlb_simulation)]
pub use net::simulated as network;
pub use node::{Node, PeerStatus};
pub use peer::Peer;
#[doc(hidden)]
pub use regular_file::RegularFile;
pub use service::Output;
pub use suspects::Suspects;
#[cfg(feature = "tls")]
pub use tls::Tls;
