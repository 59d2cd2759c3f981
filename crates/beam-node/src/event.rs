//! What happens in the cluster, as a stream of events.

use std::{net::SocketAddr, time::Duration};

use beam_dist::NodeName;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::connect::ConnectError;

/// Something that happened to a connection of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A peer is connected.
    Up {
        /// The peer.
        peer: NodeName,
        /// Whether the connection is hidden, as it is when either node is: neither then shows in
        /// the `nodes()` of the other.
        hidden: bool,
    },
    /// A peer is no longer connected.
    Down {
        /// The peer.
        peer: NodeName,
        /// Why.
        reason: DownReason,
    },
    /// A connected peer has gone silent, though it was asked for a sign of life; see
    /// [`NodeBuilder::suspect_after`](crate::NodeBuilder::suspect_after). The connection is kept.
    Suspect {
        /// The peer.
        peer: NodeName,
        /// How long nothing has come from it.
        silent_for: Duration,
    },
    /// A peer that was suspect has answered.
    Recovered {
        /// The peer.
        peer: NodeName,
        /// How long it had not.
        silent_for: Duration,
    },
    /// An attempt of this node to connect to a peer failed. For a node that was learned from others, this
    /// is told once, until it could be reached.
    ConnectFailed {
        /// The peer that was dialled.
        peer: NodeName,
        /// Why.
        reason: ConnectError,
    },
    /// This node refused somebody who connected to it. As strangers can make it do so as often as they
    /// like, it is told 100 times in 10 s at most, counted apart for refused cookies, for lists of those that may
    /// connect, for want of room, and for all else.
    Refused {
        /// Where the connection came from.
        address: SocketAddr,
        /// The name that it was to be for, where one was said. Anybody can say any.
        claimed: Option<NodeName>,
        /// Why.
        reason: ConnectError,
    },
    /// The listener of events was too slow and missed this many.
    Missed(u64),
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DownReason {
    /// The peer closed the connection, or died.
    #[error("the peer closed the connection")]
    Closed,
    /// Nothing came from the peer for this long. Where an [`Event::Up`] follows at once, one of the two
    /// nodes has connected anew.
    #[error("nothing was received for {0:?}")]
    Silent(Duration),
    /// The peer connected anew, after a restart or as it knew nothing of this connection any more.
    #[error("the peer connected anew")]
    Replaced,
    /// The peer does not read the answers to what it asks.
    #[error("the peer does not read what it is sent")]
    NotReading,
    /// The peer broke the protocol; the text says how.
    #[error("the peer broke the protocol: {0}")]
    Protocol(String),
    /// The operating system reported an error.
    #[error("{0}")]
    Io(String),
    /// This node panicked over something that the peer sent.
    #[error("this node panicked over what the peer sent")]
    Panicked,
    /// This node disconnected.
    #[error("disconnected by this node")]
    Disconnected,
    /// This node shut down.
    #[error("this node shut down")]
    ShutDown,
}

/// A stream of [`Event`]s since it was asked for.
#[derive(Debug)]
pub struct Events {
    receiver: broadcast::Receiver<Event>,
    ended: CancellationToken,
}

impl Events {
    /// The events that the receiver gets until the node has ended.
    pub(crate) fn new(receiver: broadcast::Receiver<Event>, ended: CancellationToken) -> Self {
        Self { receiver, ended }
    }

    /// Waits for the next event; `None` once the node has ended.
    ///
    /// A listener that falls more than 1,024 events behind gets [`Event::Missed`].
    ///
    /// # Cancellation safety
    ///
    /// No event is lost when this future is dropped.
    pub async fn next(&mut self) -> Option<Event> {
        let received = tokio::select! {
            // What happened before the end is told first.
            biased;
            received = self.receiver.recv() => received,
            () = self.ended.cancelled() => return None,
        };
        match received {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(Event::Missed(count)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Epmd, Listen, Node};

    #[tokio::test]
    async fn a_listener_that_falls_behind_is_told_how_many_it_missed() {
        let node = Node::builder("a@127.0.0.1")
            .cookie("sesame")
            .epmd(Epmd::Off)
            .listen(Listen::Off)
            .start()
            .await
            .unwrap();
        let mut events = node.events();
        for silence in 0..1_024 + 3 {
            node.state().emit(Event::Suspect {
                peer: node.name().clone(),
                silent_for: Duration::from_secs(silence),
            });
        }

        assert!(matches!(events.next().await, Some(Event::Missed(3))));
        for expected in 3..1_024 + 3 {
            let next = events.next().await;
            let Some(Event::Suspect { silent_for, .. }) = next else {
                panic!("{next:?}");
            };
            assert_eq!(silent_for.as_secs(), expected);
        }
    }
}
