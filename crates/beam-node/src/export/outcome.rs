//! How the call of an export ended.

use beam_term::{Atom, DecodeError, DecodeErrorKind, EncodeError, Map, RawTerm, Term};

use crate::{
    Class, Exception, Function,
    atoms::{SYSTEM_LIMIT, TIMEOUT},
    export::Entry,
};

/// What is to be reported of a call that was served.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The result, encoded.
    Returned(RawTerm),
    /// The function raised, or could not be called.
    Raised(Exception),
    /// The function was not called, for this reason.
    Refused(Atom),
}

impl Outcome {
    /// `error:{system_limit, Message}`
    pub(crate) fn system_limit(message: String) -> Self {
        Self::Raised(Exception {
            class: Class::Error,
            reason: Term::tuple([Term::Atom(SYSTEM_LIMIT), Term::binary(message)]),
            stack: Term::nil(),
        })
    }
}

/// Why a handler gave no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is no such function.
    Undefined { arguments: Box<RawTerm> },
    /// What it is called with is no list.
    NoArguments,
    /// The arguments have other types than the handler's.
    BadArguments {
        error: DecodeError,
        arguments: Box<RawTerm>,
    },
    /// The handler gave an error that is to be raised.
    Raised(Term),
    /// The handler gave an exception.
    Exception(Exception),
    /// The result has no form as a term.
    BadReturn(EncodeError),
    /// The handler panicked.
    Panicked { message: String },
    /// The runtime stops.
    Stopped,
    /// The deadline passed before the handler was called.
    Late,
}

/// The arguments do not fit the handler.
pub(super) fn bad_arguments(error: DecodeError, arguments: RawTerm) -> Failure {
    Failure::BadArguments {
        error,
        arguments: Box::new(arguments),
    }
}

impl Failure {
    /// What to report of a call of the function of `entry`.
    pub(super) fn into_outcome(self, entry: &Entry) -> Outcome {
        let (class, reason, frame) = match self {
            Self::Late => return Outcome::Refused(TIMEOUT),
            // What OTP answers: the frame has the arguments, by which callers tell it from a
            // function that ran and raised the same.
            Self::Undefined { arguments } => {
                let called = shown(&arguments).unwrap_or_else(|| left_out(entry.arity));
                let Function { module, name } = &entry.function;
                let frame = frame(module, name, called, Term::nil());
                (Class::Error, Term::Atom(UNDEF), frame)
            }
            Self::NoArguments => {
                return Outcome::Raised(Exception {
                    class: Class::Error,
                    reason: Term::Atom(BADARG),
                    stack: Term::nil(),
                });
            }
            Self::BadArguments { error, arguments } => {
                let called = shown(&arguments).unwrap_or_else(|| entry.arity.into());
                let frame = frame(
                    &entry.function.module,
                    &entry.function.name,
                    called,
                    cause(&error),
                );
                (Class::Error, Term::Atom(BADARG), frame)
            }
            Self::Exception(exception) if exception.stack != Term::nil() => {
                return Outcome::Raised(exception);
            }
            Self::Exception(exception) => (exception.class, exception.reason, entry.frame()),
            Self::Raised(reason) => (Class::Error, reason, entry.frame()),
            Self::BadReturn(error) => (
                Class::Error,
                Term::tuple([Term::Atom(BADRETURN), message(error.to_string())]),
                entry.frame(),
            ),
            Self::Panicked { message: text } => (
                Class::Error,
                Term::tuple([Term::Atom(PANIC), message(text)]),
                entry.frame(),
            ),
            Self::Stopped => (Class::Exit, Term::Atom(SHUTDOWN), entry.frame()),
        };
        Outcome::Raised(Exception {
            class,
            reason,
            stack: match class {
                Class::Error => Term::list([frame]),
                Class::Throw | Class::Exit => Term::nil(),
            },
        })
    }
}

impl Entry {
    /// The frame of the function in a stack trace, by its arity.
    fn frame(&self) -> Term {
        let Self {
            function, arity, ..
        } = self;
        frame(
            &function.module,
            &function.name,
            Term::from(*arity),
            Term::nil(),
        )
    }
}

/// `{Module, Name, ArgumentsOrArity, Location}`
fn frame(module: &Atom, name: &Atom, called: Term, location: Term) -> Term {
    Term::tuple([
        Term::Atom(module.clone()),
        Term::Atom(name.clone()),
        called,
        location,
    ])
}

/// `[{error_info, #{cause => Text}}]`, which shells and loggers of OTP pass over, and people find.
fn cause(error: &DecodeError) -> Term {
    let cause = (Term::Atom(CAUSE), message(argument_error(error)));
    Term::list([Term::tuple([
        Term::Atom(ERROR_INFO),
        Term::Map(Map::from_iter([cause])),
    ])])
}

/// What is wrong, with the argument that it is wrong with, counted from 1.
fn argument_error(error: &DecodeError) -> String {
    let inside = match error.kind() {
        DecodeErrorKind::Inside { path, source } => path
            .strip_prefix('[')
            .and_then(|path| path.split_once(']'))
            .and_then(|(index, path)| Some((index.parse::<usize>().ok()?, path, source))),
        _ => None,
    };
    match inside {
        Some((index, "", source)) => format!("argument {}: {source}", index + 1),
        Some((index, path, source)) => {
            let path = path.trim_start_matches('.');
            format!("argument {}: {source} in `{path}`", index + 1)
        }
        None => error.to_string(),
    }
}

/// A text for people, which may quote what the caller sent.
fn message(mut text: String) -> Term {
    text.truncate(text.floor_char_boundary(MESSAGE_BYTES));
    Term::binary(text)
}

/// How long a message may be; the rest is cut off.
const MESSAGE_BYTES: usize = 4 * 1024;

/// The arguments, unless they are too much for a stack trace.
fn shown(arguments: &RawTerm) -> Option<Term> {
    if arguments.encoded_len() > SHOWN_ARGUMENTS_BYTES {
        return None;
    }
    arguments.decode().ok()
}

/// Something in the place of each argument, as long as there are no more than a function can have.
fn left_out(arity: usize) -> Term {
    match u8::try_from(arity) {
        Ok(arity) => Term::list((0..arity).map(|_| Term::Atom(LEFT_OUT))),
        Err(_too_many) => arity.into(),
    }
}

/// How long an argument list may be to be sent back in a stack trace.
const SHOWN_ARGUMENTS_BYTES: usize = 64 * 1024;

const BADARG: Atom = Atom::from_static("badarg");
const BADRETURN: Atom = Atom::from_static("badreturn");
const CAUSE: Atom = Atom::from_static("cause");
const ERROR_INFO: Atom = Atom::from_static("error_info");
const LEFT_OUT: Atom = Atom::from_static("...");
const PANIC: Atom = Atom::from_static("panic");
const SHUTDOWN: Atom = Atom::from_static("shutdown");
const UNDEF: Atom = Atom::from_static("undef");
