//! What is measured, in which order: by turns, so that what else the machine does hits all alike.

use std::{sync::Arc, time::Instant};

use measurement::Progress;

use crate::{
    contestants::{Change, Cluster, Contestant, Entry, Library, entries},
    results::{Changes, Results, Spread, Through},
    timing::{Sample, Workers},
};

/// How many members there are.
pub(crate) const MEMBERS: [usize; 5] = [2, 8, 32, 1_000, 10_000];

/// How many nodes there are, where the members are nodes.
pub(crate) const NODES: [usize; 3] = [2, 8, 32];

/// How long it all takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Effort {
    /// How often it is each contestant's turn.
    rounds: usize,
    /// There are more rounds, up to twice as many again, until each contestant has so many chunks.
    least_chunks: usize,
    /// How often members join and leave: with few members, and with many.
    changes: [usize; 2],
}

impl Effort {
    pub(crate) const FULL: Self = Self {
        rounds: 120,
        least_chunks: 400,
        changes: [200, 15],
    };

    /// About a minute.
    pub(crate) const QUICK: Self = Self {
        rounds: 20,
        least_chunks: 60,
        changes: [40, 3],
    };

    fn most_rounds(self) -> usize {
        3 * self.rounds
    }

    fn changes(self, members: usize) -> usize {
        self.changes[usize::from(members >= 1_000)]
    }
}

/// What is measured of one contestant.
type Subject = ((Library, &'static str, Through), Arc<dyn Contestant>);

/// Measures everything.
pub(crate) fn run(
    effort: Effort,
    workers: &Workers,
    results: &mut Results,
) -> Result<(), rpc_load_balancer::Error> {
    let entries = entries();
    let changes: usize = MEMBERS.iter().map(|&members| effort.changes(members)).sum();
    let rounds = (MEMBERS.len() + NODES.len()) * effort.rounds + changes;
    let progress = Progress::new(rounds);

    for members in MEMBERS {
        progress.stage(format_args!(
            "{members} members: selections, by pools and by others"
        ));
        let subject = |entry: &Entry| {
            let name = (entry.library, entry.algorithm, Through::Pool);
            (name, entry.contestant(members))
        };
        let subjects: Vec<Subject> = entries.iter().map(subject).collect();
        measure(effort, workers, (&subjects, members), &progress, results);
    }
    for members in NODES {
        progress.stage(format_args!(
            "{members} nodes: selections through balancers"
        ));
        let cluster = Cluster::start(members)?;
        let subjects: Vec<Subject> = cluster
            .contestants()?
            .into_iter()
            .map(|(name, contestant)| ((Library::Ours, name, Through::Balancer), contestant))
            .collect();
        measure(effort, workers, (&subjects, members), &progress, results);
    }
    for members in MEMBERS {
        progress.stage(format_args!("{members} members: joins and leaves"));
        change(
            effort.changes(members),
            &entries,
            members,
            &progress,
            results,
        );
    }
    Ok(())
}

fn measure(
    effort: Effort,
    workers: &Workers,
    (subjects, members): (&[Subject], usize),
    progress: &Progress,
    results: &mut Results,
) {
    let threads: Vec<usize> = (1..=workers.count()).collect();
    let mut samples = vec![vec![Sample::default(); threads.len()]; subjects.len()];
    for round in 0..effort.most_rounds() {
        let lacks = |sample: &Sample| sample.nanos.len() < effort.least_chunks;
        if round >= effort.rounds && !samples.iter().flatten().any(lacks) {
            break;
        }
        // Each round begins with another one, so that nobody always follows the same.
        for turn in 0..subjects.len() {
            let at = (turn + round) % subjects.len();
            // By turns as well, for the second finds more in the caches.
            for turn in 0..threads.len() {
                let which = (turn + round) % threads.len();
                let sample = workers.measure(threads[which], &subjects[at].1);
                samples[at][which].extend(sample);
            }
        }
        if round < effort.rounds {
            progress.step();
        }
    }
    for ((name, _), samples) in subjects.iter().zip(&samples) {
        for (&threads, sample) in threads.iter().zip(samples) {
            results.record(*name, (members, threads), sample);
        }
    }
}

fn change(
    rounds: usize,
    entries: &[Entry],
    members: usize,
    progress: &Progress,
    results: &mut Results,
) {
    const BOTH: [Change; 2] = [Change::Join, Change::Leave];

    let subject = |entry| Some((entry, Entry::changing(entry, members)?));
    let mut subjects: Vec<(&Entry, _)> = entries.iter().filter_map(subject).collect();
    let count = subjects.len();
    let mut micros = vec![[Vec::new(), Vec::new()]; count];
    for round in 0..rounds {
        for turn in 0..count {
            let at = (turn + round) % count;
            let (_, changing) = &mut subjects[at];
            for (micros, change) in micros[at].iter_mut().zip(BOTH) {
                changing.prepare(change);
                let begun = Instant::now();
                changing.apply();
                micros.push(begun.elapsed().as_secs_f64() * 1e6);
            }
        }
        progress.step();
    }
    for ((entry, _), micros) in subjects.iter().zip(&micros) {
        for (micros, change) in micros.iter().zip(BOTH) {
            let spread = Spread::of(micros);
            results.changes.extend(spread.map(|micros| Changes {
                library: entry.library,
                algorithm: entry.algorithm,
                change,
                members,
                micros,
            }));
        }
    }
}
