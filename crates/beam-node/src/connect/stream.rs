//! The bytes of a connection: over TCP, or over TLS over TCP.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::timeout,
};

use crate::net::TcpStream;

/// How long a peer that was refused has to read why.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(1);

/// How much of what it says meanwhile is read.
const REFUSAL_BYTES: u64 = 64 * 1024;

/// A connection to a peer.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    /// A box, as most of it is buffers and keys.
    #[cfg(feature = "tls")]
    Tls(Box<tokio_rustls::TlsStream<TcpStream>>),
}

impl Stream {
    /// Whether each byte travels over TLS.
    pub(crate) fn is_tls(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            #[cfg(feature = "tls")]
            Self::Tls(_) => true,
        }
    }

    /// Whether a read that gave less than there was room for has taken all that has come so far. One
    /// over TLS gives no more than the rest of a record.
    pub(crate) fn is_emptied_by_short_read(&self) -> bool {
        !self.is_tls()
    }

    /// Whether something has come that was not read. If not, the task is woken when something does.
    pub(crate) fn has_unread(&mut self, task: &mut Context<'_>) -> bool {
        let socket = match self {
            Self::Plain(stream) => stream,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.get_mut().0,
        };
        let mut byte = [0];
        let peeked = socket.poll_peek(task, &mut ReadBuf::new(&mut byte));
        matches!(peeked, Poll::Ready(Ok(1..)))
    }

    /// Whether bytes that were taken have still to be sent, which a flush does.
    pub(crate) fn has_unsent(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.get_ref().1.wants_write(),
        }
    }
}

/// Makes small frames leave at once, and large messages leave room for them.
pub(crate) fn prepare(stream: &TcpStream) {
    // Small frames must not wait for each other's acknowledgement. A socket that refuses is slow,
    // not broken.
    let _ = stream.set_nodelay(true);
    limit_unsent(stream);
}

/// Keeps the operating system from taking more than it can send soon, so that a small message is
/// not queued behind megabytes of a large one. How much may be on its way through the network is
/// not limited.
#[cfg(all(any(target_os = "linux", target_os = "android"), not(rlb_simulation)))]
fn limit_unsent(stream: &TcpStream) {
    // One that refuses keeps small messages waiting at the worst.
    let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES);
}

#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(rlb_simulation))))]
fn limit_unsent(_stream: &TcpStream) {}

/// How much the operating system takes of what it cannot send yet.
#[cfg(all(any(target_os = "linux", target_os = "android"), not(rlb_simulation)))]
const UNSENT_BYTES: u32 = 128 * 1024;

/// Closes the connection of a peer that was refused, so that it can read why: with input that nobody
/// has read, the operating system resets a connection, and what was sent is lost.
pub(crate) async fn close_in_order(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let close = async {
        // One that is gone has read what it wanted.
        if stream.shutdown().await.is_ok() {
            let mut buffer = [0; 512];
            let mut rest = stream.take(REFUSAL_BYTES);
            while matches!(rest.read(&mut buffer).await, Ok(1..)) {}
        }
    };
    let _ = timeout(REFUSAL_PATIENCE, close).await;
}

impl AsyncRead for Stream {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(task, buffer),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_read(task, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(task, bytes),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_write(task, bytes),
        }
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(task, slices),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(task, slices),
        }
    }

    #[inline]
    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(task),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_flush(task),
        }
    }

    /// Over TLS, the peer is told first that nothing more comes.
    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(task),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(task),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::duplex, time::Instant};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_is_refused_and_stays_is_left_after_a_while() {
        let (own, mut stranger) = duplex(1024);
        let begun = Instant::now();

        close_in_order(own).await;

        assert_eq!(begun.elapsed(), REFUSAL_PATIENCE);
        assert_eq!(stranger.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_refused_and_goes_on_is_heard_up_to_a_bound() {
        let (own, mut stranger) = duplex(1024);
        let begun = Instant::now();
        let going_on = tokio::spawn(async move {
            let mut bytes = 0;
            while let Ok(written) = stranger.write(&[0; 512]).await {
                bytes += written as u64;
            }
            bytes
        });

        close_in_order(own).await;

        assert_eq!(begun.elapsed(), Duration::ZERO);
        let heard = going_on.await.unwrap();
        assert!(
            (REFUSAL_BYTES..=REFUSAL_BYTES + 1024).contains(&heard),
            "{heard}"
        );
    }
}
