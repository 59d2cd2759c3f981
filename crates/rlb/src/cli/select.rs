//! `rlb select`

use beam_term::Term;
use rpc_load_balancer::{Balancer, Lease};
use serde::Serialize;

use super::{
    balancer::{Algorithm, Found},
    cluster::{ClientOptions, stop},
    function::term,
};
use crate::{exit, failure::Failure, printer::Printer};

/// Show which members a balancer picks, one a line, without calling them
#[derive(clap::Args)]
#[command(after_help = exit::HELP)]
pub(super) struct Select {
    /// The balancer
    #[arg(value_name = "BALANCER")]
    balancer: String,

    /// How the balancer picks a member
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    algorithm: Algorithm,

    /// Pick so many times, one after the other; each member that was picked counts as busy until
    /// the last one is
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,

    /// Pick --count different members instead, or as many as there are: for a key, its owner and
    /// then its replicas
    #[arg(long)]
    distinct: bool,

    /// The key that the algorithm is given, as a term; those that know of no keys ignore it
    #[arg(long, value_name = "TERM", allow_hyphen_values = true)]
    key: Option<String>,

    #[command(flatten)]
    client: ClientOptions,
}

impl Select {
    pub(super) async fn run(self, printer: Printer) -> Result<(), Failure> {
        #[derive(Serialize)]
        struct Pick<'a> {
            node: &'a str,
        }

        let key = self
            .key
            .as_deref()
            .map(|key| term("--key", key))
            .transpose()?;
        let found = Found::find(&self.balancer, self.algorithm, &self.client).await?;
        let picks = self.pick(&found.balancer, key.as_ref());
        stop(found.node).await;
        let picks = picks?;
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
}
