//! A way to a node that can be cut.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// Passes connections on, all that they carry a moment late.
pub(crate) struct Detour {
    address: SocketAddr,
    to: watch::Sender<Option<SocketAddr>>,
    cuts: watch::Sender<u64>,
}

impl Detour {
    pub(crate) async fn new(delay: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let detour = Self {
            address: listener.local_addr().unwrap(),
            to: watch::Sender::new(None),
            cuts: watch::Sender::new(0),
        };
        let (mut to, cuts) = (detour.to.subscribe(), detour.cuts.subscribe());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(Some(address)) = to.wait_for(Option::is_some).await.map(|to| *to) else {
                    return;
                };
                let way = Way {
                    delay,
                    began: *cuts.borrow(),
                    cuts: cuts.clone(),
                };
                tokio::spawn(async move {
                    let far = TcpStream::connect(address).await.unwrap();
                    let ((near_in, near_out), (far_in, far_out)) =
                        (near.into_split(), far.into_split());
                    tokio::join!(
                        way.clone().pass(near_in, far_out),
                        way.clone().pass(far_in, near_out)
                    );
                });
            }
        });
        detour
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets where it leads. Connections wait for that.
    pub(crate) fn lead_to(&self, address: SocketAddr) {
        self.to.send_replace(Some(address));
    }

    /// The connections that there are carry nothing from now on, and stay open. Later ones do.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

#[derive(Clone)]
struct Way {
    delay: Duration,
    /// How many cuts there had been when it began.
    began: u64,
    cuts: watch::Receiver<u64>,
}

impl Way {
    async fn pass(self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = from.read(&mut buffer).await.unwrap_or(0);
            tokio::time::sleep(self.delay).await;
            if *self.cuts.borrow() != self.began {
                // Both ends are kept open.
                std::future::pending::<()>().await;
            }
            if count == 0 || to.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    }
}
