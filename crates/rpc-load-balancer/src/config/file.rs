//! Settings from a file.

use std::{collections::BTreeMap, io, path::Path};

use beam_node::{Error, Limits, RegularFile};
use serde::{Deserialize, Deserializer};

use super::{
    BalancerConfig, NodeConfig,
    table::{Table, table},
    wording,
};

/// The settings of all balancers of a program, and those of its node.
///
/// ```
/// use rpc_load_balancer::{Balancer, config::Config};
///
/// let config = Config::from_toml(
///     r#"
///     [defaults]
///     retry_count = 3
///
///     [balancers.my_balancer]
///     algorithm = "hash-ring:weight=256"
///     "#,
/// )?;
/// let builder = Balancer::builder("my_balancer").config(&config.balancer("my_balancer")?);
///
/// let error = Config::from_toml("[defaults]\nretry_count = -1").unwrap_err();
/// assert!(error.message.contains("retry_count"));
/// # Ok::<(), rpc_load_balancer::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(default, deserialize_with = "table")]
    defaults: BalancerConfig,
    #[serde(default, deserialize_with = "tables")]
    balancers: BTreeMap<String, BalancerConfig>,
    #[serde(default, deserialize_with = "table")]
    node: NodeConfig,
    #[serde(default, deserialize_with = "table")]
    limits: Limits,
    #[cfg(feature = "tls")]
    #[serde(default, deserialize_with = "super::tls::present")]
    tls: super::TlsConfig,
}

/// Reads a table of tables.
fn tables<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, T>, D::Error> {
    let tables: BTreeMap<_, Table<T>> = table(deserializer)?;
    let tables = tables.into_iter();
    Ok(tables.map(|(name, Table(table))| (name, table)).collect())
}

/// The longest file of settings: 1 MiB.
const LONGEST_FILE: u64 = 1024 * 1024;

fn read(path: &Path) -> io::Result<String> {
    let content = RegularFile::read_at(path, LONGEST_FILE)?;
    let text = str::from_utf8(&content).map_err(|error| {
        io::Error::other(format!(
            "it is no text in UTF-8 from byte {}",
            error.valid_up_to()
        ))
    })?;
    Ok(text.to_owned())
}

impl Config {
    /// Reads settings from a text in TOML, as [the module](super) describes it.
    ///
    /// # Errors
    ///
    /// `bad_request` with the place, the key and the reason, and never with a value: it may be a secret that
    /// belongs elsewhere.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        let config: Self = toml::from_str(text).map_err(|error| {
            Error::bad_request(format!("wrong settings {}", wording::of_toml(text, &error)))
        })?;
        config.limits.check().map_err(|error| {
            Error::bad_request(format!("wrong settings in [limits]: {}", error.message))
        })?;
        Ok(config)
    }

    /// Reads settings from a file in TOML.
    ///
    /// # Errors
    ///
    /// `bad_request` with the path, where the file cannot be read, is no regular file, has more than
    /// 1 MiB, or is wrong.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let text = read(path).map_err(|error| {
            Error::bad_request(format!("failed to read {}: {error}", path.display()))
        })?;
        Self::from_toml(&text)
            .map_err(|error| Error::bad_request(format!("{}: {}", path.display(), error.message)))
    }

    /// The balancers that have settings of their own.
    pub fn balancers(&self) -> impl Iterator<Item = &str> {
        self.balancers.keys().map(String::as_str)
    }

    /// The settings of the node: those of the environment, then those of the file.
    ///
    /// # Errors
    ///
    /// As [`NodeConfig::from_environment`].
    pub fn node(&self) -> Result<NodeConfig, Error> {
        NodeConfig::from_environment().map(|environment| environment.or(self.node.clone()))
    }

    /// The settings of the node that the file has. Those of the environment are
    /// [`NodeConfig::from_environment`].
    pub fn node_of_file(&self) -> &NodeConfig {
        &self.node
    }

    /// The limits of the node, for [`NodeBuilder::limits`](beam_node::NodeBuilder::limits).
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The settings of TLS that the file has. Those of the environment are
    /// [`TlsConfig::from_environment`](super::TlsConfig::from_environment).
    #[cfg(feature = "tls")]
    pub fn tls(&self) -> &super::TlsConfig {
        &self.tls
    }

    /// The settings of a balancer: those of the environment, then those of its own, then the
    /// defaults.
    ///
    /// # Errors
    ///
    /// As [`BalancerConfig::from_environment`].
    pub fn balancer(&self, name: &str) -> Result<BalancerConfig, Error> {
        BalancerConfig::from_environment().map(|environment| self.balancer_in(name, environment))
    }

    fn balancer_in(&self, name: &str, environment: BalancerConfig) -> BalancerConfig {
        let own = self.balancers.get(name).cloned().unwrap_or_default();
        environment.or(own).or(self.defaults.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt::Debug, str::FromStr, time::Duration};

    use super::*;
    use crate::{
        Balancer, CallLimits, Ejection, Health, NodeFilter, Retry,
        config::{AlgorithmConfig, duration::Span, variables},
    };

    #[test]
    fn what_does_not_end_is_no_file_of_settings() {
        for path in ["/dev/zero", "/"] {
            let error = Config::from_file(path).unwrap_err();
            assert!(
                error.message.contains("a regular file is expected"),
                "{error}"
            );
        }
        let long = std::env::temp_dir().join(format!("rlb-long-{}.toml", std::process::id()));
        std::fs::write(&long, "#".repeat(1024 * 1024 + 1)).unwrap();
        let error = Config::from_file(&long).unwrap_err();
        std::fs::remove_file(&long).unwrap();
        assert!(error.message.contains("more than 1 MiB"), "{error}");
    }

    const TEXT: &str = r#"
        [defaults]
        algorithm = "round-robin"
        retry_sleep = 250
        drain_timeout = "30s"

        [balancers.cache]
        algorithm = "hash-ring:weight=16"
        node_match = ["cache", "/^db[0-9]@/"]
        node_exclude = ["_test"]
        weights = { "big@10.0.0.1" = 3, "small@10.0.0.1" = 0 }
        retry_count = "infinity"
        join = false
        calls_per_member = 7
        eject_failures = 2
    "#;

    #[test]
    fn what_is_set_nearer_comes_first() {
        let config = Config::from_toml(TEXT).unwrap();
        let variables = |name: &str| (name == "RLB_DRAIN_TIMEOUT").then(|| "2m".to_owned());
        let environment = variables::read::<BalancerConfig>(variables).unwrap();
        let cache = config.balancer_in("cache", environment.clone());
        let other = config.balancer_in("other", environment);

        let text =
            |config: &BalancerConfig| config.algorithm.as_ref().map(AlgorithmConfig::to_string);
        assert_eq!(text(&cache).as_deref(), Some("hash-ring:weight=16"));
        assert_eq!(text(&other).as_deref(), Some("round-robin"));
        let two_minutes = Some(Span(Duration::from_secs(120)));
        assert_eq!(
            (cache.drain_timeout, other.drain_timeout),
            (two_minutes, two_minutes)
        );
        assert_eq!((cache.join, other.join), (Some(false), None));

        let shown = format!("{:?}", Balancer::builder("cache").config(&cache));
        let filter = NodeFilter::any(["cache", "/^db[0-9]@/"]).unwrap();
        for part in [
            format!("node_match: {:?}", filter.excluding("_test")),
            format!(
                "retry: {:?}",
                Retry::forever().pause(Duration::from_millis(250))
            ),
            r#"("small@10.0.0.1", 0)"#.into(),
            "join: false".into(),
            format!("{:?}", CallLimits::new().per_member(7)),
            format!(
                "{:?}",
                Health::new().ejection(Ejection::new().consecutive_failures(2))
            ),
        ] {
            assert!(shown.contains(&part), "{part} is not in {shown}");
        }
    }

    #[test]
    fn limits_that_are_not_set_have_their_defaults() {
        let config = Config::from_toml("[limits]\ncalls_per_peer = 7").unwrap();
        let expected = Limits {
            calls_per_peer: 7,
            ..Limits::default()
        };
        assert_eq!(*config.limits(), expected);
    }

    #[test]
    fn who_may_connect_is_said_by_the_environment_and_then_by_the_file() {
        let text = r#"
            [node]
            allow_peers = ["*@10.0.0.7", "/^a,b/"]
            allow_networks = ["10.0.0.0/8"]
        "#;
        let file = Config::from_toml(text).unwrap().node;
        fn some<T: FromStr<Err: Debug>>(list: &[&str]) -> Option<Vec<T>> {
            Some(list.iter().map(|text| text.parse().unwrap()).collect())
        }
        assert_eq!(file.allow_peers, some(&["*@10.0.0.7", "/^a,b/"]));
        assert_eq!(file.allow_networks, some(&["10.0.0.0/8"]));

        let environment = NodeConfig::default().or_variables(|name| match name {
            "RLB_ALLOW_PEERS" => Some("a@b, *@c".into()),
            "RLB_SUSPECT_AFTER" => Some("3s".into()),
            "RLB_SUSPECT_CALL_GRACE" => Some("250".into()),
            _ => None,
        });
        let both = environment.unwrap().or(file);
        assert_eq!(both.suspect_after, Some(Duration::from_secs(3)));
        assert_eq!(both.suspect_call_grace, Some(Duration::from_millis(250)));
        assert_eq!(both.allow_peers, some(&["a@b", "*@c"]));
        assert_eq!(both.allow_networks, some(&["10.0.0.0/8"]));
    }

    #[test]
    fn a_variable_of_the_node_that_cannot_be_meant_is_named_with_the_cure() {
        for (variable, text, said) in [
            ("RLB_ALLOW_PEERS", "", "unset it to allow all"),
            ("RLB_ALLOW_NETWORKS", " , ", "between commas is empty"),
            ("RLB_SUSPECT_AFTER", "soon", "500ms"),
            ("RLB_SUSPECT_AFTER", "3", "as \"3s\""),
        ] {
            let set = |name: &str| (name == variable).then(|| text.to_owned());
            let error = NodeConfig::default().or_variables(set).unwrap_err();
            assert_eq!(error.code, beam_node::Code::BadRequest);
            assert!(error.message.starts_with(variable), "{error}");
            assert!(error.message.contains(said), "{error}");
        }
    }

    #[test]
    fn a_variable_of_the_node_is_not_looked_at_where_it_is_said_already() {
        let text = r#"
            [node]
            allow_peers = ["*"]
            allow_networks = ["10.0.0.0/8"]
            suspect_after = "2s"
            suspect_call_grace = "1s"
        "#;
        let all = Config::from_toml(text).unwrap().node;
        let wrong = |_: &str| Some("/(/".to_owned());
        assert_eq!(all.clone().or_variables(wrong).unwrap(), all);
        let without = [
            (
                "RLB_ALLOW_PEERS",
                NodeConfig {
                    allow_peers: None,
                    ..all.clone()
                },
            ),
            (
                "RLB_ALLOW_NETWORKS",
                NodeConfig {
                    allow_networks: None,
                    ..all.clone()
                },
            ),
            (
                "RLB_SUSPECT_AFTER",
                NodeConfig {
                    suspect_after: None,
                    ..all.clone()
                },
            ),
            (
                "RLB_SUSPECT_CALL_GRACE",
                NodeConfig {
                    suspect_call_grace: None,
                    ..all.clone()
                },
            ),
        ];
        for (variable, settings) in without {
            let error = settings.or_variables(wrong).unwrap_err();
            assert!(error.message.starts_with(variable), "{error}");
        }
    }

    #[test]
    fn a_mistake_is_named_with_its_key_and_the_reason() {
        for (text, said) in [
            (
                "[defaults]\nretry_cont = 1",
                ["retry_cont", "there is no key"],
            ),
            (
                "[defaults]\nretry_count = -1",
                ["retry_count", "a number from 0"],
            ),
            (
                "[defaults]\nalgorithm = \"hash-ring:weight=0\"",
                ["algorithm", "weight: expected a number from 1 to 65536"],
            ),
            (
                "[balancers.b]\nnode_match = \"some\"",
                ["node_match", "a list of patterns"],
            ),
            (
                "[balancers.b]\nnode_match = [\"/(/\"]",
                ["node_match", "unclosed group"],
            ),
            (
                "[balancers.b]\ntimeout = \"5 parsecs\"",
                ["timeout", "500ms"],
            ),
            (
                "[balancers.b]\nretry_budget = \"much\"",
                ["retry_budget", "a number"],
            ),
            (
                "[balancers.b]\neject_latency_factor = nan",
                ["eject_latency_factor", "expected a number"],
            ),
            (
                "[balancers.b]\nretry_budget = -inf",
                ["at line 2", "expected a number"],
            ),
            (
                "[balancers.b]\njoin = soon",
                ["at line 2", "a text is written in quotes"],
            ),
            (
                "[balancers.b]\ntimeout = 2hours",
                ["at line 2", "a text is written in quotes"],
            ),
            (
                "[balancers.b]\nalgorithm = truely",
                ["at line 2", "a text is written in quotes"],
            ),
            (
                "[node]\nsuspect_after = \"soon\"",
                ["suspect_after", "500ms"],
            ),
            (
                "[node]\nsuspect_after = 3",
                ["line 2, column 17", "a number alone is milliseconds"],
            ),
            (
                "[defaults]\ncalls_in_flight = 0",
                ["line 2, column 19", "expected a number from 1"],
            ),
            (
                "[defaults]\ncalls_per_member = 0",
                ["calls_per_member", "expected a number from 1"],
            ),
            (
                "[limits]\ncalls_per_node = 0",
                ["[limits]", "`calls_per_node` is 0, at least 1"],
            ),
            (
                "[balancers]\nb = 1",
                ["line 2, column 5", "expected a table, not a number"],
            ),
            (
                "[[balancers.b]]\njoin = true",
                ["line 1, column 1", "one pair of brackets"],
            ),
            (
                "[[node]]\nallow_peers = []",
                ["line 1, column 1", "one pair of brackets"],
            ),
            (
                "limits = 1",
                ["line 1, column 10", "expected a table, not a number"],
            ),
            (
                "[node]\nallow_peers = \"a@h\"",
                ["line 2, column 15", "expected a list, not a text"],
            ),
            (
                "[node]\nallow_peers = [\"a\"]",
                [
                    "line 2, column 15",
                    "number 1 of the list: expected a whole name",
                ],
            ),
            (
                "[node]\nallow_networks = [\"10.0.0.1/8\"]",
                ["line 2, column 18", "a network by its first address"],
            ),
            (
                "[node]\nsuspect_after = \"-1s\"",
                ["line 2, column 17", "expected a duration"],
            ),
            ("[balancer.b]", ["balancer", "there is no key"]),
            ("[node]\nallow_peer = []", ["allow_peer", "there is no key"]),
            (
                "[limits]\ncalls_per_pear = 1",
                ["calls_per_pear", "there is no key"],
            ),
            (
                "[limits]\ncalls_per_peer = -1",
                ["calls_per_peer", "expected a number from 0"],
            ),
        ] {
            let error = Config::from_toml(text).unwrap_err();
            assert_eq!(error.code, beam_node::Code::BadRequest);
            for said in said {
                assert!(error.message.contains(said), "{error}");
            }
        }
        for (text, said) in [
            (
                "[node]\nallow_peers = []",
                "at line 2, column 15: `node.allow_peers`: the list is empty, so that nobody",
            ),
            (
                "[node]\nallow_networks = []",
                "`node.allow_networks`: the list is empty",
            ),
            (
                "[balancers.b]\nnode_match = []",
                "at line 2, column 14: `balancers.b.node_match`: the list is empty, so that no node",
            ),
            (
                "[balancers.b]\nnode_match = [\"w\", \"\"]",
                "column 14: `balancers.b.node_match`: number 2 of the list: it is empty, and so part",
            ),
            (
                "[defaults]\nnode_exclude = [\"\"]",
                "column 16: `defaults.node_exclude`: number 1 of the list: it is empty, and so part",
            ),
            (
                "[defaults]\nnode_exclude = \"db\"",
                "expected a list of texts, not a text",
            ),
            (
                "[defaults]\nnode_match = []",
                "leave it out, name a pattern, or say `join = false`",
            ),
            (
                "[defaults]\nretry_count = 99999999999999999999",
                "`defaults.retry_count`: expected a number from 0 to 4294967295, or \"infinity\", not so large a number",
            ),
            (
                "[defaults]\nretry_count = 18446744073709551615",
                "not so large a number",
            ),
            (
                "[balancers.b]\ntimeout = 99999999999999999999",
                "`balancers.b.timeout`: longer than 366 days, the most that can be",
            ),
        ] {
            let error = Config::from_toml(text).unwrap_err();
            assert!(error.message.contains(said), "{error}");
        }
        for (text, said) in [
            ("[tls] ca", "column 7: the line is expected to end"),
            ("[tls]\nca", "it is written as `key = value`"),
            ("[tls]\nca = ca.pem", "a text is written in quotes"),
            ("a = 1\na = 1", "line 2, column 1: the key is there already"),
        ] {
            let error = Config::from_toml(text).unwrap_err();
            assert!(error.message.contains(said), "{error}");
        }
        let error = Config::from_file("/nowhere/rlb.toml").unwrap_err();
        assert!(error.message.contains("/nowhere/rlb.toml"), "{error}");
    }

    #[test]
    fn what_is_nested_too_deeply_is_told_with_its_line() {
        let keys = format!("[node]\n# a comment\n{}a = 1", "a.".repeat(200));
        let header = format!("\n\n[{}a]", "a.".repeat(200));
        let lists = format!("\n\nnode = {}", "[".repeat(200));
        for text in [keys, header, lists] {
            let error = Config::from_toml(&text).unwrap_err().message;
            assert!(error.contains("at line 3"), "{error}");
            assert!(error.contains("nested too deeply"), "{error}");
            assert!(error.contains("four levels at most"), "{error}");
        }
    }

    #[test]
    fn no_error_shows_what_a_file_says_but_its_keys() {
        const SECRET: &str = "c4nd7-Jar";

        let values = [
            "\"$\"",
            "'$'",
            "\"$",
            "$",
            "[\"$\"]",
            "[[\"$\"], 1]",
            "{ a = \"$\" }",
            "{ \"x\" = \"$\", x = 1 }",
            "\"\"\"\n$\n\"\"\"",
            "\"\"\"\n$",
            "\"\\q$\"",
            "\"/($/\"",
            "[\"/($/\"]",
            "[\"$/8\"]",
            "\"hash-ring:$=1\"",
            "\"hash-ring:weight=$\"",
            "\"$:weight=1\"",
            "\"least-cpu:interval=$\"",
            "1 $",
            "$ = $",
        ];
        let keys = [
            "cooki",
            "cookie",
            "join",
            "algorithm",
            "node_match",
            "node_exclude",
            "weights",
            "timeout",
            "retry_count",
            "retry_budget",
            "calls_per_member",
            "allow_peers",
            "allow_networks",
            "suspect_after",
            "suspect_call_grace",
            "calls_per_peer",
            "wait_for_room",
            "ca",
            "key",
            "check_host",
        ];
        let tables = [
            "",
            "[defaults]",
            "[balancers.b]",
            "[node]",
            "[limits]",
            "[tls]",
        ];
        let mut wrong = 0;
        for value in values {
            let value = value.replace('$', SECRET);
            for key in keys {
                for table in tables {
                    let text = format!("{table}\n{key} = {value}\n");
                    let Err(error) = Config::from_toml(&text) else {
                        continue;
                    };
                    wrong += 1;
                    assert!(!error.message.contains(SECRET), "{text:?}: {error}");
                    assert!(error.message.contains(" at line "), "{text:?}: {error}");
                    assert!(!error.message.contains('\n'), "{text:?}: {error}");
                }
            }
        }
        assert!(wrong > 2000, "{wrong}");
        // As where a file with a cookie is named by mistake.
        for text in [SECRET, "c4nd7-Jar\n", "c4nd7-Jar==", "=c4nd7-Jar"] {
            let error = Config::from_toml(text).unwrap_err();
            assert!(error.message.contains("at line 1"), "{error}");
            assert!(!error.message.contains("c4nd7"), "{error}");
        }
    }

    #[test]
    fn variables_have_the_values_of_the_file_as_text() {
        let variables = |name: &str| {
            let text = match name {
                "RLB_ALGORITHM" => "power-of-two",
                "RLB_JOIN" => "false",
                "RLB_NODE_MATCH" => "cache, /^db/",
                "RLB_NODE_EXCLUDE" => "_test",
                "RLB_OWN_WEIGHT" => "4",
                "RLB_TIMEOUT" => "1500",
                "RLB_CALL_DIRECTLY" => "true",
                "RLB_RETRY_COUNT" => "7",
                "RLB_RETRY_SLEEP" => "5s",
                "RLB_SLOW_START" => "30s",
                "RLB_EJECT_FAILURES" => "3",
                "RLB_EJECT_LATENCY_FACTOR" => "2.5",
                "RLB_RETRY_BUDGET" => "1",
                "RLB_CALLS_PER_MEMBER" => "100",
                _ => return None,
            };
            Some(text.to_owned())
        };
        let read = variables::read::<BalancerConfig>(variables).unwrap();
        let same = r#"
            [defaults]
            algorithm = "power-of-two"
            join = false
            node_match = ["cache", "/^db/"]
            node_exclude = ["_test"]
            own_weight = 4
            timeout = "1.5s"
            call_directly = true
            retry_count = 7
            retry_sleep = 5000
            slow_start = "30s"
            eject_failures = 3
            eject_latency_factor = 2.5
            retry_budget = 1
            calls_per_member = 100
        "#;
        assert_eq!(read, Config::from_toml(same).unwrap().defaults);

        let wrong = |name: &str| (name == "RLB_RETRY").then(|| "perhaps".to_owned());
        let error = variables::read::<BalancerConfig>(wrong).unwrap_err();
        assert!(
            error.message.starts_with("RLB_RETRY: \"perhaps\": "),
            "{error}"
        );
    }
}
