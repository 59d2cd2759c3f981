//! Hashes of whole terms.

use std::{mem, num::NonZeroU32, slice};

use super::Hasher;
use crate::{BitString, Fun, Integer, Map, MapIter, Term};

impl Term {
    /// `erlang:phash2(Term)`: a hash in `0..2^27`.
    ///
    /// ```
    /// use beam_term::Term;
    ///
    /// assert_eq!(Term::binary("key").phash2(), 6681389);
    /// ```
    pub fn phash2(&self) -> u32 {
        self.phash2_full() % (1 << 27)
    }

    /// `erlang:phash2(Term, Range)`: a hash in `0..range`.
    ///
    /// For Erlang's largest range, `1 bsl 32`, see [`phash2_full`](Self::phash2_full).
    pub fn phash2_range(&self, range: NonZeroU32) -> u32 {
        self.phash2_full() % range
    }

    /// `erlang:phash2(Term, 1 bsl 32)`: all 32 bits of the hash, of which the others are remainders.
    pub fn phash2_full(&self) -> u32 {
        let mut hasher = Hasher::new();
        hasher.term(self);
        hasher.finish()
    }
}

impl Hasher {
    /// Hashes a term.
    ///
    /// Takes no more of the call stack for a deep term than for a flat one, and allocates only for what is nested in two or
    /// more levels.
    pub fn term(&mut self, term: &Term) {
        let mut outer = Vec::new();
        let mut open = self.open(term);
        while let Some(compound) = &mut open {
            match compound.next(self) {
                Some(part) => {
                    if let Some(inner) = self.open(part) {
                        outer.extend(open.replace(inner));
                    }
                }
                None => open = outer.pop(),
            }
        }
    }

    /// Hashes a scalar, or the head of a compound term.
    fn open<'a>(&mut self, term: &'a Term) -> Option<Compound<'a>> {
        match term {
            Term::Integer(integer) => self.any_integer(integer),
            Term::Float(float) => self.float(float.get()),
            Term::Atom(atom) => self.atom(atom),
            Term::Reference(reference) => self.reference(reference.ids()[0]),
            Term::Port(port) => self.port(port.id),
            Term::Pid(pid) => self.pid(pid.id),
            Term::Binary(bytes) => self.binary(bytes),
            Term::BitString(bits) => self.bits(bits),
            Term::Opaque(opaque) => self.binary(opaque.as_bytes()),
            Term::Fun(fun) => return self.fun(fun),
            Term::Tuple(elements) => {
                self.tuple(elements.len());
                return Some(Compound::Elements(elements.iter()));
            }
            Term::List(elements) => return Some(Compound::list(elements, None)),
            Term::ImproperList(list) => {
                return Some(Compound::list(list.elements(), Some(list.tail())));
            }
            Term::Map(map) => return self.pairs_of(map),
        }
        None
    }

    fn any_integer(&mut self, integer: &Integer) {
        match integer.as_i64() {
            Some(value) => self.integer(value),
            None => self.big_integer(&integer.to_bigint()),
        }
    }

    fn bits(&mut self, bits: &BitString) {
        if let Some((last, whole)) = bits.as_bytes().split_last() {
            self.bit_string(whole, bits.last_bits(), last >> (8 - bits.last_bits()));
        }
    }

    fn fun<'a>(&mut self, fun: &'a Fun) -> Option<Compound<'a>> {
        match fun {
            Fun::Export {
                module,
                function,
                arity,
            } => {
                self.export(module, function, *arity);
                None
            }
            Fun::Closure(closure) => {
                let free = closure.free.len() as u32;
                self.closure(
                    &closure.module,
                    closure.index,
                    closure.old_uniq as u32,
                    free,
                );
                Some(Compound::Elements(closure.free.iter()))
            }
        }
    }

    fn pairs_of<'a>(&mut self, map: &'a Map) -> Option<Compound<'a>> {
        self.map(map.len());
        if map.is_empty() {
            return None;
        }
        Some(Compound::Map {
            before: mem::take(self),
            pairs: map.iter(),
            value: None,
            xor: 0,
        })
    }
}

/// A compound term, of which a part is hashed already.
enum Compound<'a> {
    Elements(slice::Iter<'a, Term>),
    List {
        elements: slice::Iter<'a, Term>,
        tail: Tail<'a>,
    },
    /// The order of the pairs must not matter, so each is hashed from nothing and the hashes are combined by exclusive or.
    Map {
        before: Hasher,
        pairs: MapIter<'a>,
        value: Option<&'a Term>,
        xor: u32,
    },
}

enum Tail<'a> {
    Nil,
    Term(&'a Term),
    Hashed,
}

impl<'a> Compound<'a> {
    fn list(elements: &'a [Term], tail: Option<&'a Term>) -> Self {
        Self::List {
            elements: elements.iter(),
            tail: tail.map_or(Tail::Nil, Tail::Term),
        }
    }

    /// The part to hash next; none are left when there is no next.
    fn next(&mut self, hasher: &mut Hasher) -> Option<&'a Term> {
        match self {
            Self::Elements(elements) => elements.next(),
            Self::List { elements, tail } => {
                hash_bytes(elements, hasher);
                elements.next().or_else(|| tail.next(hasher))
            }
            Self::Map {
                before,
                pairs,
                value,
                xor,
            } => {
                if let Some(value) = value.take() {
                    return Some(value);
                }
                *xor ^= mem::take(hasher).finish();
                match pairs.next() {
                    Some((key, its_value)) => {
                        *value = Some(its_value);
                        Some(key)
                    }
                    None => {
                        *hasher = *before;
                        hasher.map_pairs(*xor);
                        None
                    }
                }
            }
        }
    }
}

impl<'a> Tail<'a> {
    fn next(&mut self, hasher: &mut Hasher) -> Option<&'a Term> {
        match mem::replace(self, Self::Hashed) {
            Self::Term(term) => return Some(term),
            Self::Nil => hasher.nil(),
            Self::Hashed => {}
        }
        None
    }
}

/// Hashes the bytes that a list goes on with, four at a time; strings are such lists.
fn hash_bytes(elements: &mut slice::Iter<'_, Term>, hasher: &mut Hasher) {
    let mut packed = 0;
    let mut count = 0;
    while let Some(byte) = elements.as_slice().first().and_then(as_byte) {
        elements.next();
        packed = (packed << 8) | u32::from(byte);
        count += 1;
        if count == 4 {
            hasher.packed_bytes(packed);
            (packed, count) = (0, 0);
        }
    }
    if count > 0 {
        hasher.packed_bytes(packed);
    }
}

fn as_byte(term: &Term) -> Option<u8> {
    u8::try_from(term.as_i64()?).ok()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::{Atom, Closure, Pid, Port, Reference};

    // The hashes are those of OTP 25, 27 and 29. Those of data are compared in `tests/golden.rs`.

    const NODE: Atom = Atom::from_static("a@b");

    #[test]
    fn the_ranges_are_remainders_of_the_whole_hash() {
        let term = Term::atom("two words");
        let range = NonZeroU32::new(u32::MAX).unwrap();
        assert_eq!(term.phash2(), term.phash2_full() & 0x07ff_ffff);
        assert_eq!(term.phash2_range(range), term.phash2_full() % u32::MAX);
        assert_eq!(term.phash2_range(NonZeroU32::MIN), 0);
    }

    #[test]
    fn identifiers_hash_by_their_numbers_alone() {
        let pid = |id, serial, creation| Pid {
            node: NODE,
            id,
            serial,
            creation,
        };
        assert_eq!(hash(pid(1, 0, 1)), 2_870_503_209);
        assert_eq!(hash(pid(1, 5, 9)), 2_870_503_209);
        assert_eq!(hash(pid(0xffff_ffff, 8191, 1)), 1_163_272_542);

        let port = |id, creation| Port {
            node: NODE,
            id,
            creation,
        };
        assert_eq!(hash(port(1, 2)), 1_954_394_636);
        assert_eq!(hash(port(1 << 32, 1)), 3_633_483_707);

        let reference = |ids: &[u32]| Reference::new(NODE, 1, ids).unwrap();
        assert_eq!(hash(reference(&[1, 2, 3])), 118_531_908);
        assert_eq!(hash(reference(&[1])), 118_531_908);
        assert_eq!(hash(reference(&[2, 1, 3])), 136_089_928);
    }

    #[test]
    fn functions_hash_by_what_names_them_and_their_environment() {
        let export = Fun::Export {
            module: Atom::from_static("lists"),
            function: Atom::from_static("map"),
            arity: 2,
        };
        assert_eq!(hash(export), 840_287_883);

        let closure = |free: Vec<Term>| {
            Fun::Closure(Closure {
                module: Atom::from_static("m"),
                arity: 0,
                uniq: [0; 16],
                index: 3,
                old_index: 7,
                old_uniq: 99,
                creator: Pid {
                    node: NODE,
                    id: 5,
                    serial: 0,
                    creation: 1,
                },
                free,
            })
        };
        let pair = Term::tuple([Term::atom("a"), Term::atom("b")]);
        assert_eq!(hash(closure(vec![])), 265_301_401);
        assert_eq!(hash(closure(vec![1.into(), pair])), 2_298_916_068);
    }

    #[test]
    fn a_deep_term_hashes_without_a_deep_stack() {
        let deep = (0..5_000).fold(Term::nil(), |inner, _| Term::list([inner]));
        let hash = thread::scope(|scope| {
            let small = thread::Builder::new().stack_size(64 * 1024);
            let hashing = small.spawn_scoped(scope, || deep.phash2_full()).unwrap();
            hashing.join().unwrap()
        });
        // erlang:phash2(lists:foldl(fun(_, Inner) -> [Inner] end, [], lists:seq(1, 5000)), 1 bsl 32)
        assert_eq!(hash, 3_919_932_524);
    }

    fn hash(term: impl Into<Term>) -> u32 {
        term.into().phash2_full()
    }
}
