//! The value tree.

use std::str;

use bytes::Bytes;

use crate::{
    Atom, BitString, Float, Fun, ImproperList, Integer, Map, NonFinite, Opaque, Pid, Port,
    Reference,
};

/// Any term of Erlang or Elixir.
///
/// Equality is Erlang's `=:=`, and the order is its exact term order, in which `1` and `1.0` differ (as keys of a map
/// do). What is rare or large is boxed, so that a term takes 40 bytes.
///
/// ```
/// use beam_term::Term;
///
/// let reply = Term::tuple([Term::atom("ok"), Term::list([Term::from(1), Term::binary("two")])]);
/// let elements = reply.as_tuple().unwrap();
/// assert_eq!(elements[0], Term::atom("ok"));
/// assert_eq!(elements[1].as_list().unwrap()[1].as_str(), Some("two"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Term {
    /// `42`
    Integer(Integer),
    /// `0.5`
    Float(Float),
    /// `ok`
    Atom(Atom),
    /// `#Ref<0.3.2.1>`
    Reference(Box<Reference>),
    /// `fun lists:reverse/1`, or a closure.
    Fun(Box<Fun>),
    /// `#Port<0.6>`
    Port(Box<Port>),
    /// `<0.112.0>`
    Pid(Box<Pid>),
    /// `{a, b}`
    Tuple(Vec<Term>),
    /// `#{key => value}`
    Map(Map),
    /// `[a, b]`; `[]` is the empty one.
    List(Vec<Term>),
    /// `[a | b]`
    ImproperList(ImproperList),
    /// `<<"bytes">>`
    Binary(Bytes),
    /// `<<5:3>>`: bits that do not fill their last byte.
    BitString(Box<BitString>),
    /// What only its sender understands.
    Opaque(Opaque),
}

impl Term {
    /// An atom whose text is known at compile time.
    ///
    /// # Panics
    ///
    /// If the text has more than 255 characters.
    pub const fn atom(text: &'static str) -> Self {
        Self::Atom(Atom::from_static(text))
    }

    /// A binary.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// A tuple.
    pub fn tuple(elements: impl IntoIterator<Item = Term>) -> Self {
        Self::Tuple(elements.into_iter().collect())
    }

    /// A proper list.
    pub fn list(elements: impl IntoIterator<Item = Term>) -> Self {
        Self::List(elements.into_iter().collect())
    }

    /// The empty list, `[]`. Elixir's `nil` is the atom of that name.
    pub const fn nil() -> Self {
        Self::List(Vec::new())
    }

    /// `[elements… | tail]`, in the one form that this term has: a list if the tail is a list, the tail itself if there are
    /// no elements.
    pub fn list_with_tail(elements: impl IntoIterator<Item = Term>, tail: Term) -> Self {
        let mut elements: Vec<_> = elements.into_iter().collect();
        let (more, tail) = match tail {
            Self::List(more) => (more, None),
            Self::ImproperList(list) => {
                let (more, tail) = list.into_parts();
                (more, Some(tail))
            }
            tail => (Vec::new(), Some(tail)),
        };
        elements.extend(more);
        match tail {
            None => Self::List(elements),
            Some(tail) if elements.is_empty() => tail,
            Some(tail) => match ImproperList::new(elements, tail) {
                Some(list) => Self::ImproperList(list),
                None => Self::nil(),
            },
        }
    }

    /// A string of Erlang: the list of its characters' code points.
    pub fn charlist(text: &str) -> Self {
        Self::list(text.chars().map(|c| Self::from(u32::from(c))))
    }

    /// The atom, if it is one.
    pub fn as_atom(&self) -> Option<&Atom> {
        match self {
            Self::Atom(atom) => Some(atom),
            _ => None,
        }
    }

    /// The integer, if it is one that fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Integer(integer) => integer.as_i64(),
            _ => None,
        }
    }

    /// The float, if it is one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Float(float) => Some(float.get()),
            _ => None,
        }
    }

    /// The bytes, if it is a binary.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Binary(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The text, if it is a binary of UTF-8. That is what a string of Elixir is.
    pub fn as_str(&self) -> Option<&str> {
        str::from_utf8(self.as_bytes()?).ok()
    }

    /// The elements, if it is a proper list.
    pub fn as_list(&self) -> Option<&[Term]> {
        match self {
            Self::List(elements) => Some(elements),
            _ => None,
        }
    }

    /// The elements, if it is a tuple.
    pub fn as_tuple(&self) -> Option<&[Term]> {
        match self {
            Self::Tuple(elements) => Some(elements),
            _ => None,
        }
    }

    /// The map, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The process identifier, if it is one.
    pub fn as_pid(&self) -> Option<&Pid> {
        match self {
            Self::Pid(pid) => Some(pid),
            _ => None,
        }
    }

    /// The reference, if it is one.
    pub fn as_reference(&self) -> Option<&Reference> {
        match self {
            Self::Reference(reference) => Some(reference),
            _ => None,
        }
    }
}

impl<T: Into<Integer>> From<T> for Term {
    fn from(integer: T) -> Self {
        Self::Integer(integer.into())
    }
}

/// A binary of the text in UTF-8, as serde sends text.
impl From<&str> for Term {
    fn from(text: &str) -> Self {
        Self::binary(text.to_owned())
    }
}

/// A binary of the text in UTF-8, as serde sends text.
impl From<String> for Term {
    fn from(text: String) -> Self {
        Self::binary(text)
    }
}

impl From<Float> for Term {
    fn from(float: Float) -> Self {
        Self::Float(float)
    }
}

impl TryFrom<f64> for Term {
    type Error = NonFinite;

    fn try_from(value: f64) -> Result<Self, NonFinite> {
        Float::try_from(value).map(Self::Float)
    }
}

impl From<bool> for Term {
    fn from(value: bool) -> Self {
        Self::Atom(value.into())
    }
}

impl From<Atom> for Term {
    fn from(atom: Atom) -> Self {
        Self::Atom(atom)
    }
}

impl From<Reference> for Term {
    fn from(reference: Reference) -> Self {
        Self::Reference(Box::new(reference))
    }
}

impl From<Fun> for Term {
    fn from(fun: Fun) -> Self {
        Self::Fun(Box::new(fun))
    }
}

impl From<Port> for Term {
    fn from(port: Port) -> Self {
        Self::Port(Box::new(port))
    }
}

impl From<Pid> for Term {
    fn from(pid: Pid) -> Self {
        Self::Pid(Box::new(pid))
    }
}

impl From<Map> for Term {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl From<ImproperList> for Term {
    fn from(list: ImproperList) -> Self {
        Self::ImproperList(list)
    }
}

impl From<BitString> for Term {
    fn from(bits: BitString) -> Self {
        Self::BitString(Box::new(bits))
    }
}

impl From<Opaque> for Term {
    fn from(opaque: Opaque) -> Self {
        Self::Opaque(opaque)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_takes_forty_bytes() {
        assert_eq!(size_of::<Term>(), 40);
    }

    #[test]
    fn a_list_with_a_tail_has_one_form() {
        let ab = || [Term::atom("a"), Term::atom("b")];
        let c = || [Term::atom("c")];
        let abc = Term::list(ab().into_iter().chain(c()));

        assert_eq!(Term::list_with_tail(ab(), Term::list(c())), abc);
        assert_eq!(Term::list_with_tail([], Term::atom("x")), Term::atom("x"));
        let improper = Term::list_with_tail(c(), Term::atom("x"));
        assert_eq!(
            Term::list_with_tail(ab(), improper),
            Term::list_with_tail(ab().into_iter().chain(c()), Term::atom("x"))
        );
    }

    #[test]
    fn a_charlist_is_the_list_of_code_points() {
        assert_eq!(
            Term::charlist("aΩ"),
            Term::list([Term::from(97), Term::from(937)])
        );
    }
}
