//! What a peer asks to be run, and the form in which `erpc` and others are told the result.

use beam_dist::control::SpawnRequest;
use beam_term::{Atom, DecodeError, EncodeError, RawTerm, Reader, Token, Writer};

use crate::{atoms, error::Class, export::Outcome};

/// What a spawn request asks for.
pub(super) struct Work {
    pub(super) call: Called,
    pub(super) shape: Shape,
}

/// A function, and what it is called with.
pub(super) struct Called {
    pub(super) module: Atom,
    pub(super) function: Atom,
    pub(super) arguments: RawTerm,
}

/// How the result is reported.
pub(super) enum Shape {
    /// As `erpc:call` expects it, under this identifier.
    Erpc(RawTerm),
    /// As any process reports its end: `normal`, or what it raised.
    Process,
}

impl Work {
    pub(super) fn read(request: &SpawnRequest, arguments: RawTerm) -> Result<Self, DecodeError> {
        let entry = (
            request.module.as_str(),
            request.function.as_str(),
            request.arity,
        );
        match entry {
            ("erpc", "execute_call", 4) => {
                let mut reader = arguments.reader();
                reader.list()?;
                let id = reader.raw()?;
                let call = Called::read(&mut reader)?;
                let shape = Shape::Erpc(id);
                Ok(Self { call, shape })
            }
            ("erpc", "execute_cast", 3) => {
                let mut reader = arguments.reader();
                reader.list()?;
                let call = Called::read(&mut reader)?;
                let shape = Shape::Process;
                Ok(Self { call, shape })
            }
            _ => Ok(Self {
                call: Called {
                    module: request.module.clone(),
                    function: request.function.clone(),
                    arguments,
                },
                shape: Shape::Process,
            }),
        }
    }
}

impl Called {
    /// Reads module, function and arguments, the last elements of a list.
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let call = Self {
            module: reader.atom()?,
            function: reader.atom()?,
            arguments: reader.raw()?,
        };
        reader.nil()?;
        Ok(call)
    }

    /// How many arguments there are; `None` where they are not a list.
    pub(super) fn arity(&self) -> Option<usize> {
        match self.arguments.reader().token() {
            Ok(Token::Nil) => Some(0),
            Ok(Token::List(len)) => Some(len),
            Ok(Token::String(bytes)) => Some(bytes.len()),
            _ => None,
        }
    }
}

impl Shape {
    /// How many bytes of a result are kept until it is reported.
    pub(super) fn returned_bytes(&self, value: &RawTerm) -> usize {
        match self {
            Self::Erpc(_) => value.encoded_len(),
            Self::Process => 0,
        }
    }

    /// Writes the exit reason of the process.
    pub(super) fn write_reason(
        &self,
        outcome: &Outcome,
        writer: &mut Writer<'_>,
    ) -> Result<(), EncodeError> {
        match (self, outcome) {
            (Self::Erpc(id), Outcome::Returned(value)) => {
                writer.tuple(3);
                writer.raw(id)?;
                writer.atom(&atoms::RETURN);
                writer.raw(value)
            }
            (Self::Erpc(id), Outcome::Raised(exception)) => {
                let is_error = exception.class == Class::Error;
                writer.tuple(if is_error { 4 } else { 3 });
                writer.raw(id)?;
                writer.atom(&exception.class.atom());
                writer.term(&exception.reason)?;
                if is_error {
                    writer.term(&exception.stack)?;
                }
                Ok(())
            }
            (Self::Process, Outcome::Returned(_)) => {
                writer.atom(&atoms::NORMAL);
                Ok(())
            }
            (Self::Process, Outcome::Raised(exception)) => match exception.class {
                Class::Exit => writer.term(&exception.reason),
                Class::Error => {
                    writer.tuple(2);
                    writer.term(&exception.reason)?;
                    writer.term(&exception.stack)
                }
                Class::Throw => {
                    writer.tuple(2);
                    writer.tuple(2);
                    writer.atom(&atoms::NOCATCH);
                    writer.term(&exception.reason)?;
                    writer.term(&exception.stack)
                }
            },
        }
    }
}
