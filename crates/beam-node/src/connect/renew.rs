//! Another link in the place of one on which nothing comes.

use std::sync::Arc;

use beam_dist::handshake::HandshakeError;
use tokio::time::Instant;

use super::{
    ConnectError,
    dial::{self, Aim, Sought},
};
use crate::{link::Link, peer::Slot, state::NodeState};

/// Connects anew to a peer on whose link nothing comes, if it can be reached and runs; gives the link that
/// there is then. That it fails says nothing to who wants a link where there is none.
///
/// A first handshake, which ends as soon as the peer has answered, proves that much. If the peer was
/// stopped, it goes on now, and what it was sent meanwhile lies in its socket. So it has a moment to speak on
/// the link that there is, and nothing is lost. If the network was cut, TCP is silent for longer: what was
/// lost is sent again when its timer fires, which takes up to as long again as the cut did. Then a second
/// handshake makes another link, unless something [is under way](NodeState::is_idle) on the old one: that
/// waits for TCP.
///
/// Nothing is held open in that moment. The peer has few places for those who have not shown the cookie, and
/// after a cut all its peers may come at once.
pub(crate) async fn renew(
    node: &Arc<NodeState>,
    slot: &Arc<Slot>,
    silent: &Link,
) -> Result<Arc<Link>, ConnectError> {
    let renewed = async {
        let aim = Aim::SignOfLife(silent);
        let answer = match dial::once(node, Sought { slot, aim }).await {
            Err(error) if is_sign_of_life(&error) => error,
            // A peer that knows of no link makes one at once.
            made => return made,
        };
        let answered = Instant::now();
        node.await_word(slot, silent).await;
        match slot.live() {
            Some(live) if live.id == silent.id && node.may_replace(&live, answered) => {
                let aim = Aim::Replacement(silent, answered);
                dial::until_made(node, Sought { slot, aim }).await
            }
            Some(live) => Ok(live),
            None => Err(answer),
        }
    };
    dial::unless_stopped(node, renewed).await
}

/// Whether the peer has answered: that it has the link too, or that it connects itself.
fn is_sign_of_life(error: &ConnectError) -> bool {
    matches!(
        error,
        ConnectError::Handshake(
            HandshakeError::AliveRefused { .. } | HandshakeError::SimultaneousLost { .. }
        )
    )
}
