//! What befalls a cluster.

use fastrand::Rng;

use super::{Plan, choose};
use crate::{
    clock::{HostId, Millis},
    network::Delay,
};

/// Something that happens.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) at: Millis,
    pub(crate) fault: Fault,
}

/// What happens to hosts and between them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// The node is started, as one that was never there; nothing, where it runs.
    Start(HostId),
    /// The node ends at once; its host closes its connections.
    Kill(HostId),
    /// The host loses power: nobody hears of it.
    PowerOff(HostId),
    /// The node is shut down in good order.
    ShutDown(HostId),
    /// The node stops running, but stays there, as by SIGSTOP.
    Hang(HostId),
    /// It goes on, as by SIGCONT.
    Resume(HostId),
    /// Nothing passes from the first ones to the second ones any more.
    Block(Vec<HostId>, Vec<HostId>),
    /// It passes again.
    Unblock(Vec<HostId>, Vec<HostId>),
    /// The node makes many calls of another one at a time.
    Burst(HostId, HostId),
    /// Packets between two hosts take longer, or as everywhere again.
    Delay(HostId, HostId, Option<Delay>),
    /// The node closes its connection to another one.
    Disconnect(HostId, HostId),
    /// A process of the node joins the group that is for that.
    Join(HostId),
    /// The processes of the node leave the group that is for that.
    Leave(HostId),
}

/// Draws what happens.
pub(super) fn draw(rng: &mut Rng, plan: &Plan) -> Vec<Event> {
    let count = plan.nodes.len();
    let mut events = Vec::new();
    // What would end later ends when all is made well.
    let mut put = |at, fault| {
        if at < plan.healed {
            events.push(Event { at, fault });
        }
    };

    for (host, node) in plan.nodes.iter().enumerate() {
        if !node.starts {
            put(rng.u64(1_000..plan.healed), Fault::Start(host));
        }
    }
    // A seed tries a few kinds of faults, so that what goes wrong can be told apart.
    let kinds: Vec<u32> = (0..10).filter(|_| rng.u32(0..3) == 0).collect();
    let faults = match kinds.is_empty() {
        true => 0,
        false => rng.u64(1..=3 + plan.healed.min(30_000) / 2_500),
    };
    for _ in 0..faults {
        let at = rng.u64(500..plan.healed);
        let lasts = choose(rng, &[50, 500, 2_000, 8_000, 40_000]);
        let until = at + rng.u64(1..=lasts);
        let host = rng.usize(0..count);
        let other = (host + rng.usize(1..count)) % count;
        match kinds[rng.usize(0..kinds.len())] {
            0 => {
                put(at, Fault::Kill(host));
                put(until, Fault::Start(host));
            }
            1 => {
                put(at, Fault::PowerOff(host));
                put(until, Fault::Start(host));
            }
            2 => {
                put(at, Fault::ShutDown(host));
                put(until, Fault::Start(host));
            }
            3 => {
                put(at, Fault::Hang(host));
                put(until, Fault::Resume(host));
            }
            4 => {
                let (some, others) = split(rng, count);
                put(at, Fault::Block(some.clone(), others.clone()));
                put(until, Fault::Unblock(some.clone(), others.clone()));
                if rng.u32(0..4) > 0 {
                    put(at, Fault::Block(others.clone(), some.clone()));
                    put(until, Fault::Unblock(others, some));
                }
            }
            // Two hosts do not reach each other, and do so again, and again.
            5 => {
                let mut at = at;
                while at < until.min(plan.healed) {
                    for (from, to) in [(host, other), (other, host)] {
                        put(at, Fault::Block(vec![from], vec![to]));
                        put(at + lasts / 8, Fault::Unblock(vec![from], vec![to]));
                    }
                    at += lasts / 4 + 1;
                }
            }
            6 => {
                let least = plan.step + rng.u64(0..=200);
                let most = least + choose(rng, &[0, 50, 1_000]);
                let delay = Delay { least, most };
                put(at, Fault::Delay(host, other, Some(delay)));
                put(until, Fault::Delay(host, other, None));
            }
            7 => put(at, Fault::Disconnect(host, other)),
            // One asks and asks, and takes no answers.
            8 => {
                put(at, Fault::Block(vec![other], vec![host]));
                put(until, Fault::Unblock(vec![other], vec![host]));
                let mut at = at;
                while at < until.min(plan.healed) {
                    put(at, Fault::Burst(host, other));
                    at += lasts / 8 + 1;
                }
            }
            _ => {
                put(at, Fault::Join(host));
                put(until, Fault::Leave(host));
            }
        }
    }
    // In the order in which they were drawn, where they are at the same time.
    events.sort_by_key(|event| event.at);
    events
}

/// Two parts of all hosts, neither of them empty.
fn split(rng: &mut Rng, count: usize) -> (Vec<HostId>, Vec<HostId>) {
    let first = rng.usize(0..count);
    (0..count).partition(|&host| host == first || (rng.bool() && host != (first + 1) % count))
}
