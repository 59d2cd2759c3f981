//! A process that is there all the time, and must not grow.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    failure::Failure,
    measure::{Promise, Spread},
    process::Child,
};

/// What kind of node a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One of this project.
    Node,
    Otp,
}

/// Something that is measured.
struct Quantity {
    name: &'static str,
    /// What it may grow by, as a part of what it was in the first quarter and beside that: more than what it goes up
    /// and down by, by itself.
    noise: (f64, f64),
    /// What it may be more when everything is over than before, where it is to be the same.
    at_rest: Option<f64>,
}

/// What the kernel tells of every process.
const OF_KERNEL: [Quantity; 3] = [
    // Large calls come and go, and the allocator keeps some of their memory.
    Quantity {
        name: "resident MB",
        noise: (0.15, 16.0),
        at_rest: None,
    },
    // One for each peer, and two while connections meet.
    Quantity {
        name: "file descriptors",
        noise: (0.0, 6.0),
        at_rest: Some(0.0),
    },
    // Those that resolve names come and go.
    Quantity {
        name: "threads",
        noise: (0.0, 2.0),
        at_rest: None,
    },
];

const OF_NODE: [Quantity; 3] = [
    // A few for each peer, and one for each call that is served.
    Quantity {
        name: "tasks",
        noise: (0.1, 16.0),
        at_rest: Some(0.0),
    },
    // Those that a member has while it hangs.
    Quantity {
        name: "calling",
        noise: (0.1, 16.0),
        at_rest: Some(0.0),
    },
    Quantity {
        name: "serving",
        noise: (0.1, 16.0),
        at_rest: Some(0.0),
    },
];

const OF_OTP: [Quantity; 2] = [
    // One for each call that is served, and those of the nodes that it is connected to.
    Quantity {
        name: "processes",
        noise: (0.1, 16.0),
        at_rest: None,
    },
    Quantity {
        name: "ports",
        noise: (0.0, 6.0),
        at_rest: Some(0.0),
    },
];

/// A process, and what was seen of it.
pub(super) struct Watched {
    pub(super) name: &'static str,
    pub(super) child: Child,
    kind: Kind,
    looks: Vec<Vec<f64>>,
    /// How it was at rest, before and after everything.
    before: Vec<f64>,
    after: Vec<f64>,
}

/// What something was in the first quarter of the time and in the last, and how much it may have grown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    pub(super) first: f64,
    pub(super) last: f64,
    pub(super) allowed: f64,
}

impl Watched {
    pub(super) fn new(name: &'static str, child: Child, kind: Kind) -> Self {
        Self {
            name,
            child,
            kind,
            looks: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
        }
    }

    /// Waits until it is connected to so many others, and takes note of how it is before everything.
    pub(super) fn rest(&mut self, others: usize, patience: Duration) -> Result<(), Failure> {
        let begun = Instant::now();
        while value(&self.child.ask_all("stats")?, "peers") < others as f64 {
            if begun.elapsed() > patience {
                return Err(Failure::Other(format!(
                    "the {} is not connected to all others after {} s",
                    self.name,
                    patience.as_secs()
                )));
            }
            thread::sleep(Duration::from_millis(50));
        }
        self.before = self.now()?;
        Ok(())
    }

    /// Takes note of how it is after everything, and tells whether it is as before.
    pub(super) fn rests_as_before(&mut self) -> Result<bool, Failure> {
        self.after = self.now()?;
        Ok(self.at_rest().iter().all(|(_, growth)| growth.is_flat()))
    }

    /// Takes note of how it is now.
    pub(super) fn look(&mut self) -> Result<(), Failure> {
        let now = self.now()?;
        self.looks.push(now);
        Ok(())
    }

    /// How it is now, in a few words.
    pub(super) fn line(&mut self) -> Result<String, Failure> {
        let now = self.now()?;
        let named = self.quantities().zip(&now);
        let words: Vec<String> = named
            .map(|(quantity, value)| match quantity.name {
                "resident MB" => format!("{value:.1} MB"),
                name => format!("{value} {name}"),
            })
            .collect();
        Ok(format!("{} {}", self.name, words.join(", ")))
    }

    pub(super) fn growths(&self) -> Vec<(String, Growth)> {
        let growth = |(at, quantity): (usize, &Quantity)| {
            let values: Vec<f64> = self.looks.iter().map(|look| look[at]).collect();
            (quantity.name.to_owned(), Growth::of(&values, quantity))
        };
        let mut growths: Vec<_> = self.quantities().enumerate().map(growth).collect();
        growths.extend(self.at_rest());
        growths
    }

    fn at_rest(&self) -> Vec<(String, Growth)> {
        let both = self.before.iter().zip(&self.after);
        let rests = self.quantities().zip(both);
        rests
            .filter_map(|(quantity, (&first, &last))| {
                let growth = Growth {
                    first,
                    last,
                    allowed: quantity.at_rest?,
                };
                Some((format!("{} at rest", quantity.name), growth))
            })
            .collect()
    }

    pub(super) fn verdicts(&self) -> Vec<Promise> {
        let verdict = |(name, growth): (String, Growth)| Promise {
            subject: format!("{}: {name}", self.name),
            promised: format!("grows by no more than {:.1}", growth.allowed),
            found: format!("from {:.1} to {:.1}", growth.first, growth.last),
            kept: growth.is_flat(),
        };
        self.growths().into_iter().map(verdict).collect()
    }

    fn now(&mut self) -> Result<Vec<f64>, Failure> {
        let stats = self.child.ask_all("stats")?;
        let usage = self.child.usage();
        let of = |quantity: &Quantity| match quantity.name {
            "resident MB" => usage.resident_kb() / 1024.0,
            "file descriptors" => usage.descriptors(),
            "threads" => usage.threads(),
            name => value(&stats, name),
        };
        Ok(self.quantities().map(of).collect())
    }

    fn quantities(&self) -> impl Iterator<Item = &'static Quantity> + use<> {
        let others: &'static [Quantity] = match self.kind {
            Kind::Node => &OF_NODE,
            Kind::Otp => &OF_OTP,
        };
        OF_KERNEL.iter().chain(others)
    }
}

fn value(stats: &[(String, f64)], name: &str) -> f64 {
    let found = stats.iter().find(|(found, _)| found == name);
    found.map_or(f64::NAN, |&(_, value)| value)
}

impl Growth {
    fn of(values: &[f64], quantity: &Quantity) -> Self {
        let quarter = values.len().div_ceil(4);
        let median = |values: &[f64]| {
            let spread = Spread::of(values.iter().copied());
            spread.map_or(f64::NAN, |spread| spread.median)
        };
        let first = median(&values[..quarter]);
        let (part, beside) = quantity.noise;
        Self {
            first,
            last: median(&values[values.len() - quarter..]),
            allowed: first * part + beside,
        }
    }

    /// Not where nothing was seen.
    fn is_flat(self) -> bool {
        self.last <= self.first + self.allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUANTITY: Quantity = Quantity {
        name: "tasks",
        noise: (0.1, 5.0),
        at_rest: Some(0.0),
    };

    #[test]
    fn what_goes_up_and_down_is_flat_and_what_grows_is_not() {
        let noisy: Vec<f64> = (0..100).map(|turn| 50.0 + f64::from(turn % 7)).collect();
        assert!(Growth::of(&noisy, &QUANTITY).is_flat());

        let growing: Vec<f64> = (0..100).map(|turn| 50.0 + f64::from(turn)).collect();
        let growth = Growth::of(&growing, &QUANTITY);
        assert_eq!((growth.first, growth.last), (62.0, 137.0));
        assert!(!growth.is_flat());
    }

    #[test]
    fn what_was_never_seen_is_not_flat() {
        assert!(!Growth::of(&[], &QUANTITY).is_flat());
        assert!(!Growth::of(&[f64::NAN, f64::NAN], &QUANTITY).is_flat());
    }
}
