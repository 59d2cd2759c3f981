//! Algorithms by name.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use beam_node::Error;
use serde::{Deserialize, Deserializer, de};

use super::options::{Options, Wrong};
use crate::{
    algorithm::{
        Algorithm, AtomKeys, BoundedHash, CallDirect, HashRing, LeastConnections, LeastCpu, Maglev,
        PeakEwma, PointHash, PowerOfTwo, Random, RoundRobin, WeightedRoundRobin,
    },
    balancer::Selector,
    members::Pool,
};

/// An algorithm by its name, with options: `hash-ring` or `hash-ring:weight=256,atom-keys=otp25`.
///
/// | Name | Options |
/// |---|---|
/// | `bounded-hash` | `factor`, and those of `hash-ring` |
/// | `call-direct` | |
/// | `hash-ring` | `weight` (points of a member), `atom-keys` (`otp25`, `otp26`), `point-hash` (`phash2`, `sha256`) |
/// | `least-connections` | `seed` |
/// | `least-cpu` | `interval`, `initial-delay`, `timeout`, `max-age` (durations), `tolerance` (percentage points) |
/// | `maglev` | `members` (how many to expect) |
/// | `peak-ewma` | `decay`, `default-latency`, `failure-penalty` (durations), `seed` |
/// | `power-of-two` | `seed` |
/// | `random` | `seed` |
/// | `round-robin` | |
/// | `weighted-round-robin` | |
///
/// Underscores serve as well as hyphens.
///
/// ```
/// use rpc_load_balancer::{Balancer, config::AlgorithmConfig};
///
/// let algorithm: AlgorithmConfig = "hash-ring:weight=256".parse()?;
/// let builder = Balancer::builder("my_balancer").algorithm_config(&algorithm);
/// let error = "hash-ring:wait=256".parse::<AlgorithmConfig>().unwrap_err();
/// assert!(error.message.contains("no such option; its options are: weight, atom-keys"));
/// # Ok::<(), rpc_load_balancer::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlgorithmConfig(String);

/// What makes the pool of an algorithm.
type Make = fn(&mut Options<'_>) -> Result<Arc<dyn Selector>, Wrong>;

/// The algorithms there are.
const ALGORITHMS: [(&str, Make); 11] = [
    ("bounded-hash", |options| {
        let mut algorithm = BoundedHash::over(hash_ring(options)?);
        if let Some(factor) = options.take("factor")? {
            algorithm = algorithm.factor(factor).map_err(|_| {
                Wrong::new(factor.to_string(), "expected a number from 1").within("factor")
            })?;
        }
        pool(algorithm)
    }),
    ("call-direct", |_| pool(CallDirect::new())),
    ("hash-ring", |options| pool(hash_ring(options)?)),
    ("least-connections", |options| {
        pool(match options.take("seed")? {
            Some(seed) => LeastConnections::seeded(seed),
            None => LeastConnections::new(),
        })
    }),
    ("least-cpu", |options| pool(least_cpu(options)?)),
    ("maglev", |options| {
        let mut algorithm = Maglev::new();
        if let Some(members) = options.take("members")? {
            algorithm = algorithm.for_members(members);
        }
        pool(algorithm)
    }),
    ("peak-ewma", |options| pool(peak_ewma(options)?)),
    ("power-of-two", |options| {
        pool(match options.take("seed")? {
            Some(seed) => PowerOfTwo::seeded(seed),
            None => PowerOfTwo::new(),
        })
    }),
    ("random", |options| {
        pool(match options.take("seed")? {
            Some(seed) => Random::seeded(seed),
            None => Random::new(),
        })
    }),
    ("round-robin", |_| pool(RoundRobin::new())),
    ("weighted-round-robin", |_| pool(WeightedRoundRobin::new())),
];

impl AlgorithmConfig {
    /// The names of all algorithms, sorted.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ALGORITHMS.iter().map(|(name, _)| *name)
    }

    /// The text that it was read from.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A pool with the algorithm.
    pub(crate) fn pool(&self) -> Arc<dyn Selector> {
        // What was read once can be made again and again.
        Self::make(&self.0).unwrap_or_else(|error| unreachable!("{error}"))
    }

    fn make(text: &str) -> Result<Arc<dyn Selector>, Wrong> {
        let (given, options) = text.split_once(':').unwrap_or((text, ""));
        let name = given.trim().replace('_', "-");
        let Some((name, make)) = ALGORITHMS.iter().find(|(known, _)| *known == name) else {
            let names: Vec<_> = Self::names().collect();
            let why = format!("there is no such algorithm; there are {}", names.join(", "));
            return Err(Wrong::new(given.trim(), why));
        };
        let made = Options::read(options).and_then(|mut options| {
            let pool = make(&mut options)?;
            options.end().map(|()| pool)
        });
        made.map_err(|wrong| wrong.within(*name))
    }
}

fn pool(algorithm: impl Algorithm) -> Result<Arc<dyn Selector>, Wrong> {
    Ok(Arc::new(Pool::new(algorithm)))
}

fn hash_ring(options: &mut Options<'_>) -> Result<HashRing, Wrong> {
    let mut ring = HashRing::new();
    if let Some(points) = options.take("weight")? {
        ring = ring.points(points).map_err(|_| {
            let expected = format!("expected a number from 1 to {}", HashRing::MAX_POINTS);
            Wrong::new(points.to_string(), expected).within("weight")
        })?;
    }
    let releases = [("otp25", AtomKeys::Otp25), ("otp26", AtomKeys::Otp26)];
    if let Some(release) = options.one_of("atom-keys", &releases)? {
        ring = ring.atom_keys(release);
    }
    let hashes = [("phash2", PointHash::Phash2), ("sha256", PointHash::Sha256)];
    if let Some(hash) = options.one_of("point-hash", &hashes)? {
        ring = ring.point_hash(hash);
    }
    Ok(ring)
}

fn least_cpu(options: &mut Options<'_>) -> Result<LeastCpu, Wrong> {
    type Set = fn(LeastCpu, Duration) -> LeastCpu;

    let durations: [(_, Set); 4] = [
        ("interval", LeastCpu::interval),
        ("initial-delay", LeastCpu::initial_delay),
        ("timeout", LeastCpu::timeout),
        ("max-age", LeastCpu::max_age),
    ];
    let mut algorithm = LeastCpu::new();
    for (key, set) in durations {
        if let Some(duration) = options.duration(key)? {
            algorithm = set(algorithm, duration);
        }
    }
    if let Some(points) = options.take("tolerance")? {
        algorithm = algorithm.tolerance(points);
    }
    Ok(algorithm)
}

fn peak_ewma(options: &mut Options<'_>) -> Result<PeakEwma, Wrong> {
    type Set = fn(PeakEwma, Duration) -> PeakEwma;

    let durations: [(_, Set); 3] = [
        ("decay", PeakEwma::decay),
        ("default-latency", PeakEwma::default_latency),
        ("failure-penalty", PeakEwma::failure_penalty),
    ];
    let mut algorithm = match options.take("seed")? {
        Some(seed) => PeakEwma::seeded(seed),
        None => PeakEwma::new(),
    };
    for (key, set) in durations {
        if let Some(duration) = options.duration(key)? {
            algorithm = set(algorithm, duration);
        }
    }
    Ok(algorithm)
}

impl FromStr for AlgorithmConfig {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::make(text).map_err(|wrong| wrong.within("algorithm"))?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for AlgorithmConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AlgorithmConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // Without the text, which may be one of another key.
        match Self::make(&text) {
            Ok(_pool) => Ok(Self(text)),
            Err(wrong) => Err(de::Error::custom(wrong.untold())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        text.parse::<AlgorithmConfig>().unwrap_err().message
    }

    #[test]
    fn every_name_makes_its_algorithm() {
        for name in AlgorithmConfig::names() {
            let config: AlgorithmConfig = name.parse().unwrap();
            let made = config.pool().algorithm().to_lowercase();
            assert_eq!(made, name.replace('-', ""));
            let with_underscores = name.replace('-', "_");
            assert!(with_underscores.parse::<AlgorithmConfig>().is_ok());
        }
    }

    #[test]
    fn options_are_read_and_checked() {
        for text in [
            "hash-ring:weight=256,atom-keys=otp25,point-hash=sha256",
            "bounded_hash: factor=1.5, weight=64",
            "least-cpu:interval=2s,initial_delay=0s,timeout=500ms,max-age=1m,tolerance=2.5",
            "random:seed=7",
            "maglev:members=100",
            "peak-ewma:decay=5s,default-latency=1ms,failure_penalty=0s,seed=1",
        ] {
            assert!(text.parse::<AlgorithmConfig>().is_ok(), "{text}");
        }
    }

    #[test]
    fn a_mistake_is_named_with_its_key_and_the_reason() {
        for (text, said) in [
            (
                "randum",
                "algorithm: \"randum\": there is no such algorithm; there are bounded-hash, ",
            ),
            (
                "hash-ring:weight=0",
                "hash-ring: weight: \"0\": expected a number from 1 to 65536",
            ),
            (
                "hash-ring:weight=x",
                "hash-ring: weight: \"x\": expected a number",
            ),
            (
                "hash-ring:atom-keys=otp24",
                "atom-keys: \"otp24\": expected otp25 or otp26",
            ),
            (
                "hash-ring:weight=1,weight=2",
                "\"weight\": an option is given twice",
            ),
            ("hash-ring:weight", "\"weight\": expected key=value"),
            (
                "round-robin:seed=1",
                "round-robin: \"seed\": this algorithm has no options",
            ),
            ("least-cpu:interval=x", "interval: \"x\": "),
            ("hash-ring:weight=1,", "\"\": expected key=value"),
            (
                "maglev:table_size=1",
                "\"table_size\": no such option; its options are: members",
            ),
        ] {
            assert!(error(text).contains(said), "{}", error(text));
        }
    }
}
