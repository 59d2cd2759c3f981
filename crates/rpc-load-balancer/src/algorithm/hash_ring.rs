//! The member that owns the key's place on a ring.
//!
//! Source: "Consistent Hashing and Random Trees" (Karger and others, 1997), as the Elixir library
//! `libring` does it, which the Elixir `rpc_load_balancer` uses. Each member has 128 points on a
//! ring of hashes, and a key belongs to the member of the first point at or above its own hash, so
//! that only the keys of a member move when it comes or goes.
//!
//! **The same key goes to the same member as on an Elixir node** that has the same members and as
//! many points:
//!
//! * the points are `erlang:phash2({Node, I}, 2^32 - 1)` for `I` from 1 on; where two members have
//!   the same point, it belongs to the first by name;
//! * a key is at `erlang:phash2(Key, 2^32 - 1)`, but for an atom, which is hashed as its
//!   `term_to_binary`; the bytes of that are others up to OTP 25 ([`AtomKeys`]);
//! * several members for a key are those of the next points. Here an atom is hashed as itself, so
//!   that the first of several need not be the one that a single selection for the atom picks; and
//!   the hashes of lone atoms fill the first sixteenth of the ring only. Where Elixir gives too few
//!   because the ring ends, the search goes on at its beginning here.
//!
//! Weights do not change the points, as Elixir nodes do not know of them. Erlang's hash of atoms
//! looks at 28 bits; should two members' names have the same, all their points coincide and the
//! first gets the keys of both. That does not happen with [`PointHash::Sha256`], on which Elixir nodes
//! do not agree.
//!
//! Costs the hash of the key and one or two cache lines of the ring, however many members there
//! are. Threads share nothing, and only keys nested in more than one level take memory for a moment.
//! A ring takes 12 bytes for each point, or 1.5 KiB for each member, and a member keeps 4 more for
//! each of its points. When members join or leave, the ring is derived from the one before in one
//! pass, without sorting it again.
//!
//! With 128 points the shares of members have a standard deviation of 9 % (1 / √128), and hardly one
//! is more than a third off. Of 100,000 keys on 100 members a join moved 1.13 % and a leave 1.03 %,
//! all of them to the newcomer or from the one who left; 0.99 % and 1 % are the least that makes
//! the shares even.
//!
//! Choose it when members keep something for a key, such as a cache or a session, above all where
//! Elixir nodes must find the same one. [`Maglev`](super::Maglev) spreads keys more evenly, and
//! [`BoundedHash`](super::BoundedHash) relieves members of hot keys.

use std::{mem, sync::Arc};

use beam_dist::NodeName;
use beam_node::Error;
use beam_term::Term;

use super::{
    Algorithm, Rng, Selection,
    ring::{AtomKeys, PointHash, Points, Ring, position, position_for_many},
};
use crate::members::{Member, Snapshot};

/// Picks the member that owns the key's place on a ring: the same one for the same key as long as
/// it is a member, and the same one as on an Elixir node. Without a key, any member.
///
/// ```
/// use rpc_load_balancer::{HashRing, NodeName, Pool, Selection, Term};
///
/// let pool = Pool::new(HashRing::new());
/// pool.update(["a@host".parse::<NodeName>()?, "b@host".parse()?, "c@host".parse()?]);
///
/// let key = Term::binary("user-42");
/// let selection = Selection::with_key(&key);
/// let owner = pool.select(&selection).expect("there are members");
/// assert_eq!(owner.node().as_str(), "b@host");
///
/// // The owner comes first, then those who would get the key if it left, and so on.
/// let replicas = pool.select_nodes(2, &selection);
/// assert_eq!(replicas[0].node(), owner.node());
/// # Ok::<(), rpc_load_balancer::InvalidNodeName>(())
/// ```
#[derive(Debug)]
pub struct HashRing {
    points: u32,
    point_hash: PointHash,
    atom_keys: AtomKeys,
    rng: Rng,
}

impl HashRing {
    /// The points of each member, unless told otherwise.
    pub const DEFAULT_POINTS: u32 = 128;

    /// The most points that a member can have.
    pub const MAX_POINTS: u32 = 65_536;

    /// The algorithm, with random numbers that differ in every run for selections without a key.
    pub const fn new() -> Self {
        Self::with_rng(Rng::thread_local())
    }

    /// The algorithm, with the same choices in every run, also without a key.
    pub const fn seeded(seed: u64) -> Self {
        Self::with_rng(Rng::seeded(seed))
    }

    const fn with_rng(rng: Rng) -> Self {
        Self {
            points: Self::DEFAULT_POINTS,
            point_hash: PointHash::Phash2,
            atom_keys: AtomKeys::Otp26,
            rng,
        }
    }

    /// Sets how many points each member has; the Elixir libraries call it `weight`. More points
    /// make the shares more even, and the ring larger. Default: 128.
    ///
    /// # Errors
    ///
    /// `bad_request` unless it is at least 1 and at most [`MAX_POINTS`](Self::MAX_POINTS).
    pub fn points(mut self, points: u32) -> Result<Self, Error> {
        let most = Self::MAX_POINTS;
        if !(1..=most).contains(&points) {
            return Err(Error::bad_request(format!(
                "points: {points} is not a number from 1 to {most}"
            )));
        }
        self.points = points;
        Ok(self)
    }

    /// Sets how the points are computed. Default: as on Elixir nodes.
    #[must_use]
    pub const fn point_hash(mut self, hash: PointHash) -> Self {
        self.point_hash = hash;
        self
    }

    /// Sets which release of OTP keys that are atoms are hashed for: that of the Elixir nodes. They
    /// do not agree among themselves if some run OTP 25 and others a later one. Default: 26 and
    /// later.
    #[must_use]
    pub const fn atom_keys(mut self, release: AtomKeys) -> Self {
        self.atom_keys = release;
        self
    }
}

/// What [`BoundedHash`](super::BoundedHash) needs.
impl HashRing {
    pub(super) const fn points_per_member(&self) -> u32 {
        self.points
    }

    pub(super) fn points_of(&self, node: &NodeName) -> Points {
        Points::new(node, self.points, self.point_hash)
    }

    pub(super) fn position(&self, key: &Term) -> u32 {
        position(key, self.atom_keys)
    }

    pub(super) const fn rng(&self) -> &Rng {
        &self.rng
    }
}

impl Default for HashRing {
    fn default() -> Self {
        Self::new()
    }
}

impl Algorithm for HashRing {
    type Table = Ring;
    type State = Points;

    const READS_LOAD: bool = false;
    const SLOW_START: bool = false;

    fn choose(&self, snapshot: &Snapshot<Self>, selection: &Selection<'_>) -> Option<usize> {
        match selection.key() {
            Some(key) => snapshot.table().owner(self.position(key)),
            None => Some(self.rng.below(snapshot.members().len())),
        }
    }

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
        let mut seen = vec![false; members];
        let owners = snapshot.table().walk_owners(position_for_many(key));
        owners
            .filter(|&index| !mem::replace(&mut seen[index], true))
            .take(count.min(members))
            .collect()
    }

    fn table(
        &self,
        members: &[Arc<Member<Self>>],
        _: &[u32],
        previous: &Snapshot<Self>,
    ) -> Self::Table {
        Ring::derive(members, self.points, previous, previous.table())
    }

    fn state(&self, node: &NodeName, _: &[Arc<Member<Self>>]) -> Self::State {
        self.points_of(node)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use beam_term::Map;

    use super::*;
    use crate::members::{Pool, numbered};

    const KEYS: usize = 100_000;

    fn owner(pool: &Pool<HashRing>, key: &Term) -> String {
        let lease = pool.select(&Selection::with_key(key)).unwrap();
        lease.node().to_string()
    }

    fn owners(pool: &Pool<HashRing>) -> Vec<String> {
        let keys = (0..KEYS).map(|n| Term::binary(format!("user-{n}")));
        keys.map(|key| owner(pool, &key)).collect()
    }

    #[test]
    fn owners_and_replicas_are_those_of_libring() {
        // Computed by Erlang's phash2 and a tree in which the first one to come keeps a point, for
        // n0@host to n7@host with 1 and with 128 points.
        let vectors: [(Term, [&str; 2]); 10] = [
            (Term::binary("user-42"), ["43170526", "74536102"]),
            (Term::binary(""), ["31705264", "47130625"]),
            (Term::from(0), ["26431705", "62031547"]),
            (Term::from(-1), ["70526431", "72364501"]),
            (Term::from(1_u128 << 70), ["70526431", "35726401"]),
            (Term::try_from(1.5).unwrap(), ["05264317", "02713456"]),
            (Term::charlist("string"), ["26431705", "35460217"]),
            (Term::nil(), ["64317052", "06345271"]),
            (
                Term::tuple([Term::atom("user"), Term::from(7)]),
                ["17052643", "32506471"],
            ),
            (
                Term::Map(Map::from_iter([
                    (Term::atom("a"), Term::from(1)),
                    (Term::binary("b"), Term::list([Term::from(2)])),
                ])),
                ["64317052", "30154276"],
            ),
        ];
        for (at, points) in [1, 128].into_iter().enumerate() {
            let pool = Pool::new(HashRing::new().points(points).unwrap());
            pool.update(numbered(0..8));
            for (key, orders) in &vectors {
                let leases = pool.select_nodes(8, &Selection::with_key(key));
                let numbers = leases.iter().map(|lease| &lease.node().alive()[1..]);
                assert_eq!(numbers.collect::<String>(), orders[at], "{key}");
                assert_eq!(owner(&pool, key), leases[0].node().as_str(), "{key}");
            }
        }
    }

    #[test]
    fn owners_of_atoms_are_those_of_libring_on_the_release() {
        let vectors = [
            ("foo", 6, "31640527"),
            ("née", 3, "31640527"),
            ("€", 3, "31640527"),
        ];
        let pool = Pool::new(HashRing::new().atom_keys(AtomKeys::Otp25));
        pool.update(numbered(0..8));
        for (text, number, order) in vectors {
            let key = Term::atom(text);
            assert_eq!(owner(&pool, &key), format!("n{number}@host"));
            let leases = pool.select_nodes(8, &Selection::with_key(&key));
            let numbers = leases.iter().map(|lease| &lease.node().alive()[1..]);
            assert_eq!(numbers.collect::<String>(), order);
        }
    }

    #[test]
    fn only_the_keys_of_who_comes_or_goes_move() {
        for hash in [PointHash::Phash2, PointHash::Sha256] {
            let pool = Pool::new(HashRing::new().point_hash(hash));
            pool.update(numbered(0..100));
            let hundred = owners(&pool);
            let mut shares: HashMap<&String, usize> = HashMap::new();
            for owner in &hundred {
                *shares.entry(owner).or_default() += 1;
            }
            // 1,000 are expected of each; four standard deviations of a share are 354.
            assert_eq!(shares.len(), 100);
            assert!(
                shares.values().all(|&n| (646..1_354).contains(&n)),
                "{shares:?}"
            );

            pool.update(numbered(0..101));
            let joined = owners(&pool);
            let moved: Vec<_> = joined
                .iter()
                .zip(&hundred)
                .filter(|(a, b)| a != b)
                .collect();
            assert!(moved.iter().all(|(owner, _)| *owner == "n100@host"));
            assert!((646..1_354).contains(&moved.len()), "{}", moved.len());

            pool.update(numbered(1..101));
            let left = owners(&pool);
            let moved: Vec<_> = left.iter().zip(&joined).filter(|(a, b)| a != b).collect();
            assert!(moved.iter().all(|(_, owner)| *owner == "n0@host"));
            assert!((646..1_354).contains(&moved.len()), "{}", moved.len());

            pool.update(numbered(0..100));
            assert_eq!(owners(&pool), hundred);
        }
    }

    #[test]
    fn a_member_whose_points_are_all_anothers_has_them_when_that_one_is_gone() {
        // Erlang's hash of these two atoms is the same.
        let nodes = |names: &[&str]| -> Vec<NodeName> {
            let names = names
                .iter()
                .map(|name| format!("{name}@host").parse().unwrap());
            names.collect()
        };
        let pool = Pool::new(HashRing::new());
        let owners =
            || -> BTreeSet<String> { (0..1_000).map(|n| owner(&pool, &Term::from(n))).collect() };
        let named = |names: &[&str]| names.iter().map(|name| format!("{name}@host")).collect();

        pool.update(nodes(&["aq", "ba", "c"]));
        assert_eq!(owners(), named(&["aq", "c"]));
        let key = Term::from(1);
        assert_eq!(pool.select_nodes(3, &Selection::with_key(&key)).len(), 2);
        pool.update(nodes(&["ba", "c"]));
        assert_eq!(owners(), named(&["ba", "c"]));
        pool.update(nodes(&["aq", "ba", "c"]));
        assert_eq!(owners(), named(&["aq", "c"]));
    }

    #[test]
    fn without_a_key_every_member_is_picked_alike() {
        let pool = Pool::new(HashRing::seeded(3));
        pool.update(numbered(0..10));
        for _ in 0..10_000 {
            drop(pool.select(&Selection::default()).unwrap());
        }
        // Seven standard deviations of a fair choice are 210.
        let snapshot = pool.snapshot();
        assert!(
            snapshot
                .members()
                .iter()
                .all(|m| m.picks().abs_diff(1_000) < 210)
        );

        let sample = || {
            let leases = pool.select_nodes(3, &Selection::default());
            leases
                .iter()
                .map(|lease| lease.node().clone())
                .collect::<BTreeSet<_>>()
        };
        let samples: BTreeSet<_> = (0..50).map(|_| sample()).collect();
        assert!(samples.iter().all(|sample| sample.len() == 3));
        assert!(samples.len() > 10);
    }

    #[test]
    fn a_number_of_points_that_is_none_or_too_many_is_refused() {
        for points in [0, HashRing::MAX_POINTS + 1] {
            let error = HashRing::new().points(points).unwrap_err();
            let message = format!("points: {points} is not a number from 1 to 65536");
            assert_eq!(error.message, message);
        }
        assert!(HashRing::new().points(HashRing::MAX_POINTS).is_ok());
    }
}
