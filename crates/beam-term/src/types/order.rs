//! Erlang's exact term order: the one in which the keys of a map stand.
//!
//! number < atom < reference < fun < port < pid < tuple < native record < map < `[]` < list < bit string; every integer comes
//! before every float. Local terms come last. See "Term Comparisons" in the Erlang Reference Manual.

use std::cmp::Ordering;

use bytes::Bytes;

use crate::{BitString, Fun, ImproperList, Kind, Map, Term};

impl Ord for Term {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) => a.cmp(b),
            (Self::Atom(a), Self::Atom(b)) => a.cmp(b),
            (Self::Reference(a), Self::Reference(b)) => a.cmp(b),
            (Self::Fun(a), Self::Fun(b)) => a.cmp(b),
            (Self::Port(a), Self::Port(b)) => a.cmp(b),
            (Self::Pid(a), Self::Pid(b)) => a.cmp(b),
            (Self::Tuple(a), Self::Tuple(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
            (Self::Map(a), Self::Map(b)) => a.cmp(b),
            (Self::List(a), Self::List(b)) => a.cmp(b),
            (Self::List(a), Self::ImproperList(b)) => cmp_lists(a, None, b.elements(), Some(b)),
            (Self::ImproperList(a), Self::List(b)) => cmp_lists(a.elements(), Some(a), b, None),
            (Self::ImproperList(a), Self::ImproperList(b)) => a.cmp(b),
            (Self::Binary(a), Self::Binary(b)) => a.cmp(b),
            (Self::BitString(a), Self::BitString(b)) => a.cmp(b),
            (Self::Binary(a), Self::BitString(b)) => cmp_binary(a, b),
            (Self::BitString(a), Self::Binary(b)) => cmp_binary(b, a).reverse(),
            (Self::Opaque(a), Self::Opaque(b)) => a.cmp(b),
            (a, b) => rank(a).cmp(&rank(b)),
        }
    }
}

impl PartialOrd for Term {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By size, then by the keys, then by the values.
impl Ord for Map {
    fn cmp(&self, other: &Self) -> Ordering {
        self.len()
            .cmp(&other.len())
            .then_with(|| self.keys().cmp(other.keys()))
            .then_with(|| self.values().cmp(other.values()))
    }
}

impl PartialOrd for Map {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ImproperList {
    fn cmp(&self, other: &Self) -> Ordering {
        cmp_lists(self.elements(), Some(self), other.elements(), Some(other))
    }
}

impl PartialOrd for ImproperList {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Closures come before exports.
impl Ord for Fun {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Closure(a), Self::Closure(b)) => a.cmp(b),
            (Self::Closure(_), Self::Export { .. }) => Ordering::Less,
            (Self::Export { .. }, Self::Closure(_)) => Ordering::Greater,
            (
                Self::Export {
                    module: module_a,
                    function: function_a,
                    arity: arity_a,
                },
                Self::Export {
                    module: module_b,
                    function: function_b,
                    arity: arity_b,
                },
            ) => (module_a, function_a, arity_a).cmp(&(module_b, function_b, arity_b)),
        }
    }
}

impl PartialOrd for Fun {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Compares lists cell by cell. A list without a tail ends in `[]`.
fn cmp_lists(
    a: &[Term],
    a_tail: Option<&ImproperList>,
    b: &[Term],
    b_tail: Option<&ImproperList>,
) -> Ordering {
    let common = a.len().min(b.len());
    let nil = Term::nil();
    let a_tail = a_tail.map_or(&nil, |list| list.tail());
    let b_tail = b_tail.map_or(&nil, |list| list.tail());
    a[..common]
        .cmp(&b[..common])
        .then_with(|| match (a.len() > common, b.len() > common) {
            (false, false) => a_tail.cmp(b_tail),
            // One goes on as a list where the other has its tail, which is not a list.
            (true, _) => LIST.cmp(&rank(b_tail)),
            (false, true) => rank(a_tail).cmp(&LIST),
        })
}

/// Where bytes are equal, the one that uses fewer bits of the last byte is shorter, hence less.
fn cmp_binary(binary: &Bytes, bits: &BitString) -> Ordering {
    binary.cmp(bits.as_bytes()).then(Ordering::Greater)
}

fn rank(term: &Term) -> u8 {
    match term.kind() {
        Kind::Integer => 0,
        Kind::Float => 1,
        Kind::Atom => 2,
        Kind::Reference => 3,
        Kind::Fun => 4,
        Kind::Port => 5,
        Kind::Pid => 6,
        Kind::Tuple => 7,
        Kind::Record => 8,
        Kind::Map => 9,
        Kind::List if *term == Term::nil() => 10,
        Kind::List => LIST,
        Kind::Binary | Kind::BitString => 12,
        Kind::Local => 13,
    }
}

const LIST: u8 = 11;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Atom, Closure, Float, Integer, Opaque, Pid, Port, Reference};

    fn improper(elements: &[i64], tail: Term) -> Term {
        Term::list_with_tail(elements.iter().map(|&n| Term::from(n)), tail)
    }

    fn bits(bytes: &[u8], last_bits: u8) -> Term {
        Term::from(BitString::new(bytes.to_vec(), last_bits).unwrap())
    }

    fn map<const N: usize>(entries: [(&'static str, i64); N]) -> Term {
        let entries = entries.map(|(key, value)| (Term::atom(key), Term::from(value)));
        Term::Map(entries.into_iter().collect())
    }

    #[test]
    fn the_kinds_of_terms_stand_in_erlangs_order() {
        let node = Atom::from_static("a@b");
        let pid = Pid {
            node: node.clone(),
            id: 1,
            serial: 0,
            creation: 1,
        };
        let closure = Closure {
            module: Atom::from_static("m"),
            arity: 1,
            uniq: [0; 16],
            index: 0,
            old_index: 0,
            old_uniq: 0,
            creator: pid.clone(),
            free: Vec::new(),
        };
        let export = Fun::Export {
            module: Atom::from_static("m"),
            function: Atom::from_static("f"),
            arity: 1,
        };
        let opaque = |bytes| Term::Opaque(Opaque::new(Bytes::from_static(bytes)));
        let ordered = [
            Term::from(1),
            Term::from(Integer::from(u128::MAX)),
            Term::from(Float::try_from(0.5).unwrap()),
            Term::atom("a"),
            Term::from(Reference::new(node.clone(), 1, &[1]).unwrap()),
            Term::from(Fun::Closure(closure)),
            Term::from(export),
            Term::from(Port {
                node,
                id: 1,
                creation: 1,
            }),
            Term::from(pid),
            Term::tuple([]),
            opaque(b"C\0\0\0\0\0w\x01mw\x01r"),
            Term::Map(Map::new()),
            Term::nil(),
            Term::list([Term::from(1)]),
            Term::binary(""),
            opaque(b"y"),
        ];
        for (at, a) in ordered.iter().enumerate() {
            for (other, b) in ordered.iter().enumerate() {
                assert_eq!(a.cmp(b), at.cmp(&other), "{a:?} against {b:?}");
            }
        }
    }

    #[test]
    fn tuples_and_maps_order_by_size_first() {
        let tuple = |elements: &[i64]| Term::tuple(elements.iter().map(|&n| Term::from(n)));
        assert!(tuple(&[9]) < tuple(&[1, 1]));
        assert!(tuple(&[1, 2]) < tuple(&[2, 1]));
        assert!(map([("z", 9)]) < map([("a", 1), ("b", 1)]));
        assert!(map([("a", 2), ("b", 1)]) < map([("a", 1), ("c", 0)]));
        assert!(map([("a", 1), ("b", 1)]) < map([("a", 1), ("b", 2)]));
    }

    #[test]
    fn lists_order_cell_by_cell() {
        let list = |elements: &[i64]| improper(elements, Term::nil());
        let ordered = [
            improper(&[1], Term::from(2)),
            list(&[1]),
            list(&[1, 2]),
            improper(&[1, 2], Term::binary("")),
            improper(&[1], Term::binary("")),
            list(&[2]),
        ];
        for (at, a) in ordered.iter().enumerate() {
            for (other, b) in ordered.iter().enumerate() {
                assert_eq!(a.cmp(b), at.cmp(&other), "{a:?} against {b:?}");
            }
        }
    }

    #[test]
    fn bit_strings_order_bit_by_bit() {
        assert!(bits(&[0b10], 7) > Term::binary([1].to_vec()));
        assert!(bits(&[1, 0], 1) < Term::binary([1, 0].to_vec()));
        assert!(bits(&[1, 0x80], 1) > Term::binary([1, 64].to_vec()));
        assert!(bits(&[1, 0x80], 1) < Term::binary([1, 128].to_vec()));
        assert!(bits(&[1, 0x80], 1) < bits(&[1, 0x80], 2));
        assert!(bits(&[1, 0x80], 7) < Term::binary([1, 0x80, 0].to_vec()));
    }
}
