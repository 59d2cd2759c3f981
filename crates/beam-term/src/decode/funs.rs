//! Exported functions and closures.

use super::{input::malformed, numbers::Number};
use crate::{Atom, Closure, DecodeError, Reader, encode::MAX_FREE};

impl Reader {
    /// The module, name and arity of an exported function.
    pub(super) fn export_after(&mut self, start: usize) -> Result<(Atom, Atom, u8), DecodeError> {
        let module = self.inner_atom()?;
        let function = self.inner_atom()?;
        let arity = match self.inner_number()? {
            Number::Small(arity) => u8::try_from(arity).ok(),
            Number::Big { .. } => None,
        };
        let arity = arity.ok_or_else(|| malformed("a fun of more than 255 arguments", start))?;
        Ok((module, function, arity))
    }

    /// A closure without its environment, and how many values that has.
    pub(super) fn closure_after(
        &mut self,
        start: usize,
    ) -> Result<(Box<Closure>, usize), DecodeError> {
        // The size in bytes is of no use: everything inside has its own.
        let _size = self.u32()?;
        let arity = self.byte()?;
        let uniq = self.array()?;
        let index = self.u32()?;
        let free = self.length()?;
        let module = self.inner_atom()?;
        let old_index = self.inner_i32(start)?;
        let old_uniq = self.inner_i32(start)?;
        let pid_start = self.position;
        let pid_tag = self.byte()?;
        let closure = Closure {
            module,
            arity,
            uniq,
            index,
            old_index,
            old_uniq,
            creator: self.pid_after(pid_tag, pid_start)?,
            free: Vec::new(),
        };
        match self.promised(free, start)? {
            ..=MAX_FREE => Ok((Box::new(closure), free)),
            _ => Err(malformed("a fun with more values than any has", start)),
        }
    }

    fn inner_i32(&mut self, start: usize) -> Result<i32, DecodeError> {
        match self.inner_number()? {
            Number::Small(value) => i32::try_from(value).ok(),
            Number::Big { .. } => None,
        }
        .ok_or_else(|| malformed("a fun with a number beyond 32 bits", start))
    }

    /// Reads an integer that is a part of a fun.
    fn inner_number(&mut self) -> Result<Number, DecodeError> {
        let start = self.position;
        let tag = self.byte()?;
        self.number_after(tag, start)
    }
}
