//! In which order members of different weights take turns.

/// A cycle of turns in which each member has as many as its weight says, evenly spread.
///
/// The weights are divided by what they have in common. Where a cycle would be longer than
/// [`LONGEST_CYCLE`] all the same, they are scaled to that many turns.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    turns: Box<[u32]>,
    is_scaled: bool,
}

/// How many turns a cycle has at most, unless there are still more members.
pub(super) const LONGEST_CYCLE: usize = 65_536;

impl Schedule {
    /// The cycle for these weights, none of which is 0.
    pub(super) fn new(weights: &[u32]) -> Self {
        let common = weights.iter().copied().fold(0, greatest_common_divisor);
        let length: u64 = weights.iter().map(|&n| u64::from(n / common.max(1))).sum();
        let longest = weights.len().max(LONGEST_CYCLE) as u64;
        let is_scaled = length > longest;
        let turns_of_each: Vec<u32> = if is_scaled {
            scaled(weights, longest)
        } else {
            weights.iter().map(|weight| weight / common).collect()
        };
        Self {
            turns: interleaved(&turns_of_each),
            is_scaled,
        }
    }

    /// Which member has each turn of the cycle.
    pub(super) fn turns(&self) -> &[u32] {
        &self.turns
    }

    /// Whether the cycle only comes close to the weights.
    pub(super) fn is_scaled(&self) -> bool {
        self.is_scaled
    }
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Shares out the turns of a cycle in proportion to the weights, but gives everybody at least one.
/// There must be as many as weights.
///
/// By the method of the largest remainder (Hamilton, 1792), among those whose weight is worth a turn.
fn scaled(weights: &[u32], cycle: u64) -> Vec<u32> {
    let mut by_weight: Vec<usize> = (0..weights.len()).collect();
    by_weight.sort_by_key(|&at| weights[at]);

    // The lightest first: what lifting them to one turn takes is missing for the others.
    let mut turns = vec![1; weights.len()];
    let mut left = cycle;
    let mut sum: u64 = weights.iter().copied().map(u64::from).sum();
    let too_light = |at: usize, left: u64, sum: u64| u64::from(weights[at]) * left < sum;
    let mut heavy = by_weight.as_slice();
    while let Some((&at, heavier)) = heavy.split_first()
        && too_light(at, left, sum)
    {
        left -= 1;
        sum -= u64::from(weights[at]);
        heavy = heavier;
    }

    let mut remainders = Vec::with_capacity(heavy.len());
    let mut unassigned = left;
    for &at in heavy {
        let exact = u64::from(weights[at]) * left;
        turns[at] = (exact / sum) as u32;
        unassigned -= exact / sum;
        remainders.push((exact % sum, at));
    }
    remainders.sort_unstable_by_key(|&(remainder, at)| (std::cmp::Reverse(remainder), at));
    for (_, at) in remainders.into_iter().take(unassigned as usize) {
        turns[at] += 1;
    }
    turns
}

/// Spreads the turns of each member over a cycle: the k-th of `w` lies at (k + ½) / w of it.
///
/// Members of the same weight would have all theirs at the same places, and crowd out the others
/// between these. So they share the turns of one member that is as heavy as all of them, and take
/// these in the order of their names.
fn interleaved(turns_of_each: &[u32]) -> Box<[u32]> {
    let mut by_weight: Vec<u32> = (0..turns_of_each.len() as u32).collect();
    by_weight.sort_by_key(|&at| turns_of_each[at as usize]);

    let length = turns_of_each.iter().map(|&turns| turns as usize).sum();
    let mut places: Vec<(u64, u32)> = Vec::with_capacity(length);
    let alike =
        |one: &u32, other: &u32| turns_of_each[*one as usize] == turns_of_each[*other as usize];
    // The heaviest first, so that of turns at the same place theirs comes first.
    for (class, members) in (0..).zip(by_weight.chunk_by(alike).rev()) {
        let turns = u64::from(turns_of_each[members[0] as usize]) * members.len() as u64;
        let of_class = (0..turns).zip(members.iter().cycle());
        places.extend(of_class.map(|(k, &member)| (place(k, turns, class), member)));
    }
    places.sort_unstable();
    places.into_iter().map(|(_, member)| member).collect()
}

/// Where the k-th of so many turns lies, as a number that sorts; at the same place, by class.
fn place(k: u64, turns: u64, class: u64) -> u64 {
    // Two places that differ in cycles of 2¹⁶ turns do so by more than 2⁻³². That a cycle of so many
    // members has at most 362 classes, as their weights add up to it, leaves room for both.
    const CLASS_BITS: u32 = 9;
    const FRACTION_BITS: u32 = 64 - CLASS_BITS - 1;

    let fraction = (u128::from(2 * k + 1) << FRACTION_BITS) / u128::from(2 * turns);
    ((fraction as u64) << CLASS_BITS) | class.min((1 << CLASS_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn letters(weights: &[u32]) -> String {
        let schedule = Schedule::new(weights);
        let letter = |&member: &u32| char::from(b'a' + member as u8);
        schedule.turns().iter().map(letter).collect()
    }

    fn counts(schedule: &Schedule, members: usize) -> Vec<u32> {
        let mut counts = vec![0; members];
        for &member in schedule.turns() {
            counts[member as usize] += 1;
        }
        counts
    }

    #[test]
    fn the_turns_of_the_heavy_lie_between_those_of_the_light() {
        assert_eq!(letters(&[3, 1]), "aaba");
        assert_eq!(letters(&[1, 3]), "bbab");
        assert_eq!(letters(&[1, 1, 1]), "abc");
        assert_eq!(letters(&[2, 1]), "aba");
        assert_eq!(letters(&[5, 1, 1]), "abaaaca");
        assert_eq!(letters(&[2, 1, 1, 1, 1, 1, 1]), "bacdeafg");
    }

    #[test]
    fn weights_are_divided_by_what_they_have_in_common() {
        assert_eq!(letters(&[3_000_000_000, 1_000_000_000]), "aaba");
        assert_eq!(letters(&[u32::MAX]), "a");
        assert_eq!(letters(&[]), "");
    }

    proptest! {
        #[test]
        fn each_has_as_many_turns_as_its_weight_says(
            weights in prop::collection::vec(1..60_u32, 1..60),
        ) {
            let schedule = Schedule::new(&weights);
            let counts = counts(&schedule, weights.len());
            let common = weights.iter().copied().fold(0, greatest_common_divisor);
            let whole: Vec<u32> = counts.iter().map(|count| count * common).collect();
            prop_assert_eq!(whole, weights);
            prop_assert!(!schedule.is_scaled());
        }

        #[test]
        fn the_turns_of_each_are_evenly_spread(
            weights in prop::collection::vec(1..40_u32, 2..40),
        ) {
            let schedule = Schedule::new(&weights);
            let length = schedule.turns().len();
            let counts = counts(&schedule, weights.len());
            let different: BTreeSet<u32> = weights.iter().copied().collect();
            for (member, &count) in counts.iter().enumerate() {
                let turns = schedule.turns().iter().chain(schedule.turns());
                let places = turns.enumerate().filter(|(_, turn)| **turn == member as u32);
                let places: Vec<usize> = places.map(|(at, _)| at).collect();
                // The turns of each further weight lie evenly too, and one more or less of them
                // can fall into the gap.
                let even = length as f64 / f64::from(count);
                for gap in places.windows(2) {
                    let gap = (gap[1] - gap[0]) as f64;
                    prop_assert!((gap - even).abs() < different.len() as f64, "{gap} {even}");
                }
            }
        }
    }

    proptest! {
        // Each cycle is a long one.
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn a_scaled_cycle_is_off_by_less_than_a_turn_where_all_are_worth_one(
            weights in prop::collection::vec(1_000_000..=u32::MAX, 2..200),
        ) {
            let schedule = Schedule::new(&weights);
            prop_assume!(schedule.is_scaled());
            prop_assert_eq!(schedule.turns().len(), LONGEST_CYCLE);
            let sum: f64 = weights.iter().copied().map(f64::from).sum();
            for (count, weight) in counts(&schedule, weights.len()).into_iter().zip(weights) {
                let exact = f64::from(weight) / sum * LONGEST_CYCLE as f64;
                prop_assert!((f64::from(count) - exact).abs() < 1.0);
            }
        }
    }

    #[test]
    fn the_lightest_keep_a_turn_in_a_scaled_cycle() {
        let mut weights = vec![1; 1_000];
        weights.extend([u32::MAX; 3]);
        let schedule = Schedule::new(&weights);
        assert!(schedule.is_scaled());
        let counts = counts(&schedule, weights.len());
        assert!(counts[..1_000].iter().all(|&count| count == 1));
        assert_eq!(counts[1_000..].iter().sum::<u32>(), 64_536);
        assert!(counts[1_000..].iter().all(|&count| count == 21_512));
    }

    #[test]
    fn more_members_than_a_cycle_is_to_have_turns_have_one_each() {
        let mut weights = vec![1; LONGEST_CYCLE + 10];
        let schedule = Schedule::new(&weights);
        assert!(!schedule.is_scaled());
        assert_eq!(schedule.turns().len(), weights.len());

        weights[7] = 2;
        let schedule = Schedule::new(&weights);
        assert!(schedule.is_scaled());
        assert!(
            counts(&schedule, weights.len())
                .iter()
                .all(|&count| count == 1)
        );
    }
}
