//! A member of the group that leaves it and comes back, and ends in good order.

use rpc_load_balancer::{Balancer, Node};
use tokio::{
    runtime::Handle,
    signal::unix::{SignalKind, signal},
};

use super::{Place, answer, ready, text};
use crate::{
    child::{
        lifeline::Commands,
        stack::node::{self, GROUP},
    },
    failure::Failure,
};

/// Commands: `leave` and `join` have it leave the group and come back, `stats` tells what it holds. SIGTERM has it shut
/// down, and then end.
pub(super) async fn run(
    caller: &str,
    place: &Place,
    mut commands: Commands,
) -> Result<(), Failure> {
    let mut terminated =
        signal(SignalKind::terminate()).map_err(Failure::io("listening for signals"))?;
    let builder = node::builder(&place.name, place).peer(caller);
    let node = builder.start().await;
    let node = node.map_err(Failure::node("starting a member"))?;
    node::export(&node).map_err(Failure::node("exporting the functions"))?;
    let joined = Balancer::builder(GROUP).start(&node).await;
    let mut balancer = joined.map_err(Failure::node("joining the group"))?;
    ready(&place.name);
    loop {
        let line = tokio::select! {
            line = commands.recv() => line,
            _ = terminated.recv() => break,
        };
        // The end of standard input ends the process.
        let Some(line) = line else { break };
        answer(match line.trim() {
            "leave" => {
                balancer.leave();
                Ok(Vec::new())
            }
            "join" => match Balancer::builder(GROUP).start(&node).await {
                Ok(joined) => {
                    balancer = joined;
                    Ok(Vec::new())
                }
                Err(error) => Err(text(error)),
            },
            "stats" => Ok(stats(&node)),
            _ => Err(format!("{line:?} is no command")),
        });
    }
    let ended = node.shutdown().await;
    ended.map_err(Failure::node("shutting down"))
}

/// What the node and its runtime hold.
pub(super) fn stats(node: &Node) -> Vec<(&'static str, f64)> {
    vec![
        (
            "tasks",
            Handle::current().metrics().num_alive_tasks() as f64,
        ),
        ("peers", node.peers().len() as f64),
        ("calling", node.calling() as f64),
        ("serving", node.serving() as f64),
    ]
}
