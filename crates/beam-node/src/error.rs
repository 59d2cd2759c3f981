//! The one error of this crate: a code, a message for people, and details for programs.

use std::{convert::Infallible, fmt, time::Duration};

use beam_dist::{NodeName, frame::FrameEncodeError};
use beam_term::{Atom, DecodeError, EncodeError, Term};

use crate::{Function, connect::ConnectError};

/// Why something failed: a [`Code`] to branch on, a message to read, and [`Details`].
///
/// The codes and their meaning are those of the Elixir library `rpc_load_balancer`.
#[derive(Clone)]
#[non_exhaustive]
pub struct Error {
    /// What kind of failure this is.
    pub code: Code,
    /// What failed, concerning what, and what to do about it; in lower case, without a full stop.
    pub message: String,
    /// The parts of the message for programs, and the cause.
    pub details: Box<Details>,
}

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of a failure; its numbers are those of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// 400: an argument, a name or a configuration is wrong, or the called node does not let this one
    /// call the function. Nothing was run.
    BadRequest,
    /// 408: no answer within the timeout. The call may have run.
    RequestTimeout,
    /// 429: a limit is reached, here or at the peer. The call did not run.
    TooManyRequests,
    /// 500: the called function raised, threw or exited, or its answer could not be read.
    InternalServerError,
    /// 503: nobody to call: no connection, no members, or the connection was lost.
    ServiceUnavailable,
}

impl Code {
    /// The code as the reference spells it, as in `request_timeout`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::RequestTimeout => "request_timeout",
            Self::TooManyRequests => "too_many_requests",
            Self::InternalServerError => "internal_server_error",
            Self::ServiceUnavailable => "service_unavailable",
        }
    }

    /// The number of the HTTP status with the same meaning.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::RequestTimeout => 408,
            Self::TooManyRequests => 429,
            Self::InternalServerError => 500,
            Self::ServiceUnavailable => 503,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an [`Error`] concerns, and its cause.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Details {
    /// The node that was called or dialled.
    pub node: Option<NodeName>,
    /// The function that was called.
    pub function: Option<Function>,
    /// How many arguments it was called with.
    pub arity: Option<usize>,
    /// The balancer that picked the node.
    pub balancer: Option<String>,
    /// The cause.
    pub cause: Cause,
}

/// The cause of an [`Error`].
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// An argument or a setting is wrong; the message says which.
    #[error("wrong argument or configuration")]
    Invalid,
    /// No answer came in time. The call may have run.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// There is no connection, and none could be made. The call did not run.
    #[error("{0}")]
    NotConnected(#[from] ConnectError),
    /// The connection was lost before the answer came. The call may have run.
    #[error("the connection was lost")]
    ConnectionLost,
    /// Nothing has come from the peer for this long, and the call was told not to wait for it. It may
    /// have run.
    #[error("nothing came from the peer for {0:?}")]
    Silent(Duration),
    /// No member is there to be called.
    #[error("no members")]
    NoMembers,
    /// A limit of this node is reached; the name is that of the [`Limits`](crate::Limits) field.
    #[error("the limit `{0}` is reached")]
    Limit(&'static str),
    /// The peer refused to start the call, for example with `system_limit`, or with `not_allowed` where
    /// this node is not among those that may call the function. It did not run.
    #[error("the peer refused to start the call: {0}")]
    Refused(Atom),
    /// The called function does not exist, or is not exported, under this name and arity.
    #[error("undefined function")]
    Undefined,
    /// The called function raised, threw or exited.
    #[error("{0}")]
    Raised(Exception),
    /// The process that ran the function was killed, or ended without an answer.
    #[error("the process ended with {}", .0.display_truncated(200))]
    Killed(Term),
    /// The arguments have no form as Erlang terms.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The message cannot be sent as it is, for example as it is too large.
    #[error(transparent)]
    Frame(#[from] FrameEncodeError),
    /// The answer has another shape than the type that was asked for.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// This node is shutting down.
    #[error("this node is shutting down")]
    ShutDown,
    /// The operating system refused, for example to bind a port.
    #[error("{0}")]
    Io(String),
}

/// What a called function raised: its class, the reason and the stack trace, as terms.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{class}: {}", .reason.display_truncated(200))]
pub struct Exception {
    /// `error`, `throw` or `exit`.
    pub class: Class,
    /// The reason, or the thrown value.
    pub reason: Term,
    /// The stack trace as Erlang gives it; empty for `throw` and `exit`.
    pub stack: Term,
}

/// The class of an exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// `erlang:error/1`, or a failure of the run-time system.
    Error,
    /// `throw/1`.
    Throw,
    /// `exit/1`.
    Exit,
}

impl Class {
    /// The class as an atom.
    pub(crate) const fn atom(self) -> Atom {
        Atom::from_static(self.as_str())
    }

    /// The class as an Erlang atom spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Throw => "throw",
            Self::Exit => "exit",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Error {
    /// An error with a code, a message and its cause.
    pub fn new(code: Code, message: impl Into<String>, cause: impl Into<Cause>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Box::new(Details {
                node: None,
                function: None,
                arity: None,
                balancer: None,
                cause: cause.into(),
            }),
        }
    }

    /// A `bad_request`: the message names the argument or setting and says what is expected.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Code::BadRequest, message, Cause::Invalid)
    }

    /// What a node that was shut down, or is about to be, does not do any more.
    pub fn shut_down() -> Self {
        Self::new(
            Code::ServiceUnavailable,
            "this node was shut down",
            Cause::ShutDown,
        )
    }

    /// The same error, with the node that it concerns.
    #[must_use]
    pub fn at_node(mut self, node: &NodeName) -> Self {
        self.details.node.get_or_insert_with(|| node.clone());
        self
    }

    /// The same error, with the function that was called.
    #[must_use]
    pub fn in_function(mut self, function: &Function, arity: usize) -> Self {
        self.details
            .function
            .get_or_insert_with(|| function.clone());
        self.details.arity.get_or_insert(arity);
        self
    }

    /// The same error, with the balancer that was asked.
    #[must_use]
    pub fn of_balancer(mut self, balancer: impl Into<String>) -> Self {
        self.details.balancer.get_or_insert_with(|| balancer.into());
        self
    }

    /// The cause.
    pub fn cause(&self) -> &Cause {
        &self.details.cause
    }

    /// What the called function raised, where it did.
    pub fn exception(&self) -> Option<&Exception> {
        match self.cause() {
            Cause::Raised(exception) => Some(exception),
            _ => None,
        }
    }

    /// Whether the called function does not exist at the node that was called.
    pub fn is_undefined(&self) -> bool {
        matches!(self.cause(), Cause::Undefined)
    }

    /// Whether the function may have run, at least in part. Where this is `false`, calling again
    /// cannot do the work twice.
    pub fn may_have_run(&self) -> bool {
        match self.cause() {
            // Without any time nothing was sent.
            Cause::Timeout(after) => !after.is_zero(),
            Cause::ConnectionLost
            | Cause::Silent(_)
            | Cause::Raised(_)
            | Cause::Killed(_)
            | Cause::Decode(_) => true,
            Cause::Invalid
            | Cause::NotConnected(_)
            | Cause::NoMembers
            | Cause::Limit(_)
            | Cause::Refused(_)
            | Cause::Undefined
            | Cause::Encode(_)
            | Cause::Frame(_)
            | Cause::ShutDown
            | Cause::Io(_) => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        if let Some(balancer) = &self.details.balancer {
            write!(f, " (balancer {balancer})")?;
        }
        Ok(())
    }
}

/// The same as its [`Display`](fmt::Display), for programs whose `main` returns an error; with `#`,
/// all details.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return fmt::Display::fmt(self, f);
        }
        f.debug_struct("Error")
            .field("code", &self.code)
            .field("message", &self.message)
            .field("details", &self.details)
            .finish()
    }
}

/// There is none: what is given as what it is wanted as needs no reading.
impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.details.cause)
    }
}
