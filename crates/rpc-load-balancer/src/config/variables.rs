//! Settings from environment variables.

use std::{cell::Cell, env};

use beam_node::Error;
use serde::{
    Deserializer,
    de::{DeserializeOwned, Error as _, Visitor, value},
    forward_to_deserialize_any,
};
use toml::{Table, Value};

use super::wording;

/// Settings of which each key has a variable.
pub(super) trait Variables: DeserializeOwned {
    /// What the name of a variable begins with; the key follows in capitals.
    const PREFIX: &'static str;
    /// The keys that have none, as a variable cannot say their values.
    const WITHOUT: &'static [&'static str] = &[];
    /// The keys whose values are lists, in which commas separate the parts.
    const LISTS: &'static [&'static str];

    /// What to do about a variable that is set and empty, where that is refused; elsewhere it is as good
    /// as none.
    fn cure_of_empty(_key: &str) -> Option<&'static str> {
        None
    }
}

/// The settings of the environment of this process.
pub(super) fn from_environment<T: Variables>() -> Result<T, Error> {
    read(of_process)
}

/// A variable of this process.
pub(super) fn of_process(name: &str) -> Option<String> {
    let value = env::var_os(name)?;
    Some(value.to_string_lossy().into_owned())
}

/// The name of the variable for a key.
pub(super) fn name<T: Variables>(key: &str) -> String {
    format!("{}{}", T::PREFIX, key.to_uppercase())
}

/// The settings of these variables.
pub(super) fn read<T: Variables>(variable: impl Fn(&str) -> Option<String>) -> Result<T, Error> {
    let mut table = Table::new();
    for key in keys::<T>() {
        let name = name::<T>(key);
        let Some(text) = variable(&name) else {
            continue;
        };
        if text.trim().is_empty() {
            match T::cure_of_empty(key) {
                None => continue,
                Some(cure) => {
                    return Err(Error::bad_request(format!(
                        "{name} is set and empty: {cure}"
                    )));
                }
            }
        }
        let value = value::<T>(key, &text)
            .map_err(|error| Error::bad_request(format!("{name}: {text:?}: {error}")))?;
        table.insert((*key).to_owned(), value);
    }
    table.try_into().map_err(|error: toml::de::Error| {
        Error::bad_request(wording::beside_value(error.message()))
    })
}

/// The keys that have a variable: those that a file may have, which are the fields of the type.
fn keys<T: Variables>() -> impl Iterator<Item = &'static &'static str> {
    let fields = Cell::new(&[][..]);
    // It asks for its fields and gets nothing.
    let _ = T::deserialize(Fields(&fields));
    let has_variable = |key: &&&str| !T::WITHOUT.contains(key);
    fields.get().iter().filter(has_variable)
}

/// The value that a file would have for this text.
fn value<T: Variables>(key: &str, text: &str) -> Result<Value, String> {
    let mut error = String::new();
    for value in candidates(text, T::LISTS.contains(&key))? {
        let alone = Table::from_iter([(key.to_owned(), value.clone())]);
        match alone.try_into::<T>() {
            Ok(_) => return Ok(value),
            Err(refused) => error = wording::beside_value(refused.message()),
        }
    }
    Err(error)
}

/// What a text may stand for; whatever suits the key first is meant.
fn candidates(text: &str, is_list: bool) -> Result<Vec<Value>, String> {
    let (text, mut candidates) = (text.trim(), Vec::new());
    if !is_list || text == "all" {
        candidates.push(text.into());
    }
    if is_list {
        let parts: Vec<_> = text.split(',').map(str::trim).collect();
        if parts.contains(&"") {
            return Err("a part between commas is empty: take one comma away".to_owned());
        }
        candidates.push(parts.into());
        return Ok(candidates);
    }
    candidates.extend(text.parse::<bool>().map(Value::from));
    candidates.extend(text.parse::<i64>().map(Value::from));
    Ok(candidates)
}

/// Tells which fields a type has.
struct Fields<'a>(&'a Cell<&'static [&'static str]>);

impl<'de> Deserializer<'de> for Fields<'_> {
    type Error = value::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, value::Error> {
        self.0.set(fields);
        self.deserialize_any(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, value::Error> {
        Err(value::Error::custom("there is nothing but fields"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BalancerConfig, NodeConfig};

    fn of<T: Variables>(name: &str, text: &str) -> Result<T, String> {
        read(|asked| (asked == name).then(|| text.to_owned())).map_err(|error| error.message)
    }

    #[test]
    fn every_key_of_a_file_has_a_variable() {
        let node: Vec<_> = keys::<NodeConfig>().copied().collect();
        let expected = [
            "allow_peers",
            "allow_networks",
            "suspect_after",
            "suspect_call_grace",
        ];
        assert_eq!(node, expected);
        let balancer: Vec<_> = keys::<BalancerConfig>().copied().collect();
        assert!(balancer.contains(&"drain_linger") && !balancer.contains(&"weights"));
        assert_eq!(balancer.len(), 25);
    }

    #[test]
    fn blanks_around_a_value_are_no_part_of_it() {
        let read = |name, text| of::<BalancerConfig>(name, text).unwrap();
        assert_eq!(read("RLB_RETRY_COUNT", " 3 "), read("RLB_RETRY_COUNT", "3"));
        assert_eq!(
            read("RLB_NODE_MATCH", " all"),
            read("RLB_NODE_MATCH", "all")
        );
    }

    #[test]
    fn an_empty_part_of_a_list_is_refused() {
        for text in ["app*@h,,b@h", ",b@h", "b@h, "] {
            let error = of::<NodeConfig>("RLB_ALLOW_PEERS", text).unwrap_err();
            assert!(error.starts_with("RLB_ALLOW_PEERS: "), "{error}");
            assert!(error.contains("take one comma away"), "{error}");
        }
        assert!(of::<BalancerConfig>("RLB_NODE_MATCH", "a,,b").is_err());
    }

    #[test]
    fn what_is_wrong_is_told_with_the_variable_and_in_its_words() {
        for (error, expected) in [
            (
                of::<BalancerConfig>("RLB_JOIN", "perhaps").unwrap_err(),
                "RLB_JOIN: \"perhaps\": expected true or false",
            ),
            (
                of::<BalancerConfig>("RLB_CALLS_WAITING", "-1").unwrap_err(),
                "RLB_CALLS_WAITING: \"-1\": expected a number from 0",
            ),
            (
                of::<NodeConfig>("RLB_ALLOW_PEERS", "app*,x").unwrap_err(),
                "RLB_ALLOW_PEERS: \"app*,x\": number 2 of the list: expected a whole name",
            ),
            (
                of::<NodeConfig>("RLB_ALLOW_NETWORKS", "10.0.0.1/8").unwrap_err(),
                "RLB_ALLOW_NETWORKS: \"10.0.0.1/8\": number 1 of the list: expected an address",
            ),
        ] {
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
