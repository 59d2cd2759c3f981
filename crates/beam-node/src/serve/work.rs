//! What a peer asks to be run, and the form in which `erpc` and others are told the result.

use std::sync::Arc;

use beam_dist::control::SpawnRequest;
use beam_term::{Atom, DecodeError, EncodeError, Kind, RawTerm, Reader, Reference, Token, Writer};
use bytes::BytesMut;

use crate::{
    atoms,
    error::{Class, Exception},
    export::{Entry, Exports},
};

/// What a spawn request asks for.
pub(super) struct Work {
    pub(super) called: Called,
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
    Erpc(Id),
    /// As any process reports its end: `normal`, or what it raised.
    Process,
}

/// What a caller tells its answer by.
pub(super) enum Id {
    /// A reference, as in OTP.
    Reference(Reference),
    /// Anything else.
    Other(Box<RawTerm>),
}

impl Work {
    pub(super) fn read(request: &SpawnRequest, arguments: RawTerm) -> Result<Self, DecodeError> {
        let entry = (
            request.module.as_bytes(),
            request.function.as_bytes(),
            request.arity,
        );
        match entry {
            (b"erpc", b"execute_call", 4) => {
                let mut reader = arguments.into_reader();
                reader.list()?;
                let id = Id::read(&mut reader)?;
                let called = Called::read(reader)?;
                let shape = Shape::Erpc(id);
                Ok(Self { called, shape })
            }
            (b"erpc", b"execute_cast", 3) => {
                let mut reader = arguments.into_reader();
                reader.list()?;
                let called = Called::read(reader)?;
                let shape = Shape::Process;
                Ok(Self { called, shape })
            }
            _ => Ok(Self {
                called: Called {
                    module: request.module.clone(),
                    function: request.function.clone(),
                    arguments,
                },
                shape: Shape::Process,
            }),
        }
    }
}

impl Id {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(match reader.peek_kind()? {
            Kind::Reference => Self::Reference(reader.reference()?),
            // It is kept for as long as the call runs.
            _ => Self::Other(Box::new(reader.raw()?.compact())),
        })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        match self {
            Self::Reference(id) => {
                writer.reference(id);
                Ok(())
            }
            Self::Other(id) => writer.raw(id),
        }
    }
}

impl Called {
    /// Reads module, function and arguments, the last elements of a list.
    fn read(mut reader: Reader) -> Result<Self, DecodeError> {
        let call = Self {
            module: reader.atom()?,
            function: reader.atom()?,
            arguments: reader.raw()?,
        };
        reader.nil()?;
        Ok(call)
    }

    /// The export that is called, or what stands for none.
    pub(super) fn entry(&self, exports: &Exports) -> Arc<Entry> {
        let names = || (self.module.clone(), self.function.clone());
        let Some(arity) = self.arity() else {
            let (module, name) = names();
            return Arc::new(Entry::unfit(module, name));
        };
        exports
            .find(&self.module, &self.function, arity)
            .unwrap_or_else(|| {
                let (module, name) = names();
                Arc::new(Entry::undefined(module, name, arity))
            })
    }

    /// How many arguments there are; `None` where they are not a list.
    fn arity(&self) -> Option<usize> {
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

    /// Writes the exit reason of a process whose function returned the value that is given.
    pub(super) fn write_returned(
        &self,
        value: impl FnOnce(&mut Writer<'_>) -> Result<(), EncodeError>,
        writer: &mut Writer<'_>,
    ) -> Result<(), EncodeError> {
        match self {
            Self::Erpc(id) => {
                writer.tuple(3);
                id.write(writer)?;
                writer.atom(&atoms::RETURN);
                value(writer)
            }
            Self::Process => {
                writer.atom(&atoms::NORMAL);
                Ok(())
            }
        }
    }

    /// Writes the exit reason of a process that did not call its function.
    pub(super) fn write_refused(
        &self,
        reason: &Atom,
        writer: &mut Writer<'_>,
    ) -> Result<(), EncodeError> {
        // Without a stack, which tells it from what a function raises.
        if let Self::Erpc(id) = self {
            writer.tuple(3);
            id.write(writer)?;
            writer.atom(&Class::Error.atom());
        }
        writer.tuple(2);
        writer.atom(&atoms::ERPC);
        writer.atom(reason);
        Ok(())
    }

    /// The exit reason of a process whose function raised, encoded.
    pub(super) fn raised(&self, exception: &Exception) -> Result<RawTerm, EncodeError> {
        let mut buffer = BytesMut::new();
        self.write_raised(exception, &mut Writer::new(&mut buffer))?;
        Ok(Reader::new(buffer).raw()?)
    }

    /// Writes the exit reason of a process whose function raised.
    pub(super) fn write_raised(
        &self,
        exception: &Exception,
        writer: &mut Writer<'_>,
    ) -> Result<(), EncodeError> {
        match (self, exception.class) {
            (Self::Erpc(id), class) => {
                let is_error = class == Class::Error;
                writer.tuple(if is_error { 4 } else { 3 });
                id.write(writer)?;
                writer.atom(&class.atom());
                writer.term(&exception.reason)?;
                if is_error {
                    writer.term(&exception.stack)?;
                }
                Ok(())
            }
            (Self::Process, Class::Exit) => writer.term(&exception.reason),
            (Self::Process, Class::Error) => {
                writer.tuple(2);
                writer.term(&exception.reason)?;
                writer.term(&exception.stack)
            }
            (Self::Process, Class::Throw) => {
                writer.tuple(2);
                writer.tuple(2);
                writer.atom(&atoms::NOCATCH);
                writer.term(&exception.reason)?;
                writer.term(&exception.stack)
            }
        }
    }
}
