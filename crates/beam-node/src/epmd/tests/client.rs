use beam_dist::{NodeName, epmd::MAX_NAMES_RESPONSE_LEN};
use tokio::net::TcpListener;

use super::*;
use crate::{connect::ConnectError, epmd::EpmdServer};

fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

/// An EPMD that answers every connection with the same bytes, then closes it or not.
async fn answering(bytes: &'static [u8], closes: bool) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            // What was not read when the connection is closed would reset it.
            let len = stream.read_u16().await.unwrap();
            let mut request = vec![0; len.into()];
            stream.read_exact(&mut request).await.unwrap();
            let _ = stream.write_all(bytes).await;
            match closes {
                true => drop(stream),
                false => open.push(stream),
            }
        }
    });
    port
}

#[tokio::test]
async fn a_registered_node_is_found_at_the_address_where_epmd_answered() {
    let server = EpmdServer::bind(0, []).unwrap();
    let _registered = register(server.addresses()[0], "shop", 9100).await;

    for host in ["127.0.0.1", "::1"] {
        if !server
            .addresses()
            .iter()
            .any(|address| address.ip().to_string() == host)
        {
            continue;
        }
        let node = name(&format!("shop@{host}"));
        let found = lookup(&node, server.port(), &everybody(), soon())
            .await
            .unwrap();
        assert_eq!(found, [SocketAddr::new(host.parse().unwrap(), 9100)]);
    }
}

#[tokio::test]
async fn every_address_of_a_host_is_tried() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let found = b"w\0\x23\x8cM\0\0\x06\0\x06\0\x04shop\0\0";
        stream.write_all(found).await.unwrap();
    });

    // Where the host has an IPv6 address too, nobody answers there.
    let found = lookup(&name("shop@localhost"), port, &everybody(), soon())
        .await
        .unwrap();

    assert_eq!(found[0], local(9100));
    assert!(found.iter().all(|address| address.port() == 9100));
    answer.await.unwrap();
}

#[tokio::test]
async fn a_node_that_is_not_registered_is_an_error_that_names_some_that_are() {
    let server = EpmdServer::bind(0, []).unwrap();
    let mut registered = Vec::new();
    for index in 0..10 {
        registered.push(register(server.addresses()[0], &format!("n{index}"), 9100).await);
    }

    let node = name("shop@127.0.0.1");
    let error = lookup(&node, server.port(), &everybody(), soon())
        .await
        .unwrap_err();

    assert!(
        matches!(&error, ConnectError::NotRegistered { registered, more: 2, .. }
        if registered.len() == 8)
    );
    assert!(error.to_string().contains("n0, n1"), "{error}");
}

#[tokio::test]
async fn where_nobody_listens_there_is_no_epmd() {
    let port = free_port();

    let error = lookup(&name("shop@127.0.0.1"), port, &everybody(), soon()).await;

    assert!(
        matches!(error, Err(ConnectError::NoEpmd { host, port: asked, error })
        if host == "127.0.0.1" && asked == port && error.kind == io::ErrorKind::ConnectionRefused)
    );
}

#[tokio::test]
async fn what_answers_without_being_an_epmd_is_an_error() {
    let http = answering(b"HTTP/1.1 400 Bad Request\r\n\r\n", true).await;
    let mute = answering(b"", true).await;
    let endless = answering(b"w\0\x23\x8cM\0\0\x06\0\x06\0\x04shop", true).await;

    for (port, expected) in [(http, "no epmd"), (mute, "closed"), (endless, "closed")] {
        let error = lookup(&name("shop@127.0.0.1"), port, &everybody(), soon()).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn an_epmd_that_does_not_answer_is_given_up_at_the_deadline() {
    let port = answering(b"w", false).await;

    let deadline = Instant::now() + Duration::from_millis(50);
    let error = lookup(&name("shop@127.0.0.1"), port, &everybody(), deadline).await;

    let said = error.as_ref().unwrap_err().to_string();
    let silent = format!("the EPMD at 127.0.0.1:{port} does not answer: if it is stopped, ");
    assert!(said.starts_with(&silent), "{said}");
    assert!(matches!(error, Err(ConnectError::NoEpmd { error, .. })
        if error.kind == io::ErrorKind::TimedOut));
}

#[tokio::test]
async fn a_node_of_another_version_is_not_dialled() {
    let port = answering(b"w\0\x23\x8cM\0\0\x05\0\x05\0\x04shop\0\0", true).await;

    let error = lookup(&name("shop@127.0.0.1"), port, &everybody(), soon()).await;

    let (lowest, highest) = (5, 5);
    let node = name("shop@127.0.0.1");
    assert_eq!(
        error,
        Err(ConnectError::OldVersion {
            node,
            lowest,
            highest
        })
    );
}

#[tokio::test]
async fn a_list_of_names_without_end_is_read_up_to_the_bound() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let flood = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut sent = 0;
        while stream.write_all(&[b'n'; 4096]).await.is_ok() {
            sent += 4096;
        }
        sent
    });

    let error = super::super::names("127.0.0.1", port, &everybody(), soon()).await;

    assert!(matches!(error, Err(ConnectError::NoEpmd { error, .. })
        if error.kind == io::ErrorKind::InvalidData));
    assert!(flood.await.unwrap() > MAX_NAMES_RESPONSE_LEN);
}

#[tokio::test]
async fn a_host_without_an_address_is_told_apart() {
    let error = lookup(&name("shop@no..host"), 1, &everybody(), soon()).await;

    assert!(matches!(error, Err(ConnectError::HostUnresolved { host, .. }) if host == "no..host"));
}
