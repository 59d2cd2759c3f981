//! `rlb select`

use std::{collections::BTreeMap, time::Duration};

use beam_node::NodeName;
use beam_term::Term;
use rpc_load_balancer::{Balancer, Lease};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    balancer::{AlgorithmOptions, Found},
    cluster::{ClientOptions, duration, stop},
    name::balancer_name,
    number::number,
};
use crate::{exit, failure::Failure, format::Bars, printer::Printer};

/// Show which members a balancer picks, one a line, without calling them
#[derive(clap::Args)]
#[command(after_help = exit::HELP)]
pub(super) struct Select {
    /// The balancer
    #[arg(value_name = "BALANCER", value_parser = balancer_name)]
    balancer: String,

    #[command(flatten)]
    algorithm: AlgorithmOptions,

    /// Pick so many times, one after the other; each member that was picked counts as busy until
    /// the last one is
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = number(1..=10_000_000_u32), allow_negative_numbers = true)]
    count: u32,

    /// Pick --count different members instead, or as many as there are: for a key, its owner and
    /// then its replicas
    #[arg(long)]
    distinct: bool,

    /// Show the share of each member as a bar, instead of each pick; a member is free again at once
    ///
    /// Without --key, every pick has a key of its own, for algorithms that hash.
    #[arg(long, conflicts_with = "distinct")]
    histogram: bool,

    /// Wait so long before the first pick: algorithms such as least-cpu learn of the members in that
    /// time
    #[arg(long, value_name = "DURATION", value_parser = duration, allow_negative_numbers = true)]
    settle: Option<Duration>,

    #[command(flatten)]
    client: ClientOptions,
}

/// How often a member was picked.
#[derive(Serialize)]
struct Share<'a> {
    node: &'a str,
    picks: u32,
}

impl Select {
    pub(super) async fn run(self, printer: Printer) -> Result<(), Failure> {
        let key = self.algorithm.key()?;
        let found = Found::find(&self.balancer, Some(&self.algorithm), &self.client).await?;
        if let Some(settle) = self.settle {
            tokio::time::sleep_until(Instant::now() + settle).await;
        }
        let done = match self.histogram {
            true => self.shares(&found.balancer, key.as_ref(), printer),
            false => self.picks(&found.balancer, key.as_ref(), printer),
        };
        stop(found.node).await;
        done
    }

    fn picks(
        &self,
        balancer: &Balancer,
        key: Option<&Term>,
        printer: Printer,
    ) -> Result<(), Failure> {
        #[derive(Serialize)]
        struct Pick<'a> {
            node: &'a str,
        }

        let picks = self.pick(balancer, key)?;
        if printer.is_json() {
            let picks = picks.iter().map(|lease| Pick {
                node: lease.node().as_str(),
            });
            return printer.json(picks.collect::<Vec<_>>());
        }
        picks
            .iter()
            .try_for_each(|lease| printer.line(lease.node()))
    }

    fn pick(&self, balancer: &Balancer, key: Option<&Term>) -> Result<Vec<Lease>, Failure> {
        let count = self.count as usize;
        if self.distinct {
            return Ok(match key {
                Some(key) => balancer.select_nodes_with_key(count, key)?,
                None => balancer.select_nodes(count)?,
            });
        }
        let picks = (0..count).map(|_| match key {
            Some(key) => balancer.select_with_key(key),
            None => balancer.select(),
        });
        Ok(picks.collect::<Result<_, _>>()?)
    }

    fn shares(
        &self,
        balancer: &Balancer,
        key: Option<&Term>,
        printer: Printer,
    ) -> Result<(), Failure> {
        let mut shares: BTreeMap<NodeName, u32> = balancer
            .members()?
            .into_iter()
            .map(|node| (node, 0))
            .collect();
        for number in 0..self.count {
            let lease = match key {
                Some(key) => balancer.select_with_key(key)?,
                None => balancer.select_with_key(&Term::from(number))?,
            };
            match shares.get_mut(lease.node()) {
                Some(share) => *share += 1,
                None => {
                    shares.insert(lease.node().clone(), 1);
                }
            }
        }
        if printer.is_json() {
            let shares = shares.iter().map(|(node, &picks)| Share {
                node: node.as_str(),
                picks,
            });
            return printer.json(shares.collect::<Vec<_>>());
        }
        let rows = shares.iter().map(|(node, &picks)| (node.as_str(), picks));
        printer.line(Bars::new(rows))
    }
}
