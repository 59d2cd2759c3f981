//! Writing terms piece by piece.

use bytes::{BufMut, Bytes, BytesMut};
use num_bigint::Sign;

use super::{
    Shared,
    bounds::{MAX_ARITY, MAX_INTEGER_BYTES, too_long},
};
use crate::{
    Atom, BitString, EncodeError, Float, Integer, Limits, Opaque, Pid, Port, RawTerm, Reader,
    Reference, tag,
};

/// Writes terms at the end of a buffer, piece by piece: first the head of a container, then its elements.
///
/// ```
/// use beam_term::{Atom, Term, Writer};
/// use bytes::BytesMut;
///
/// let mut buffer = BytesMut::new();
/// let mut writer = Writer::new(&mut buffer);
/// writer.version();
/// writer.tuple(2);
/// writer.atom(&Atom::from_static("ok"));
/// writer.list(1);
/// writer.integer(7);
/// writer.nil();
///
/// let term = Term::tuple([Term::atom("ok"), Term::list([Term::from(7)])]);
/// assert_eq!(Term::from_bytes(buffer)?, term);
/// # Ok::<(), beam_term::DecodeError>(())
/// ```
#[derive(Debug)]
pub struct Writer<'a> {
    pub(super) buffer: &'a mut BytesMut,
    pub(super) so_far: SoFar,
}

/// What a writer remembers of what it has written.
#[derive(Debug, Default)]
pub(crate) struct SoFar {
    /// Where its first term begins.
    start: usize,
    /// There are native records.
    records: bool,
    /// It is one term in a local format.
    local: bool,
    /// What is kept by reference, by a writer that may do so.
    pub(super) shared: Option<Vec<Shared>>,
    /// How many bytes are kept by reference.
    pub(super) shared_bytes: usize,
}

impl<'a> Writer<'a> {
    /// Writes at the end of `buffer`.
    pub fn new(buffer: &'a mut BytesMut) -> Self {
        let start = buffer.len();
        Self::resume(
            buffer,
            SoFar {
                start,
                ..SoFar::default()
            },
        )
    }

    /// Writes at the end of `buffer` all but large binaries, which it keeps by reference where it is given their owner: with
    /// [`shared_binary`](Self::shared_binary), or in a [`Term`](crate::Term), a [`RawTerm`] or a [`Binary`](crate::Binary).
    /// [`into_shared`](Self::into_shared) then gives what is not in the buffer.
    pub fn sharing(buffer: &'a mut BytesMut) -> Self {
        let mut writer = Self::new(buffer);
        writer.so_far.shared = Some(Vec::new());
        writer
    }

    /// Ends, and gives what is not in the buffer, in the order in which it was written.
    pub fn into_shared(self) -> Vec<Shared> {
        self.so_far.shared.unwrap_or_default()
    }

    /// Goes on where another writer left the buffer.
    pub(crate) fn resume(buffer: &'a mut BytesMut, so_far: SoFar) -> Self {
        Self { buffer, so_far }
    }

    pub(crate) fn into_so_far(self) -> SoFar {
        self.so_far
    }

    /// The version byte 131, which precedes a term in the external format, but not in distribution messages.
    pub fn version(&mut self) {
        self.buffer.put_u8(tag::VERSION);
        self.so_far.start = self.buffer.len();
    }

    /// An integer.
    ///
    /// # Panics
    ///
    /// If its magnitude has more than 524,280 bytes, which is more than a node can take; [`term`](Self::term) refuses it.
    #[inline]
    pub fn integer(&mut self, value: impl Into<Integer>) {
        let written = self.integer_ref(&value.into());
        assert!(
            written.is_ok(),
            "an integer has up to {MAX_INTEGER_BYTES} bytes"
        );
    }

    /// A float.
    pub fn float(&mut self, value: Float) {
        self.buffer.put_u8(tag::NEW_FLOAT_EXT);
        self.buffer.put_f64(value.get());
    }

    /// An atom.
    #[inline]
    pub fn atom(&mut self, atom: &Atom) {
        match atom.as_inline() {
            Some((len, text)) => {
                let mut encoded = [0; 2 + Atom::INLINE_BYTES];
                encoded[0] = tag::SMALL_ATOM_UTF8_EXT;
                encoded[1] = len;
                encoded[2..].copy_from_slice(text);
                self.padded(&encoded, 2 + usize::from(len));
            }
            None => self.long_atom(atom.as_bytes()),
        }
    }

    #[inline(never)]
    fn long_atom(&mut self, text: &[u8]) {
        match u8::try_from(text.len()) {
            Ok(len) => self.buffer.put_slice(&[tag::SMALL_ATOM_UTF8_EXT, len]),
            Err(_) => {
                self.buffer.put_u8(tag::ATOM_UTF8_EXT);
                // At most 255 characters of 4 bytes.
                self.buffer.put_u16(text.len() as u16);
            }
        }
        self.buffer.put_slice(text);
    }

    /// The first `len` of some bytes: to copy a fixed number of them takes less time.
    #[inline(always)]
    fn padded<const N: usize>(&mut self, bytes: &[u8; N], len: usize) {
        let end = self.buffer.len() + len;
        self.buffer.put_slice(bytes);
        self.buffer.truncate(end);
    }

    /// A process identifier.
    pub fn pid(&mut self, pid: &Pid) {
        self.buffer.put_u8(tag::NEW_PID_EXT);
        self.atom(&pid.node);
        self.words([pid.id, pid.serial, pid.creation], 3);
    }

    /// A port.
    pub fn port(&mut self, port: &Port) {
        self.buffer.put_u8(tag::V4_PORT_EXT);
        self.atom(&port.node);
        self.buffer.put_u64(port.id);
        self.buffer.put_u32(port.creation);
    }

    /// A reference.
    pub fn reference(&mut self, reference: &Reference) {
        let ids = reference.ids();
        let [first, second, third, fourth, fifth] = *reference.padded_ids();
        let words = [reference.creation(), first, second, third, fourth, fifth];
        self.buffer
            .put_slice(&[tag::NEWER_REFERENCE_EXT, 0, ids.len() as u8]);
        self.atom(reference.node());
        self.words(words, 1 + ids.len());
    }

    /// The first `count` of some numbers.
    #[inline(always)]
    fn words<const N: usize>(&mut self, words: [u32; N], count: usize) {
        let bytes = words.map(u32::to_be_bytes);
        let end = self.buffer.len() + count * size_of::<u32>();
        self.buffer.put_slice(bytes.as_flattened());
        self.buffer.truncate(end);
    }

    /// The fun `module:function/arity`.
    pub fn export(&mut self, module: &Atom, function: &Atom, arity: u8) {
        self.buffer.put_u8(tag::EXPORT_EXT);
        self.atom(module);
        self.atom(function);
        self.buffer.put_slice(&[tag::SMALL_INTEGER_EXT, arity]);
    }

    /// A binary.
    ///
    /// # Panics
    ///
    /// If it has 4 GiB or more.
    pub fn binary(&mut self, bytes: &[u8]) {
        self.head(tag::BINARY_EXT, bytes.len());
        self.buffer.put_slice(bytes);
    }

    /// A binary, which is kept by reference if it is large and this writer [shares](Self::sharing).
    ///
    /// # Panics
    ///
    /// If it has 4 GiB or more.
    pub fn shared_binary(&mut self, bytes: &Bytes) {
        self.head(tag::BINARY_EXT, bytes.len());
        self.keep(bytes);
    }

    /// A bit string.
    ///
    /// # Panics
    ///
    /// If it has 4 GiB or more.
    pub fn bit_string(&mut self, bits: &BitString) {
        self.head(tag::BIT_BINARY_EXT, bits.as_bytes().len());
        self.buffer.put_u8(bits.last_bits());
        self.keep(bits.as_bytes());
    }

    /// The head of a tuple; its elements are to follow.
    ///
    /// # Panics
    ///
    /// If `arity` is 2²⁴ or more, which is more than a node can take.
    #[inline]
    pub fn tuple(&mut self, arity: usize) {
        assert!(arity <= MAX_ARITY, "a tuple has up to {MAX_ARITY} elements");
        match u8::try_from(arity) {
            Ok(arity) => self.buffer.put_slice(&[tag::SMALL_TUPLE_EXT, arity]),
            Err(_) => self.head(tag::LARGE_TUPLE_EXT, arity),
        }
    }

    /// The head of a map; the keys and values of that many pairs are to follow.
    ///
    /// # Panics
    ///
    /// If `pairs` is 2³² or more.
    pub fn map(&mut self, pairs: usize) {
        self.head(tag::MAP_EXT, pairs);
    }

    /// The head of a list; its elements and its tail, commonly [`nil`](Self::nil), are to follow.
    ///
    /// Writes nothing for no elements, as such a list is its tail.
    ///
    /// # Panics
    ///
    /// If `len` is 2³² or more.
    #[inline]
    pub fn list(&mut self, len: usize) {
        if len > 0 {
            self.head(tag::LIST_EXT, len);
        }
    }

    /// `[]`, or the end of a proper list.
    #[inline]
    pub fn nil(&mut self) {
        self.buffer.put_u8(tag::NIL_EXT);
    }

    /// A whole list of small integers.
    ///
    /// # Panics
    ///
    /// If it has 4 GiB or more.
    pub fn string_list(&mut self, bytes: &[u8]) {
        match u16::try_from(bytes.len()) {
            Ok(0) => self.nil(),
            Ok(len) => {
                self.buffer.put_u8(tag::STRING_EXT);
                self.buffer.put_u16(len);
                self.buffer.put_slice(bytes);
            }
            Err(_) => {
                self.list(bytes.len());
                for byte in bytes {
                    self.buffer.put_slice(&[tag::SMALL_INTEGER_EXT, *byte]);
                }
                self.nil();
            }
        }
    }

    /// A term that is encoded already. References to an atom cache are resolved.
    ///
    /// That it is well-formed was checked when it was made, all but for keys that a map has twice. OTP closes the link on
    /// which such a map arrives: what comes from a node that is not trusted is better [decoded](RawTerm::decode), which
    /// refuses it, before it is passed on to others.
    ///
    /// Fails if other nodes would not take it: with an integer that only raised [`Limits`] let in, or in a
    /// local format inside of another term.
    pub fn raw(&mut self, raw: &RawTerm) -> Result<(), EncodeError> {
        if raw.is_local() {
            self.local()?;
        }
        if raw.may_be_out_of_bounds() {
            check_bounds(raw.reader())?;
        }
        self.so_far.records |= raw.has_records();
        match raw.without_atoms() {
            Some(encoded) => self.encoded(encoded),
            None => self.copy(&mut raw.reader())?,
        }
        Ok(())
    }

    /// Refuses what was written if a peer would not decode it, which costs the link: a term in a local format; and native
    /// records, unless it `knows_records`, as OTP 29 does.
    pub fn check_for_peer(&self, knows_records: bool) -> Result<(), EncodeError> {
        if self.so_far.local {
            Err(EncodeError::Local)
        } else if self.so_far.records && !knows_records {
            Err(EncodeError::NativeRecord)
        } else {
            Ok(())
        }
    }

    #[inline]
    pub(crate) fn integer_ref(&mut self, value: &Integer) -> Result<(), EncodeError> {
        match value.as_i64() {
            Some(small) => {
                self.small_integer(small);
                Ok(())
            }
            None => self.wide_integer(value),
        }
    }

    #[inline(never)]
    fn wide_integer(&mut self, value: &Integer) -> Result<(), EncodeError> {
        let (sign, digits) = value.to_bigint().to_bytes_le();
        if digits.len() > MAX_INTEGER_BYTES {
            return Err(too_long("an integer", digits.len()));
        }
        self.big_integer(sign, &digits);
        Ok(())
    }

    pub(crate) fn opaque(&mut self, opaque: &Opaque) -> Result<(), EncodeError> {
        if opaque.is_local() {
            self.local()?;
        } else {
            check_bounds(Reader::new(opaque.as_bytes().clone()))?;
            self.so_far.records = true;
        }
        self.encoded(opaque.as_bytes());
        Ok(())
    }

    /// Notes that a term in a local format follows, of which nobody else knows where it ends.
    fn local(&mut self) -> Result<(), EncodeError> {
        if self.buffer.len() != self.so_far.start {
            return Err(EncodeError::Local);
        }
        self.so_far.local = true;
        Ok(())
    }

    #[inline]
    pub(super) fn head(&mut self, tag: u8, len: usize) {
        let [a, b, c, d] = counted(len);
        self.buffer.put_slice(&[tag, a, b, c, d]);
    }

    pub(super) fn length(&mut self, len: usize) {
        self.buffer.put_slice(&counted(len));
    }

    #[inline]
    fn small_integer(&mut self, value: i64) {
        if let Ok(byte) = u8::try_from(value) {
            self.buffer.put_slice(&[tag::SMALL_INTEGER_EXT, byte]);
        } else if let Ok(value) = i32::try_from(value) {
            let [a, b, c, d] = value.to_be_bytes();
            self.buffer.put_slice(&[tag::INTEGER_EXT, a, b, c, d]);
        } else {
            self.long_integer(value);
        }
    }

    #[inline(never)]
    fn long_integer(&mut self, value: i64) {
        let digits = value.unsigned_abs().to_le_bytes();
        let len = digits.len() - value.unsigned_abs().leading_zeros() as usize / 8;
        self.buffer
            .put_slice(&[tag::SMALL_BIG_EXT, len as u8, (value < 0).into()]);
        self.buffer.put_slice(&digits[..len]);
    }

    pub(super) fn big_integer(&mut self, sign: Sign, digits: &[u8]) {
        match u8::try_from(digits.len()) {
            Ok(len) => self.buffer.put_slice(&[tag::SMALL_BIG_EXT, len]),
            Err(_) => self.head(tag::LARGE_BIG_EXT, digits.len()),
        }
        self.buffer.put_u8((sign == Sign::Minus).into());
        self.buffer.put_slice(digits);
    }
}

/// A length of four bytes.
#[inline]
fn counted(len: usize) -> [u8; 4] {
    assert!(
        u32::try_from(len).is_ok(),
        "the external format counts up to 2^32"
    );
    (len as u32).to_be_bytes()
}

/// Refuses a term in which more bytes or elements belong together than other nodes take.
fn check_bounds(reader: Reader) -> Result<(), EncodeError> {
    let limits = Limits {
        depth: usize::MAX,
        elements: usize::MAX,
        ..Limits::default()
    };
    Ok(reader.with_limits(limits).skip()?)
}
