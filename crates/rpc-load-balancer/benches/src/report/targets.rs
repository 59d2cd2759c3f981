//! What selections are to cost, and whether they do.

use super::{number, tables};
use crate::{
    contestants::{Change, Library},
    plan::MEMBERS,
    results::{Results, Through},
};

/// Algorithm, and the most nanoseconds with 8 members.
const AT_EIGHT: [(&str, f64); 7] = [
    ("Random", 25.0),
    ("RoundRobin", 25.0),
    ("PowerOfTwo", 25.0),
    ("WeightedRoundRobin", 25.0),
    ("LeastConnections", 40.0),
    ("LeastCpu", 40.0),
    ("HashRing", 60.0),
];

/// At most twice the cost at 8.
const NO_SLOWER_WITH_MANY: [&str; 4] = ["Random", "RoundRobin", "PowerOfTwo", "WeightedRoundRobin"];

/// The most nanoseconds with 10,000 members.
const AT_TEN_THOUSAND: [(&str, f64); 3] = [
    ("LeastConnections", 150.0),
    ("HashRing", 150.0),
    ("LeastCpu", 150.0),
];

/// Members, algorithm, and the least throughput of two threads in proportion to that of one.
const TOGETHER: [(usize, &str, f64); 14] = [
    (8, "Random", 1.3),
    (8, "PowerOfTwo", 1.3),
    (8, "HashRing", 1.3),
    (8, "Maglev", 1.3),
    (8, "LeastCpu", 1.3),
    (10_000, "Random", 1.8),
    (10_000, "PowerOfTwo", 1.8),
    (10_000, "HashRing", 1.8),
    (10_000, "Maglev", 1.8),
    (10_000, "LeastCpu", 1.8),
    (8, "RoundRobin", 0.9),
    (8, "WeightedRoundRobin", 0.9),
    (8, "BoundedHash", 0.9),
    (8, "LeastConnections", 0.5),
];

/// Who is not to be slower than whom.
const PEERS: [(&str, Library, &str); 4] = [
    ("RoundRobin", Library::Pingora, "RoundRobin"),
    ("Random", Library::Pingora, "Random"),
    ("HashRing", Library::Pingora, "Ketama"),
    ("PowerOfTwo", Library::Tower, "p2c"),
];

/// A join or a leave among 1,000 members, in microseconds.
const CHANGE: f64 = 1_000.0;

/// Each target with what was measured.
pub(super) fn table(results: &Results) -> String {
    let columns = ["target", "measured", "met"].map(str::to_owned);
    let all = [at_eight, with_many, together, peers, changes];
    let lines = all.into_iter().flat_map(|of| of(results));
    let text = tables::table(&columns, lines.map(Line::into_cells));
    format!("\n**Targets**\n\n{text}")
}

struct Line {
    target: String,
    measured: String,
    is_met: bool,
}

impl Line {
    fn into_cells(self) -> Vec<String> {
        let met = if self.is_met { "yes" } else { "**no**" };
        vec![self.target, self.measured, met.to_owned()]
    }
}

fn at(results: &Results, name: &str, through: Through, at: (usize, usize)) -> Option<f64> {
    let cell = results.selection((Library::Ours, name, through), at)?;
    Some(cell.nanos.median)
}

fn at_eight(results: &Results) -> Vec<Line> {
    let line = |(name, most): (&str, f64)| {
        let pool = at(results, name, Through::Pool, (8, 1))?;
        let balancer = at(results, name, Through::Balancer, (8, 1))?;
        Some(Line {
            target: format!("{name}, 8 members: ≤ {most} ns"),
            measured: format!("{} by balancer, {} by pool", number(balancer), number(pool)),
            is_met: balancer <= most,
        })
    };
    AT_EIGHT.into_iter().filter_map(line).collect()
}

fn with_many(results: &Results) -> Vec<Line> {
    let twice = NO_SLOWER_WITH_MANY.into_iter().filter_map(|name| {
        let few = at(results, name, Through::Pool, (8, 1))?;
        let many = at(results, name, Through::Pool, (10_000, 1))?;
        Some(Line {
            target: format!("{name}, 10,000 members: ≤ 2× that at 8"),
            measured: format!("{:.2}×", many / few),
            is_met: many <= 2.0 * few,
        })
    });
    let absolute = AT_TEN_THOUSAND.into_iter().filter_map(|(name, most)| {
        let many = at(results, name, Through::Pool, (10_000, 1))?;
        Some(Line {
            target: format!("{name}, 10,000 members: ≤ {most} ns"),
            measured: number(many),
            is_met: many <= most,
        })
    });
    twice.chain(absolute).collect()
}

fn together(results: &Results) -> Vec<Line> {
    let line = |(members, name, least): (usize, &str, f64)| {
        let one = at(results, name, Through::Pool, (members, 1))?;
        let two = at(results, name, Through::Pool, (members, 2))?;
        Some(Line {
            target: format!(
                "{name}, {} members, two threads: ≥ {least}×",
                tables::number_of_members(members)
            ),
            measured: format!("{:.2}×", one / two),
            is_met: one / two >= least,
        })
    };
    TOGETHER.into_iter().filter_map(line).collect()
}

fn peers(results: &Results) -> Vec<Line> {
    let mut lines = Vec::new();
    for (name, library, peer) in PEERS {
        for threads in [1, 2] {
            let faster = MEMBERS.map(|members| {
                let peer = (library, peer, Through::Pool);
                let peer = results.selection(peer, (members, threads))?.nanos.median;
                Some(peer / at(results, name, Through::Pool, (members, threads))?)
            });
            let faster: Vec<f64> = faster.into_iter().flatten().collect();
            let measured: Vec<String> = faster.iter().map(|times| format!("{times:.1}×")).collect();
            lines.push(Line {
                target: format!(
                    "{name}, {}: not slower than {}",
                    ["one thread", "two threads"][threads - 1],
                    library.title(peer)
                ),
                measured: measured.join(", "),
                is_met: faster.iter().all(|&times| times >= 1.0),
            });
        }
    }
    lines
}

fn changes(results: &Results) -> Vec<Line> {
    let of_ours = results.changes.iter().filter(|cell| {
        cell.library == Library::Ours && cell.members == 1_000 && cell.change == Change::Join
    });
    let line = |algorithm: &'static str| {
        let micros = |change| {
            let cell = results.change((Library::Ours, algorithm), 1_000, change)?;
            Some(cell.micros.median)
        };
        let (join, leave) = (micros(Change::Join)?, micros(Change::Leave)?);
        Some(Line {
            target: format!("{algorithm}, a join or leave among 1,000: ≤ 1 ms"),
            measured: format!("{} / {} µs", number(join), number(leave)),
            is_met: join.max(leave) <= CHANGE,
        })
    };
    of_ours.filter_map(|cell| line(cell.algorithm)).collect()
}
