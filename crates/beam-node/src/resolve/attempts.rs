//! Attempts at several addresses of the same host.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use tokio::time::{Instant, timeout};

/// Tries addresses one after the other until one succeeds, and gives the last failure if none does.
///
/// Each attempt may take its share of the time that is left, so that an address that swallows
/// packets does not keep the others from being tried.
pub(crate) async fn try_each<T, F>(
    addresses: &[SocketAddr],
    deadline: Instant,
    attempt: impl Fn(SocketAddr) -> F,
) -> Result<(SocketAddr, T), (SocketAddr, io::Error)>
where
    F: Future<Output = io::Result<T>>,
{
    let mut failure = None;
    for (index, &address) in addresses.iter().enumerate() {
        let share = share(deadline, addresses.len() - index);
        match timeout(share, attempt(address)).await {
            Ok(Ok(success)) => return Ok((address, success)),
            Ok(Err(error)) => failure = Some((address, error)),
            Err(_elapsed) => failure = Some((address, no_answer(share))),
        }
    }

    Err(failure.unwrap_or_else(|| {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        (nowhere, io::Error::other("there is no address to try"))
    }))
}

/// The error of an attempt that took too long.
pub(crate) fn no_answer(after: Duration) -> io::Error {
    let message = format!("no answer within {after:.1?}");
    io::Error::new(io::ErrorKind::TimedOut, message)
}

fn share(deadline: Instant, attempts: usize) -> Duration {
    let attempts = u32::try_from(attempts).unwrap_or(u32::MAX).max(1);
    deadline.saturating_duration_since(Instant::now()) / attempts
}

#[cfg(test)]
mod tests {
    use std::{future::pending, sync::Mutex};

    use super::*;

    fn addresses(count: u16) -> Vec<SocketAddr> {
        (1..=count)
            .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_address_that_succeeds_is_taken() {
        let deadline = Instant::now() + Duration::from_secs(1);
        let tried = Mutex::new(Vec::new());

        let result = try_each(&addresses(3), deadline, async |address: SocketAddr| {
            tried.lock().unwrap().push(address.port());
            match address.port() {
                1 => Err(io::ErrorKind::ConnectionRefused.into()),
                port => Ok(port),
            }
        })
        .await;

        assert_eq!(result.unwrap().1, 2);
        assert_eq!(tried.into_inner().unwrap(), [1, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_swallows_packets_leaves_time_for_the_others() {
        let start = Instant::now();
        let deadline = start + Duration::from_secs(4);

        let result = try_each(&addresses(2), deadline, async |address: SocketAddr| {
            if address.port() == 1 {
                pending::<()>().await;
            }
            Ok(address.port())
        })
        .await;

        assert_eq!(result.unwrap().1, 2);
        assert_eq!(start.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_failure_is_reported_with_its_address() {
        let deadline = Instant::now() + Duration::from_secs(4);

        let result = try_each(&addresses(2), deadline, |_| pending::<io::Result<()>>()).await;

        let (address, error) = result.unwrap_err();
        assert_eq!(address.port(), 2);
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "no answer within 2.0s");
    }
}
