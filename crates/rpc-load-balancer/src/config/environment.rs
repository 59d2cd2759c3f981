//! Settings from environment variables.

use beam_node::Error;
use toml::{Table, Value};

use super::BalancerConfig;

/// The keys that can be set so. A variable is named `RLB_` and the key in capitals.
const KEYS: [&str; 25] = [
    "algorithm",
    "join",
    "node_match",
    "node_exclude",
    "own_weight",
    "timeout",
    "call_directly",
    "retry",
    "retry_count",
    "retry_sleep",
    "slow_start",
    "eject",
    "eject_failures",
    "eject_interval",
    "eject_first",
    "eject_longest",
    "eject_latency_factor",
    "eject_raised",
    "retry_budget",
    "retry_budget_per_second",
    "calls_in_flight",
    "calls_per_member",
    "calls_waiting",
    "drain_timeout",
    "drain_linger",
];

impl BalancerConfig {
    /// The settings of the environment, variables such as `RLB_RETRY_COUNT`.
    ///
    /// # Errors
    ///
    /// `bad_request` with the name of the variable, where its value is none for its key.
    pub fn from_environment() -> Result<Self, Error> {
        Self::from_variables(|variable| {
            let value = std::env::var_os(variable)?;
            Some(value.to_string_lossy().into_owned())
        })
    }

    pub(super) fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let mut config = Self::default();
        for key in KEYS {
            let name = format!("RLB_{}", key.to_uppercase());
            // One that is empty is as good as none.
            if let Some(text) = variable(&name).filter(|text| !text.is_empty()) {
                let table = Table::from_iter([(key.to_owned(), value(key, &text))]);
                let set: Self = table.try_into().map_err(|error: toml::de::Error| {
                    Error::bad_request(format!("{name}: {text:?}: {}", error.message()))
                })?;
                config = set.or(config);
            }
        }
        Ok(config)
    }
}

/// The value that a file would have for this text.
fn value(key: &str, text: &str) -> Value {
    let is_list = key == "node_exclude" || key == "node_match" && text != "all";
    if is_list {
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        return Value::Array(parts.map(Value::from).collect());
    }
    match (text.parse::<bool>(), text.parse::<i64>()) {
        (Ok(truth), _) => truth.into(),
        (_, Ok(number)) => number.into(),
        _ => text.into(),
    }
}
