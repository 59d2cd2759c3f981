//! The life of a link: from its handshake to its end, as peers, groups and users see it.
//!
//! A link is first published and then withdrawn, each in one step of the [`Turn`] of its peer's
//! slot. So there is never more than one link of a peer to be seen, all parts of the node see the
//! same one, and what they are told of one link is over before they are told of the next.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::{Instant, timeout};

use super::{Link, requests::Waiting, silence::Silent};
use crate::{
    connect::{Handshaken, Side},
    event::{DownReason, Event},
    peer::{Slot, Turn},
    process::{Process, Role},
    state::NodeState,
};

/// Why no link came of a connection that went through the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unpublished {
    /// The link that there is stays.
    Outlasted,
    /// There are `connected_peers` already.
    NoRoom,
}

/// How long a peer that runs may take to say something on its link.
const SPEAKING_PATIENCE: Duration = Duration::from_millis(500);

impl NodeState {
    /// Publishes a link after its handshake, in the place of the one that there may be.
    pub(crate) fn establish(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        handshaken: Handshaken,
    ) -> Result<Arc<Link>, Unpublished> {
        // Those who wait for the link must not find everything settled before it is seen.
        let question = self.settling.question(slot.name());
        // Dropped after the turn.
        let _waiting;
        let turn = slot.turn();
        let old = turn.published();
        if old
            .as_ref()
            .is_some_and(|old| self.outlasts(old, &handshaken))
        {
            return Err(Unpublished::Outlasted);
        }
        let limit = match handshaken.made_by {
            Side::Peer => self.most_links(slot, old.is_some()),
            Side::ThisNode => usize::MAX,
        };
        let Some(room) = self.links.room(limit) else {
            return Err(Unpublished::NoRoom);
        };
        let link = Arc::new(Link::new(
            self.fresh_link_id(),
            handshaken,
            Arc::clone(&self.identity),
        ));
        if let Some(old) = old {
            // What the old link announced must be gone before the new one announces.
            old.close(self.replaced_because(&old, &link));
            _waiting = self.withdraw_in(&turn, &old);
        }
        // Logging runs code of users. What that does if it fails must not leave a link behind that
        // no task reads.
        tracing::info!(peer = %link.peer, hidden = !link.visible, "connected");
        room.fill(&link);
        turn.set_live(&link);
        self.emit(Event::Up {
            peer: link.peer.clone(),
            hidden: !link.visible,
        });
        self.groups.link_up(&link);
        self.discovery.ask(self, Arc::clone(slot), question);
        // Whoever stopped the node may have looked for links before this one was there.
        if self.is_closed() {
            link.close(DownReason::ShutDown);
        }
        Ok(link)
    }

    /// Whether there is room for a link that a peer makes, for all that is known by now.
    pub(crate) fn has_room_for(&self, slot: &Slot) -> bool {
        self.links.count() < self.most_links(slot, slot.is_published())
    }

    /// How many links there may be before a peer makes one. It may take the place of the one that it has,
    /// or had, as long as that counts: it is one more for a moment only. And those to which this node
    /// connects are never too many, also where the connection of the peer is the one that stays.
    fn most_links(&self, slot: &Slot, is_published: bool) -> usize {
        match is_published || slot.is_dialled() {
            true => usize::MAX,
            false => self.identity.limits.connected_peers,
        }
    }

    /// Why a link gives way to another one: nothing came over it, or the peer connected anew, as it knows
    /// nothing of it or was started anew.
    fn replaced_because(&self, old: &Link, new: &Link) -> DownReason {
        let suspects = self.suspects.all();
        match suspects.get(&old.peer) {
            Some(since) if old.creation == new.creation => DownReason::Silent(since.elapsed()),
            _ => DownReason::Replaced,
        }
    }

    /// Whether a live link stays when another connection with its peer came through the handshake.
    ///
    /// It does if the nodes made the two at the same time and it is the one with precedence: whatever
    /// the order in which each node gets here with them, both keep the same one. A peer that knows
    /// nothing of the live link, or was started anew, replaces it.
    fn outlasts(&self, live: &Link, other: &Handshaken) -> bool {
        let Handshaken {
            established,
            made_by,
            disowned,
        } = other;
        !live.is_closing()
            && live.creation == established.peer_creation
            && *disowned != Some(live.id)
            && live.made_by.has_precedence(self.name(), &live.peer)
            && !made_by.has_precedence(self.name(), &live.peer)
    }

    /// Waits a moment for a peer that runs to answer on its link, on which nothing comes, or for the link to
    /// end. If the peer was stopped, what it was sent meanwhile lies in its socket.
    ///
    /// Dropping the future does no harm.
    pub(crate) async fn await_word(&self, slot: &Slot, silent: &Link) {
        let mut suspects = self.suspects.watch();
        let is_silent = |live: Arc<Link>| live.id == silent.id && live.is_suspect();
        let is_over = suspects.wait_for(|_| !slot.live().is_some_and(is_silent));
        let _ = timeout(SPEAKING_PATIENCE, is_over).await;
    }

    /// The links over which processes of this node are watched: by monitors, and by those who wait for calls.
    /// Those between scopes of process groups, which are made anew with every link, do not count, and nor do
    /// calls that nobody waits for any more and what nodes ask each other.
    pub(crate) fn links_in_use(&self) -> HashSet<u64> {
        let mut links = HashSet::new();
        for process in self.processes.all() {
            if holds_links(&process) {
                process.add_watching_links(&mut links);
            }
        }
        links
    }

    /// Whether a link is one of these.
    pub(crate) fn is_in_use(&self, link: &Link) -> bool {
        let processes = self.processes.all();
        let mut holding = processes.iter().filter(|process| holds_links(process));
        holding.any(|process| process.is_watched_over(link.id))
    }

    /// Whether a link is to give way to another one: nothing has come over it since its peer was seen to run,
    /// and it [is idle](Self::is_idle).
    pub(crate) fn may_replace(&self, silent: &Link, since: Instant) -> bool {
        !silent.has_stirred_since(since) && self.is_idle(silent, || self.is_in_use(silent))
    }

    /// Whether nothing comes over a link, and nothing is under way on it that its end would end: calls that
    /// run, at either end, answers of this node, and monitors. After the net tick time nothing is taken to be
    /// under way any more: the [tick](beam_dist::tick) is about to end the link, and the next try of TCP is
    /// later.
    ///
    /// Whether the peer has begun a call is known once it has said so. One of which it has said nothing counts
    /// for nothing, or a link to which calls are sent all the time would be kept for all that time.
    ///
    /// A call that ends meanwhile counts by its answer, which is looked for after it [is in
    /// use](Self::is_in_use) no more.
    pub(crate) fn is_idle(&self, silent: &Link, is_in_use: impl FnOnce() -> bool) -> bool {
        let Some(silent_for) = silent.silent_for() else {
            return false;
        };
        silent_for >= self.net_ticktime
            || !silent.requests().has_running()
                && !is_in_use()
                && !silent.serving.has_answers_wanted(silent_for)
    }

    /// Withdraws a link that was closed: from here on nobody finds it, and those who wait for an
    /// answer over it wait no longer. `false` if that was done before.
    ///
    /// The task of the link may be in the middle of a message meanwhile, and does the last of this by
    /// [`NodeState::release_processes`].
    pub(crate) fn withdraw(&self, slot: &Slot, link: &Link) -> bool {
        let withdrawn = self.withdraw_in(&slot.turn(), link);
        withdrawn.is_some()
    }

    /// Does so, and gives those who waited, who are told once the turn is over; `None` if that was done
    /// before.
    fn withdraw_in(&self, turn: &Turn<'_>, link: &Link) -> Option<Waiting> {
        if !self.links.remove(link) {
            return None;
        }
        // Whoever learns that a call is lost, or that the peer is gone, must not find it among the
        // members of a group, or connected, any more.
        self.groups.link_down(link);
        turn.forget(link);
        if link.is_suspect() {
            self.suspects.remove(&link.peer);
        }
        let waiting = link.fail_requests();
        link.serving.forget_answers();
        self.release_processes(link);
        let reason = link.reason();
        self.emit(Event::Down {
            peer: link.peer.clone(),
            reason: reason.clone(),
        });
        tracing::info!(peer = %link.peer, %reason, "disconnected");
        Some(waiting)
    }

    /// Nothing has come from a peer for so long, though it was asked: it is suspect.
    pub(super) fn suspect(&self, slot: &Slot, link: &Link, silent: Silent) {
        let turn = slot.turn();
        if !turn.is_published(link) {
            return;
        }
        let since = silent.since;
        let silent_for = since.elapsed();
        *link.silent() = Some(silent);
        link.is_suspect.store(true, Ordering::Relaxed);
        self.suspects.insert(&link.peer, since);
        // Those who look for somebody else must not find the peer again.
        let waiting = link.end_waiting(since, self.silence.call_grace);
        self.emit(Event::Suspect {
            peer: link.peer.clone(),
            silent_for,
        });
        drop(turn);
        drop(waiting);
        if let Some(left_out) = self.warnings.suspects.now_of(&link.peer) {
            tracing::warn!(peer = %link.peer, ?silent_for, %left_out, "suspect: the peer gives no sign of life");
        }
    }

    /// A peer that was suspect has answered.
    pub(super) fn recover(&self, slot: &Slot, link: &Link) {
        let turn = slot.turn();
        link.is_suspect.store(false, Ordering::Relaxed);
        *link.silent() = None;
        link.wait_again();
        if !turn.is_published(link) {
            return;
        }
        let Some(since) = self.suspects.remove(&link.peer) else {
            return;
        };
        let silent_for = since.elapsed();
        self.emit(Event::Recovered {
            peer: link.peer.clone(),
            silent_for,
        });
        drop(turn);
        tracing::info!(peer = %link.peer, ?silent_for, "the peer is back");
    }

    /// Ends what processes of this node had to do with a link: those of its peer that watched
    /// them, and the calls that came over it.
    pub(super) fn release_processes(&self, link: &Link) {
        for process in self.processes.all() {
            process.unwatch_all(link.id);
            if let Some(served) = process.served()
                && served.came_over(link.id)
            {
                served.cancel();
            }
        }
    }
}

/// Whether links over which a process is watched are kept for it.
fn holds_links(process: &Process) -> bool {
    match &process.role {
        Role::Scope => false,
        Role::Served(served) => served.called.is_work && !served.is_late(),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
