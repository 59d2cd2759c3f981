use std::fmt;
use std::time::Duration;

use beam_term::Term;
use bytes::{BufMut, Bytes, BytesMut};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::channel::{Answer, Channel, Kind, NO_SESSION, Reply, Request};
use crate::{Error, Result};

/// How long an expression may take unless told otherwise.
const DEADLINE: Duration = Duration::from_secs(30);

/// An expression to evaluate in a node, with the values of its free variables.
///
/// It runs in a process of its own, or in the process of its [`Session`]. Nothing is sent before
/// [`start`](Self::start), or one of the methods that start it and wait for the answer.
#[derive(Clone, Debug)]
#[must_use = "an expression does nothing until it is evaluated"]
pub struct Expression {
    channel: Channel,
    request: Request,
    deadline: Duration,
}

impl Expression {
    pub(crate) fn new(channel: Channel, session: u64, kind: Kind, source: &str) -> Self {
        let request = Request {
            session,
            kind,
            answer: Answer::Term,
            bindings: Vec::new(),
            source: source.into(),
        };
        Self {
            channel,
            request,
            deadline: DEADLINE,
        }
    }

    /// Binds a variable, `X` in Erlang or `x` in Elixir, to a term.
    ///
    /// # Panics
    ///
    /// Panics when the term cannot be encoded.
    pub fn bind(self, variable: &str, term: &Term) -> Self {
        let external = term.to_bytes().expect("the term can be encoded");
        self.bind_external(variable, external)
    }

    /// Binds a variable to a term in the external term format (with its version byte, 131), which
    /// the node decodes before it evaluates the expression.
    pub fn bind_external(mut self, variable: &str, term: impl Into<Bytes>) -> Self {
        self.request.bindings.push((variable.into(), term.into()));
        self
    }

    /// Binds a variable to a binary of these bytes.
    pub fn bind_binary(self, variable: &str, bytes: impl AsRef<[u8]>) -> Self {
        const VERSION: u8 = 131;
        const BINARY_EXT: u8 = 109;
        let bytes = bytes.as_ref();
        let mut term = BytesMut::with_capacity(6 + bytes.len());
        term.put_slice(&[VERSION, BINARY_EXT]);
        term.put_u32(bytes.len() as u32);
        term.put_slice(bytes);
        self.bind_external(variable, term)
    }

    /// How long the node has to answer, counted from the start; 30 seconds by default.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sends the expression now, and leaves waiting for its value to the caller.
    ///
    /// The node evaluates it whether or not anybody waits.
    pub fn start(self) -> Running {
        let until = Instant::now() + self.deadline;
        let reply = self.channel.send(&self.request);
        Running {
            until,
            reply,
            expression: self,
        }
    }

    /// The value.
    pub async fn term(self) -> Result<Term> {
        self.start().term().await
    }

    /// The value as a Rust value, by the rules of [`beam_term::serde`].
    pub async fn decode<T: DeserializeOwned>(self) -> Result<T> {
        self.start().decode().await
    }

    /// The value in the external term format, as the node's `term_to_binary` gives it.
    pub async fn external(self) -> Result<Bytes> {
        self.start().external().await
    }

    /// The value as the node prints it with `~0tp`: on one line.
    pub async fn text(mut self) -> Result<String> {
        self.request.answer = Answer::Printed;
        let printed = self.start().external().await?;
        Ok(String::from_utf8_lossy(&printed).into_owned())
    }
}

/// An expression that a node is evaluating.
///
/// Dropping it does not stop the evaluation.
#[derive(Debug)]
pub struct Running {
    expression: Expression,
    until: Instant,
    reply: oneshot::Receiver<Reply>,
}

impl Running {
    /// Waits for the value.
    pub async fn term(self) -> Result<Term> {
        self.decode().await
    }

    /// Waits for the value, and decodes it by the rules of [`beam_term::serde`].
    pub async fn decode<T: DeserializeOwned>(self) -> Result<T> {
        let source = self.expression.request.source.clone();
        let external = self.external().await?;
        beam_term::from_bytes(external).map_err(|reason| Error::Decode {
            expression: source,
            reason,
        })
    }

    /// Waits for the value, in the external term format.
    pub async fn external(self) -> Result<Bytes> {
        let Self {
            expression,
            until,
            reply,
        } = self;
        let channel = &expression.channel;
        match timeout_at(until, reply).await {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(exception))) => Err(Error::Raised(exception)),
            Ok(Err(_)) => Err(Error::Gone {
                node: channel.label().into(),
                output: channel.output(),
            }),
            Err(_) => Err(Error::Deadline {
                node: channel.label().into(),
                deadline: expression.deadline,
                expression: expression.request.source.clone(),
                output: channel.output(),
            }),
        }
    }
}

/// A process in a node that evaluates one expression after the other.
///
/// Its variables, its mailbox and its links last from one to the next, unless an exception ends the
/// expression: then the variables are those from before it. The process is killed when this is
/// dropped.
pub struct Session {
    channel: Channel,
    number: u64,
}

impl Session {
    pub(crate) fn new(channel: Channel) -> Self {
        let number = channel.number();
        Self { channel, number }
    }

    /// Evaluates an Erlang expression in this process.
    pub async fn eval(&self, source: &str) -> Result<Term> {
        self.expression(source).term().await
    }

    /// Evaluates an Erlang expression in this process, and decodes its value.
    pub async fn eval_as<T: DeserializeOwned>(&self, source: &str) -> Result<T> {
        self.expression(source).decode().await
    }

    /// An Erlang expression for this process.
    pub fn expression(&self, source: &str) -> Expression {
        Expression::new(self.channel.clone(), self.number, Kind::Erlang, source)
    }

    /// An Elixir expression for this process.
    pub fn elixir(&self, source: &str) -> Expression {
        Expression::new(self.channel.clone(), self.number, Kind::Elixir, source)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({} of {})", self.number, self.channel.label())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let close = Request {
            session: self.number,
            kind: Kind::CloseSession,
            answer: Answer::Term,
            bindings: Vec::new(),
            source: String::new(),
        };
        _ = self.channel.send(&close);
    }
}

const _: () = assert!(NO_SESSION == 0);
