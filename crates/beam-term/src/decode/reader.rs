//! The pull parser.

use bytes::Bytes;

use crate::{
    Atom, AtomRefs, DecodeError, Integer, IntegerOutOfRange, Kind, Limits, Pid, RawTerm, Reference,
    Term,
    decode::{
        external,
        head::{AtomHead, Head, record_elements},
        nesting::{Elements, Nesting},
        tree,
    },
    tag,
};

/// Reads terms one after another from encoded bytes: a pull parser, bounded by [`Limits`], that never recurses.
///
/// Nothing is allocated for scalars, short atoms and identifiers; binaries and long atoms are slices of the input. After an
/// error, what the reader yields is unspecified, yet still bounded.
///
/// ```
/// use beam_term::Reader;
///
/// // {ok, 7, <<"seven">>}
/// let mut reader = Reader::new(b"h\x03w\x02oka\x07m\x00\x00\x00\x05seven".as_slice());
/// reader.tuple_of(3)?;
/// assert_eq!(reader.atom()?, "ok");
/// assert_eq!(reader.integer::<u32>()?, 7);
/// assert_eq!(reader.binary()?, "seven");
/// assert!(reader.is_empty());
/// # Ok::<(), beam_term::DecodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reader {
    pub(crate) bytes: Bytes,
    pub(crate) position: usize,
    pub(super) atoms: AtomRefs,
    pub(super) limits: Limits,
    pub(super) elements_left: usize,
}

impl Reader {
    /// Reads terms that no version byte precedes, as in a distribution message.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let limits = Limits::default();
        Self {
            bytes: bytes.into(),
            position: 0,
            atoms: AtomRefs::default(),
            limits,
            elements_left: limits.elements,
        }
    }

    /// Reads a term in the external format: after the version byte 131, and perhaps compressed.
    pub fn external(bytes: impl Into<Bytes>, limits: Limits) -> Result<Self, DecodeError> {
        let bytes = external::open(bytes.into(), &limits)?;
        Ok(Self::new(bytes).with_limits(limits))
    }

    /// Sets the atoms that the terms may refer to; none otherwise.
    pub fn with_atoms(mut self, atoms: AtomRefs) -> Self {
        self.atoms = atoms;
        self
    }

    /// Sets the limits; the default ones otherwise. Depth is counted within each term that is read, skipped or decoded at
    /// once; elements over all that is read.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self.elements_left = limits.elements;
        self
    }

    /// How many bytes were read.
    pub fn position(&self) -> usize {
        self.position
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// Whether all bytes were read.
    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// Refuses bytes after the last term.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            count => Err(DecodeError::TrailingBytes { count }),
        }
    }

    /// What the next term is by its tag, without reading it.
    pub fn peek_kind(&self) -> Result<Kind, DecodeError> {
        let offset = self.position;
        match self.bytes.get(offset) {
            Some(&tag) => Kind::of(tag).ok_or(DecodeError::UnknownTag { tag, offset }),
            None => Err(DecodeError::Truncated { offset }),
        }
    }

    /// Reads an integer into a type that it fits.
    ///
    /// ```
    /// # use beam_term::{DecodeError, Reader};
    /// let mut reader = Reader::new(b"b\x00\x00\x01\x00a\x01".as_slice());
    /// assert_eq!(reader.integer::<u8>(), Err(DecodeError::IntegerOutOfRange { offset: 0 }));
    /// assert_eq!(reader.integer::<u8>(), Ok(1));
    /// ```
    pub fn integer<T>(&mut self) -> Result<T, DecodeError>
    where
        T: TryFrom<Integer, Error = IntegerOutOfRange>,
    {
        let offset = self.position;
        let integer = match self.head()? {
            Head::Integer(value) => value.into(),
            Head::BigInteger { negative, digits } => self.resolve_big(negative, &digits),
            other => return Err(unexpected("an integer", &other, offset)),
        };
        T::try_from(integer).map_err(|_| DecodeError::IntegerOutOfRange { offset })
    }

    /// Reads an atom.
    pub fn atom(&mut self) -> Result<Atom, DecodeError> {
        let offset = self.position;
        match self.head()? {
            Head::Atom(atom) => self.resolve(&atom),
            other => Err(unexpected("an atom", &other, offset)),
        }
    }

    /// Reads a process identifier.
    pub fn pid(&mut self) -> Result<Pid, DecodeError> {
        let offset = self.position;
        match self.head()? {
            Head::Pid {
                node,
                id,
                serial,
                creation,
            } => Ok(Pid {
                node: self.resolve(&node)?,
                id,
                serial,
                creation,
            }),
            other => Err(unexpected("a pid", &other, offset)),
        }
    }

    /// Reads a reference.
    pub fn reference(&mut self) -> Result<Reference, DecodeError> {
        let offset = self.position;
        match self.head()? {
            Head::Reference(reference) => self.resolve_reference(&reference),
            other => Err(unexpected("a reference", &other, offset)),
        }
    }

    /// Reads a binary.
    pub fn binary(&mut self) -> Result<Bytes, DecodeError> {
        let offset = self.position;
        match self.head()? {
            Head::Binary(bytes) => Ok(self.shared(&bytes)),
            other => Err(unexpected("a binary", &other, offset)),
        }
    }

    /// Opens a tuple and tells how many elements follow.
    pub fn tuple(&mut self) -> Result<usize, DecodeError> {
        let offset = self.position;
        match self.head()? {
            Head::Tuple(arity) => Ok(arity),
            other => Err(unexpected("a tuple", &other, offset)),
        }
    }

    /// Opens a tuple that must have so many elements.
    pub fn tuple_of(&mut self, arity: usize) -> Result<(), DecodeError> {
        let offset = self.position;
        let found = self.tuple()?;
        if found == arity {
            Ok(())
        } else {
            Err(DecodeError::Arity {
                expected: arity,
                found,
                offset,
            })
        }
    }

    /// Opens a map and tells how many pairs of a key and a value follow.
    pub fn map(&mut self) -> Result<usize, DecodeError> {
        let offset = self.position;
        match self.head()? {
            Head::Map(pairs) => Ok(pairs),
            other => Err(unexpected("a map", &other, offset)),
        }
    }

    /// Opens a list and tells how many elements follow. If it is not 0, the tail follows the elements; read it with
    /// [`nil`](Self::nil).
    ///
    /// For lists of a known shape. One that holds nothing but small integers may come in a form that has no elements to
    /// read, and is refused; [`for_each`](Self::for_each) reads any list.
    pub fn list(&mut self) -> Result<usize, DecodeError> {
        loop {
            let offset = self.position;
            match self.head()? {
                Head::Nil => return Ok(0),
                // Such a list is its tail.
                Head::List(0) => {}
                Head::List(len) => return Ok(len),
                other => {
                    return Err(unexpected(
                        "a list of other terms than bytes",
                        &other,
                        offset,
                    ));
                }
            }
        }
    }

    /// Reads `[]`, or the end of a proper list.
    pub fn nil(&mut self) -> Result<(), DecodeError> {
        match self.list()? {
            0 => Ok(()),
            _ => Err(DecodeError::Malformed {
                reason: "more elements than expected in the list",
                offset: self.position,
            }),
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
            let offset = self.position;
            match self.head()? {
                Head::Nil => return Ok(()),
                Head::List(len) => {
                    for _ in 0..len {
                        element(self)?;
                    }
                }
                Head::String(bytes) => {
                    for byte in self.shared(&bytes) {
                        element(&mut Self::small_integer(byte))?;
                    }
                    return Ok(());
                }
                other => return Err(unexpected("a list", &other, offset)),
            }
        }
    }

    /// Passes over a term, checked as if it had been read, but for keys that a map has twice.
    pub fn skip(&mut self) -> Result<(), DecodeError> {
        let elements = self.skip_head()?;
        if elements.count == 0 {
            return Ok(());
        }
        let mut nesting = Nesting::new(self.limits.depth);
        nesting.enter(elements, self.remaining(), self.position)?;
        while nesting.claimed() > 0 {
            let elements = self.skip_head()?;
            nesting.enter(elements, self.remaining(), self.position)?;
        }
        Ok(())
    }

    /// Passes over a term and keeps it as it is encoded, a slice of the input.
    pub fn raw(&mut self) -> Result<RawTerm, DecodeError> {
        let start = self.position;
        self.skip()?;
        let encoded = self.shared(&(start..self.position));
        Ok(RawTerm::new(encoded, self.atoms.clone(), self.limits))
    }

    /// Reads a term as a value tree.
    pub fn term(&mut self) -> Result<Term, DecodeError> {
        tree::read(self)
    }

    /// A reader of one small integer, as elements of a string have no terms of their own.
    pub(crate) fn small_integer(value: u8) -> Self {
        let start = 2 * usize::from(value);
        Self::new(SMALL_INTEGERS.get(start..start + 2).unwrap_or_default())
    }

    /// The limits that it reads within.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    fn skip_head(&mut self) -> Result<Elements, DecodeError> {
        let whole = Elements::default();
        let elements = |count| Elements { count, list: false };
        Ok(match self.head()? {
            Head::Integer(_)
            | Head::BigInteger { .. }
            | Head::Float(_)
            | Head::Nil
            | Head::String(_)
            | Head::Binary(_)
            | Head::BitString { .. }
            | Head::Local(_) => whole,
            Head::Atom(atom) => self.checked(&atom)?,
            Head::Pid { node, .. } | Head::Port { node, .. } => self.checked(&node)?,
            Head::Reference(reference) => {
                self.check_reference(&reference)?;
                whole
            }
            Head::Export {
                module, function, ..
            } => {
                self.check(&module)?;
                self.checked(&function)?
            }
            Head::Closure { free, .. } => elements(free),
            Head::Tuple(arity) => elements(arity),
            Head::Map(pairs) => elements(2 * pairs),
            Head::List(len) => Elements {
                count: len + 1,
                list: true,
            },
            Head::Record { fields, .. } => elements(record_elements(fields)),
        })
    }

    fn checked(&self, atom: &AtomHead) -> Result<Elements, DecodeError> {
        self.check(atom).map(|()| Elements::default())
    }
}

fn unexpected(expected: &'static str, found: &Head, offset: usize) -> DecodeError {
    DecodeError::Unexpected {
        expected,
        found: found.kind(),
        offset,
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
