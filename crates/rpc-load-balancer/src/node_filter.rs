//! Which nodes are meant, by their names.

use std::{fmt, str::FromStr};

use beam_dist::NodeName;
use beam_node::Error;
use regex::Regex;

/// A choice of nodes by name: all, or those that match one of several patterns.
///
/// A pattern is a text that the name contains, or a regular expression between slashes. The name is
/// that of the node with its host, such as `app@10.0.0.1`.
///
/// ```
/// use rpc_load_balancer::{NodeFilter, NodeName};
///
/// let filter = NodeFilter::any(["worker", "/^app[0-9]+@/"])?.excluding("_migration");
/// assert!(filter.matches(&"app7@10.0.0.1".parse::<NodeName>()?));
/// assert!(filter.matches(&"my_worker@10.0.0.1".parse()?));
/// assert!(!filter.matches(&"app@10.0.0.1".parse()?));
/// // Excluded, but for filters that ask for it by name.
/// assert!(!filter.matches(&"worker_migration@10.0.0.1".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFilter {
    /// None: all nodes.
    patterns: Option<Vec<Pattern>>,
    excluded: Vec<String>,
    except: Option<NodeName>,
}

/// One pattern for the names of nodes.
#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    Text(String),
    Regex(Regex),
}

impl NodeFilter {
    /// Every node.
    pub fn all() -> Self {
        Self::default()
    }

    /// The nodes that match any of these patterns; without patterns, none.
    ///
    /// # Errors
    ///
    /// `bad_request` for a regular expression that is none.
    pub fn any(patterns: impl IntoIterator<Item: AsRef<str>>) -> Result<Self, Error> {
        let patterns = patterns.into_iter();
        let patterns = patterns.map(|pattern| pattern.as_ref().parse());
        patterns.collect::<Result<_, _>>().map(Self::of)
    }

    /// The nodes that match any of these patterns, which are read already.
    pub(crate) fn of(patterns: Vec<Pattern>) -> Self {
        Self {
            patterns: Some(patterns),
            ..Self::default()
        }
    }

    /// Leaves out the nodes whose short name, the part before the `@`, contains this text, except
    /// where a pattern of the filter contains it too.
    pub fn excluding(mut self, text: impl Into<String>) -> Self {
        self.excluded.push(text.into());
        self
    }

    /// Leaves out this one node.
    pub fn except(mut self, node: NodeName) -> Self {
        self.except = Some(node);
        self
    }

    /// The same for those whom one node may call, which leaves that one out by itself.
    pub(crate) fn as_seen_by(&self, own: &NodeName) -> Self {
        let except = self.except.clone().filter(|except| except != own);
        Self {
            except,
            ..self.clone()
        }
    }

    /// Whether a node is meant.
    pub fn matches(&self, node: &NodeName) -> bool {
        if self.except.as_ref() == Some(node) {
            return false;
        }
        let excluded = || {
            let here = |text: &&String| node.alive().contains(text.as_str());
            self.excluded.iter().filter(here)
        };
        match &self.patterns {
            None => excluded().next().is_none(),
            Some(patterns) => patterns.iter().any(|pattern| {
                pattern.matches(node.as_str())
                    && excluded().all(|text| pattern.source().contains(text.as_str()))
            }),
        }
    }
}

impl FromStr for NodeFilter {
    type Err = Error;

    /// Reads one pattern.
    fn from_str(pattern: &str) -> Result<Self, Error> {
        Self::any([pattern])
    }
}

impl fmt::Display for NodeFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.patterns.as_deref() {
            None => f.write_str("any name")?,
            Some([]) => f.write_str("no name")?,
            Some(patterns) => {
                for (at, pattern) in patterns.iter().enumerate() {
                    let separator = if at == 0 { "" } else { " or " };
                    write!(f, "{separator}{pattern}")?;
                }
            }
        }
        if let Some(node) = &self.except {
            write!(f, ", but not {node}")?;
        }
        for excluded in &self.excluded {
            write!(f, ", without {excluded:?}")?;
        }
        Ok(())
    }
}

impl Pattern {
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Text(text) => name.contains(text.as_str()),
            Self::Regex(regex) => regex.is_match(name),
        }
    }

    fn source(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Regex(regex) => regex.as_str(),
        }
    }
}

impl FromStr for Pattern {
    type Err = Error;

    fn from_str(pattern: &str) -> Result<Self, Error> {
        let inner = pattern
            .strip_prefix('/')
            .and_then(|rest| rest.strip_suffix('/'));
        let Some(inner) = inner else {
            return Ok(Self::Text(pattern.to_owned()));
        };
        Regex::new(inner).map(Self::Regex).map_err(|error| {
            Error::bad_request(format!(
                "{pattern} is no regular expression between slashes: {error}"
            ))
        })
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
            && self.source() == other.source()
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Regex(regex) => write!(f, "/{regex}/"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(filter: &NodeFilter, node: &str) -> bool {
        filter.matches(&node.parse().unwrap())
    }

    #[test]
    fn all_nodes_and_none_can_be_meant() {
        assert!(matches(&NodeFilter::all(), "app@host"));
        let none = NodeFilter::any([""; 0]).unwrap();
        assert!(!matches(&none, "app@host"));
        assert_eq!(
            (NodeFilter::all().to_string(), none.to_string()),
            ("any name".into(), "no name".into())
        );
    }

    #[test]
    fn an_excluded_text_counts_in_the_short_name_and_for_filters_without_it() {
        let filter = |pattern: &str| {
            let filter: NodeFilter = pattern.parse().unwrap();
            filter.excluding("_db")
        };
        assert!(!matches(&filter("app"), "app_db@host"));
        assert!(matches(&filter("app"), "app@host_db"));
        assert!(matches(&filter("app_db"), "app_db@host"));
        assert!(matches(&filter("/^app_db@/"), "app_db@host"));
        assert!(!matches(&filter("/^app/"), "app_db@host"));
        assert!(!matches(&NodeFilter::all().excluding("_db"), "app_db@host"));
    }

    #[test]
    fn one_node_can_be_left_out() {
        let filter = NodeFilter::all().except("own@host".parse().unwrap());
        assert!(!matches(&filter, "own@host"));
        assert!(matches(&filter, "own@host2"));
    }

    #[test]
    fn an_expression_that_is_none_is_refused_with_its_mistake() {
        let error = "/app(/".parse::<NodeFilter>().unwrap_err();
        assert!(
            error.message.contains("/app(/") && error.message.contains("unclosed group"),
            "{error}"
        );
    }
}
