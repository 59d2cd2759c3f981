//! Cuts that last longer than nodes wait for each other with their defaults.

use std::time::{Duration, Instant};

use interop::{Beam, Cable, Epmd, Host, Network, Otp, Rust, RustBuilder, unique_name};

type Error = Box<dyn std::error::Error>;

/// How long a network may take to be whole again before it is given up.
const PATIENCE: Duration = Duration::from_secs(180);

/// Cuts a node off for so many seconds each, and prints how long it then takes until each node sees
/// each other one as a member, and each call is answered.
pub(crate) fn run(seconds: &[&str]) -> Result<(), Error> {
    let seconds: Vec<u64> = match seconds {
        [] => vec![60, 120],
        seconds => seconds
            .iter()
            .map(|text| text.parse())
            .collect::<Result<_, _>>()?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        println!("cut off for  cluster             last given up  members right  calls answered");
        for cut in seconds {
            // Waiting takes no processor.
            let rust = outage(None, cut);
            let otp = async {
                match Otp::release(25) {
                    Ok(otp) => outage(Some(otp), cut).await,
                    Err(error) => Ok(format!("{cut:>9} s  Rust and OTP: {error}")),
                }
            };
            let (rust, otp) = tokio::join!(rust, otp);
            println!("{}\n{}", rust?, otp?);
        }
        Ok(())
    })
}

/// Three nodes of Rust, or two and one of OTP, of which the last one is cut off.
async fn outage(otp: Option<Otp>, cut: u64) -> Result<String, Error> {
    let network = Network::create()?;
    let mut sites = Vec::new();
    for _ in 0..3 {
        sites.push(network.host_with_cable()?);
    }
    let first = member(rust(&sites[0])?).await?;
    let second = member(rust(&sites[1])?.peer(first.name())).await?;
    let mut rusts = vec![first, second];
    let mut beam = None;
    match &otp {
        None => {
            let third = rust(&sites[2])?.peer(rusts[0].name());
            rusts.push(member(third).await?);
        }
        Some(otp) => {
            let node = start_otp(otp, &sites[2].0).await?;
            for rust in &rusts {
                let called = format!("{{call, '{}', erlang, node, [], 10000}}", node.1.name());
                rust.run(&called).await?;
            }
            beam = Some(node);
        }
    }
    let beam = beam.as_ref().map(|(_epmd, beam)| beam);
    let cluster = Cluster { rusts, beam };
    cluster.until(PATIENCE, Cluster::is_whole).await?;

    sites[2].1.cut();
    let since = Instant::now();
    let mut given_up = None;
    while since.elapsed() < Duration::from_secs(cut) {
        if given_up.is_none() && cluster.is_split().await? {
            given_up = Some(since.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    sites[2].1.mend();
    let members = cluster.until(PATIENCE, Cluster::is_whole).await?;
    let calls = cluster.until(PATIENCE, Cluster::calls).await?;
    let given_up = given_up.map_or("never".into(), |after| {
        format!("{:.1} s", after.as_secs_f64())
    });
    let kind = match beam {
        None => "three of Rust",
        Some(_) => "two of Rust, one of OTP",
    };
    Ok(format!(
        "{cut:>9} s  {kind:<24} {given_up:>8} {:>12.1} s {:>12.1} s",
        members.as_secs_f64(),
        (members + calls).as_secs_f64()
    ))
}

fn rust((host, _): &(Host, Cable)) -> Result<RustBuilder, Error> {
    let program = std::env::current_exe()?;
    Ok(RustBuilder::new(program, unique_name("rust"))
        .on(host)
        .log("error"))
}

async fn member(node: RustBuilder) -> Result<Rust, Error> {
    let node = node.start().await?;
    node.run("{join, workers}").await?;
    Ok(node)
}

async fn start_otp(otp: &Otp, host: &Host) -> Result<(Epmd, Beam), Error> {
    let epmd = otp.epmd().on(host).port(4369).start().await?;
    let beam = otp.beam().name(unique_name("otp")).on(host).epmd(&epmd);
    let beam = beam.start().await?;
    let join = "{ok, _} = pg:start(rpc_load_balancer),
        ok = pg:join(rpc_load_balancer, workers, spawn(timer, sleep, [infinity]))";
    beam.expression(join).external().await?;
    Ok((epmd, beam))
}

struct Cluster<'a> {
    rusts: Vec<Rust>,
    beam: Option<&'a Beam>,
}

impl Cluster<'_> {
    /// Waits until something holds, and tells how long it took.
    async fn until(
        &self,
        patience: Duration,
        holds: impl AsyncFn(&Self) -> Result<bool, Error>,
    ) -> Result<Duration, Error> {
        let since = Instant::now();
        while !holds(self).await? {
            if since.elapsed() > patience {
                return Err(format!("the nodes are not whole after {patience:?}").into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(since.elapsed())
    }

    /// How many members each node sees.
    async fn seen(&self) -> Result<Vec<usize>, Error> {
        let mut seen = Vec::new();
        for rust in &self.rusts {
            seen.push(
                rust.run("{members, workers}")
                    .await?
                    .as_list()
                    .map_or(0, <[_]>::len),
            );
        }
        if let Some(beam) = self.beam {
            let source =
                "length(lists:usort([node(P) || P <- pg:get_members(rpc_load_balancer, workers)]))";
            seen.push(beam.eval_as(source).await?);
        }
        Ok(seen)
    }

    async fn is_whole(&self) -> Result<bool, Error> {
        Ok(self.seen().await?.iter().all(|&members| members == 3))
    }

    async fn is_split(&self) -> Result<bool, Error> {
        Ok(self.seen().await? == [2, 2, 1])
    }

    /// Whether all calls between nodes are answered, each within a second.
    async fn calls(&self) -> Result<bool, Error> {
        let mut names: Vec<&str> = self.rusts.iter().map(Rust::name).collect();
        names.extend(self.beam.map(Beam::name));
        for rust in &self.rusts {
            for name in &names {
                let call = format!("{{call, '{name}', erlang, node, [], 1000}}");
                let outcome = rust.run(&call).await?;
                if outcome
                    .as_tuple()
                    .and_then(|it| it.first()?.as_atom())
                    .is_none_or(|it| it.as_str() != "ok")
                {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}
