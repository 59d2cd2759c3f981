//! JSON to terms.

use std::{collections::BTreeSet, fmt};

use beam_term::Term;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::TERM_KEY;

/// How deeply arguments may nest; as many levels as a peer accepts by default.
const MAX_DEPTH: usize = 512;

/// The arguments of a call, from the text of a JSON array.
pub(crate) fn arguments(text: &str) -> Result<Vec<Term>, String> {
    let array: &RawValue = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match value(array, 0)? {
        Term::List(arguments) => Ok(arguments),
        _ => Err("expected an array with one element for each argument".to_owned()),
    }
}

/// Reads a value whose syntax was checked before.
///
/// Going down one level at a time keeps the text of numbers, so that integers of any size pass.
fn value(json: &RawValue, depth: usize) -> Result<Term, String> {
    if depth > MAX_DEPTH {
        return Err(format!("it nests more than {MAX_DEPTH} levels deep"));
    }
    let text = json.get();
    match text.as_bytes().first() {
        Some(b'n') => Ok(Term::atom("nil")),
        Some(b't') => Ok(Term::from(true)),
        Some(b'f') => Ok(Term::from(false)),
        Some(b'"') => Ok(Term::binary(parse::<String>(text)?)),
        Some(b'[') => parse::<Vec<&RawValue>>(text)?
            .into_iter()
            .map(|element| value(element, depth + 1))
            .collect::<Result<_, _>>()
            .map(Term::List),
        Some(b'{') => object(parse(text)?, depth),
        _ => number(text),
    }
}

fn object(Object(members): Object<'_>, depth: usize) -> Result<Term, String> {
    if let [(key, text)] = members.as_slice()
        && key == TERM_KEY
    {
        return match parse::<String>(text.get()) {
            Ok(text) => text
                .parse()
                .map_err(|error| format!("{TERM_KEY} {text:?}: {error}")),
            Err(_) => Err(format!("{TERM_KEY} needs a string in Erlang's term syntax")),
        };
    }
    let mut seen = BTreeSet::new();
    for (key, _) in &members {
        if !seen.insert(key) {
            return Err(format!("the key {key:?} is there twice"));
        }
    }
    let mut pairs = Vec::with_capacity(members.len());
    for (key, json) in members {
        pairs.push((Term::binary(key), value(json, depth + 1)?));
    }
    Ok(Term::Map(pairs.into_iter().collect()))
}

fn number(text: &str) -> Result<Term, String> {
    if text.contains(['.', 'e', 'E']) {
        let float: f64 = text.parse().map_err(|_| format!("{text} is no number"))?;
        return Term::try_from(float).map_err(|_| format!("{text} is too large for a float"));
    }
    // An integer of JSON is one of Erlang as well.
    text.parse()
        .map_err(|error| format!("the integer {text:.40}: {error}"))
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// The members of an object as they stand there, with keys that are there twice.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        Term::List(arguments(text).unwrap()).to_string()
    }

    #[test]
    fn each_kind_of_value_becomes_its_term() {
        assert_eq!(
            read(r#"["x", 1, -0.5, true, false, null]"#),
            r#"[<<"x">>,1,-0.5,true,false,nil]"#
        );
        assert_eq!(
            read(r#"[{"b": [1, {}], "a": "é\n"}]"#),
            r#"[#{<<"a">> => <<"é\n"/utf8>>,<<"b">> => [1,#{}]}]"#
        );
        assert_eq!(read(" [ ] "), "[]");
        assert_eq!(read("[1.0, 1e3, -0, 0]"), "[1.0,1.0e3,0,0]");
    }

    #[test]
    fn integers_of_any_size_pass() {
        let big = "123456789012345678901234567890123456789012345678901234567890";
        assert_eq!(read(&format!("[{big}, -{big}]")), format!("[{big},-{big}]"));
    }

    #[test]
    fn a_term_is_written_in_an_object_of_its_own() {
        assert_eq!(read(r#"[{"$term": "{ok, 'A b'}"}]"#), "[{ok,'A b'}]");
        assert_eq!(
            read(r#"[{"$term": "ok", "other": 1}]"#),
            r#"[#{<<"$term">> => <<"ok">>,<<"other">> => 1}]"#
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, expected) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("[1,", "line 1 column 3"),
            ("[1] x", "trailing characters at line 1 column 5"),
            ("{\"a\": 1}", "expected an array"),
            ("7", "expected an array"),
            ("[1e400]", "1e400 is too large"),
            (r#"[{"a": 1, "a": 2}]"#, r#"the key "a" is there twice"#),
            (r#"[{"$term": "{ok"}]"#, "column 4"),
            (r#"[{"$term": 1}]"#, "needs a string"),
        ] {
            let error = arguments(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(arguments(&nested(MAX_DEPTH)).is_ok());
        let error = arguments(&nested(10_000)).unwrap_err();
        assert!(error.contains("512 levels"), "{error}");
    }
}
