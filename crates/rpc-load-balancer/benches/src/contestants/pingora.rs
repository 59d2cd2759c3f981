//! `pingora-load-balancing`, by [`LoadBalancer::select`]. It has no leases: it counts no calls in
//! flight, so there is less to do.

use std::{
    collections::{BTreeSet, HashMap},
    hint::black_box,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use futures_util::FutureExt;
use pingora_load_balancing::{
    Backend, Backends, LoadBalancer,
    discovery::{ServiceDiscovery, Static},
    selection::{BackendIter, BackendSelection, Consistent, Random, RoundRobin},
};

use super::{Change, Changing, Contestant, Entry, Library, Turn, keys};

pub(super) fn entries() -> Vec<Entry> {
    vec![
        entry::<Random>("Random", |balancer| Arc::new(Unkeyed(balancer))),
        entry::<RoundRobin>("RoundRobin", |balancer| Arc::new(Unkeyed(balancer))),
        entry::<Consistent>("Ketama", |balancer| {
            let (keys, turn) = (keys(), Turn::default());
            Arc::new(Keyed {
                balancer,
                keys,
                turn,
            })
        }),
    ]
}

/// How many members it may try; it is never more than one, as all are healthy.
const MOST_TRIED: usize = 256;

trait Selects: BackendSelection<Iter: BackendIter + 'static> + Send + Sync + 'static {}

impl<S: BackendSelection<Iter: BackendIter + 'static> + Send + Sync + 'static> Selects for S {}

fn entry<S: Selects>(
    algorithm: &'static str,
    contestant: fn(LoadBalancer<S>) -> Arc<dyn Contestant>,
) -> Entry {
    Entry::new(
        Library::Pingora,
        algorithm,
        move |members| contestant(balancer(Static::new(backends(members)))),
        |members| Changes::<S>::boxed(members),
    )
}

fn backends(members: usize) -> BTreeSet<Backend> {
    let backend = |number: usize| {
        let [.., high, low] = number.to_be_bytes();
        Backend::new(&format!("10.0.{high}.{low}:80")).expect("a valid address")
    };
    (0..members).map(backend).collect()
}

fn balancer<S: Selects>(
    discovery: Box<dyn ServiceDiscovery + Send + Sync + 'static>,
) -> LoadBalancer<S> {
    let balancer = LoadBalancer::from_backends(Backends::new(discovery));
    update(&balancer);
    balancer
}

/// Nothing is waited for, as the members are known.
fn update<S: Selects>(balancer: &LoadBalancer<S>) {
    let updated = balancer.update().now_or_never();
    updated
        .expect("it is done at once")
        .expect("it cannot fail");
}

struct Unkeyed<S: Selects>(LoadBalancer<S>);

impl<S: Selects> Contestant for Unkeyed<S> {
    fn alone(&self, selections: u32) {
        for _ in 0..selections {
            let backend = self.0.select(b"", MOST_TRIED);
            black_box(&backend.expect("there are members"));
        }
    }
}

struct Keyed<S: Selects> {
    balancer: LoadBalancer<S>,
    keys: Vec<String>,
    turn: Turn,
}

impl<S: Selects> Contestant for Keyed<S> {
    fn alone(&self, selections: u32) {
        for key in self.turn.take(selections) {
            let backend = self.balancer.select(self.keys[key].as_bytes(), MOST_TRIED);
            black_box(&backend.expect("there are members"));
        }
    }
}

/// Answers with the members that it was given, without copying them as the library's own does.
#[derive(Clone)]
struct Given(Arc<Mutex<BTreeSet<Backend>>>);

#[async_trait]
impl ServiceDiscovery for Given {
    async fn discover(&self) -> pingora_error::Result<(BTreeSet<Backend>, HashMap<u64, bool>)> {
        Ok((mem::take(&mut *self.members()), HashMap::new()))
    }
}

impl Given {
    fn members(&self) -> std::sync::MutexGuard<'_, BTreeSet<Backend>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Changes<S: Selects> {
    balancer: LoadBalancer<S>,
    given: Given,
    without: BTreeSet<Backend>,
    with: BTreeSet<Backend>,
}

impl<S: Selects> Changes<S> {
    fn boxed(members: usize) -> Box<dyn Changing> {
        let with = backends(members + 1);
        let mut without = with.clone();
        let one = without.iter().nth(members / 2).expect("there is one");
        without.remove(&one.clone());
        let given = Given(Arc::new(Mutex::new(without.clone())));
        Box::new(Self {
            balancer: balancer::<S>(Box::new(given.clone())),
            given,
            without,
            with,
        })
    }
}

impl<S: Selects> Changing for Changes<S> {
    fn prepare(&mut self, change: Change) {
        *self.given.members() = match change {
            Change::Join => self.with.clone(),
            Change::Leave => self.without.clone(),
        };
    }

    fn apply(&mut self) {
        update(&self.balancer);
    }
}
