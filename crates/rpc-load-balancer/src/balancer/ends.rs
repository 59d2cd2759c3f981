//! The connections to members that end.

use std::collections::BTreeMap;

use beam_dist::NodeName;
use beam_node::{DownReason, Event, Events, Node};
use futures_util::FutureExt as _;

/// The connections to members that have ended since the last look, and why.
#[derive(Debug)]
pub(super) struct Ends {
    events: Events,
    noted: BTreeMap<NodeName, DownReason>,
    /// Whether something has come that is to be looked at once more.
    is_unread: bool,
}

impl Ends {
    pub(super) fn of(node: &Node) -> Self {
        Self {
            events: node.events(),
            noted: BTreeMap::new(),
            is_unread: false,
        }
    }

    /// Waits until a connection ends that matters, and notes it; `false` when the node has ended.
    pub(super) async fn next(&mut self, matters: impl Fn(&NodeName) -> bool) -> bool {
        loop {
            match self.events.next().await {
                Some(Event::Down { peer, reason }) if matters(&peer) => {
                    self.noted.insert(peer, reason);
                    return true;
                }
                Some(Event::Missed(_)) => return true,
                Some(_) => {}
                None => return false,
            }
        }
    }

    /// The connections that have ended until now. However many they are, one look is for all of them.
    pub(super) fn take(
        &mut self,
        matters: impl Fn(&NodeName) -> bool,
    ) -> BTreeMap<NodeName, DownReason> {
        while let Some(true) = self.next(&matters).now_or_never() {}
        self.is_unread = false;
        std::mem::take(&mut self.noted)
    }

    /// Why there is no connection to a node, or is another one than at the last look; `None` where there
    /// still is that one.
    ///
    /// A connection that has ended may have been replaced while the members are looked at. Before there
    /// is another one the end of the first has been told, so it is asked for in this order.
    pub(super) fn reason(&mut self, node: &Node, name: &NodeName) -> Option<DownReason> {
        if let Some(reason) = node.peer(name).ok()?.disconnected() {
            return Some(reason);
        }
        while let Some(Some(event)) = self.events.next().now_or_never() {
            match event {
                Event::Down { peer, reason } => _ = self.noted.insert(peer, reason),
                Event::Missed(_) => self.is_unread = true,
                _ => {}
            }
        }
        self.noted.get(name).cloned()
    }

    /// Forgets what does not matter after a look, and tells whether there is something for another one.
    pub(super) fn have_more(&mut self, matters: impl Fn(&NodeName) -> bool) -> bool {
        self.noted.retain(|name, _| matters(name));
        self.is_unread || !self.noted.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use beam_node::{Epmd, EpmdServer};

    use super::*;

    #[tokio::test]
    async fn a_connection_that_was_replaced_has_ended() {
        let epmd = EpmdServer::bind(0, []).unwrap();
        let start = async |name: &str| {
            let node = Node::builder(name).cookie("secret").epmd(Epmd::External);
            node.epmd_port(epmd.port()).start().await.unwrap()
        };
        let (app, w1) = (start("app@127.0.0.1").await, start("w1@127.0.0.1").await);
        let name = w1.name();
        app.connect(name).await.unwrap();
        let mut ends = Ends::of(&app);
        assert_eq!(ends.take(|_| true), BTreeMap::new());
        assert_eq!(ends.reason(&app, name), None);

        app.disconnect(name);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        while app.connect(name).await.is_err() {
            assert!(tokio::time::Instant::now() < deadline);
        }
        // It is connected, and nobody has read that it was not for a moment.
        assert!(ends.reason(&app, name).is_some());
        // Where it is a member still, the next look is for that; where it is none, nothing is left.
        assert!(ends.have_more(|_| true));
        assert!(!ends.have_more(|_| false));
        assert_eq!(ends.take(|_| true), BTreeMap::new());
    }
}
