//! The embedded EPMD, as the rest of the world sees it.
#![allow(clippy::unwrap_used)]

use std::{io, time::Duration};

use beam_dist::epmd::{
    Alive2Response, NamesResponse, NodeKind, Port2Response, Registration, Request,
};
use beam_node::EpmdServer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long anything may take that is to happen. Tests that pass do not wait for it.
const PATIENCE: Duration = Duration::from_secs(30);

async fn connect(server: &EpmdServer, request: Request) -> TcpStream {
    let mut stream = TcpStream::connect(server.addresses()[0]).await.unwrap();
    stream.write_all(&request.encode()).await.unwrap();
    stream
}

async fn read_to_end(mut stream: TcpStream) -> Vec<u8> {
    let mut received = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut received))
        .await
        .unwrap()
        .unwrap();
    received
}

#[tokio::test]
async fn a_node_that_registers_is_found_by_others() {
    let server = EpmdServer::bind(0, []).unwrap();
    let shop = Registration::new("shop".parse().unwrap(), 9100, NodeKind::Visible);

    let mut registered = connect(&server, Request::Alive2(shop.clone())).await;
    let mut response = [0; 6];
    registered.read_exact(&mut response).await.unwrap();
    assert!(matches!(
        Alive2Response::decode(&response),
        Ok(Some(Alive2Response::Registered(_)))
    ));

    let asked = connect(&server, Request::PortPlease2(shop.name.clone())).await;
    let found = Port2Response::decode(&read_to_end(asked).await);
    assert_eq!(found, Ok(Some(Port2Response::Found(shop.clone()))));

    let asked = connect(&server, Request::Names).await;
    let names = NamesResponse::decode(&read_to_end(asked).await).unwrap();
    assert_eq!(names.epmd_port, server.port());
    assert_eq!(names.nodes, [(shop.name, 9100)]);

    let unknown = connect(&server, Request::PortPlease2("other".parse().unwrap())).await;
    let unknown = Port2Response::decode(&read_to_end(unknown).await);
    assert_eq!(unknown, Ok(Some(Port2Response::Unknown)));
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_by_the_kind_of_the_error() {
    let server = EpmdServer::bind(0, []).unwrap();

    let error = EpmdServer::bind(server.port(), []).unwrap_err();

    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    let port = server.port().to_string();
    assert!(error.to_string().contains(&port), "{error}");
}

#[tokio::test]
async fn an_address_of_another_machine_is_an_error() {
    let error = EpmdServer::bind(0, ["203.0.113.9".parse().unwrap()]).unwrap_err();

    assert!(error.to_string().contains("203.0.113.9"), "{error}");
}

#[tokio::test]
async fn shutting_down_ends_every_connection_and_frees_the_port() {
    let server = EpmdServer::bind(0, []).unwrap();
    let port = server.port();
    let shop = Registration::new("shop".parse().unwrap(), 9100, NodeKind::Visible);
    let mut registered = connect(&server, Request::Alive2(shop)).await;
    let mut response = [0; 6];
    registered.read_exact(&mut response).await.unwrap();
    let silent = TcpStream::connect(server.addresses()[0]).await.unwrap();

    timeout(PATIENCE, server.shutdown()).await.unwrap();

    assert_eq!(read_to_end(registered).await, b"");
    // One that was not accepted yet is reset instead.
    drop(silent);
    let again = EpmdServer::bind(port, []).unwrap();
    assert_eq!(again.port(), port);
}

#[tokio::test]
async fn dropping_it_ends_every_registration() {
    let server = EpmdServer::bind(0, []).unwrap();
    let shop = Registration::new("shop".parse().unwrap(), 9100, NodeKind::Visible);
    let mut registered = connect(&server, Request::Alive2(shop)).await;
    let mut response = [0; 6];
    registered.read_exact(&mut response).await.unwrap();

    drop(server);

    assert_eq!(read_to_end(registered).await, b"");
}
