//! The settings of one balancer.

use std::{
    collections::BTreeMap,
    fmt,
    num::{NonZeroU32, NonZeroUsize},
};

use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};

use super::{
    AlgorithmConfig,
    duration::Span,
    list,
    variables::{self, Variables},
};
use crate::{BalancerBuilder, CallLimits, Ejection, Error, Health, NodeFilter, Retry, RetryBudget};

/// The settings of a balancer; what is not set is left to the defaults. The keys and their values
/// are those of [the module](super).
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalancerConfig {
    pub(super) algorithm: Option<AlgorithmConfig>,
    pub(super) join: Option<bool>,
    pub(super) node_match: Option<NodeMatch>,
    #[serde(default, deserialize_with = "parts_of_names")]
    pub(super) node_exclude: Option<Vec<String>>,
    pub(super) own_weight: Option<u32>,
    pub(super) weights: Option<BTreeMap<String, u32>>,
    pub(super) timeout: Option<Span>,
    pub(super) call_directly: Option<bool>,
    pub(super) retry: Option<bool>,
    pub(super) retry_count: Option<RetryCount>,
    pub(super) retry_sleep: Option<Span>,
    pub(super) slow_start: Option<Span>,
    pub(super) eject: Option<bool>,
    pub(super) eject_failures: Option<u32>,
    pub(super) eject_interval: Option<Span>,
    pub(super) eject_first: Option<Span>,
    pub(super) eject_longest: Option<Span>,
    pub(super) eject_latency_factor: Option<Number>,
    pub(super) eject_raised: Option<bool>,
    pub(super) retry_budget: Option<Number>,
    pub(super) retry_budget_per_second: Option<u32>,
    pub(super) calls_in_flight: Option<NonZeroUsize>,
    pub(super) calls_per_member: Option<NonZeroU32>,
    pub(super) calls_waiting: Option<usize>,
    pub(super) drain_timeout: Option<Span>,
    pub(super) drain_linger: Option<Span>,
}

impl Variables for BalancerConfig {
    const PREFIX: &'static str = "RLB_";
    const WITHOUT: &'static [&'static str] = &["weights"];
    const LISTS: &'static [&'static str] = &["node_match", "node_exclude"];
}

impl BalancerConfig {
    /// The settings of the environment, variables such as `RLB_RETRY_COUNT`. One that is set and empty
    /// is as good as none.
    ///
    /// # Errors
    ///
    /// `bad_request` with the name of the variable, where its value is none for its key.
    pub fn from_environment() -> Result<Self, Error> {
        variables::from_environment()
    }

    /// These settings, and those of `other` where these say nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            algorithm: self.algorithm.or(other.algorithm),
            join: self.join.or(other.join),
            node_match: self.node_match.or(other.node_match),
            node_exclude: self.node_exclude.or(other.node_exclude),
            own_weight: self.own_weight.or(other.own_weight),
            weights: self.weights.or(other.weights),
            timeout: self.timeout.or(other.timeout),
            call_directly: self.call_directly.or(other.call_directly),
            retry: self.retry.or(other.retry),
            retry_count: self.retry_count.or(other.retry_count),
            retry_sleep: self.retry_sleep.or(other.retry_sleep),
            slow_start: self.slow_start.or(other.slow_start),
            eject: self.eject.or(other.eject),
            eject_failures: self.eject_failures.or(other.eject_failures),
            eject_interval: self.eject_interval.or(other.eject_interval),
            eject_first: self.eject_first.or(other.eject_first),
            eject_longest: self.eject_longest.or(other.eject_longest),
            eject_latency_factor: self.eject_latency_factor.or(other.eject_latency_factor),
            eject_raised: self.eject_raised.or(other.eject_raised),
            retry_budget: self.retry_budget.or(other.retry_budget),
            retry_budget_per_second: self
                .retry_budget_per_second
                .or(other.retry_budget_per_second),
            calls_in_flight: self.calls_in_flight.or(other.calls_in_flight),
            calls_per_member: self.calls_per_member.or(other.calls_per_member),
            calls_waiting: self.calls_waiting.or(other.calls_waiting),
            drain_timeout: self.drain_timeout.or(other.drain_timeout),
            drain_linger: self.drain_linger.or(other.drain_linger),
        }
    }

    /// Tells a builder what is set.
    pub(crate) fn apply(&self, mut builder: BalancerBuilder) -> BalancerBuilder {
        if let Some(algorithm) = &self.algorithm {
            builder = builder.algorithm_config(algorithm);
        }
        if let Some(join) = self.join {
            builder = builder.join(join);
        }
        if let Some(filter) = self.filter() {
            builder = builder.node_match(filter);
        }
        if let Some(weight) = self.own_weight {
            builder = builder.own_weight(weight);
        }
        for (node, weight) in self.weights.iter().flatten() {
            builder = builder.weight(node, *weight);
        }
        if let Some(Span(timeout)) = self.timeout {
            builder = builder.timeout(timeout);
        }
        if let Some(directly) = self.call_directly {
            builder = builder.call_directly(directly);
        }
        if let Some(retry) = self.retry() {
            builder = builder.retry(retry);
        }
        if let Some(health) = self.health() {
            builder = builder.health(health);
        }
        if let Some(budget) = self.budget() {
            builder = builder.retry_budget(budget);
        }
        if let Some(limits) = self.call_limits() {
            builder = builder.call_limits(limits);
        }
        if let Some(Span(timeout)) = self.drain_timeout {
            builder = builder.drain_timeout(timeout);
        }
        if let Some(Span(linger)) = self.drain_linger {
            builder = builder.drain_linger(linger);
        }
        builder
    }

    fn filter(&self) -> Option<NodeFilter> {
        if self.node_match.is_none() && self.node_exclude.is_none() {
            return None;
        }
        let NodeMatch(filter) = self.node_match.clone().unwrap_or_default();
        let excluded = self.node_exclude.iter().flatten();
        Some(excluded.fold(filter, |filter, text| filter.excluding(text)))
    }

    /// `None` where nothing is set.
    fn health(&self) -> Option<Health> {
        let ejection = self.ejection();
        if self.slow_start.is_none() && ejection.is_none() {
            return None;
        }
        let mut health = Health::new();
        if let Some(Span(duration)) = self.slow_start {
            health = health.slow_start(duration);
        }
        Some(match ejection {
            Some(ejection) => health.ejection(ejection),
            None => health,
        })
    }

    /// `None` where nothing is set, and `Some(None)` where nobody is to be ejected.
    fn ejection(&self) -> Option<Option<Ejection>> {
        if self.eject == Some(false) {
            return Some(None);
        }
        let default = Ejection::new();
        let mut ejection = default.clone();
        if let Some(failures) = self.eject_failures {
            ejection = ejection.consecutive_failures(failures);
        }
        if let Some(Span(interval)) = self.eject_interval {
            ejection = ejection.interval(interval);
        }
        if let Some(Span(first)) = self.eject_first {
            ejection = ejection.first(first);
        }
        if let Some(Span(longest)) = self.eject_longest {
            ejection = ejection.longest(longest);
        }
        if let Some(Number(factor)) = self.eject_latency_factor {
            ejection = ejection.latency_factor(factor);
        }
        if let Some(counts) = self.eject_raised {
            ejection = ejection.raised_counts(counts);
        }
        (self.eject.is_some() || ejection != default).then_some(Some(ejection))
    }

    fn budget(&self) -> Option<RetryBudget> {
        if self.retry_budget.is_none() && self.retry_budget_per_second.is_none() {
            return None;
        }
        let Number(ratio) = self.retry_budget.unwrap_or(Number(0.2));
        let per_second = self.retry_budget_per_second.unwrap_or(10);
        Some(RetryBudget::new(ratio as f32, per_second))
    }

    fn call_limits(&self) -> Option<CallLimits> {
        let mut limits = CallLimits::new();
        if let Some(calls) = self.calls_in_flight {
            limits = limits.in_flight(calls.get());
        }
        if let Some(calls) = self.calls_per_member {
            limits = limits.per_member(calls.get());
        }
        if let Some(calls) = self.calls_waiting {
            limits = limits.waiting(calls);
        }
        (limits != CallLimits::new()).then_some(limits)
    }

    fn retry(&self) -> Option<Retry> {
        if self.retry == Some(false) {
            return Some(Retry::never());
        }
        if self.retry_count.is_none() && self.retry_sleep.is_none() {
            return self.retry.map(|_| Retry::default());
        }
        let retry = match self.retry_count {
            None => Retry::default(),
            Some(RetryCount::Times(times)) => Retry::times(times),
            Some(RetryCount::Infinity) => Retry::forever(),
        };
        Some(match self.retry_sleep {
            Some(Span(sleep)) => retry.pause(sleep),
            None => retry,
        })
    }
}

/// The nodes that become members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NodeMatch(NodeFilter);

/// How often to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RetryCount {
    Times(u32),
    Infinity,
}

/// A number, with a fraction or without.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number(pub(super) f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyNumber;

        impl Visitor<'_> for AnyNumber {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Number, E> {
                Ok(Number(number as f64))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Number, E> {
                match number.is_finite() {
                    true => Ok(Number(number)),
                    false => Err(E::invalid_value(de::Unexpected::Float(number), &self)),
                }
            }

            // From the environment all comes as text.
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                match text.parse::<f64>() {
                    Ok(number) if number.is_finite() => Ok(Number(number)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }

        deserializer.deserialize_any(AnyNumber)
    }
}

impl<'de> Deserialize<'de> for NodeMatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Patterns;

        impl<'de> Visitor<'de> for Patterns {
            type Value = NodeMatch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"all\", or a list of patterns")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<NodeMatch, E> {
                match text {
                    "all" => Ok(NodeMatch::default()),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<NodeMatch, A::Error> {
                let patterns = list::read(seq, |text| {
                    part_of_name(text)?.parse().map_err(|error: Error| {
                        // The last line has what is wrong, and those before it the pattern.
                        let reason = error.message.rsplit_once("\nerror: ");
                        let reason = reason.map_or("it is too long", |(_, reason)| reason);
                        format!("no regular expression is between the slashes: {reason}")
                    })
                })?;
                match patterns.is_empty() {
                    false => Ok(NodeMatch(NodeFilter::of(patterns))),
                    true => Err(de::Error::custom(
                        "the list is empty, so that no node would become a member: leave it out, name a \
                         pattern, or say `join = false`",
                    )),
                }
            }
        }

        deserializer.deserialize_any(Patterns)
    }
}

/// Reads texts that names may contain.
fn parts_of_names<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    struct Texts;

    impl<'de> Visitor<'de> for Texts {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of texts")
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Vec<String>, A::Error> {
            list::read(seq, part_of_name)
        }
    }

    deserializer.deserialize_seq(Texts).map(Some)
}

/// Refuses the text that every name contains.
fn part_of_name(text: String) -> Result<String, String> {
    match text.is_empty() {
        false => Ok(text),
        true => Err("it is empty, and so part of every name".to_owned()),
    }
}

impl<'de> Deserialize<'de> for RetryCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Count;

        impl Visitor<'_> for Count {
            type Value = RetryCount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a number from 0 to {}, or \"infinity\"", u32::MAX)
            }

            fn visit_i64<E: de::Error>(self, count: i64) -> Result<RetryCount, E> {
                u32::try_from(count)
                    .map(RetryCount::Times)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(count), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<RetryCount, E> {
                match text {
                    "infinity" => Ok(RetryCount::Infinity),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }
        }

        deserializer.deserialize_any(Count)
    }
}
