//! Letting the calls run out.

use std::time::Duration;

use beam_node::{Cause, Code, Error};
use tokio::time::{sleep, timeout};

use super::Balancer;

/// How a balancer drains.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drain {
    /// How long calls may take to run out.
    pub(super) timeout: Duration,
    /// How long to wait for late calls after the last one.
    pub(super) linger: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(15),
            linger: Duration::from_secs(1),
        }
    }
}

/// How often the counts are looked at. Selections tell nobody when they end, which would cost each
/// of them more than all the drains together.
const INTERVAL: Duration = Duration::from_millis(5);

impl Drain {
    /// Waits until nothing is in flight. The group was left before.
    pub(super) async fn run(self, balancer: &Balancer, was_member: bool) -> Result<(), Error> {
        let node = balancer.node();
        let empty = async {
            let mut served_before = None;
            loop {
                while balancer.in_flight() > 0 || was_member && node.serving() > 0 {
                    sleep(INTERVAL).await;
                }
                let served = Some(node.served());
                if !was_member || served == served_before {
                    return;
                }
                served_before = served;
                sleep(self.linger).await;
            }
        };
        if timeout(self.timeout, empty).await.is_ok() {
            return Ok(());
        }
        let serving = if was_member { node.serving() } else { 0 };
        match (balancer.in_flight(), serving) {
            // Only the wait for late calls was cut short.
            (0, 0) => Ok(()),
            (calling, serving) => Err(Error::new(
                Code::RequestTimeout,
                format!(
                    "after {:?}, {calling} calls sent and {serving} calls received have not ended",
                    self.timeout
                ),
                Cause::Timeout(self.timeout),
            )),
        }
    }
}
