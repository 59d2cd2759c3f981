//! Calls that are never answered: what each takes of memory.

use std::{future, time::Duration};

use rpc_load_balancer::{Function, Limits};

use super::{PATIENCE, Place, Values, answer, number, ready};
use crate::{
    child::{
        lifeline::Commands,
        stack::node::{self, MODULE},
    },
    failure::Failure,
};

/// Longer than the measurement takes.
const TIMEOUT: Duration = Duration::from_secs(3_600);

/// More calls than usual.
fn limits() -> Limits {
    Limits {
        calls_per_peer: 1 << 20,
        calls_per_node: 1 << 20,
        served_per_peer: 1 << 20,
        served_per_node: 1 << 20,
        ..Limits::default()
    }
}

/// Command: `serving N` waits until so many calls are served.
pub(super) async fn silent(place: &Place, mut commands: Commands) -> Result<(), Failure> {
    let builder = node::builder(&place.name, place).limits(limits());
    let node = builder.start().await;
    let node = node.map_err(Failure::node("starting the callee"))?;
    node.export(MODULE, "never", async || future::pending::<i64>().await)
        .map_err(Failure::node("exporting the function"))?;
    ready(&place.name);
    while let Some(line) = commands.recv().await {
        let words: Vec<&str> = line.split_whitespace().collect();
        answer(match words[..] {
            ["serving", count] => reached(count, || node.serving()).await,
            _ => Err(format!("{line:?} is no command")),
        });
    }
    Ok(())
}

/// Command: `call N` makes so many calls, each in a task of its own.
pub(super) async fn waiting(
    callee: &str,
    place: &Place,
    mut commands: Commands,
) -> Result<(), Failure> {
    let builder = node::builder(&place.name, place).limits(limits());
    let node = builder.start().await;
    let node = node.map_err(Failure::node("starting the caller"))?;
    let peer = node
        .peer(callee)
        .map_err(Failure::node("naming the callee"))?;
    let connected = peer.connect(PATIENCE).await;
    connected.map_err(Failure::node("connecting to the callee"))?;
    let never = Function::parse((MODULE, "never")).map_err(Failure::node("naming a function"))?;
    ready(&place.name);
    while let Some(line) = commands.recv().await {
        let words: Vec<&str> = line.split_whitespace().collect();
        answer(match words[..] {
            ["call", count] => {
                for _ in 0..number(count).unwrap_or_default() {
                    let (peer, never) = (peer.clone(), never.clone());
                    tokio::spawn(async move {
                        let call = peer.call::<i64, _>(&never, ()).timeout(TIMEOUT);
                        call.send().await
                    });
                }
                reached(count, || node.calling()).await
            }
            _ => Err(format!("{line:?} is no command")),
        });
    }
    Ok(())
}

async fn reached(count: &str, calls: impl Fn() -> usize) -> Values {
    let count = number(count)?;
    let wait = async {
        while calls() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    waited.map_err(|_| format!("there are {} calls instead of {count}", calls()))?;
    Ok(vec![("calls", calls() as f64)])
}
