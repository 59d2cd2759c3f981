//! What an `erpc` server answers, read in place.

use std::time::Duration;

use beam_dist::NodeName;
use beam_term::{Atom, DecodeError, EncodeError, Kind, RawTerm, Reader, Reference, Term};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::{
    Function, atoms,
    deadline::Patience,
    error::{Cause, Class, Code, Error, Exception},
    export::Outcome,
    process::Ended,
};

/// How a request ended, as the link saw it.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The spawned process ended; an `erpc` server puts the result into the reason.
    Ended(RawTerm),
    /// It ended, but the reason is beyond the limits on terms.
    Unreadable(DecodeError),
    /// The peer did not start the process.
    Refused(Atom),
    /// The link was lost.
    Lost,
    /// Nothing came before the deadline.
    TimedOut,
    /// Nothing came from the peer since then, and the call was not to wait for it.
    Silent { since: Instant },
}

/// Who was asked what, for the error messages.
#[derive(Clone, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) node: &'a NodeName,
    pub(crate) function: &'a Function,
    pub(crate) arity: usize,
}

impl Question<'_> {
    /// The result of a call that was given so much time, or its error.
    pub(crate) fn result<T: DeserializeOwned>(
        &self,
        answer: Answer,
        id: &Reference,
        timeout: Duration,
    ) -> Result<T, Error> {
        let error = match answer {
            Answer::Ended(reason) => match self.ended(reason, id, timeout) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            },
            Answer::Unreadable(error) => self.unreadable(error),
            Answer::Refused(reason) => self.refused(reason),
            Answer::Lost => self.lost(),
            Answer::TimedOut => self.timed_out(timeout),
            Answer::Silent { since } => self.silent(since.elapsed()),
        };
        Err(self.complete(error))
    }

    /// Adds who was asked what.
    pub(crate) fn complete(&self, error: Error) -> Error {
        error
            .at_node(self.node)
            .in_function(self.function, self.arity)
    }

    /// The result of a call of this node's own export that was given so much time, or its error.
    pub(crate) fn outcome<T: DeserializeOwned>(
        &self,
        outcome: Result<Outcome, Ended>,
        timeout: Duration,
    ) -> Result<T, Error> {
        match outcome {
            Ok(Outcome::Returned(value)) => {
                value.deserialize().map_err(|error| self.unreadable(error))
            }
            Ok(Outcome::Raised(exception)) => Err(self.raised(exception)),
            Ok(Outcome::Refused(reason)) => Err(self.refused(reason)),
            Err(Ended::Abandoned) => Err(self.timed_out(timeout)),
            Err(Ended::Killed(reason)) => Err(self.killed(reason)),
            Err(Ended::Stopped) => Err(Error::new(
                Code::ServiceUnavailable,
                format!("this node was shut down during {self}; it may have run"),
                Cause::Killed(Term::Atom(atoms::SHUTDOWN)),
            )),
        }
        .map_err(|error| self.complete(error))
    }

    /// The answer can come no more.
    pub(crate) fn lost(&self) -> Error {
        self.complete(Error::new(
            Code::ServiceUnavailable,
            format!(
                "the connection to {} was lost during {self}; it may have run",
                self.node
            ),
            Cause::ConnectionLost,
        ))
    }

    /// The peer gives no sign of life, and the call was not to wait for it.
    fn silent(&self, silent_for: Duration) -> Error {
        Error::new(
            Code::ServiceUnavailable,
            format!(
                "{} has given no sign of life for {silent_for:?}, during {self}; it may have run",
                self.node
            ),
            Cause::Silent(silent_for),
        )
    }

    /// The arguments have no form as terms.
    pub(crate) fn not_encoded(&self, error: EncodeError) -> Error {
        self.complete(Error::new(
            Code::BadRequest,
            format!("failed to encode the arguments of {self}: {error}"),
            error,
        ))
    }

    /// No answer came in time.
    pub(crate) fn timed_out(&self, timeout: Duration) -> Error {
        self.complete(Error::new(
            Code::RequestTimeout,
            format!(
                "{self} on {} gave no answer within {timeout:?}; it may have run",
                self.node
            ),
            Cause::Timeout(timeout),
        ))
    }

    /// There was no time to call at all.
    pub(crate) fn no_time(&self, patience: Patience) -> Error {
        let Patience { timeout, until, .. } = patience;
        let why = match until {
            Some(until) if until <= Instant::now() => {
                "the instant by which it was to end has passed".to_owned()
            }
            _ => format!("no time of its timeout of {timeout:?} was left"),
        };
        self.complete(Error::new(
            Code::RequestTimeout,
            format!("{self} on {} was not called: {why}", self.node),
            Cause::Timeout(Duration::ZERO),
        ))
    }

    fn refused(&self, reason: Atom) -> Error {
        if reason == atoms::NOT_ALLOWED {
            let message = format!(
                "{} does not let this node call {self}: this node is not among the allowed callers",
                self.node
            );
            return Error::new(Code::BadRequest, message, Cause::Refused(reason));
        }
        let code = match reason.as_str() {
            "system_limit" => Code::TooManyRequests,
            "timeout" => Code::RequestTimeout,
            _ => Code::ServiceUnavailable,
        };
        let message = match code {
            Code::RequestTimeout => format!(
                "{} did not start {self}: no time was left when it could have",
                self.node
            ),
            _ => format!("{} refused to start {self}: {reason}", self.node),
        };
        Error::new(code, message, Cause::Refused(reason))
    }

    fn ended<T: DeserializeOwned>(
        &self,
        reason: RawTerm,
        id: &Reference,
        timeout: Duration,
    ) -> Result<T, Error> {
        let mut reader = reason.into_reader();
        match Reply::read(&mut reader, id).map_err(|error| self.unreadable(error))? {
            Reply::Returned => reader.deserialize().map_err(|error| self.unreadable(error)),
            Reply::Refused(reason) => Err(self.refused(reason)),
            Reply::Raised(exception) => Err(self.raised(exception)),
            Reply::Other => {
                reader.restart();
                let reason = reader.term().map_err(|error| self.unreadable(error))?;
                // The peer has ended the function because its time was over.
                if refusal(&reason).is_some_and(|reason| *reason == atoms::TIMEOUT) {
                    return Err(self.timed_out(timeout));
                }
                Err(self.killed(reason))
            }
        }
    }

    fn killed(&self, reason: Term) -> Error {
        Error::new(
            Code::InternalServerError,
            format!(
                "the process that ran {self} on {} ended with {}",
                self.node,
                reason.display_truncated(200)
            ),
            Cause::Killed(reason),
        )
    }

    pub(crate) fn unreadable(&self, error: DecodeError) -> Error {
        Error::new(
            Code::InternalServerError,
            format!(
                "failed to read the result of {self} on {}: {error}",
                self.node
            ),
            error,
        )
    }

    fn raised(&self, exception: Exception) -> Error {
        if self.is_undefined(&exception) {
            return Error::new(
                Code::InternalServerError,
                format!(
                    "{self} is not defined on {}: check module, name and number of arguments, and that it is exported",
                    self.node
                ),
                Cause::Undefined,
            );
        }
        Error::new(
            Code::InternalServerError,
            format!("{self} on {} raised {exception}", self.node),
            Cause::Raised(exception),
        )
    }

    /// Whether it is the called function itself that does not exist, not one that it calls.
    ///
    /// The stack then has no more than the call itself, with its arguments. A function that runs
    /// and finds the same function missing on another node has the frames of that call as well,
    /// and one that has begun stands there with its arity.
    fn is_undefined(&self, exception: &Exception) -> bool {
        let Term::Atom(reason) = &exception.reason else {
            return false;
        };
        let Some([Term::Tuple(frame)]) = exception.stack.as_list() else {
            return false;
        };
        let [
            Term::Atom(module),
            Term::Atom(name),
            Term::List(arguments),
            ..,
        ] = frame.as_slice()
        else {
            return false;
        };
        exception.class == Class::Error
            && reason.as_str() == "undef"
            && *module == self.function.module
            && *name == self.function.name
            && arguments.len() == self.arity
    }
}

impl std::fmt::Display for Question<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.function, self.arity)
    }
}

/// The reason with which an `erpc` process ends.
enum Reply {
    /// `{Id, return, Value}`; the reader stands before the value.
    Returned,
    /// `{Id, error, {erpc, Reason}}`, without a stack: the server could not make the call. What
    /// the function raises always comes with one, though it be of the same form.
    Refused(Atom),
    /// `{Id, throw | exit, Reason}` or `{Id, error, Reason, Stack}`.
    Raised(Exception),
    /// Anything else: the process was killed before it could answer.
    Other,
}

impl Reply {
    fn read(reader: &mut Reader, id: &Reference) -> Result<Self, DecodeError> {
        if reader.peek_kind()? != Kind::Tuple {
            return Ok(Self::Other);
        }
        let arity = reader.tuple()?;
        if !matches!(arity, 3 | 4)
            || reader.peek_kind()? != Kind::Reference
            || reader.reference()? != *id
            || reader.peek_kind()? != Kind::Atom
        {
            return Ok(Self::Other);
        }
        let class = match (reader.atom()?.as_bytes(), arity) {
            (b"return", 3) => return Ok(Self::Returned),
            (b"throw", 3) => Class::Throw,
            (b"exit", 3) => Class::Exit,
            (b"error", 3 | 4) => Class::Error,
            _ => return Ok(Self::Other),
        };
        let reason = reader.term()?;
        let stack = match (class, arity) {
            (_, 4) => reader.term()?,
            (Class::Error, _) => match refusal(&reason) {
                Some(refusal) => return Ok(Self::Refused(refusal.clone())),
                None => Term::nil(),
            },
            _ => Term::nil(),
        };
        Ok(Self::Raised(Exception {
            class,
            reason,
            stack,
        }))
    }
}

/// The reason in `{erpc, Reason}`.
fn refusal(reason: &Term) -> Option<&Atom> {
    match reason.as_tuple()? {
        [Term::Atom(erpc), Term::Atom(reason)] if *erpc == atoms::ERPC => Some(reason),
        _ => None,
    }
}
