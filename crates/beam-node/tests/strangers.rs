//! What those cost who have not shown that they know the cookie.
#![allow(clippy::unwrap_used)]

#[path = "strangers/tls.rs"]
mod tls;

use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use beam_dist::{Creation, Flags, NodeName, handshake};
use beam_node::{Epmd, EpmdServer, Limits, Listen, Node};
use rustix::process::Resource;
use tokio::{runtime::Runtime, sync::oneshot};

/// How long anything may take that is to happen. Tests that pass do not wait for it.
const PATIENCE: Duration = Duration::from_secs(40);

const COOKIE: &str = "sesame";

/// What one connection may take of the memory of the process.
const BYTES_EACH: u64 = 6 * 1024;

/// All that a node does, it does on the thread that measures.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// A node that no EPMD knows, and where it listens.
async fn start(alive: &str, limits: Limits) -> (Node, SocketAddr) {
    start_at_free_port(alive, limits, None).await
}

/// The same with TLS.
async fn start_with_tls(
    alive: &str,
    limits: Limits,
    authority: &tls::Authority,
) -> (Node, SocketAddr) {
    start_at_free_port(alive, limits, Some(authority)).await
}

async fn start_at_free_port(
    alive: &str,
    limits: Limits,
    authority: Option<&tls::Authority>,
) -> (Node, SocketAddr) {
    // The port is free until somebody takes it, which is then tried again.
    loop {
        let port = fastrand::u16(10_240..32_768);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut builder = Node::builder(format!("{alive}@127.0.0.1"))
            .cookie(COOKIE)
            .epmd(Epmd::Off)
            .listen(address.to_string().parse::<Listen>().unwrap())
            .limits(limits.clone());
        if let Some(authority) = authority {
            builder = builder.tls(authority.tls());
        }
        let node = builder.start().await;
        if let Ok(node) = node {
            return (node, address);
        }
    }
}

fn patient() -> Limits {
    Limits {
        handshake_ms: 3_600_000,
        ..Limits::default()
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The first packet of a handshake.
fn introduction(alive: &str, own: &str) -> Vec<u8> {
    let own: NodeName = own.parse().unwrap();
    let identity = handshake::Identity {
        name: format!("{alive}@127.0.0.1").parse().unwrap(),
        creation: Creation::new(7),
        flags: Flags::for_node(false),
    };
    let challenge = handshake::Challenge::random().unwrap();
    let cookie = COOKIE.parse().unwrap();
    let mut initiator = handshake::Initiator::new(identity, own, cookie, challenge);
    initiator.outgoing().unwrap().to_vec()
}

/// Reads a packet of a handshake.
fn read_packet(stream: &mut TcpStream) -> Vec<u8> {
    let mut len = [0; 2];
    stream.read_exact(&mut len).unwrap();
    let mut packet = vec![0; u16::from_be_bytes(len).into()];
    stream.read_exact(&mut packet).unwrap();
    packet
}

/// Begins a handshake, and leaves it but for the last byte of the longest packet there may be.
fn half_open(address: SocketAddr, alive: &str) -> TcpStream {
    let mut stream = connect(address);
    stream
        .write_all(&introduction(alive, "a@127.0.0.1"))
        .unwrap();
    assert_eq!(read_packet(&mut stream), b"sok");
    assert_eq!(read_packet(&mut stream)[0], b'N');
    let mut longest = vec![b'r'; 2 + 1024];
    longest[..2].copy_from_slice(&1024_u16.to_be_bytes());
    stream.write_all(&longest[..2 + 1023]).unwrap();
    stream
}

/// Does something on another thread, whose memory is its own.
fn elsewhere<T: Send + 'static>(
    what: impl FnOnce() -> T + Send + 'static,
) -> (JoinHandle<T>, oneshot::Receiver<()>) {
    let (done, is_done) = oneshot::channel();
    let thread = thread::spawn(move || {
        let result = what();
        // The test may have failed meanwhile.
        let _ = done.send(());
        result
    });
    (thread, is_done)
}

/// Has strangers begin on another thread, and gives them once the runtime has dealt with what they did.
fn arrived<T: Send + 'static>(runtime: &Runtime, begin: impl FnOnce() -> T + Send + 'static) -> T {
    let (thread, done) = elsewhere(begin);
    runtime.block_on(async {
        done.await.unwrap();
        settle().await;
    });
    thread.join().unwrap()
}

/// Waits until the runtime has dealt with all that came before.
async fn settle() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for _ in 0..4 {
        let connecting = tokio::net::TcpStream::connect(address);
        let (connected, accepted) = tokio::join!(connecting, listener.accept());
        drop((connected.unwrap(), accepted.unwrap()));
    }
}

#[test]
fn a_handshake_that_is_never_finished_costs_a_few_kib() {
    const STRANGERS: usize = 60;
    let runtime = runtime();
    let (node, address) = runtime.block_on(start("a", patient()));
    let strangers = |from: usize| {
        let begin = move || -> Vec<TcpStream> {
            (from..from + STRANGERS / 2)
                .map(|number| half_open(address, &format!("s{number}")))
                .collect()
        };
        arrived(&runtime, begin)
    };
    // What is kept for the next ones is not counted.
    let first = strangers(0);

    let mut second = Vec::new();
    let counted = allocation_counter::measure(|| second = strangers(STRANGERS / 2));

    assert!(
        counted.bytes_total > STRANGERS as u64 / 2 * 1024,
        "{counted:?}"
    );
    assert!(
        counted.bytes_max < STRANGERS as u64 / 2 * BYTES_EACH,
        "{counted:?}"
    );
    drop((first, second));
    runtime.block_on(node.shutdown()).unwrap();
}

/// How far a stranger goes over TLS.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// It says nothing.
    Silent,
    /// It lacks the last byte of the longest message that TLS takes.
    HalfOpen,
    /// It has shown a certificate, with as many more as there is room for, and lacks the last byte of the
    /// longest packet of the handshake of nodes.
    Shown,
}

/// What one connection may take of the memory of the process over TLS.
const TLS_BYTES_EACH: [(Stage, u64); 3] = [
    (Stage::Silent, 12 * 1024),
    (Stage::HalfOpen, 80 * 1024),
    (Stage::Shown, 96 * 1024),
];

#[test]
fn a_handshake_over_tls_that_is_never_finished_costs_a_bounded_number_of_bytes() {
    const STRANGERS: usize = 20;
    let runtime = runtime();
    let authority = Arc::new(tls::Authority::new());
    for (stage, bytes_each) in TLS_BYTES_EACH {
        let (node, address) = runtime.block_on(start_with_tls("a", patient(), &authority));
        let strangers = || {
            let authority = Arc::clone(&authority);
            let begin = move || -> Vec<tls::Stranger> {
                (0..STRANGERS)
                    .map(|_| authority.stranger(address, stage))
                    .collect()
            };
            arrived(&runtime, begin)
        };
        let first = strangers();

        let mut second = Vec::new();
        let counted = allocation_counter::measure(|| second = strangers());

        println!(
            "{stage:?}: {} bytes each, {counted:?}",
            counted.bytes_max / STRANGERS as u64
        );
        assert!(
            counted.bytes_max < STRANGERS as u64 * bytes_each,
            "{stage:?}: {counted:?}"
        );
        assert!(
            counted.bytes_max > STRANGERS as u64 * bytes_each / 2,
            "{stage:?}: {counted:?}"
        );
        drop((first, second));
        runtime.block_on(node.shutdown()).unwrap();
    }
}

#[test]
fn a_flood_of_half_open_handshakes_is_bounded_and_keeps_nobody_out() {
    const PLACES: usize = 64;
    const FLOOD: usize = 640;
    let runtime = runtime();
    let limits = Limits {
        unauthenticated_connections: PLACES,
        ..patient()
    };
    let (node, address) = runtime.block_on(start("a", limits));
    let flood = move || -> Vec<TcpStream> {
        (0..FLOOD)
            .map(|number| {
                let mut stream = connect(address);
                let name = introduction(&format!("s{number}"), "a@127.0.0.1");
                stream.write_all(&name).unwrap();
                stream
            })
            .collect()
    };
    let (mut most_tasks, before) = (0, runtime.metrics().num_alive_tasks());
    let mut connected = false;

    let (flooding, done) = elsewhere(flood);
    let counted = allocation_counter::measure(|| {
        runtime.block_on(async {
            let mut events = node.events();
            let good = thread::spawn(move || good_peer(address));
            let watch = async {
                loop {
                    let tasks = tokio::runtime::Handle::current()
                        .metrics()
                        .num_alive_tasks();
                    most_tasks = most_tasks.max(tasks);
                    tokio::task::yield_now().await;
                }
            };
            let up = async {
                while let Some(event) = events.next().await {
                    if matches!(&event, beam_node::Event::Up { peer, .. } if peer.alive() == "good")
                    {
                        return true;
                    }
                }
                false
            };
            connected = tokio::select! {
                up = tokio::time::timeout(PATIENCE, up) => up == Ok(true),
                () = watch => unreachable!("it watches for ever"),
            };
            good.join().unwrap();
            done.await.unwrap();
            settle().await;
        });
    });

    assert!(connected, "the good peer was kept out");
    // One for each place, and those that end just now.
    assert!(
        most_tasks - before <= 2 * PLACES + 20,
        "{most_tasks} tasks, {before} before"
    );
    println!("{counted:?}, {most_tasks} tasks, {before} before");
    let most = (2 * PLACES) as u64 * BYTES_EACH + 256 * 1024;
    assert!(counted.bytes_max < most, "{counted:?}");
    drop(flooding.join().unwrap());
    runtime.block_on(node.shutdown()).unwrap();
}

/// A node with the cookie, which connects and goes. On a busy machine its handshake may take so long that
/// it has to make room for a newer one: it then tries again, as nodes do.
fn good_peer(address: SocketAddr) {
    runtime().block_on(async {
        let node = Node::builder("good@127.0.0.1")
            .cookie(COOKIE)
            .epmd(Epmd::Off)
            .listen(Listen::Off)
            .address("a@127.0.0.1", address)
            .limits(Limits {
                handshake_ms: 30_000,
                ..Limits::default()
            })
            .start()
            .await
            .unwrap();
        let peer = node.peer("a@127.0.0.1").unwrap();
        let connected = async { while peer.connect(PATIENCE).await.is_err() {} };
        tokio::time::timeout(PATIENCE, connected).await.unwrap();
        node.shutdown().await.unwrap();
    });
}

#[test]
fn a_flood_that_goes_on_keeps_nobody_out() {
    // Systems often let a process have 1,024 files unless it asks for more.
    let mut files = rustix::process::getrlimit(Resource::Nofile);
    files.current = files.maximum;
    rustix::process::setrlimit(Resource::Nofile, files).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (node, address) = runtime.block_on(start("a", patient()));
    let flood = Arc::new(Flood::default());
    let flooding: Vec<_> = (0..2)
        .map(|_| {
            let flood = Arc::clone(&flood);
            thread::spawn(move || flood.run(address))
        })
        .collect();
    // So many do not find room in the places and where they wait for one.
    while flood.connections() < 3_000 {
        thread::yield_now();
    }

    for _ in 0..3 {
        let before = flood.connections();
        good_peer(address);
        while flood.connections() < before + 100 {
            thread::yield_now();
        }
    }

    flood.is_over.store(true, Ordering::Relaxed);
    for thread in flooding {
        thread.join().unwrap();
    }
    runtime.block_on(node.shutdown()).unwrap();
}

/// Connections that say nothing, faster than a node gives them time to.
#[derive(Default)]
struct Flood {
    connections: AtomicU32,
    is_over: AtomicBool,
}

impl Flood {
    /// Connections that each thread keeps open: more than there are places and room to wait.
    const HELD: usize = 1_500;

    /// More than this was not needed by far; it is to end even if the test fails.
    const MOST: u32 = 100_000;

    fn connections(&self) -> u32 {
        let connections = self.connections.load(Ordering::Relaxed);
        assert!(connections < Self::MOST, "it went on for too long");
        connections
    }

    fn run(&self, address: SocketAddr) {
        let mut held = VecDeque::new();
        while !self.is_over.load(Ordering::Relaxed) {
            if self.connections.fetch_add(1, Ordering::Relaxed) > Self::MOST {
                return;
            }
            let kind = (socket2::Domain::IPV4, socket2::Type::STREAM);
            let socket = socket2::Socket::new(kind.0, kind.1, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            // Whether there is room for it yet is not waited for.
            let _ = socket.connect(&address.into());
            held.push_back(socket);
            if held.len() == Self::HELD {
                held.pop_front();
            }
            thread::sleep(Duration::from_micros(500));
        }
    }
}

#[test]
fn a_request_to_epmd_that_is_never_finished_costs_a_few_kib() {
    const STRANGERS: usize = 50;
    let runtime = runtime();
    let epmd = runtime.block_on(async { EpmdServer::bind(0, []).unwrap() });
    let address = epmd.addresses()[0];
    let strangers = || {
        let begin = move || -> Vec<TcpStream> {
            (0..STRANGERS)
                .map(|_| {
                    let mut stream = connect(address);
                    let mut longest = vec![b'z'; 2 + 1024];
                    longest[..2].copy_from_slice(&1024_u16.to_be_bytes());
                    stream.write_all(&longest[..2 + 1023]).unwrap();
                    stream
                })
                .collect()
        };
        arrived(&runtime, begin)
    };
    let first = strangers();

    let mut second = Vec::new();
    let counted = allocation_counter::measure(|| second = strangers());

    assert!(counted.bytes_total > STRANGERS as u64 * 1024, "{counted:?}");
    assert!(
        counted.bytes_max < STRANGERS as u64 * BYTES_EACH,
        "{counted:?}"
    );
    drop((first, second));
    runtime.block_on(epmd.shutdown());
}

#[test]
fn a_packet_that_is_too_long_ends_the_connection_at_its_length() {
    let runtime = runtime();
    let (node, address) = runtime.block_on(start("a", patient()));
    let (thread, done) = elsewhere(move || {
        for len in [1025_u16, u16::MAX] {
            let mut stream = connect(address);
            stream.write_all(&len.to_be_bytes()).unwrap();
            // Nothing that follows is waited for.
            assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
        }
        // In the middle of a handshake as well.
        let mut stream = connect(address);
        stream.write_all(&introduction("s", "a@127.0.0.1")).unwrap();
        assert_eq!(read_packet(&mut stream), b"sok");
        assert_eq!(read_packet(&mut stream)[0], b'N');
        stream.write_all(&1025_u16.to_be_bytes()).unwrap();
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
    });
    // A thread that fails does not say that it is done.
    let _ = runtime.block_on(done);
    thread.join().unwrap();
    runtime.block_on(node.shutdown()).unwrap();
}

#[test]
fn one_byte_now_and_then_does_not_prolong_a_handshake() {
    const STEPS: u32 = 10;
    let runtime = runtime();
    let limits = patient();
    let time = Duration::from_millis(limits.handshake_ms);
    let (node, address) = runtime.block_on(start("a", limits));
    let name = introduction("slow", "a@127.0.0.1");
    assert!(name.len() > STEPS as usize);

    runtime.block_on(async {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        for byte in name.iter().take(STEPS as usize) {
            tokio::io::AsyncWriteExt::write_all(&mut stream, &[*byte])
                .await
                .unwrap();
            settle().await;
            let open = stream.try_read(&mut [0; 8]).unwrap_err();
            assert_eq!(open.kind(), std::io::ErrorKind::WouldBlock);
            tokio::time::pause();
            tokio::time::advance(time / STEPS).await;
            tokio::time::resume();
        }
        let end = tokio::io::AsyncReadExt::read_u8(&mut stream);
        let end = tokio::time::timeout(PATIENCE, end).await.unwrap();
        assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
        node.shutdown().await.unwrap();
    });
}
