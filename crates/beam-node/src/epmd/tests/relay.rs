//! Only Linux has addresses beside 127.0.0.1 that every machine has.
#![cfg(target_os = "linux")]

use tokio_util::sync::CancellationToken;

use super::*;
use crate::epmd::{
    EpmdServer,
    relay::{RETRY, relay},
};

fn elsewhere(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 2], port))
}

#[tokio::test]
async fn look_ups_are_passed_on_and_registrations_are_not() {
    let server = EpmdServer::bind(free_port(), []).unwrap();
    let _registered = register(server.addresses()[0], "shop", 9100).await;
    let (address, stop) = (elsewhere(server.port()), CancellationToken::new());
    let relay = tokio::spawn(relay(address, stop.clone()));

    assert_eq!(
        names_until(address, |names| !names.is_empty()).await,
        ["shop"]
    );
    let found = converse(address, b"\x00\x05zshop").await;
    assert_eq!(
        found,
        converse(server.addresses()[0], b"\x00\x05zshop").await
    );
    assert_eq!(converse(address, b"\x00\x05znone").await, [119, 1]);

    let alive2 = Request::Alive2(node("other", 1)).encode();
    for refused in [&alive2[..], b"\x00\x01k", &[0xff; 10_000]] {
        assert_eq!(converse(address, refused).await, b"");
    }
    assert_eq!(names(address).await, ["shop"]);

    stop.cancel();
    relay.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn without_an_epmd_to_ask_the_connection_is_closed() {
    let address = elsewhere(free_port());
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    tokio::spawn(relay(address, stop));

    let until = soon();
    while TcpStream::connect(address).await.is_err() {
        assert!(Instant::now() < until);
        tokio::task::yield_now().await;
    }
    assert_eq!(converse(address, b"\x00\x01n").await, b"");
}

#[tokio::test]
async fn an_address_that_is_taken_is_relayed_when_it_becomes_free() {
    let server = EpmdServer::bind(free_port(), []).unwrap();
    let _registered = register(server.addresses()[0], "shop", 9100).await;
    let address = elsewhere(server.port());
    let holder = TcpListener::bind(address).unwrap();
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let relay = tokio::spawn(relay(address, stop));
    settle().await;
    assert!(!relay.is_finished());

    drop(holder);
    skip(RETRY).await;

    names_until(address, |names| names == ["shop"]).await;
}
