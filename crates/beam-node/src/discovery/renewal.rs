//! Connections in the place of those over which nothing comes.

use std::{sync::Arc, time::Duration};

use beam_dist::tick::TickPolicy;
use tokio::time::sleep;

use crate::state::NodeState;

/// How often silent peers are looked through.
const PAUSE: Duration = Duration::from_secs(1);

/// Connects anew to peers that have been silent for three quarters of the net tick time, as soon as
/// they can be reached again.
///
/// After a cut, TCP sends what was lost only when its timer fires, which takes up to as long as the cut
/// did; and by then the peer may have given the link up, of which this node learns no earlier. Three
/// quarters are when nodes of OTP give up a peer at the earliest. A new connection proves by its
/// handshake that the network is whole and the peer runs, so that the old one waits for its timer
/// only. A peer that is stopped or hung does not answer a handshake, and keeps its link for as long as
/// ever.
pub(crate) async fn renew_silent_links(node: Arc<NodeState>) {
    let patience = node.net_ticktime.min(TickPolicy::MAX_NET_TICKTIME) * 3 / 4;
    let mut suspects = node.suspects.watch();
    let renew = async {
        while suspects
            .wait_for(|suspects| !suspects.is_empty())
            .await
            .is_ok()
        {
            sleep(PAUSE.min(patience / 4)).await;
            for (name, since) in node.suspects.all().iter() {
                if since.elapsed() < patience {
                    continue;
                }
                let slot = node.slot(name);
                if let Some(link) = slot.live()
                    && link.is_suspect()
                {
                    slot.renew(&node, &link);
                }
            }
        }
    };
    node.draining.run_until_cancelled(renew).await;
}
