//! Keeping the pool of a balancer at the members of its group that take calls.

use std::{
    cell::RefCell,
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use beam_dist::NodeName;
use beam_node::{Member, Members, Node, PublishedValues, Suspects};
use beam_term::{Atom, Term};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    ends::Ends,
    pace::Pace,
    published::{Profile, key},
    selector::Selector,
    weights::Weights,
};
use crate::{
    health::{
        Book, EventSource, Health, Known, MemberEvent, MemberStatus, Observed, Reports, Sight,
    },
    members::Candidate,
    telemetry::Telemetry,
};

/// The members that the pool has been told of, as a value that changes with them.
pub(super) type Followed = watch::Receiver<View>;

/// The members of a balancer at one moment.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// Which look has shown them; they are numbered from 0.
    pub(super) look: u64,
    /// The members of the group, whatever their weights and states, sorted by name.
    pub(super) members: Arc<[MemberStatus]>,
    /// Those who left of late.
    pub(super) former: Arc<[MemberStatus]>,
}

/// Changes of the members of a balancer, of their weights, or of how they are.
pub(crate) struct Changes(Followed);

impl Changes {
    /// Notices changes from here on.
    pub(super) fn of(followed: &Followed) -> Self {
        let mut followed = followed.clone();
        followed.mark_unchanged();
        Self(followed)
    }

    /// Waits for the next change. There is none any more once the balancer is gone.
    pub(crate) async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// What the members of a pool follow from.
struct Sources {
    node: Node,
    group: Term,
    key: Term,
    members: watch::Receiver<Arc<Members>>,
    published: watch::Receiver<Arc<PublishedValues>>,
    weights: watch::Receiver<HashMap<NodeName, u32>>,
    suspects: watch::Receiver<Arc<Suspects>>,
    ends: Ends,
    reports: Arc<Reports>,
    book: Book,
    /// How many looks there were.
    looks: u64,
    /// When to look again, whatever happens.
    next: Option<Instant>,
    pace: Pace,
    telemetry: Telemetry,
}

/// Fills the pool with the members of now. The future keeps it at those of later, for as long
/// as it runs; it holds the node.
pub(super) fn follow(
    pool: Arc<dyn Selector>,
    node: &Node,
    balancer: &Atom,
    weights: &Weights,
    health: Health,
    listeners: EventSource,
    telemetry: Telemetry,
) -> (Followed, impl Future<Output = ()> + Send + 'static) {
    let (group, key) = (Term::Atom(balancer.clone()), key(balancer));
    pool.reports().ask_for(health.reports());
    let mut sources = Sources {
        node: node.clone(),
        members: node.watch_members(group.clone()),
        published: node.watch_published(key.clone()),
        weights: weights.follow(),
        suspects: node.watch_suspects(),
        ends: Ends::of(node),
        reports: Arc::clone(pool.reports()),
        book: Book::new(health, Instant::now()),
        looks: 0,
        next: None,
        pace: Pace::default(),
        telemetry,
        group,
        key,
    };
    // Nobody listens to events yet.
    let (view, _) = sources.take(&*pool);
    let followed = watch::Sender::new(view);
    let receiver = followed.subscribe();
    let task = async move {
        while sources.changed().await {
            let (view, events) = sources.take(&*pool);
            let look = view.look;
            followed.send_replace(view);
            // Whoever is told of a change sees it, in the pool as well.
            for event in events {
                listeners.emit(look, event);
            }
        }
    };
    (receiver, task)
}

impl Sources {
    /// Waits for a change, and until it is time for a look; `false` when there will be none any more.
    async fn changed(&mut self) -> bool {
        let next = self.next;
        let due = async {
            match next {
                Some(next) => sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        let is_change = tokio::select! {
            changed = self.members.changed() => changed.is_ok(),
            changed = self.published.changed() => changed.is_ok(),
            changed = self.weights.changed() => changed.is_ok(),
            changed = self.suspects.changed() => changed.is_ok(),
            ended = self.ends.next(|node| self.book.knows(node)) => ended,
            () = self.reports.next() => true,
            () = due => true,
        };
        if is_change && let Some(time) = self.pace.next() {
            sleep_until(time).await;
        }
        is_change
    }

    fn take(&mut self, pool: &dyn Selector) -> (View, Vec<MemberEvent>) {
        let ended = self.ends.take(|node| self.book.knows(node));
        // What changes from here on is a change to wait for.
        self.members.mark_unchanged();
        self.published.mark_unchanged();
        let suspects = Arc::clone(&self.suspects.borrow_and_update());
        // A member whose weight came a moment later would get calls that it does not want.
        let (members, published) = self.node.members_and_published(&self.group, &self.key);
        let known = {
            let weights = self.weights.borrow_and_update();
            let known = |member: &Member| {
                let node = member.node();
                let value = published.get(node);
                let profile = value.map(|value| Profile::read(value)).unwrap_or_default();
                let set_here = weights.get(node).copied();
                Known {
                    node: node.clone(),
                    creation: member.pids().first().map_or(0, |pid| pid.creation),
                    weight: set_here.or(profile.weight).unwrap_or(1),
                    metadata: profile.metadata,
                }
            };
            members.iter().map(known).collect()
        };
        self.pace.looked(Instant::now(), members.len());
        self.telemetry.members(&members);
        let (node, ends) = (&self.node, RefCell::new(&mut self.ends));
        let now = Instant::now();
        let observed = self.book.observe(Sight {
            now,
            members: known,
            suspects: &suspects,
            ended,
            disconnected: &|name| ends.borrow_mut().reason(node, name),
            records: pool,
        });
        let Observed {
            candidates,
            members,
            former,
            events,
            next,
        } = observed;
        self.next = match self.ends.have_more(|node| self.book.knows(node)) {
            true => Some(now),
            false => next,
        };
        // What the algorithm does with them is code of the user. Should it panic, the members stay
        // what they were until the next change.
        let update = || {
            pool.update(match pool.is_local() {
                true => vec![Candidate::from(self.node.name().clone())],
                false => candidates,
            });
        };
        if catch_unwind(AssertUnwindSafe(update)).is_err() {
            tracing::error!("the algorithm of a balancer panicked when members changed");
        }
        self.reports.made_room();
        let view = View {
            look: self.looks,
            members,
            former,
        };
        self.looks += 1;
        (view, events)
    }
}
