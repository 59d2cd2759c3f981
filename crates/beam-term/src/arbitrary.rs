//! Strategies that draw arbitrary terms for property tests; behind the feature `proptest`.
//!
//! All that is drawn is understood by every release of OTP from 25 on.

use bytes::Bytes;
use num_bigint::{BigInt, Sign};
use proptest::{
    char,
    collection::{SizeRange, vec},
    prelude::*,
};

use crate::{
    Atom, BitString, Closure, Float, Fun, ImproperList, Integer, Map, Pid, Port, Reference, Term,
};

/// Any term: of up to 4 levels, some 64 elements in all, and up to 8 in each container but strings.
pub fn term() -> impl Strategy<Value = Term> {
    prop_oneof![9 => scalar(), 1 => string()].prop_recursive(4, 64, 8, |element| {
        let elements = || vec(element.clone(), 0..8);
        prop_oneof![
            elements().prop_map(Term::Tuple),
            elements().prop_map(Term::List),
            (vec(element.clone(), 1..8), scalar())
                .prop_map(|(elements, tail)| { Term::list_with_tail(elements, tail) }),
            vec((element.clone(), element.clone()), 0..8)
                .prop_map(|entries| { Term::Map(entries.into_iter().collect::<Map>()) }),
            closure(elements()).prop_map(|closure| Term::from(Fun::Closure(closure))),
        ]
    })
}

/// Any term that is not a container, but for `[]`.
pub fn scalar() -> impl Strategy<Value = Term> {
    prop_oneof![
        4 => integer().prop_map(Term::from),
        2 => float().prop_map(Term::from),
        4 => atom().prop_map(Term::from),
        1 => reference().prop_map(Term::from),
        1 => export().prop_map(Term::from),
        1 => port().prop_map(Term::from),
        1 => pid().prop_map(Term::from),
        2 => bytes(0..40).prop_map(Term::Binary),
        2 => text().prop_map(Term::binary),
        1 => bit_string().prop_map(Term::from),
        1 => Just(Term::nil()),
    ]
}

/// Lists of bytes, which have an encoding of their own, and of characters, which print as text.
pub fn string() -> impl Strategy<Value = Term> {
    let byte_list = |bytes: Bytes| Term::list(bytes.iter().map(|&byte| Term::from(byte)));
    prop_oneof![
        bytes(0..40).prop_map(byte_list),
        text().prop_map(|text| Term::charlist(&text)),
    ]
}

/// Integers of up to 2,400 bits; most are small, many lie where the encoding changes.
pub fn integer() -> impl Strategy<Value = Integer> {
    let at_a_power_of_two =
        (0_u32..130, -1_i8..=1, any::<bool>()).prop_map(|(bits, off, negative)| {
            let value: BigInt = (BigInt::from(1) << bits) + off;
            if negative { -value } else { value }
        });
    let huge = (any::<bool>(), vec(any::<u8>(), 0..300)).prop_map(|(negative, digits)| {
        let sign = if negative { Sign::Minus } else { Sign::Plus };
        BigInt::from_bytes_le(sign, &digits)
    });
    prop_oneof![
        4 => any::<u8>().prop_map(Integer::from),
        2 => any::<i64>().prop_map(Integer::from),
        2 => at_a_power_of_two.prop_map(Integer::from),
        1 => huge.prop_map(Integer::from),
    ]
}

/// Any float but `-0.0`, which in a key of a map is the same as `0.0` for OTP 26 and before.
pub fn float() -> impl Strategy<Value = Float> {
    use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};

    (POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO)
        .prop_map(|value| if value == 0.0 { 0.0 } else { value })
        .prop_filter_map("not finite", |value| Float::try_from(value).ok())
}

/// Atoms of up to 255 characters, most of them short.
pub fn atom() -> impl Strategy<Value = Atom> {
    let text = |characters: std::ops::RangeInclusive<usize>| {
        vec(char::any(), characters).prop_map(String::from_iter)
    };
    prop_oneof![
        8 => "[a-z][a-zA-Z0-9_@]{0,10}",
        2 => text(0..=30),
        1 => text(0..=255),
    ]
    .prop_filter_map("too long", |text| Atom::try_from(text).ok())
}

/// Names of nodes, as atoms.
pub fn node() -> impl Strategy<Value = Atom> {
    "[a-z][a-z0-9_]{0,8}@[a-z][a-z0-9.]{0,20}"
        .prop_filter_map("too long", |text| Atom::try_from(text).ok())
}

/// Process identifiers of any node.
pub fn pid() -> impl Strategy<Value = Pid> {
    (node(), any::<u32>(), any::<u32>(), creation()).prop_map(|(node, id, serial, creation)| Pid {
        node,
        id,
        serial,
        creation,
    })
}

/// Ports of any node.
pub fn port() -> impl Strategy<Value = Port> {
    let id = prop_oneof![0..1_u64 << 28, any::<u64>()];
    (node(), id, creation()).prop_map(|(node, id, creation)| Port { node, id, creation })
}

/// References of any node, of 1 to 5 words of which the last is not zero.
pub fn reference() -> impl Strategy<Value = Reference> {
    let ids = (vec(any::<u32>(), 0..Reference::MAX_IDS), 1..=u32::MAX);
    (node(), creation(), ids).prop_filter_map(
        "too many words",
        |(node, creation, (mut ids, last))| {
            ids.push(last);
            Reference::new(node, creation, &ids).ok()
        },
    )
}

/// Exported functions.
pub fn export() -> impl Strategy<Value = Fun> {
    (atom(), atom(), any::<u8>()).prop_map(|(module, function, arity)| Fun::Export {
        module,
        function,
        arity,
    })
}

/// Bit strings that do not fill their last byte.
pub fn bit_string() -> impl Strategy<Value = BitString> {
    (bytes(1..20), 1_u8..=7).prop_filter_map("no bits", |(bytes, last_bits)| {
        BitString::new(bytes, last_bits)
    })
}

/// Improper lists of scalars.
pub fn improper_list() -> impl Strategy<Value = ImproperList> {
    (vec(scalar(), 1..8), scalar()).prop_filter_map("proper", |(elements, tail)| {
        ImproperList::new(elements, tail)
    })
}

fn closure(free: impl Strategy<Value = Vec<Term>>) -> impl Strategy<Value = Closure> {
    // Funs are counted within their module, and OTP computes with signed numbers when it compares them.
    let numbers = (
        any::<u8>(),
        any::<[u8; 16]>(),
        0..1_u32 << 16,
        0..1_i32 << 16,
        0..1_i32 << 27,
    );
    (atom(), numbers, pid(), free).prop_map(
        |(module, (arity, uniq, index, old_index, old_uniq), creator, free)| Closure {
            module,
            arity,
            uniq,
            index,
            old_index,
            old_uniq,
            creator,
            free,
        },
    )
}

/// ASCII, Latin-1, or any characters.
fn text() -> impl Strategy<Value = String> {
    let from = |characters| vec(characters, 0..20).prop_map(String::from_iter);
    prop_oneof![
        from(char::range(' ', '~').boxed()),
        from(char::range('\0', 'ÿ').boxed()),
        from(char::any().boxed()),
    ]
}

fn bytes(len: impl Into<SizeRange>) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), len).prop_map(Bytes::from)
}

/// Never 0, which stands for any incarnation.
fn creation() -> impl Strategy<Value = u32> {
    1..=u32::MAX
}
