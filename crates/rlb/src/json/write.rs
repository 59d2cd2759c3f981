//! Terms to JSON.

use std::{collections::BTreeSet, str};

use beam_term::{Integer, Map, Term};
use serde::{
    Serialize, Serializer,
    ser::{Error, SerializeMap},
};
use serde_json::value::RawValue;

use super::TERM_KEY;

/// The most bits of an integer that is written as a number. Writing one in decimal takes time that
/// grows with the square of its size.
const MAX_INTEGER_BITS: u64 = 65_536;

/// A term that serializes to JSON as the [module](super) says. Only for `serde_json`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<'a>(pub(crate) &'a Term);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Term::Integer(integer) => self.integer(integer, serializer),
            Term::Float(float) => serializer.serialize_f64(float.get()),
            Term::Atom(atom) => match atom.as_str() {
                "true" => serializer.serialize_bool(true),
                "false" => serializer.serialize_bool(false),
                "nil" => serializer.serialize_unit(),
                text => serializer.serialize_str(text),
            },
            Term::Binary(bytes) => match str::from_utf8(bytes) {
                Ok(text) => serializer.serialize_str(text),
                Err(_) => self.as_syntax(serializer),
            },
            Term::List(elements) | Term::Tuple(elements) => {
                serializer.collect_seq(elements.iter().map(Json))
            }
            Term::Map(map) if has_text_keys(map) => {
                let members = map
                    .iter()
                    .map(|(key, value)| (text(key).unwrap_or_default(), Json(value)));
                serializer.collect_map(members)
            }
            _ => self.as_syntax(serializer),
        }
    }
}

impl Json<'_> {
    fn integer<S: Serializer>(self, integer: &Integer, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(small) = integer.as_i64() {
            return serializer.serialize_i64(small);
        }
        let big = integer.to_bigint();
        if big.bits() > MAX_INTEGER_BITS {
            return self.as_syntax(serializer);
        }
        RawValue::from_string(big.to_string())
            .map_err(S::Error::custom)?
            .serialize(serializer)
    }

    /// Writes what JSON has no form for.
    fn as_syntax<S: Serializer>(self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(1))?;
        object.serialize_entry(TERM_KEY, &self.0.to_string())?;
        object.end()
    }
}

/// Whether the keys of a map can be those of an object, and the object would stand for that map.
fn has_text_keys(map: &Map) -> bool {
    let mut seen = BTreeSet::new();
    let are_distinct_texts = map
        .iter()
        .all(|(key, _)| text(key).is_some_and(|text| seen.insert(text)));
    are_distinct_texts && !(map.len() == 1 && seen.contains(TERM_KEY))
}

fn text(key: &Term) -> Option<&str> {
    match key {
        Term::Atom(atom) => Some(atom.as_str()),
        Term::Binary(bytes) => str::from_utf8(bytes).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(syntax: &str) -> String {
        let term: Term = syntax.parse().unwrap();
        serde_json::to_string(&Json(&term)).unwrap()
    }

    #[test]
    fn what_json_can_say_is_written_plainly() {
        assert_eq!(
            written(r#"{ok, [1, -0.5, true, nil, undefined, <<"é"/utf8>>], "ab"}"#),
            r#"["ok",[1,-0.5,true,null,"undefined","é"],[97,98]]"#
        );
        assert_eq!(
            written(r#"#{name => <<"x">>, <<"size">> => #{}}"#),
            r#"{"name":"x","size":{}}"#
        );
        assert_eq!(written("1.0"), "1.0");
    }

    #[test]
    fn integers_keep_every_digit_up_to_a_bound() {
        let big = "123456789012345678901234567890";
        assert_eq!(written(big), big);
        assert_eq!(written(&format!("-{big}")), format!("-{big}"));
        let huge = format!("16#1{}", "0".repeat(16_384));
        assert!(written(&huge).starts_with(r#"{"$term":"16#1000"#));
    }

    #[test]
    fn what_json_cannot_say_is_written_as_a_term() {
        for (syntax, expected) in [
            ("<<255,0>>", r#"{"$term":"<<255,0>>"}"#),
            ("<<5:3>>", r#"{"$term":"<<5:3>>"}"#),
            ("[a | b]", r#"{"$term":"[a|b]"}"#),
            ("#{1 => 2}", r##"{"$term":"#{1 => 2}"}"##),
            (
                "#{a => 1, <<\"a\">> => 2}",
                r##"{"$term":"#{a => 1,<<\"a\">> => 2}"}"##,
            ),
            ("#{'$term' => 1}", r##"{"$term":"#{'$term' => 1}"}"##),
            ("fun lists:reverse/1", r#"{"$term":"fun lists:reverse/1"}"#),
            ("[{a, <<255,0>>}]", r#"[["a",{"$term":"<<255,0>>"}]]"#),
        ] {
            assert_eq!(written(syntax), expected, "{syntax}");
        }
    }
}
