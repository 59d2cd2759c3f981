//! `rlb members`

use std::time::{Duration, SystemTime};

use rpc_load_balancer::{MemberStatus, health::MemberState};
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use super::{
    balancer::{Found, peers},
    cluster::{ClientOptions, stop},
    name::balancer_name,
};
use crate::{exit, failure::Failure, json::Json, printer::Printer, signals::Signals};

/// List the members of a balancer, one a line; with --json also how they are, their weights and
/// metadata
#[derive(clap::Args)]
#[command(after_help = exit::HELP)]
pub(super) struct Members {
    /// The balancer
    #[arg(value_name = "BALANCER", value_parser = balancer_name)]
    balancer: String,

    /// Go on until Ctrl-C: show how each member is, since when, its weight and why, and then each
    /// change of state or weight; where there are no members yet, wait for them
    ///
    /// A member is up, suspect (it does not answer), ejected (its process died again and
    /// again), draining (it left, and is still connected) or down. That is how this command sees it. It
    /// makes no calls, so it ejects nobody for calls that fail, as balancers that do may.
    ///
    /// With --json, a line has "event", which is "listed" for those at first and "changed" for a change, and
    /// "before", the state before a change, which is null for a member that is new. Weight and metadata are
    /// those of then, the last ones of a member that has left.
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
    since: String,
    since_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Json<'a>>,
}

/// A line of --watch as JSON: how a member is, and whether that has changed.
#[derive(Serialize)]
struct Watched<'a> {
    event: &'static str,
    before: Option<&'static str>,
    #[serde(flatten)]
    member: Member<'a>,
}

impl Members {
    pub(super) async fn run(self, printer: Printer) -> Result<(), Failure> {
        if self.watch {
            let found = Found::watch(&self.balancer, &self.client).await?;
            let mut signals = Signals::listen()?;
            let stopped = signals.until(watch(&found, &self.client, printer)).await;
            stop(found.node).await;
            return stopped?;
        }
        let found = Found::find(&self.balancer, None, &self.client).await?;
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
async fn watch(found: &Found, client: &ClientOptions, printer: Printer) -> Result<(), Failure> {
    let mut events = found.balancer.member_events();
    if events.members().is_empty() {
        let (name, peers) = (found.balancer.name(), peers(client));
        let seen_from = peers.join(", ");
        printer.remark(
            format!(
                "the balancer {name} has no members yet as seen from {seen_from}; waiting for them"
            ),
            json!({ "waiting": "no members yet", "balancer": name, "peers": peers }),
        );
    }
    for status in events.members() {
        let listed = Watched {
            event: "listed",
            before: None,
            member: member(status),
        };
        printer.result(line(&listed.member), listed)?;
    }
    while let Some(event) = events.next().await {
        let changed = Watched {
            event: "changed",
            before: event.before.map(MemberState::as_str),
            member: Member {
                node: event.node.as_str(),
                weight: event.weight,
                state: event.state.as_str(),
                reason: event.reason.to_string(),
                since: time(event.since),
                since_ms: in_millis(event.since.elapsed()),
                metadata: event.metadata.as_ref().map(Json),
            },
        };
        printer.result(line(&changed.member), changed)?;
    }
    Ok(())
}

fn line(member: &Member<'_>) -> String {
    let Member {
        node,
        weight,
        state,
        reason,
        since,
        ..
    } = member;
    format!("{node}  {state:8}  since {since}  weight {weight}  {reason}")
}

fn member(status: &MemberStatus) -> Member<'_> {
    Member {
        node: status.node.as_str(),
        weight: status.weight,
        state: status.state.as_str(),
        reason: status.reason.to_string(),
        since: time(status.since),
        since_ms: in_millis(status.since.elapsed()),
        metadata: status.metadata.as_ref().map(Json),
    }
}

/// The time of day of an instant, in UTC.
fn time(instant: Instant) -> String {
    let time = SystemTime::now().checked_sub(instant.elapsed());
    humantime::format_rfc3339_seconds(time.unwrap_or(SystemTime::UNIX_EPOCH)).to_string()
}

fn in_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
