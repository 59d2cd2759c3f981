//! Keeping the pool of a balancer at the members of its group.

use std::sync::Arc;

use beam_node::Members;
use tokio::sync::watch;

use super::selector::Selector;

/// How many members the pool has, for those who wait for some.
pub(super) type Count = watch::Receiver<usize>;

/// Fills the pool with the members of now. The future keeps it at those of later, for as long
/// as it runs.
pub(super) fn follow(
    pool: Arc<dyn Selector>,
    mut members: watch::Receiver<Arc<Members>>,
) -> (Count, impl Future<Output = ()> + Send + 'static) {
    let count = watch::Sender::new(take(&*pool, &mut members));
    let receiver = count.subscribe();
    let task = async move {
        while members.changed().await.is_ok() {
            count.send_replace(take(&*pool, &mut members));
        }
    };
    (receiver, task)
}

fn take(pool: &dyn Selector, members: &mut watch::Receiver<Arc<Members>>) -> usize {
    // The clone ends the borrow, which would keep the group from changing meanwhile.
    let members = Arc::clone(&members.borrow_and_update());
    pool.update(members.nodes().cloned().collect());
    members.len()
}
