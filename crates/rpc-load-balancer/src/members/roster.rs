//! Who is a member now, and who was one and may come back.

use std::{collections::HashMap, sync::Arc};

use beam_dist::NodeName;
use tokio::time::Instant;

use super::{Candidate, Member, Snapshot, load::mean_picks, slow_start::SlowStarts};
use crate::{
    algorithm::{Algorithm, NodeChange},
    health::Reports,
};

/// Those who left. While there are leases on one of them it is found again when it comes back, so
/// that its calls in flight are counted on; those without are struck off with the next change.
pub(super) struct Roster<A: Algorithm> {
    lanes: usize,
    reports: Arc<Reports>,
    departed: HashMap<NodeName, Arc<Member<A>>>,
}

impl<A: Algorithm> Roster<A> {
    pub(super) fn new(lanes: usize, reports: Arc<Reports>) -> Self {
        Self {
            lanes,
            reports,
            departed: HashMap::new(),
        }
    }

    /// The snapshot that follows `current` with these candidates, sorted by name and each once, and
    /// what changes with it. `None` if nothing does.
    pub(super) fn next(
        &mut self,
        current: &Snapshot<A>,
        candidates: &[Candidate],
        algorithm: &Arc<A>,
    ) -> Option<(Snapshot<A>, NodeChange)> {
        let mut rest = candidates.iter().peekable();
        let mut stays = |member: &Arc<Member<A>>| {
            while rest.next_if(|next| next.node < *member.node()).is_some() {}
            rest.next_if(|next| next.node == *member.node()).is_some()
        };
        let (staying, leaving): (Vec<_>, Vec<_>) =
            current.members().iter().cloned().partition(&mut stays);
        let weights: Box<[u32]> = candidates.iter().map(Candidate::weight).collect();
        let slow_starts = SlowStarts::of(candidates, current);
        if leaving.is_empty()
            && staying.len() == candidates.len()
            && *weights == *current.weights()
            && slow_starts.as_ref().map(SlowStarts::starts)
                == current.slow_starts().map(SlowStarts::starts)
        {
            return None;
        }

        // While an old snapshot holds a member, it can still be selected.
        self.departed
            .retain(|_, member| Arc::get_mut(member).is_none() || member.in_flight() > 0);
        let picks = mean_picks(staying.iter().map(|member| member.picks()));
        let mut joined = Vec::new();
        let mut stayed = staying.iter().peekable();
        let members = candidates
            .iter()
            .map(Candidate::node)
            .map(
                |node| match stayed.next_if(|member| member.node() == node) {
                    Some(member) => Arc::clone(member),
                    None => {
                        joined.push(node.clone());
                        self.join(node, picks, &staying, algorithm)
                    }
                },
            )
            .collect();

        let name = |member: &Arc<Member<A>>| member.node().clone();
        let left = leaving.iter().map(name).collect();
        let next = Snapshot::after(
            current,
            members,
            (weights, slow_starts),
            self.lanes,
            algorithm,
        );
        // Only now, for the algorithm may have panicked.
        for node in &joined {
            self.departed.remove(node);
        }
        self.departed
            .extend(leaving.into_iter().map(|member| (name(&member), member)));
        Some((next, NodeChange { joined, left }))
    }

    /// Leases on each of those who left.
    pub(super) fn departed(&self) -> impl Iterator<Item = u32> {
        self.departed.values().map(|member| member.in_flight())
    }

    fn join(
        &self,
        node: &NodeName,
        picks: u32,
        staying: &[Arc<Member<A>>],
        algorithm: &Arc<A>,
    ) -> Arc<Member<A>> {
        match self.departed.get(node) {
            Some(member) => {
                member.restart_picks(picks);
                member.record().begin_anew(Instant::now());
                Arc::clone(member)
            }
            None => Arc::new(Member::new(
                node.clone(),
                picks,
                self.lanes,
                algorithm,
                algorithm.state(node, staying),
                &self.reports,
            )),
        }
    }
}
