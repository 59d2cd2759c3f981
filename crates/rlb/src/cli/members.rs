//! `rlb members`

use std::time::Duration;

use rpc_load_balancer::{
    MemberStatus,
    health::{MemberState, StateReason},
};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    balancer::Found,
    cluster::{ClientOptions, stop},
};
use crate::{
    exit, failure::Failure, format::Short, json::Json, printer::Printer, signals::Signals,
};

/// List the members of a balancer, one a line; with --json also how they are, their weights and
/// metadata
#[derive(clap::Args)]
#[command(after_help = exit::HELP)]
pub(super) struct Members {
    /// The balancer
    #[arg(value_name = "BALANCER")]
    balancer: String,

    /// Go on until Ctrl-C: show how each member is, and then each change, with its reason
    ///
    /// A member is up, suspect (nothing comes from it), ejected (its calls failed), draining (it left,
    /// and is still connected) or down. That is how this command sees it, which makes no calls of its
    /// own.
    #[arg(long)]
    watch: bool,

    #[command(flatten)]
    client: ClientOptions,
}

/// A member as JSON.
#[derive(Serialize)]
struct Member<'a> {
    node: &'a str,
    weight: u32,
    state: &'static str,
    reason: String,
    since_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Json<'a>>,
}

/// A change of a member as JSON.
#[derive(Serialize)]
struct Change<'a> {
    node: &'a str,
    before: Option<&'static str>,
    state: &'static str,
    reason: String,
}

impl Members {
    pub(super) async fn run(self, printer: Printer) -> Result<(), Failure> {
        let found = Found::find(&self.balancer, None, &self.client).await?;
        if self.watch {
            let mut signals = Signals::listen()?;
            let stopped = signals.until(watch(&found, printer)).await;
            stop(found.node).await;
            return stopped?;
        }
        let members = found.balancer.member_statuses();
        stop(found.node).await;
        if printer.is_json() {
            return printer.json(members.iter().map(member).collect::<Vec<_>>());
        }
        members
            .iter()
            .try_for_each(|member| printer.line(&member.node))
    }
}

/// Shows the members of now, and each change, until a signal or the reader ends it.
async fn watch(found: &Found, printer: Printer) -> Result<(), Failure> {
    let mut events = found.balancer.member_events();
    for status in found.balancer.member_statuses().iter() {
        let since = status.since.elapsed();
        let line = line(status.node.as_str(), status.state, &status.reason);
        let shown = format!("{line}, for {}", Short(since));
        printer.result(shown, member(status))?;
    }
    while let Some(event) = events.next().await {
        let line = line(event.node.as_str(), event.state, &event.reason);
        let change = Change {
            node: event.node.as_str(),
            before: event.before.map(MemberState::as_str),
            state: event.state.as_str(),
            reason: event.reason.to_string(),
        };
        printer.result(line, change)?;
    }
    Ok(())
}

fn line(node: &str, state: MemberState, reason: &StateReason) -> String {
    format!("{node}  {state:8}  {reason}")
}

fn member(status: &MemberStatus) -> Member<'_> {
    let since = Instant::now().saturating_duration_since(status.since);
    Member {
        node: status.node.as_str(),
        weight: status.weight,
        state: status.state.as_str(),
        reason: status.reason.to_string(),
        since_ms: in_millis(since),
        metadata: status.metadata.as_ref().map(Json),
    }
}

fn in_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
