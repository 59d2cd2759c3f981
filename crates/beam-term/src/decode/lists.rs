//! Lists in all their forms.

use std::ops::Range;

use super::{common, input::malformed};
use crate::{DecodeError, Reader, tag};

/// How a list begins.
pub(crate) enum ListHead {
    Nil,
    /// So many elements follow, and the tail.
    List(usize),
    /// A whole list of small integers, one byte each.
    String(Range<usize>),
}

impl Reader {
    /// Opens a list and tells how many elements follow. If it is not 0, the tail follows the elements; read it with
    /// [`nil`](Self::nil).
    ///
    /// For lists of a known shape. One that holds nothing but small integers may come in a form that has no elements to
    /// read, and is refused; [`for_each`](Self::for_each) reads any list.
    #[inline]
    pub fn list(&mut self) -> Result<usize, DecodeError> {
        common::read!(self, list, any_list)
    }

    #[inline(never)]
    fn any_list(&mut self) -> Result<usize, DecodeError> {
        loop {
            let start = self.position;
            match self.any_list_head()? {
                ListHead::Nil => return Ok(0),
                // Such a list is its tail.
                ListHead::List(0) => {}
                ListHead::List(len) => return Ok(len),
                ListHead::String(_) => {
                    return Err(self.unexpected("a list of other terms than bytes", start));
                }
            }
        }
    }

    /// Reads `[]`, or the end of a proper list.
    #[inline]
    pub fn nil(&mut self) -> Result<(), DecodeError> {
        common::read!(self, nil, any_nil)
    }

    #[inline(never)]
    fn any_nil(&mut self) -> Result<(), DecodeError> {
        match self.list()? {
            0 => Ok(()),
            _ => Err(malformed(
                "more elements than expected in the list",
                self.position,
            )),
        }
    }

    /// Reads a proper list in any form: calls `element` where each element starts, which must read exactly that.
    ///
    /// ```
    /// # use beam_term::Reader;
    /// let mut sum = 0;
    /// let mut reader = Reader::new(b"k\x00\x02\x01\x02".as_slice());
    /// reader.for_each(|reader| {
    ///     sum += reader.integer::<i64>()?;
    ///     Ok(())
    /// })?;
    /// assert_eq!(sum, 3);
    /// # Ok::<(), beam_term::DecodeError>(())
    /// ```
    pub fn for_each(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        loop {
            match self.list_head()? {
                ListHead::Nil => return Ok(()),
                ListHead::List(len) => {
                    for _ in 0..len {
                        element(self)?;
                    }
                }
                ListHead::String(bytes) => {
                    for byte in self.shared(&bytes) {
                        element(&mut Self::small_integer(byte))?;
                    }
                    return Ok(());
                }
            }
        }
    }

    /// Reads how a list begins.
    #[inline]
    pub(crate) fn list_head(&mut self) -> Result<ListHead, DecodeError> {
        common::read!(self, list => |len| ListHead::List(len), any_list_head)
    }

    #[inline(never)]
    fn any_list_head(&mut self) -> Result<ListHead, DecodeError> {
        let start = self.position;
        let tag = self.tag()?;
        self.list_after(tag, start)
    }

    #[inline(always)]
    pub(super) fn list_after(&mut self, tag: u8, start: usize) -> Result<ListHead, DecodeError> {
        match tag {
            tag::NIL_EXT => Ok(ListHead::Nil),
            tag::LIST_EXT => {
                let len = self.length()?;
                self.promised(len.saturating_add(1), start)?;
                Ok(ListHead::List(len))
            }
            tag::STRING_EXT => {
                let len = self.u16()?.into();
                self.spend(len)?;
                Ok(ListHead::String(self.take(len)?))
            }
            _ => Err(self.unexpected("a list", start)),
        }
    }

    /// Reads how a list goes on in its tail; refuses an improper one.
    pub(crate) fn tail(&mut self) -> Result<ListHead, DecodeError> {
        common::read!(self, nil => |_end| ListHead::Nil, any_tail)
    }

    #[inline(never)]
    fn any_tail(&mut self) -> Result<ListHead, DecodeError> {
        let start = self.position;
        match self.tag()? {
            tag @ (tag::NIL_EXT | tag::LIST_EXT | tag::STRING_EXT) => self.list_after(tag, start),
            _ => Err(self.unexpected("the end of the list", start)),
        }
    }

    /// A reader of one small integer, as elements of a string have no terms of their own.
    pub(crate) fn small_integer(value: u8) -> Self {
        let start = 2 * usize::from(value);
        Self::new(SMALL_INTEGERS.get(start..start + 2).unwrap_or_default())
    }
}

/// Every small integer, encoded.
static SMALL_INTEGERS: [u8; 512] = {
    let mut encoded = [tag::SMALL_INTEGER_EXT; 512];
    let mut value = 0;
    while value < 256 {
        encoded[2 * value + 1] = value as u8;
        value += 1;
    }
    encoded
};
