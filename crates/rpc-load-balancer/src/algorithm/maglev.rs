//! The member in the key's slot of a look-up table.
//!
//! Source: "Maglev: A Fast and Reliable Software Network Load Balancer" (Eisenbud and others, NSDI
//! 2016), section 3.4. Each member has a permutation of all slots, from two hashes of its name. The
//! members take turns, and in its turn a member takes the first slot of its permutation that is
//! free, until the table is full. Hence all have as many slots, give or take one, and the table of
//! other members is mostly the same. A key belongs to the member in the slot that its hash has in
//! proportion.
//!
//! Weights are heeded by turns: the `n`-th turn of a member of weight `w` is due at the time `n / w`,
//! so that a member of weight 3 takes three slots in the time in which one of weight 1 takes one. A
//! member whose share is less than one slot may get none, and then no calls by key.
//!
//! Costs the hash of the key and one cache line; threads share nothing. The table has a prime number
//! of slots, 4 bytes each: the least of 65,537, 262,147, 1,048,583, 4,194,319 and 16,777,259 that is
//! 100 for each member. That is 256 KiB for up to 655 members, 4 MiB for up to 10,485, and never
//! more than 64 MiB; from 167,773 members on there are less than 100 slots for each. The table is
//! computed anew when members or weights change, in about as many steps as there are slots times
//! the logarithm of their number: a millisecond for up to 655 members, five for up to 2,621 and fifty
//! for up to 10,485. Selections go on with the old one meanwhile.
//!
//! Of 100,000 keys on 100 members a join moved 1.58 % and a leave 1.60 %, where 0.99 % and 1 % are the
//! least that makes the shares even: unlike with [`HashRing`](super::HashRing), some keys move
//! between members that stay. **When the members outgrow the table nearly all keys move**;
//! [`Maglev::for_members`] makes it large enough from the start. All programs with the same members,
//! weights and size of the table agree on the owners; Elixir nodes know nothing of it.
//!
//! Choose it when the shares must be as even as can be, a few more keys may move, and members do not
//! come and go all the time.

use std::{
    cmp::Ordering,
    collections::{BinaryHeap, binary_heap::PeekMut},
    mem,
    sync::Arc,
};

use beam_dist::NodeName;
use beam_term::{Term, phash2::Hasher};

use super::{Algorithm, Rng, Selection};
use crate::members::{Member, Snapshot};

/// Picks the member in the key's slot of a table in which all members have the same share, or one in
/// proportion to their weights. Without a key, from any slot.
///
/// ```
/// use rpc_load_balancer::{Maglev, NodeName, Pool, Selection, Term};
///
/// let pool = Pool::new(Maglev::new());
/// pool.update(["a@host".parse::<NodeName>()?, "b@host".parse()?]);
///
/// let key = Term::binary("user-42");
/// let owner = |pool: &Pool<Maglev>| {
///     let lease = pool.select(&Selection::with_key(&key)).expect("there are members");
///     lease.node().clone()
/// };
/// assert_eq!(owner(&pool), owner(&pool));
/// # Ok::<(), rpc_load_balancer::InvalidNodeName>(())
/// ```
#[derive(Debug, Default)]
pub struct Maglev {
    least_members: usize,
    rng: Rng,
}

impl Maglev {
    /// The algorithm, with random numbers that differ in every run for selections without a key.
    pub const fn new() -> Self {
        Self {
            least_members: 0,
            rng: Rng::thread_local(),
        }
    }

    /// The algorithm, with the same choices in every run, also without a key.
    pub const fn seeded(seed: u64) -> Self {
        Self {
            least_members: 0,
            rng: Rng::seeded(seed),
        }
    }

    /// Makes the table large enough for so many members even if there are fewer, so that keys
    /// stay where they are while the pool grows up to there.
    #[must_use]
    pub const fn for_members(mut self, members: usize) -> Self {
        self.least_members = members;
        self
    }
}

impl Algorithm for Maglev {
    type Table = Table;
    type State = ();

    const READS_LOAD: bool = false;
    const SLOW_START: bool = false;

    fn choose(&self, snapshot: &Snapshot<Self>, selection: &Selection<'_>) -> Option<usize> {
        let Table { slots } = snapshot.table();
        let slot = match selection.key() {
            Some(key) => slot_of(key, slots.len()),
            None => self.rng.below(slots.len()),
        };
        slots.get(slot).map(|&index| index as usize)
    }

    /// With a key, its owner and then those in the slots that follow.
    fn choose_nodes(
        &self,
        snapshot: &Snapshot<Self>,
        count: usize,
        selection: &Selection<'_>,
    ) -> Vec<usize> {
        let members = snapshot.members().len();
        let Some(key) = selection.key() else {
            return self.rng.sample_below(members, count);
        };
        let Table { slots } = snapshot.table();
        let (before, after) = slots.split_at(slot_of(key, slots.len()));
        let mut seen = vec![false; members];
        after
            .iter()
            .chain(before)
            .map(|&index| index as usize)
            // Those without a slot come last.
            .chain(0..members)
            .filter(|&index| !mem::replace(&mut seen[index], true))
            .take(count.min(members))
            .collect()
    }

    fn table(
        &self,
        members: &[Arc<Member<Self>>],
        weights: &[u32],
        _: &Snapshot<Self>,
    ) -> Self::Table {
        let size = size(members.len().max(self.least_members));
        let permutations = members.iter().map(|m| Permutation::of(m.node(), size));
        Table::filled(permutations.collect(), weights, size)
    }
}

/// The members in their slots.
#[derive(Debug, Default)]
pub struct Table {
    slots: Vec<u32>,
}

/// Primes, each a good four times the one before.
const SIZES: [u32; 5] = [65_537, 262_147, 1_048_583, 4_194_319, 16_777_259];

const SLOTS_PER_MEMBER: usize = 100;

/// How many slots the table for so many members has.
fn size(members: usize) -> u32 {
    let wanted = members.saturating_mul(SLOTS_PER_MEMBER);
    let [smaller @ .., largest] = SIZES;
    let enough = smaller.into_iter().find(|&size| size as usize >= wanted);
    enough.unwrap_or(largest)
}

impl Table {
    /// Fills a table by turns. There is a weight for each permutation.
    fn filled(mut permutations: Vec<Permutation>, weights: &[u32], size: u32) -> Self {
        let mut slots = FreeSlots::new(size);
        // Members of the same weight take their turns together, so that the order of turns is
        // little work where there are few different weights.
        let mut by_weight: Vec<u32> = (0..).take(weights.len()).collect();
        by_weight.sort_by_key(|&index| weights[index as usize]);
        let classes = by_weight.chunk_by(|&a, &b| weights[a as usize] == weights[b as usize]);
        let mut turns: BinaryHeap<Turn<'_>> = classes
            .map(|members| Turn {
                number: 1,
                weight: weights[members[0] as usize],
                members,
            })
            .collect();
        while let Some(mut turn) = turns.peek_mut() {
            for &index in turn.members {
                slots.take(&mut permutations[index as usize], index);
                if slots.free == 0 {
                    return Self {
                        slots: slots.owners,
                    };
                }
            }
            turn.number += 1;
            // Puts the class back in its new order.
            drop::<PeekMut<'_, _>>(turn);
        }
        Self::default()
    }
}

/// The slots of a table that is being filled.
struct FreeSlots {
    owners: Vec<u32>,
    /// A bit for each slot. A member finds most slots taken towards the end, and the bits fit into
    /// a faster cache.
    taken: Vec<u64>,
    free: u32,
}

impl FreeSlots {
    fn new(size: u32) -> Self {
        Self {
            owners: vec![0; size as usize],
            taken: vec![0; size.div_ceil(u64::BITS) as usize],
            free: size,
        }
    }

    /// Gives the next free slot of the permutation to a member. There is one, as a permutation visits
    /// all slots and never comes back to one.
    fn take(&mut self, permutation: &mut Permutation, owner: u32) {
        loop {
            let slot = permutation.next();
            let (word, bit) = ((slot / u64::BITS) as usize, 1 << (slot % u64::BITS));
            if self.taken[word] & bit == 0 {
                self.taken[word] |= bit;
                self.owners[slot as usize] = owner;
                self.free -= 1;
                return;
            }
        }
    }
}

/// The order in which a member wants the slots: every so many slots, starting at one.
struct Permutation {
    next: u32,
    skip: u32,
    size: u32,
}

impl Permutation {
    /// As the size is prime, any skip from 1 to it less one visits all slots.
    fn of(node: &NodeName, size: u32) -> Self {
        let hash = |salt| {
            let mut hasher = salted(salt);
            hasher.binary(node.as_str().as_bytes());
            hasher.finish()
        };
        Self {
            next: hash(OFFSET) % size,
            skip: hash(SKIP) % (size - 1) + 1,
            size,
        }
    }

    fn next(&mut self) -> u32 {
        let slot = self.next;
        let next = slot + self.skip;
        self.next = if next < self.size {
            next
        } else {
            next - self.size
        };
        slot
    }
}

/// The next turn of the members of one weight.
struct Turn<'a> {
    number: u64,
    weight: u32,
    members: &'a [u32],
}

impl Turn<'_> {
    /// Compares when the turns are due, `number / weight`, without fractions; no product comes near
    /// to 2⁶⁴, as there are no more turns than slots.
    fn due(&self, other: &Self) -> Ordering {
        let (own, others) = (
            self.number * u64::from(other.weight),
            other.number * u64::from(self.weight),
        );
        own.cmp(&others)
    }
}

/// The greatest turn is the one that is due first, and of several the one of the greatest weight.
impl Ord for Turn<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let due = other.due(self);
        due.then(self.weight.cmp(&other.weight))
    }
}

impl PartialOrd for Turn<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Turn<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Turn<'_> {}

const OFFSET: i64 = 1;
const SKIP: i64 = 2;
const KEY: i64 = 3;

/// A hash of its own for each salt. It is Erlang's `phash2`, which is the same on all machines and in
/// all versions.
fn salted(salt: i64) -> Hasher {
    let mut hasher = Hasher::new();
    hasher.integer(salt);
    hasher
}

/// The slot of a key, in proportion to its hash. The salt comes first because the hashes of lone atoms
/// would all be small.
fn slot_of(key: &Term, size: usize) -> usize {
    let mut hasher = salted(KEY);
    hasher.term(key);
    ((u64::from(hasher.finish()) * size as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::members::{Candidate, Pool, numbered};

    const KEYS: usize = 100_000;

    fn owners(pool: &Pool<Maglev>) -> Vec<String> {
        (0..KEYS)
            .map(|n| {
                let key = Term::binary(format!("user-{n}"));
                let lease = pool.select(&Selection::with_key(&key)).unwrap();
                lease.node().to_string()
            })
            .collect()
    }

    /// How many keys have another owner, of whom neither came nor went.
    fn moved(before: &[String], after: &[String]) -> usize {
        before.iter().zip(after).filter(|(a, b)| a != b).count()
    }

    fn slots_by_member(slots: &[u32], members: usize) -> Vec<usize> {
        let mut counts = vec![0; members];
        for &index in slots {
            counts[index as usize] += 1;
        }
        counts
    }

    #[test]
    fn the_tables_are_those_of_the_papers_example() {
        let permutation = |(next, skip)| Permutation {
            next,
            skip,
            size: 7,
        };
        let table = |members: &[(u32, u32)]| {
            let permutations = members.iter().copied().map(permutation).collect();
            Table::filled(permutations, &vec![1; members.len()], 7).slots
        };
        assert_eq!(table(&[(3, 4), (0, 2), (3, 1)]), [1, 0, 1, 0, 2, 2, 0]);
        // The second one left.
        assert_eq!(table(&[(3, 4), (3, 1)]), [0, 0, 0, 0, 1, 1, 1]);
    }

    #[test]
    fn the_sizes_are_prime_and_leave_a_hundred_slots_for_each_member_up_to_a_bound() {
        for size in SIZES {
            let divisors = (2..).take_while(|divisor| divisor * divisor <= size);
            assert_eq!(divisors.filter(|divisor| size % divisor == 0).count(), 0);
        }
        assert_eq!(size(0), 65_537);
        assert_eq!((size(655), size(656)), (65_537, 262_147));
        assert_eq!((size(167_772), size(usize::MAX)), (16_777_259, 16_777_259));
    }

    #[test]
    fn members_of_the_same_weight_have_as_many_slots_give_or_take_one() {
        for (members, weight) in [(1, 1), (2, 9), (10, 1), (97, 3), (656, u32::MAX)] {
            let pool = Pool::new(Maglev::new());
            let candidates = numbered(0..members).into_iter();
            pool.update(candidates.map(|node| Candidate::new(node, weight)));
            let snapshot = pool.snapshot();
            let slots = &snapshot.table().slots;
            let counts = slots_by_member(slots, members);
            let even = slots.len() / members;
            assert!(counts.iter().all(|&n| n == even || n == even + 1));
        }
    }

    #[test]
    fn slots_are_in_proportion_to_weights() {
        let weights = [1, 2, 3, 3, 1_000, 70];
        let pool = Pool::new(Maglev::new());
        let candidates = numbered(0..6).into_iter().zip(weights);
        pool.update(candidates.map(|(node, weight)| Candidate::new(node, weight)));
        let counts = slots_by_member(&pool.snapshot().table().slots, 6);
        for (count, weight) in counts.into_iter().zip(weights) {
            let expected = 65_537.0 * f64::from(weight) / 1_079.0;
            // Each weight's last turn may or may not have come, and the others share what is left.
            assert!(
                (count as f64 - expected).abs() <= 6.0,
                "{count} of {expected}"
            );
        }
    }

    #[test]
    fn a_weight_too_small_for_a_slot_gets_no_keys_and_comes_last_among_several() {
        let pool = Pool::new(Maglev::new());
        let candidates = numbered(0..3).into_iter().zip([1, u32::MAX, 1]);
        pool.update(candidates.map(|(node, weight)| Candidate::new(node, weight)));
        let key = Term::from(7);
        let leases = pool.select_nodes(3, &Selection::with_key(&key));
        let nodes: Vec<_> = leases.iter().map(|lease| lease.node().as_str()).collect();
        assert_eq!(nodes, ["n1@host", "n0@host", "n2@host"]);
    }

    #[test]
    fn keys_spread_evenly_and_few_move_when_members_come_or_go() {
        let pool = Pool::new(Maglev::new());
        pool.update(numbered(0..100));
        let hundred = owners(&pool);
        let mut shares: HashMap<&String, usize> = HashMap::new();
        for owner in &hundred {
            *shares.entry(owner).or_default() += 1;
        }
        // 1,000 are expected of each; five standard deviations of a fair choice are 158.
        assert_eq!(shares.len(), 100);
        assert!(
            shares.values().all(|&n| (842..1_158).contains(&n)),
            "{shares:?}"
        );

        pool.update(numbered(0..101));
        let joined = owners(&pool);
        let gained = joined.iter().filter(|owner| *owner == "n100@host").count();
        let moved_by_join = moved(&hundred, &joined);
        pool.update(numbered(1..100));
        let lost = hundred.iter().filter(|owner| *owner == "n0@host").count();
        let moved_by_leave = moved(&hundred, &owners(&pool));
        assert!(moved_by_join < 2 * gained && moved_by_leave < 3 * lost);
    }

    #[test]
    fn a_table_sized_for_more_members_keeps_keys_when_they_come() {
        let moved_by_growth = |algorithm: Maglev| {
            let pool = Pool::new(algorithm);
            pool.update(numbered(0..655));
            let before = owners(&pool);
            pool.update(numbered(0..656));
            moved(&before, &owners(&pool))
        };
        assert!(moved_by_growth(Maglev::new()) > KEYS / 2);
        assert!(moved_by_growth(Maglev::new().for_members(656)) < KEYS / 50);
    }

    #[test]
    fn several_members_for_a_key_are_different_and_begin_with_its_owner() {
        let pool = Pool::new(Maglev::new());
        pool.update(numbered(0..20));
        for number in 0..1_000 {
            let key = Term::from(number);
            let selection = Selection::with_key(&key);
            let owner = pool.select(&selection).unwrap();
            let leases = pool.select_nodes(5, &selection);
            let mut nodes: Vec<_> = leases.iter().map(|lease| lease.node()).collect();
            assert_eq!(nodes[0], owner.node());
            nodes.sort_unstable();
            nodes.dedup();
            assert_eq!(nodes.len(), 5);
        }
    }

    #[test]
    fn keys_of_every_type_find_members_all_over_the_table() {
        let keys: [fn(usize) -> Term; 4] = [
            |n| Term::Atom(format!("key{n}").try_into().unwrap()),
            Term::from,
            |n| Term::try_from(n as f64).unwrap(),
            |n| Term::tuple([Term::nil(), Term::from(n)]),
        ];
        for key in keys {
            let halves = [0, 1].map(|half| {
                let slots = (0..1_000).map(|n| slot_of(&key(n), 1_000));
                slots.filter(|slot| slot / 500 == half).count()
            });
            assert!(halves.iter().all(|&n| n > 400), "{halves:?}");
        }
    }

    #[test]
    fn selections_without_a_key_are_in_proportion_to_weights() {
        let pool = Pool::new(Maglev::seeded(1));
        let candidates = numbered(0..2).into_iter().zip([1, 3]);
        pool.update(candidates.map(|(node, weight)| Candidate::new(node, weight)));
        for _ in 0..10_000 {
            drop(pool.select(&Selection::default()).unwrap());
        }
        // Seven standard deviations of a fair choice are 303.
        let picks = pool.snapshot().members()[1].picks();
        assert!(picks.abs_diff(7_500) < 303, "{picks}");
        assert_eq!(pool.select_nodes(9, &Selection::default()).len(), 2);
    }
}
