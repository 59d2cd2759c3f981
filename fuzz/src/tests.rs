use std::fmt;
use std::fs;
use std::path::Path;

use proptest::{prelude::*, test_runner::TestRunner};

type Target = fn(&[u8]);

macro_rules! targets {
    ($($target:ident: $cost:literal),+ $(,)?) => {
        $(
            mod $target {
                use super::*;

                const SEEDS: &str = concat!(
                    env!("CARGO_MANIFEST_DIR"), "/corpus/", stringify!($target),
                );

                #[test]
                fn seeds_hold() {
                    each_seed(SEEDS, crate::$target);
                }

                #[test]
                fn mutated_seeds_hold() {
                    each_mutation(SEEDS, crate::$target, $cost);
                }
            }
        )+
    };
}

// By how many times an input takes longer than most.
targets! { term_decode: 1, term_syntax: 1, frames: 1, handshake: 1, epmd: 1, link: 32 }

fn each_seed(directory: &str, target: Target) {
    let seeds = read_seeds(directory);
    for (name, seed) in &seeds {
        println!("{name}");
        for end in 0..=seed.len() {
            target(&seed[..end]);
        }
    }
}

/// Tries as many inputs as proptest does by default, or as `PROPTEST_CASES` says, but less of those that
/// take long; no fewer than [`FEWEST_CASES`] of any.
fn each_mutation(directory: &str, target: Target, cost: u32) {
    let seeds: Vec<_> = read_seeds(directory)
        .into_iter()
        .map(|(_, seed)| seed)
        .collect();
    let edits = prop::collection::vec((any::<prop::sample::Index>(), edit()), 0..6);
    let inputs = (prop::sample::select(seeds), edits).prop_map(|(mut seed, edits)| {
        for (at, edit) in edits {
            apply(&mut seed, at, &edit);
        }
        Input(seed)
    });
    let default = ProptestConfig::default();
    let config = ProptestConfig {
        cases: (default.cases / cost).max(FEWEST_CASES),
        failure_persistence: None,
        ..default
    };
    // The macro of proptest would take the number of cases from the environment as it is.
    let result = TestRunner::new(config).run(&inputs, |input| {
        target(&input.0);
        Ok(())
    });
    if let Err(failed) = result {
        panic!("{failed}");
    }
}

/// So many are tried of whatever they cost.
const FEWEST_CASES: u32 = 256;

struct Input(Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

#[derive(Clone, Debug)]
enum Edit {
    Set(u8),
    Remove(usize),
    Insert(Vec<u8>),
    Repeat(usize, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        any::<u8>().prop_map(Edit::Set),
        (1..16_usize).prop_map(Edit::Remove),
        prop::collection::vec(any::<u8>(), 1..16).prop_map(Edit::Insert),
        (1..16_usize, 1..64_usize).prop_map(|(len, times)| Edit::Repeat(len, times)),
    ]
}

fn apply(input: &mut Vec<u8>, at: prop::sample::Index, edit: &Edit) {
    let at = at.index(input.len() + 1);
    let end = |len: &usize| input.len().min(at + len);
    match edit {
        Edit::Set(byte) => match input.get_mut(at) {
            Some(place) => *place = *byte,
            None => input.push(*byte),
        },
        Edit::Remove(len) => drop(input.drain(at..end(len))),
        Edit::Insert(bytes) => drop(input.splice(at..at, bytes.iter().copied())),
        Edit::Repeat(len, times) => {
            let repeated = input[at..end(len)].repeat(*times);
            drop(input.splice(at..at, repeated));
        }
    }
}

fn read_seeds(directory: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(Path::new(directory)).expect("the seeds are there");
    let mut seeds: Vec<_> = entries
        .map(|entry| entry.expect("the seeds are there").path())
        .map(|path| {
            (
                path.display().to_string(),
                fs::read(&path).expect("a seed is readable"),
            )
        })
        .collect();
    assert!(!seeds.is_empty(), "no seeds in {directory}");
    seeds.sort();
    seeds
}
