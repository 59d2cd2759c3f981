//! Connections of clients that have not shown who they are.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// How long a connection keeps its place whoever else comes: enough for all that an honest client
/// has to say.
const GRACE: Duration = Duration::from_millis(100);

/// How long newcomers wait for each other. Many honest ones may come at the same time, but not on and
/// on.
const RUSH: Duration = Duration::from_secs(1);

/// A bounded number of places for connections.
///
/// Where all are taken, a newcomer gets the oldest place of the source that has most of them. So one
/// who opens connections and says nothing keeps nobody else out. Connections that come faster than
/// places become free wait where they are, in the backlog of the listener; but once that has gone on
/// for a while they get places at once, as those of one source would hold up all others there.
#[derive(Debug)]
pub(crate) struct Strangers {
    limit: usize,
    places: Mutex<Places>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Places {
    next: u64,
    /// In the order in which they were taken.
    taken: BTreeMap<u64, Taken>,
    rush: Option<Rush>,
}

/// A time in which newcomers found all places taken again and again.
#[derive(Clone, Copy, Debug)]
struct Rush {
    since: Instant,
    last: Instant,
}

#[derive(Debug)]
struct Taken {
    source: IpAddr,
    since: Instant,
    evicted: CancellationToken,
}

/// A place, which is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    strangers: Arc<Strangers>,
    number: u64,
    /// Whether another connection had it a moment ago.
    is_displacing: bool,
    evicted: CancellationToken,
}

impl Strangers {
    /// So many places, at least one.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit: limit.max(1),
            places: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// Takes a place for a connection from this address, once there is one. Only one task, that which
    /// accepts, may wait for places.
    pub(crate) async fn enter(self: &Arc<Self>, address: IpAddr) -> Place {
        let source = source(address);
        loop {
            match self.try_enter(source) {
                Ok(place) if place.is_displacing => {
                    // Whoever had it before ends before the next one comes.
                    tokio::task::yield_now().await;
                    return place;
                }
                Ok(place) => return place,
                Err(soon) => tokio::select! {
                    () = self.freed.notified() => {}
                    () = sleep_until(soon) => {}
                },
            }
        }
    }

    /// Takes a place, or tells when one can be taken at the latest.
    fn try_enter(self: &Arc<Self>, source: IpAddr) -> Result<Place, Instant> {
        let mut places = self.places();
        let now = Instant::now();
        let is_displacing = places.taken.len() >= self.limit;
        if is_displacing {
            let rush = places.rush(now);
            if let Some((number, taken)) = places.to_give_way(source) {
                let soon = (taken.since + GRACE).min(rush.since + RUSH);
                if now < soon {
                    return Err(soon);
                }
                taken.evicted.cancel();
                places.taken.remove(&number);
            }
        }
        let number = places.next;
        places.next += 1;
        let evicted = CancellationToken::new();
        let taken = Taken {
            source,
            since: now,
            evicted: evicted.clone(),
        };
        places.taken.insert(number, taken);
        Ok(Place {
            strangers: Arc::clone(self),
            number,
            is_displacing,
            evicted,
        })
    }

    /// How many places are taken.
    #[cfg(rlb_simulation)]
    pub(crate) fn count(&self) -> usize {
        self.places().taken.len()
    }

    /// Every critical section leaves the table whole.
    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// Notes that a newcomer found all places taken, and gives the rush that this belongs to.
    fn rush(&mut self, now: Instant) -> Rush {
        let since = match self.rush {
            Some(rush) if now < rush.last + RUSH => rush.since,
            _ => now,
        };
        *self.rush.insert(Rush { since, last: now })
    }

    /// The oldest place of the source that has most of them, with that for the newcomer.
    fn to_give_way(&self, newcomer: IpAddr) -> Option<(u64, &Taken)> {
        let mut counts = HashMap::from([(newcomer, 1_usize)]);
        for taken in self.taken.values() {
            *counts.entry(taken.source).or_default() += 1;
        }
        let most = counts.values().max()?;
        self.taken
            .iter()
            .find(|(_, taken)| counts.get(&taken.source) == Some(most))
            .map(|(number, taken)| (*number, taken))
    }
}

impl Place {
    /// Waits until the place is given to another connection.
    pub(crate) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.strangers.places().taken.remove(&self.number);
        self.strangers.freed.notify_one();
    }
}

/// What counts as one source: an address, or, as everybody has so many of version 6, a network of
/// these.
pub(crate) fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tokio::time::advance;

    use super::*;

    const FEW: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const MANY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    #[tokio::test(start_paused = true)]
    async fn the_oldest_of_the_source_with_most_places_gives_way() {
        let strangers = Strangers::new(3);
        let few = strangers.enter(FEW).await;
        let many = [strangers.enter(MANY).await, strangers.enter(MANY).await];

        let _newcomer = strangers.enter(MANY).await;

        assert!(many[0].evicted.is_cancelled());
        assert!(!many[1].evicted.is_cancelled() && !few.evicted.is_cancelled());
        drop(many);
        assert_eq!(strangers.places().taken.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_kept_for_a_while_and_the_next_free_one_is_taken() {
        let strangers = Strangers::new(2);
        let places = [strangers.enter(FEW).await, strangers.enter(FEW).await];
        advance(GRACE / 2).await;

        let mut waiting = pin!(strangers.enter(MANY));
        assert!(poll_once(waiting.as_mut()).await.is_none());
        let [first, second] = places;
        drop(second);

        let freed = Instant::now();
        waiting.await;
        assert_eq!(freed.elapsed(), Duration::ZERO);
        assert!(!first.evicted.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn newcomers_wait_for_each_other_for_a_while_only() {
        let strangers = Strangers::new(2);
        let few = strangers.enter(FEW).await;
        let (begun, mut places) = (Instant::now(), Vec::new());
        while begun.elapsed() < RUSH {
            places.push(strangers.enter(MANY).await);
        }
        // Some waited.
        assert!(places.len() < 20, "{}", places.len());

        for _ in 0..100 {
            places.push(strangers.enter(MANY).await);
        }

        assert!(begun.elapsed() < RUSH + GRACE);
        // Those of one source make way for each other.
        assert!(!few.evicted.is_cancelled());
        let held = places.iter().filter(|place| !place.evicted.is_cancelled());
        assert_eq!(held.count(), 1);
        // Later ones wait again.
        advance(RUSH).await;
        let _newcomer = strangers.enter(MANY).await;
        let begun = Instant::now();
        let _another = strangers.enter(MANY).await;
        assert!(begun.elapsed() >= GRACE);
    }

    async fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = std::future::ready(()) => None,
        }
    }

    #[test]
    fn a_network_of_version_6_is_one_source() {
        let source_of = |address: &str| source(address.parse().unwrap());
        assert_eq!(source_of("fd00::1"), source_of("fd00::2"));
        assert_ne!(source_of("fd00::1"), source_of("fd00:0:0:1::1"));
        assert_eq!(source_of("::ffff:10.0.0.1"), FEW);
    }
}
