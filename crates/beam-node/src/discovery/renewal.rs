//! Connections in the place of those over which nothing comes.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::{link::Link, peer::Slot, state::NodeState};

/// How often silent peers are looked through, on average.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a suspect answers nothing before it is connected to anew. TCP, which doubles its pauses from some
/// 200 ms, has tried again after 6 s by then, and does so next after 13 s.
const SILENCE: Duration = Duration::from_secs(8);

/// Connects anew to suspects that have answered nothing for a while, as soon as they can be reached again.
///
/// After a cut, TCP sends what was lost only when its timer fires, which takes up to as long as the cut
/// did. A new connection proves by its handshake that the network is whole and the peer runs, so that the
/// old one waits for its timer only, and [gives way](crate::connect::renew) if that costs nothing. A peer that
/// is stopped or hung does not answer a handshake, and keeps its link for as long as ever.
///
/// Where it would cost something, no peer is bothered before three quarters of the net tick time: that is
/// when nodes of OTP give up a link at the earliest. One that has done so says in the handshake that it
/// knows of no link, of which this node would learn no sooner.
///
/// Each has one attempt at a time, and those that cannot be reached keep no others waiting: there are no more
/// attempts than connected peers. Chance moves them, as all nodes behind a network that was cut look for the
/// same peers.
pub(crate) async fn renew_silent_links(node: Arc<NodeState>) {
    let silence = SILENCE.min(node.net_ticktime / 2);
    let given_up = node.net_ticktime * 3 / 4;
    let pause = PAUSE.min(silence / 4);
    let mut suspects = node.suspects.watch();
    let renew = async {
        while suspects
            .wait_for(|suspects| !suspects.is_empty())
            .await
            .is_ok()
        {
            sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
            let silent = links_silent_for(&node, silence);
            if silent.is_empty() {
                continue;
            }
            let in_use = node.links_in_use();
            for (link, slot) in silent {
                let is_given_up = link.silent_for().is_some_and(|time| time >= given_up);
                if is_given_up || node.is_idle(&link, || in_use.contains(&link.id)) {
                    slot.renew(&node, &link);
                }
            }
        }
    };
    node.draining.run_until_cancelled(renew).await;
}

/// The links of suspects that have answered nothing for so long.
fn links_silent_for(node: &NodeState, least: Duration) -> Vec<(Arc<Link>, Arc<Slot>)> {
    let suspects = node.suspects.all();
    let slots = suspects.keys().map(|name| node.slot(name));
    let links = slots.filter_map(|slot| Some((slot.live()?, slot)));
    let is_silent = |link: &Link| link.unanswered_for().is_some_and(|time| time >= least);
    links.filter(|(link, _)| is_silent(link)).collect()
}
