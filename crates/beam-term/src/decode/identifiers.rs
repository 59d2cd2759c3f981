//! Process identifiers, ports and references.

use super::{common, input::malformed};
use crate::{DecodeError, Pid, Port, Reader, Reference, tag};

impl Reader {
    /// Reads a process identifier.
    #[inline]
    pub fn pid(&mut self) -> Result<Pid, DecodeError> {
        common::read!(self, pid, any_pid)
    }

    #[inline(never)]
    fn any_pid(&mut self) -> Result<Pid, DecodeError> {
        let start = self.position;
        let tag = self.tag()?;
        self.pid_after(tag, start)
    }

    pub(super) fn pid_after(&mut self, tag: u8, start: usize) -> Result<Pid, DecodeError> {
        let short_creation = match tag {
            tag::NEW_PID_EXT => false,
            tag::PID_EXT => true,
            _ => return Err(self.unexpected("a pid", start)),
        };
        Ok(Pid {
            node: self.inner_atom()?,
            id: self.u32()?,
            serial: self.u32()?,
            creation: self.creation(short_creation)?,
        })
    }

    /// Reads a port.
    pub fn port(&mut self) -> Result<Port, DecodeError> {
        let start = self.position;
        let tag = self.tag()?;
        self.port_after(tag, start)
    }

    pub(super) fn port_after(&mut self, tag: u8, start: usize) -> Result<Port, DecodeError> {
        if !matches!(tag, tag::V4_PORT_EXT | tag::NEW_PORT_EXT | tag::PORT_EXT) {
            return Err(self.unexpected("a port", start));
        }
        Ok(Port {
            node: self.inner_atom()?,
            id: match tag {
                tag::V4_PORT_EXT => u64::from_be_bytes(self.array()?),
                _ => self.u32()?.into(),
            },
            creation: self.creation(tag == tag::PORT_EXT)?,
        })
    }

    /// Reads a reference.
    #[inline]
    pub fn reference(&mut self) -> Result<Reference, DecodeError> {
        common::read!(self, reference, any_reference)
    }

    #[inline(never)]
    fn any_reference(&mut self) -> Result<Reference, DecodeError> {
        let start = self.position;
        let tag = self.tag()?;
        self.reference_after(tag, start)
    }

    pub(super) fn reference_after(
        &mut self,
        tag: u8,
        start: usize,
    ) -> Result<Reference, DecodeError> {
        let len = self.reference_len(tag, start)?;
        let node = self.inner_atom()?;
        let mut ids = [0; Reference::MAX_IDS];
        let creation = if tag == tag::REFERENCE_EXT {
            ids[0] = self.u32()?;
            self.creation(true)?
        } else {
            let creation = self.creation(tag == tag::NEW_REFERENCE_EXT)?;
            for id in &mut ids[..len] {
                *id = self.u32()?;
            }
            creation
        };
        Reference::new(node, creation, &ids[..len]).map_err(|_| wrong_length(start))
    }

    /// How many words a reference has.
    #[inline(always)]
    pub(super) fn reference_len(&mut self, tag: u8, start: usize) -> Result<usize, DecodeError> {
        match tag {
            tag::NEWER_REFERENCE_EXT | tag::NEW_REFERENCE_EXT => {
                let len = self.u16()?.into();
                if (1..=Reference::MAX_IDS).contains(&len) {
                    Ok(len)
                } else {
                    Err(wrong_length(start))
                }
            }
            tag::REFERENCE_EXT => Ok(1),
            _ => Err(self.unexpected("a reference", start)),
        }
    }

    #[inline(always)]
    fn creation(&mut self, short: bool) -> Result<u32, DecodeError> {
        if short {
            Ok(self.byte()?.into())
        } else {
            self.u32()
        }
    }
}

#[cold]
fn wrong_length(offset: usize) -> DecodeError {
    malformed("a reference of other than 1 to 5 words", offset)
}
