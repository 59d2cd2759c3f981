use std::collections::BTreeSet;

use beam_dist::{Creation, NodeName};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;
use crate::{
    connect::WaitingFor,
    epmd::{Epmd, EpmdServer, Registrar, registrar::RegisterError},
};

/// A node that is kept registered until this is dropped.
struct Kept {
    creation: Creation,
    serves: bool,
    stop: DropGuard,
    task: JoinHandle<()>,
}

impl Kept {
    async fn begin(alive: &str, epmd: Epmd, port: u16) -> Result<Self, RegisterError> {
        let (registrar, creation) = begin(alive, epmd, port).await?;
        let serves = registrar.server.is_some();
        let stop = CancellationToken::new();
        let task = tokio::spawn(registrar.keep(stop.clone()));
        let stop = stop.drop_guard();
        Ok(Self {
            creation,
            serves,
            stop,
            task,
        })
    }

    async fn stop(self) {
        drop(self.stop);
        timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }
}

async fn begin(alive: &str, epmd: Epmd, port: u16) -> Result<(Registrar, Creation), RegisterError> {
    let node: NodeName = format!("{alive}@127.0.0.1").parse().unwrap();
    Registrar::begin(&node, local(9100), NodeKind::Hidden, epmd, port).await
}

/// Takes a registration by hand, as an EPMD that gives out this creation.
async fn accept(listener: &TcpListener, response: &[u8]) -> TcpStream {
    let (mut stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    let expected = Request::Alive2(Registration::new(
        "shop".parse().unwrap(),
        9100,
        NodeKind::Hidden,
    ))
    .encode();
    let mut request = vec![0; expected.len()];
    timeout(PATIENCE, stream.read_exact(&mut request))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(request, expected);
    stream.write_all(response).await.unwrap();
    stream
}

#[tokio::test]
async fn a_node_registers_with_the_epmd_that_answers_and_has_its_creation() {
    let server = EpmdServer::bind(0, []).unwrap();

    for epmd in [Epmd::Auto, Epmd::External] {
        let kept = Kept::begin("shop", epmd, server.port()).await.unwrap();
        assert!(!kept.serves);
        assert!(kept.creation >= Creation::MIN);
        assert_eq!(names(local(server.port())).await, ["shop"]);

        kept.stop().await;
        names_until(local(server.port()), <[_]>::is_empty).await;
    }
}

#[tokio::test]
async fn of_several_nodes_that_start_at_once_one_serves_and_all_are_registered() {
    let port = free_port();
    let begins: Vec<_> = (0..8)
        .map(|index| {
            tokio::spawn(async move { Kept::begin(&format!("n{index}"), Epmd::Auto, port).await })
        })
        .collect();
    let mut nodes = Vec::new();
    for begin in begins {
        nodes.push(begin.await.unwrap().unwrap());
    }

    assert_eq!(nodes.iter().filter(|node| node.serves).count(), 1);
    let creations: BTreeSet<_> = nodes.iter().map(|node| node.creation).collect();
    assert_eq!(creations.len(), nodes.len());
    assert_eq!(names(local(port)).await.len(), nodes.len());
}

#[tokio::test]
async fn when_the_serving_node_goes_another_takes_its_place() {
    let port = free_port();
    let mut nodes = Vec::new();
    for alive in ["a", "b", "c", "d"] {
        nodes.push(Kept::begin(alive, Epmd::Auto, port).await.unwrap());
    }
    let stays = nodes.split_off(1);
    let serving = nodes.remove(0);
    assert!(serving.serves);

    serving.stop().await;

    names_until(local(port), |names| names == ["b", "c", "d"]).await;
    for node in stays {
        node.stop().await;
    }
    assert!(TcpStream::connect(local(port)).await.is_err());
}

#[tokio::test]
async fn a_name_that_is_taken_at_the_start_is_an_error() {
    let server = EpmdServer::bind(0, []).unwrap();
    let _holder = register(server.addresses()[0], "shop", 1).await;

    let error = begin("shop", Epmd::Auto, server.port()).await.unwrap_err();

    assert!(matches!(&error, RegisterError::NameTaken { name, .. } if name.as_str() == "shop"));
    assert!(error.to_string().contains("another name"), "{error}");
}

#[tokio::test]
async fn a_node_that_lost_epmd_registers_again_however_often_it_is_refused() {
    let listener = TcpListener::bind(local(0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (kept, first) = tokio::join!(
        Kept::begin("shop", Epmd::External, port),
        accept(&listener, &[118, 0, 0, 0, 1, 0]),
    );
    let kept = kept.unwrap();
    assert_eq!(kept.creation, Creation::new(256));

    // An EPMD that has not noticed the end of the old entry refuses the new one.
    drop(first);
    for _ in 0..2 {
        let mut refused = accept(&listener, &[118, 1, 0, 0, 0, 0]).await;
        closed(&mut refused).await;
    }
    accept(&listener, &[118, 0, 0, 0, 1, 1]).await;
}

#[tokio::test]
async fn an_epmd_that_says_more_than_it_should_is_left() {
    let listener = TcpListener::bind(local(0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (kept, mut first) = tokio::join!(
        Kept::begin("shop", Epmd::External, port),
        accept(&listener, &[118, 0, 0, 0, 1, 0]),
    );
    let _kept = kept.unwrap();

    first.write_all(b"?").await.unwrap();

    closed(&mut first).await;
    accept(&listener, &[118, 0, 0, 0, 1, 1]).await;
}

#[tokio::test]
async fn a_creation_from_an_epmd_of_old_is_replaced_by_a_random_one() {
    let listener = TcpListener::bind(local(0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();

    let (begun, _connection) = tokio::join!(
        begin("shop", Epmd::External, port),
        accept(&listener, &[121, 0, 0, 2]),
    );

    assert!(begun.unwrap().1 >= Creation::MIN);
}

#[tokio::test]
async fn without_an_epmd_a_node_that_needs_one_does_not_start() {
    let port = free_port();

    let error = begin("shop", Epmd::External, port).await.unwrap_err();

    assert!(matches!(error, RegisterError::NoEpmd { port: asked, .. } if asked == port));
    assert!(error.to_string().contains("epmd -daemon"), "{error}");
}

#[tokio::test]
async fn without_epmd_a_node_has_a_random_creation_and_nothing_listens() {
    let port = free_port();

    let kept = Kept::begin("shop", Epmd::Off, port).await.unwrap();

    assert!(kept.creation >= Creation::MIN);
    assert!(TcpStream::connect(local(port)).await.is_err());
    kept.stop().await;
}

#[tokio::test]
async fn what_answers_without_being_an_epmd_is_an_error() {
    for response in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"v\0", b""] {
        let listener = TcpListener::bind(local(0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();

        let (begun, _) = tokio::join!(begin("shop", Epmd::Auto, port), async {
            drop(accept(&listener, response).await);
        });

        assert!(
            matches!(begun, Err(RegisterError::Failed { .. })),
            "{begun:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_epmd_that_says_nothing_is_told_as_where_a_peer_is_looked_up() {
    let listener = TcpListener::bind(local(0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();

    for epmd in [Epmd::Auto, Epmd::External] {
        let error = begin("shop", epmd, port).await.unwrap_err();
        assert_eq!(error, RegisterError::Silent(port));
        let host = "localhost".to_owned();
        let looked_up = WaitingFor::Epmd { host, port };
        assert_eq!(error.to_string(), looked_up.to_string());
        let at = format!("the EPMD at localhost:{port} does not answer: ");
        assert!(error.to_string().starts_with(&at), "{error}");
    }
}

// Only Linux has the whole of 127.0.0.0/8 without further ado.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_node_on_another_address_is_found_there_whoever_serves() {
    let server = EpmdServer::bind(free_port(), []).unwrap();
    let node: NodeName = "shop@127.0.0.2".parse().unwrap();
    let listening = SocketAddr::from(([127, 0, 0, 2], 9100));
    let (registrar, _) = Registrar::begin(
        &node,
        listening,
        NodeKind::Hidden,
        Epmd::Auto,
        server.port(),
    )
    .await
    .unwrap();
    let stop = CancellationToken::new();
    let task = tokio::spawn(registrar.keep(stop.clone()));

    let there = SocketAddr::new(listening.ip(), server.port());
    names_until(there, |names| names == ["shop"]).await;
    let found = lookup(&node, server.port(), &everybody(), soon()).await;
    assert_eq!(found, Ok(vec![listening]));

    stop.cancel();
    task.await.unwrap();
    assert!(TcpStream::connect(there).await.is_err());
}
