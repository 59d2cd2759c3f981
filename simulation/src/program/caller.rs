//! A task that makes calls, one after the other.

use std::{future::Future, time::Duration};

use fastrand::Rng;
use futures_util::future::join_all;
use rpc_load_balancer::{Balancer, Binary, Error, Hedge, Node, Term};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    node_name,
    work::{BLOCKING, FUNCTION},
};
use crate::{
    clock,
    ledger::{CallId, End, Kind, Ledger, Life},
    plan::CallerPlan,
};

/// The largest argument or result: several fragments of a message.
const LARGE: usize = 200_000;

/// How many keys there are.
const KEYS: i64 = 16;

pub(crate) struct Caller {
    pub(super) plan: CallerPlan,
    pub(super) rng: Rng,
    pub(super) life: Life,
    pub(super) node: Node,
    pub(super) balancer: Balancer,
    pub(super) ledger: Ledger,
    pub(super) hosts: usize,
    /// The most calls at a time.
    pub(super) burst: usize,
}

impl Caller {
    /// Makes calls until there are to be no more.
    pub(super) async fn run(mut self, quiet: CancellationToken) {
        loop {
            let pause = Duration::from_millis(self.rng.u64(0..=self.plan.pause));
            tokio::select! {
                biased;
                () = quiet.cancelled() => return,
                () = sleep(pause) => match self.is_one_in(self.plan.bursts) {
                    true => {
                        let peer = self.any_node();
                        self.many(peer).await;
                    }
                    false => self.one(None).await,
                },
            }
        }
    }

    /// Makes many calls of one node at a time, each to its end.
    pub(crate) async fn many(&mut self, peer: String) {
        let count = self.rng.usize(1..=self.burst);
        let calls: Vec<_> = (0..count).map(|_| self.one(Some(peer.clone()))).collect();
        join_all(calls).await;
    }

    /// Makes one call, of a certain node if there is one, to its end.
    fn one(&mut self, peer: Option<String>) -> impl Future<Output = ()> + use<> {
        let timeout = self.rng.u64(1..=self.plan.timeout);
        let kind = match self.is_one_in(self.plan.casts) {
            true => Kind::Cast,
            false if peer.is_none() && self.is_one_in(self.plan.idempotent) => Kind::Idempotent,
            false => Kind::Call,
        };
        let abandoned = match self.is_one_in(self.plan.abandons) {
            true => self.rng.u64(0..=timeout),
            false => 2 * timeout,
        };
        let begun = clock::now();
        let id = self.ledger.begin(kind, self.life, begun, begun + timeout);
        let call = self.send(kind, id, Duration::from_millis(timeout), peer);
        let ledger = self.ledger.clone();
        async move {
            let end = tokio::select! {
                biased;
                result = call => match result {
                    Ok(answer) => End::Answered(answer),
                    Err(error) => End::Failed {
                        may_have_run: error.may_have_run(),
                        error: error.to_string(),
                    },
                },
                () = sleep(Duration::from_millis(abandoned)) => End::Abandoned,
            };
            tracing::debug!(id, ?end, "a call ended");
            ledger.end(id, clock::now(), end);
        }
    }

    fn send(
        &mut self,
        kind: Kind,
        id: CallId,
        timeout: Duration,
        peer: Option<String>,
    ) -> impl Future<Output = Result<CallId, Error>> + use<> {
        let work = (id, self.rng.u64(0..=self.plan.work), self.size());
        let carried = Binary::from(vec![0; self.size()]);
        // Some know whom they want to call.
        let is_direct = kind != Kind::Idempotent && self.rng.u32(0..6) == 0;
        let direct = peer.or_else(|| is_direct.then(|| self.any_node()));
        let function = match self.is_one_in(self.plan.blocking) {
            true => BLOCKING,
            false => FUNCTION,
        };
        let hedged = self.plan.hedged.map(Duration::from_millis);
        let key = Term::from(self.rng.i64(0..KEYS));
        let (node, balancer) = (self.node.clone(), self.balancer.clone());
        let working = self.ledger.work(work.2 + carried.len());
        async move {
            let _working = working;
            let arguments = (work, carried);
            let answer: (CallId, Binary) = match (kind, direct) {
                (Kind::Call, Some(peer)) => {
                    let call = node.call(peer, function, arguments);
                    call.timeout(timeout).send().await?
                }
                (Kind::Call, None) => {
                    let call = balancer.call(function, arguments);
                    call.key(key).timeout(timeout).send().await?
                }
                (Kind::Idempotent, _) => {
                    let call = balancer.call(function, arguments).idempotent();
                    let call = match hedged {
                        Some(after) => call.hedge(Hedge::after(after)),
                        None => call,
                    };
                    call.key(key).timeout(timeout).send().await?
                }
                (Kind::Cast, Some(peer)) => {
                    let cast = node.cast(peer, function, arguments);
                    cast.timeout(timeout).send().await?;
                    return Ok(id);
                }
                (Kind::Cast, None) => {
                    let cast = balancer.cast(function, arguments);
                    cast.key(key).timeout(timeout).send().await?;
                    return Ok(id);
                }
            };
            Ok(answer.0)
        }
    }

    fn any_node(&mut self) -> String {
        node_name(self.rng.usize(0..self.hosts))
    }

    fn is_one_in(&mut self, many: u32) -> bool {
        self.rng.u32(0..many) == 0
    }

    fn size(&mut self) -> usize {
        match self.is_one_in(self.plan.large) {
            true => self.rng.usize(0..LARGE),
            false => self.rng.usize(0..64),
        }
    }
}
