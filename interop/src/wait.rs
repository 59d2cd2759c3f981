use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long to wait between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(10);

/// Ports below those that the kernel hands out by itself, so that no outgoing connection takes one.
const PORTS: std::ops::Range<u16> = 10_240..32_768;

/// What a poll of a condition gives: not yet, or a value.
pub trait Condition {
    /// What the condition gives when it holds; `()` for a plain `bool`.
    type Value;

    /// The value, if the condition holds.
    fn met(self) -> Option<Self::Value>;
}

impl Condition for bool {
    type Value = ();

    fn met(self) -> Option<()> {
        self.then_some(())
    }
}

impl<T> Condition for Option<T> {
    type Value = T;

    fn met(self) -> Option<T> {
        self
    }
}

/// Polls a condition until it holds, and gives its value.
///
/// # Panics
///
/// Panics when it does not hold within `deadline`, saying that it waited for `what`. A poll that
/// hangs counts as one that does not hold.
pub async fn eventually<C: Condition>(
    what: &str,
    deadline: Duration,
    mut condition: impl AsyncFnMut() -> C,
) -> C::Value {
    let until = Instant::now() + deadline;
    let poll = async {
        loop {
            if let Some(value) = condition().await.met() {
                return value;
            }
            sleep(PAUSE).await;
        }
    };
    match tokio::time::timeout_at(until, poll).await {
        Ok(value) => value,
        Err(_) => panic!("waited {deadline:?} for {what}"),
    }
}

/// A TCP port that nobody listens on just now.
///
/// # Panics
///
/// Panics when every port that it tries is taken.
pub fn free_port() -> u16 {
    let span = usize::from(PORTS.end - PORTS.start);
    let first = RandomState::new().hash_one(0) as usize % span;
    (0..span)
        .map(|step| PORTS.start + ((first + step) % span) as u16)
        .find(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok())
        .expect("some port is free")
}

/// A name that no other node of this machine's tests has, made of `stem`.
pub fn unique_name(stem: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    format!(
        "{stem}-{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}
