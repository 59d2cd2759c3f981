//! Requests of a peer to run functions of a node.

use beam_dist::control::{Control, SpawnOptions, Target};
use beam_node::{Class, Exception, Export, Node};
use beam_term::Term;
use tokio::sync::mpsc;

use crate::support::{Cluster, RawPeer, eventually, within};

const MONITOR: SpawnOptions = SpawnOptions {
    link: false,
    monitor: true,
    deadline_ms: None,
    others: Vec::new(),
};

async fn setup(cluster: &Cluster) -> (Node, RawPeer) {
    let a = cluster.start("a").await;
    a.export("math", "double", async |n: i64| 2 * n).unwrap();
    for (name, class) in [
        ("error", Class::Error),
        ("throw", Class::Throw),
        ("exit", Class::Exit),
    ] {
        a.register(Export::raw("raise", name, 0, move |_, _| async move {
            Err(Exception {
                class,
                reason: Term::atom("why"),
                stack: Term::nil(),
            })
        }))
        .unwrap();
    }
    let peer = cluster.raw_peer(&a, "raw").await;
    (a, peer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_answered_as_an_erpc_server_does() {
    let cluster = Cluster::new();
    let (_a, mut peer) = setup(&cluster).await;
    let request = peer.reference(1);
    let cases = [
        (("math", "double"), vec![Term::from(4)], "return, 8}"),
        (
            ("raise", "error"),
            vec![],
            "error, why, [{raise, error, 0, []}]}",
        ),
        (("raise", "throw"), vec![], "throw, why}"),
        (("raise", "exit"), vec![], "exit, why}"),
        (
            ("no", "function"),
            vec![Term::atom("x")],
            "error, undef, [{no, function, [x], []}]}",
        ),
    ];
    for (function, arguments, expected) in cases {
        peer.call(&request, function, arguments).await;

        let reply = peer.spawn_reply().await;
        assert_eq!((&reply.request, &reply.to), (&request, &peer.pid(1)));
        assert!(reply.monitored && !reply.linked);
        let (exit, reason) = peer.monitor_exit().await;
        assert_eq!(exit.from, Target::Pid(reply.result.unwrap()));
        assert_eq!((&exit.reference, &exit.to), (&request, &peer.pid(1)));
        let Term::Tuple(mut answer) = reason else {
            panic!("{reason}")
        };
        assert_eq!(answer.remove(0), Term::from(request.clone()));
        let expected: Term = format!("{{{expected}").parse().unwrap();
        assert_eq!(Term::Tuple(answer), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_any_spawned_function_is_told_to_those_who_link_or_monitor() {
    let cluster = Cluster::new();
    let (a, mut peer) = setup(&cluster).await;
    let cases = [
        (("math", "double", 1), "[4]", "normal"),
        (("raise", "exit", 0), "[]", "why"),
        (
            ("raise", "error", 0),
            "[]",
            "{why, [{raise, error, 0, []}]}",
        ),
        (("raise", "throw", 0), "[]", "{{nocatch, why}, []}"),
        (
            ("no", "function", 1),
            "[x]",
            "{undef, [{no, function, [x], []}]}",
        ),
    ];
    for (index, (function, arguments, expected)) in cases.into_iter().enumerate() {
        let request = peer.reference(index as u32);
        let options = SpawnOptions {
            link: true,
            ..MONITOR
        };
        let control = peer.spawn(&request, function, options);
        peer.send_with(control, &arguments.parse().unwrap()).await;

        let reply = peer.spawn_reply().await;
        assert!(reply.monitored && reply.linked);
        let process = reply.result.unwrap();
        let expected: Term = expected.parse().unwrap();
        let (exit, reason) = peer.monitor_exit().await;
        assert_eq!(
            (exit.from, reason),
            (Target::Pid(process.clone()), expected.clone())
        );
        let message = peer.next().await;
        match message.control {
            Control::Exit(exit) => assert_eq!((exit.from, exit.to), (process, peer.pid(1))),
            other => panic!("{other:?}"),
        }
        assert_eq!(message.payload.unwrap().decode().unwrap(), expected);
    }
    eventually(|| a.serving() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cast_is_replied_to_and_no_more() {
    let cluster = Cluster::new();
    let (a, mut peer) = setup(&cluster).await;
    let (sender, mut receiver) = mpsc::unbounded_channel();
    a.export("log", "line", move |line: String| {
        let sent = sender.send(line).is_ok();
        async move { sent }
    })
    .unwrap();
    let request = peer.reference(1);
    let control = peer.spawn(
        &request,
        ("erpc", "execute_cast", 3),
        SpawnOptions::default(),
    );

    peer.send_with(control, &"[log, line, [<<\"one\">>]]".parse().unwrap())
        .await;

    let reply = peer.spawn_reply().await;
    assert!(!reply.monitored && !reply.linked && reply.result.is_ok());
    assert_eq!(within(receiver.recv()).await.as_deref(), Some("one"));
    eventually(|| a.serving() == 0).await;
    peer.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_option_that_is_not_known_is_refused_and_those_on_memory_are_taken() {
    let cluster = Cluster::new();
    let (a, mut peer) = setup(&cluster).await;
    let spawn = |peer: &RawPeer, id, option: &str| {
        let options = SpawnOptions {
            others: vec![option.parse().unwrap()],
            ..MONITOR
        };
        peer.spawn(&peer.reference(id), ("math", "double", 1), options)
    };
    for (id, option) in ["{unheard, thing}", "unheard", "{min_heap_size}"]
        .into_iter()
        .enumerate()
    {
        let control = spawn(&peer, id as u32, option);
        peer.send_with(control, &Term::list([Term::from(4)])).await;
        let reply = peer.spawn_reply().await;
        assert_eq!(reply.request, peer.reference(id as u32));
        assert_eq!(reply.result.unwrap_err(), "badopt");
        assert!(!reply.monitored && !reply.linked);
    }
    for option in ["{priority, low}", "{min_heap_size, 1000}"] {
        let control = spawn(&peer, 9, option);
        peer.send_with(control, &Term::list([Term::from(4)])).await;
        assert!(peer.spawn_reply().await.result.is_ok());
        assert_eq!(peer.monitor_exit().await.1, Term::atom("normal"));
    }
    eventually(|| a.serving() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_without_a_proper_function_or_arguments_are_refused() {
    let cluster = Cluster::new();
    let (a, mut peer) = setup(&cluster).await;
    for arguments in [
        "[]",
        "x",
        "[a, b]",
        "[a, math, double, [1] | x]",
        "[a, 1, double, [1]]",
        "[1, 2, 3, 4]",
    ] {
        let request = peer.reference(1);
        let control = peer.spawn(&request, ("erpc", "execute_call", 4), MONITOR);
        peer.send_with(control, &arguments.parse().unwrap()).await;
        let reply = peer.spawn_reply().await;
        assert_eq!(reply.result.unwrap_err(), "badarg", "{arguments}");
    }
    assert_eq!(a.serving(), 0);
    // What is no list of arguments is found out by who would run it.
    for arguments in ["x", "[1 | 2]"] {
        let request = peer.reference(1);
        let control = peer.spawn(&request, ("math", "double", 1), MONITOR);
        peer.send_with(control, &arguments.parse().unwrap()).await;
        assert!(peer.spawn_reply().await.result.is_ok());
        let reason = peer.monitor_exit().await.1.to_string();
        assert!(reason.starts_with("{badarg,"), "{reason}");
    }
    eventually(|| a.serving() == 0).await;
}
