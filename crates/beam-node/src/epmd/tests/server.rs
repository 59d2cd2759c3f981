use tokio::io::AsyncWriteExt;

use super::*;
use crate::epmd::{EpmdServer, accept::Bounds};

fn bind(bounds: Bounds) -> (EpmdServer, SocketAddr) {
    let server = EpmdServer::bind_bounded(0, [], bounds).unwrap();
    let address = server.addresses()[0];
    (server, address)
}

#[tokio::test]
async fn a_registration_lives_exactly_as_long_as_its_connection() {
    let (_server, address) = bind(Bounds::default());

    let (connection, response) = register(address, "shop", 9100).await;
    assert_eq!(response[..2], [118, 0]);
    assert_eq!(names(address).await, ["shop"]);

    drop(connection);
    names_until(address, <[_]>::is_empty).await;
    let (_connection, again) = register(address, "shop", 9100).await;
    assert_ne!(again, response, "a node that comes back is another one");
}

#[tokio::test]
async fn a_byte_after_the_registration_ends_it() {
    let (_server, address) = bind(Bounds::default());
    let (mut connection, _) = register(address, "shop", 9100).await;

    connection.write_all(b"?").await.unwrap();

    closed(&mut connection).await;
    names_until(address, <[_]>::is_empty).await;
}

#[tokio::test]
async fn a_taken_name_is_refused_and_its_holder_stays() {
    let (_server, address) = bind(Bounds::default());
    let _holder = register(address, "shop", 9100).await;

    let (mut connection, response) = register(address, "shop", 9101).await;

    assert_eq!(response, [118, 1, 0, 0, 0, 0]);
    closed(&mut connection).await;
    let found = converse(address, b"\x00\x05zshop").await;
    assert_eq!(found[..4], [119, 0, 0x23, 0x8c]);
}

#[tokio::test]
async fn hostile_bytes_are_answered_by_an_end_and_harm_nobody() {
    let (_server, address) = bind(Bounds::default());
    let _holder = register(address, "shop", 9100).await;

    let cut_alive2 = Request::Alive2(node("evil", 1)).encode();
    let mut long_name = vec![0x02, 0x02, b'z'];
    long_name.resize(2 + 0x202, b'n');
    for bytes in [
        &b"\x00\x00"[..],
        b"\xff\xff",
        &[0xff; 100_000],
        &[0; 100_000],
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00\x01k",
        b"\x00\x05sshop",
        b"\x00\x01d",
        b"\x00\x01?",
        b"\x00\x02n!!",
        b"\x00\x01z",
        b"\x00\x03z\xff\xfe",
        b"\x00\x0bx\x23\x8cM\0\0\x06\0\x06\xff\xff",
        b"\x00\x0ex\x23\x8c?\0\0\x06\0\x06\0\x01a\0\0",
        b"\x00\x0ex\x23\x8cM\x07\0\x06\0\x06\0\x01a\0\0",
        b"\x00\x10x\x23\x8cM\0\0\x06\0\x06\0\x03a\nb\0\0",
        &long_name,
        &[&cut_alive2[..], b"more"].concat(),
    ] {
        assert_eq!(converse(address, bytes).await, b"", "{bytes:?}");
    }
    assert_eq!(names(address).await, ["shop"]);
}

#[tokio::test]
async fn a_client_that_ends_in_the_middle_of_a_request_is_forgotten() {
    let bounds = Bounds {
        requests: 1,
        ..Bounds::default()
    };
    let (_server, address) = bind(bounds);
    for bytes in [&b""[..], b"\x00", b"\x00\x05zs"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        closed(&mut stream).await;
    }

    assert_eq!(converse(address, b"\x00\x01n").await[..2], [0, 0]);
}

#[tokio::test]
async fn a_client_that_sends_too_slowly_is_cut_off_but_a_registered_one_may_be_silent() {
    let bounds = Bounds {
        request_time: Duration::from_secs(3600),
        ..Bounds::default()
    };
    let (_server, address) = bind(bounds);
    let (_registered, _) = register(address, "shop", 9100).await;
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"\x00\x05z").await.unwrap();
    settle().await;

    skip(bounds.request_time).await;

    closed(&mut slow).await;
    assert_eq!(names(address).await, ["shop"]);
}

#[tokio::test]
async fn connections_that_say_nothing_make_way_for_others() {
    let bounds = Bounds {
        requests: 2,
        request_time: Duration::from_secs(3600),
        ..Bounds::default()
    };
    let (_server, address) = bind(bounds);
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }

    assert_eq!(names(address).await, [""; 0]);

    for connection in &mut silent[..8] {
        closed(connection).await;
    }
}

#[tokio::test]
async fn a_registration_is_none_of_the_connections_that_make_way() {
    let bounds = Bounds {
        requests: 1,
        ..Bounds::default()
    };
    let (_server, address) = bind(bounds);
    let _registered = register(address, "shop", 9100).await;

    for _ in 0..10 {
        assert_eq!(names(address).await, ["shop"]);
    }
}

#[tokio::test]
async fn registrations_beyond_the_bound_are_refused_until_one_ends() {
    let bounds = Bounds {
        registrations: 2,
        ..Bounds::default()
    };
    let (_server, address) = bind(bounds);
    let (first, _) = register(address, "a", 1).await;
    let _second = register(address, "b", 2).await;

    let (_, refused) = register(address, "c", 3).await;
    assert_eq!(refused[..2], [118, 1]);

    drop(first);
    names_until(address, |names| names.len() == 1).await;
    let (_third, response) = register(address, "c", 3).await;
    assert_eq!(response[..2], [118, 0]);
}

// Only Linux has the whole of 127.0.0.0/8 without further ado.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn all_loopback_addresses_and_further_ones_share_a_port_and_a_registry() {
    let further = std::net::IpAddr::from([127, 0, 0, 2]);
    let server = EpmdServer::bind(0, [further]).unwrap();
    let _registered = register(server.addresses()[0], "shop", 9100).await;

    assert!(server.addresses().iter().any(|found| found.ip() == further));
    for address in server.addresses() {
        assert_eq!(address.port(), server.port());
        assert_eq!(names(*address).await, ["shop"], "{address}");
    }
}
