//! Atoms as values, never interned: a peer cannot fill a table with them.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
};

use bytes::Bytes;

/// An atom: a name of up to 255 characters of Unicode.
///
/// Its text is static, stored in place (up to 22 bytes), or a slice of the buffer that it was decoded from. Such a slice
/// keeps the whole buffer alive; [`Atom::detached`] gives a copy that does not.
///
/// Atoms compare, order and hash by their text, as in Erlang.
///
/// ```
/// use beam_term::Atom;
///
/// const OK: Atom = Atom::from_static("ok");
/// assert_eq!(OK, Atom::try_from("ok")?);
/// assert_eq!(OK, "ok");
/// # Ok::<(), beam_term::InvalidAtom>(())
/// ```
#[derive(Clone)]
pub struct Atom(Repr);

impl Atom {
    /// The most characters that an atom can have.
    pub const MAX_CHARACTERS: usize = 255;

    /// An atom of a text known at compile time.
    ///
    /// # Panics
    ///
    /// If the text has more than 255 characters; in a `const` that is an error of compilation.
    pub const fn from_static(text: &'static str) -> Self {
        assert!(
            characters(text.as_bytes()) <= Self::MAX_CHARACTERS,
            "an atom has at most 255 characters"
        );
        Self(Repr::Local(Local::of_static(text)))
    }

    /// An atom of a static text that may be too long.
    pub(crate) fn from_static_checked(text: &'static str) -> Result<Self, InvalidAtom> {
        match characters(text.as_bytes()) {
            ..=Self::MAX_CHARACTERS => Ok(Self(Repr::Local(Local::of_static(text)))),
            characters => Err(InvalidAtom { characters }),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Local(Local::Static(text)) => text,
            // Every constructor has checked the bytes, so the fallback is out of reach.
            _ => std::str::from_utf8(self.as_bytes()).unwrap_or_default(),
        }
    }

    /// The text as UTF-8. Cheaper than [`as_str`](Self::as_str) where only equality matters.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Local(Local::Static(text)) => text.as_bytes(),
            Repr::Local(Local::Inline { len, bytes }) => &bytes[..usize::from(*len)],
            Repr::Shared(bytes) => bytes,
        }
    }

    /// How many bytes of text are stored in place.
    pub(crate) const INLINE_BYTES: usize = INLINE;

    /// The length of the text, and the text with zeros or other bytes after it, if it is stored in place.
    #[inline]
    pub(crate) fn as_inline(&self) -> Option<(u8, &[u8; INLINE])> {
        match &self.0 {
            Repr::Local(Local::Inline { len, bytes }) => Some((*len, bytes)),
            _ => None,
        }
    }

    /// The same atom, without a hold on the buffer that it was decoded from. For atoms that outlive their message.
    pub fn detached(&self) -> Self {
        match &self.0 {
            Repr::Shared(bytes) => Self(Repr::Shared(Bytes::copy_from_slice(bytes))),
            Repr::Local(_) => self.clone(),
        }
    }

    /// The atom of the first `len` bytes, if they are short ASCII: nearly every atom of a message is.
    ///
    /// More bytes than these make it faster, as it then copies a fixed number of them.
    #[inline(always)]
    pub(crate) fn short_ascii(input: &[u8], len: usize) -> Option<Self> {
        let text = input.get(..len)?;
        if !Self::is_short_ascii(text) {
            return None;
        }
        let bytes = match input.first_chunk() {
            Some(chunk) => *chunk,
            None => padded(text),
        };
        let len = len as u8;
        Some(Self(Repr::Local(Local::Inline { len, bytes })))
    }

    /// Whether all of a text is short ASCII.
    #[inline(always)]
    pub(crate) fn is_short_ascii(text: &[u8]) -> bool {
        text.len() <= INLINE && is_ascii(text)
    }

    /// An atom of `text`, in place if it is short, else as the slice that `share` gives.
    ///
    /// `text` and the slice are the same text.
    pub(crate) fn from_checked(text: &str, share: impl FnOnce() -> Bytes) -> Option<Self> {
        if let Some(local) = Local::inline(text) {
            return Some(Self(Repr::Local(local)));
        }
        (characters(text.as_bytes()) <= Self::MAX_CHARACTERS).then(|| Self(Repr::Shared(share())))
    }
}

impl TryFrom<&str> for Atom {
    type Error = InvalidAtom;

    fn try_from(text: &str) -> Result<Self, InvalidAtom> {
        Self::from_checked(text, || Bytes::copy_from_slice(text.as_bytes())).ok_or(InvalidAtom {
            characters: characters(text.as_bytes()),
        })
    }
}

impl TryFrom<String> for Atom {
    type Error = InvalidAtom;

    fn try_from(text: String) -> Result<Self, InvalidAtom> {
        Self::try_from(text.as_str())
    }
}

impl From<bool> for Atom {
    fn from(value: bool) -> Self {
        Self::from_static(if value { "true" } else { "false" })
    }
}

impl Deref for Atom {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Atom {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Atom {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Atom {}

impl PartialEq<str> for Atom {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Atom {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl PartialOrd for Atom {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Atom {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for Atom {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Atom").field(&self.as_str()).finish()
    }
}

/// A text that is too long to be an atom.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an atom has at most 255 characters, this one has {characters}")]
pub struct InvalidAtom {
    /// How many characters the text has.
    pub characters: usize,
}

/// Two levels, so that `Atom` is no larger than the `Bytes` in it.
#[derive(Clone)]
enum Repr {
    Shared(Bytes),
    Local(Local),
}

#[derive(Clone, Copy)]
enum Local {
    Static(&'static str),
    Inline { len: u8, bytes: [u8; INLINE] },
}

impl Local {
    /// In place as well, if it is short: such an atom is encoded by copying a fixed number of bytes.
    const fn of_static(text: &'static str) -> Self {
        let text_bytes = text.as_bytes();
        if text_bytes.len() > INLINE {
            return Self::Static(text);
        }
        let mut bytes = [0; INLINE];
        let mut at = 0;
        while at < text_bytes.len() {
            bytes[at] = text_bytes[at];
            at += 1;
        }
        Self::Inline {
            len: text_bytes.len() as u8,
            bytes,
        }
    }

    fn inline(text: &str) -> Option<Self> {
        let mut bytes = [0; INLINE];
        bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        let len = u8::try_from(text.len()).ok()?;
        Some(Self::Inline { len, bytes })
    }
}

/// How many bytes of text fit in place.
const INLINE: usize = 22;

/// A text that is short.
#[inline(never)]
fn padded(text: &[u8]) -> [u8; INLINE] {
    let mut bytes = [0; INLINE];
    if let Some(place) = bytes.get_mut(..text.len()) {
        place.copy_from_slice(text);
    }
    bytes
}

/// Whether up to 24 bytes are ASCII, by words that overlap.
#[inline(always)]
fn is_ascii(text: &[u8]) -> bool {
    const HIGH_BITS: u64 = u64::from_le_bytes([0x80; 8]);

    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let middle = text
            .get(8..16)
            .and_then(<[u8]>::first_chunk)
            .unwrap_or(first);
        let [first, middle, last] = [first, middle, last].map(|word| u64::from_le_bytes(*word));
        return (first | middle | last) & HIGH_BITS == 0;
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let [first, last] = [first, last].map(|word| u32::from_le_bytes(*word));
        return (first | last) & HIGH_BITS as u32 == 0;
    }
    text.iter().all(u8::is_ascii)
}

/// How many characters a UTF-8 text has: the bytes that do not continue a character.
const fn characters(utf8: &[u8]) -> usize {
    let mut count = 0;
    let mut at = 0;
    while at < utf8.len() {
        if utf8[at] & 0xC0 != 0x80 {
            count += 1;
        }
        at += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_atom_is_no_larger_than_the_slice_it_may_hold() {
        assert_eq!(size_of::<Atom>(), 32);
        assert_eq!(size_of::<Atom>(), size_of::<Bytes>());
    }

    #[test]
    fn the_same_text_is_the_same_atom_however_it_is_stored() {
        let inline = Atom::try_from("a_rather_longish_atom").unwrap();
        assert!(matches!(inline.0, Repr::Local(Local::Inline { .. })));
        assert_eq!(inline, Atom::from_static("a_rather_longish_atom"));

        let long = "an atom that does not fit into its place";
        let shared = Atom::try_from(long).unwrap();
        assert!(matches!(shared.0, Repr::Shared(_)));
        assert_eq!(shared, Atom::from_static(long));
        assert_eq!(shared.detached(), shared);
        assert_eq!(shared.as_str(), long);
    }

    #[test]
    fn short_ascii_looks_at_the_text_only() {
        let ascii = [b'a'; 30];
        for len in 0..=INLINE {
            for input_len in [len, INLINE - 1, INLINE, 30] {
                let Some(input) = ascii.get(..input_len.max(len)) else {
                    continue;
                };
                let atom = Atom::short_ascii(input, len).unwrap();
                assert_eq!(atom.as_bytes(), &ascii[..len]);
            }
            for at in 0..30 {
                let mut input = ascii;
                input[at] = 0xE9;
                assert_eq!(Atom::short_ascii(&input, len).is_some(), at >= len);
            }
        }
        assert_eq!(Atom::short_ascii(&ascii, INLINE + 1), None);
        assert_eq!(Atom::short_ascii(b"ab", 3), None);
    }

    #[test]
    fn the_limit_counts_characters_not_bytes() {
        let most = "ω".repeat(255);
        assert_eq!(Atom::try_from(most.as_str()).unwrap().as_str(), most);
        let error = Atom::try_from("ω".repeat(256)).unwrap_err();
        assert_eq!(error.characters, 256);
    }

    #[test]
    fn atoms_order_by_their_text() {
        let ordered = ["", "Z", "a", "ab", "b", "é", "ω"];
        assert!(ordered.is_sorted_by_key(|text| Atom::try_from(*text).unwrap()));
    }
}
