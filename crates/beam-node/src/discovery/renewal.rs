//! Connections in the place of those over which nothing comes.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::state::NodeState;

/// How often silent peers are looked through.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a suspect answers nothing before it is connected to anew: longer than the first pauses of TCP, which
/// doubles them from 200 ms, and shorter than the one that follows, of 6 s.
const SILENCE: Duration = Duration::from_secs(8);

/// Connects anew to suspects that have answered nothing for a while, as soon as they can be reached again.
///
/// After a cut, TCP sends what was lost only when its timer fires, which takes up to as long as the cut
/// did; and by then the peer may have given the link up, of which this node learns no earlier. A new
/// connection proves by its handshake that the network is whole and the peer runs, so that the old one
/// waits for its timer only, and [may be replaced](NodeState::is_replaceable) if that costs nothing. A
/// peer that is stopped or hung does not answer a handshake, and keeps its link for as long as ever.
pub(crate) async fn renew_silent_links(node: Arc<NodeState>) {
    let silence = SILENCE.min(node.net_ticktime / 2);
    let mut suspects = node.suspects.watch();
    let renew = async {
        while suspects
            .wait_for(|suspects| !suspects.is_empty())
            .await
            .is_ok()
        {
            sleep(PAUSE.min(silence / 4)).await;
            for name in node.suspects.all().keys() {
                let slot = node.slot(name);
                if let Some(link) = slot.live()
                    && link.unanswered_for().is_some_and(|time| time >= silence)
                {
                    slot.renew(&node, &link);
                }
            }
        }
    };
    node.draining.run_until_cancelled(renew).await;
}
