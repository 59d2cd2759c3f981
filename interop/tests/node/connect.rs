//! Connections: how they come about, why they do not, and how they end.

use std::time::Duration;

use beam_node::{Cause, Code, ConnectError, DownReason, Event, Node};
use beam_term::Term;
use interop::{Beam, Otp, on_each_release};
use tokio::join;

use crate::cluster::{Cluster, HIDDEN_AND_VISIBLE, event, lost, rust_name, seen, sees};

on_each_release! {
    either_side_connects_and_disconnects,
    both_sides_may_connect_at_once,
    both_sides_ping,
    another_cookie_is_told_apart_on_both_sides,
    a_killed_otp_node_is_down_and_its_calls_fail,
    a_frozen_otp_node_is_given_up,
    a_restarted_otp_node_is_found_again,
    a_restarted_rust_node_is_found_again,
    a_restarted_rust_node_takes_the_place_of_a_link_not_yet_given_up,
}

/// How often a race is run.
const RACES: u32 = 15;

async fn either_side_connects_and_disconnects(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("otp").start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        let mut events = node.events();

        node.connect(beam.name()).await.unwrap();
        up(&mut events, &beam).await;
        sees(&beam, node.name(), true).await;
        let as_seen = seen(
            &beam,
            &node,
            "{lists:member(N, nodes()), lists:member(N, nodes(hidden))}",
        );
        assert_eq!(as_seen.await, format!("{{{visible},{}}}", !visible));
        let peers = node.peers();
        assert_eq!(peers.len(), 1);
        assert_eq!(peers[0].name.as_str(), beam.name());
        assert_eq!(peers[0].hidden, !visible);
        assert_eq!(
            Term::from(peers[0].creation.get()),
            beam.eval("erlang:system_info(creation)").await.unwrap()
        );
        assert!(node.disconnect(&peers[0].name));
        assert_eq!(down(&mut events, &beam).await, DownReason::Disconnected);
        assert!(node.peers().is_empty());
        sees(&beam, node.name(), false).await;

        assert_eq!(
            seen(&beam, &node, "net_kernel:connect_node(N)").await,
            "true"
        );
        up(&mut events, &beam).await;
        assert!(node.peer(beam.name()).unwrap().is_connected());
        assert_eq!(
            seen(&beam, &node, "erlang:disconnect_node(N)").await,
            "true"
        );
        assert_eq!(down(&mut events, &beam).await, DownReason::Closed);

        // A node that is shut down says so by closing its connections.
        node.connect(beam.name()).await.unwrap();
        sees(&beam, node.name(), true).await;
        node.shutdown().await.unwrap();
        sees(&beam, node.name(), false).await;
    }
}

async fn both_sides_may_connect_at_once(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("m").start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        // The attempt of the node with the greater name survives.
        for alive in ["a", "z"] {
            let node = cluster.node(&rust_name(alive)).visible(visible);
            let node = node.start().await.unwrap();
            for race in 0..RACES {
                let (ours, theirs) = join!(
                    node.connect(beam.name()),
                    seen(&beam, &node, "net_kernel:connect_node(N)"),
                );
                ours.unwrap_or_else(|error| panic!("race {race} of {alive}: {error}"));
                assert_eq!(theirs, "true", "race {race} of {alive}");
                let name: String = node
                    .call(
                        beam.name(),
                        ("erlang", "atom_to_binary"),
                        (node.name().as_atom(),),
                    )
                    .await
                    .unwrap();
                assert_eq!(name, node.name().as_str());
                assert_eq!(
                    seen(&beam, &node, "erpc:call(N, erlang, node, []) =:= N").await,
                    "true"
                );
                assert_eq!(node.peers().len(), 1);
                node.disconnect(beam.name());
                lost(&node, beam.name()).await;
                sees(&beam, node.name(), false).await;
            }
        }
    }
}

async fn both_sides_ping(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("otp").start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        node.ping(beam.name()).await.unwrap();
        node.ping(beam.name()).await.unwrap();
        node.disconnect(beam.name());
        sees(&beam, node.name(), false).await;
        assert_eq!(seen(&beam, &node, "net_adm:ping(N)").await, "pong");
        assert_eq!(seen(&beam, &node, "net_adm:ping(N)").await, "pong");

        let nobody = rust_name("nobody");
        let error = node.ping(&nobody).await.unwrap_err();
        assert_eq!(error.code, Code::ServiceUnavailable);
        assert!(error.message.contains("is not registered"), "{error}");
        assert!(matches!(
            error.cause(),
            Cause::NotConnected(ConnectError::NotRegistered { .. })
        ));
        let gone = node.name().clone();
        node.shutdown().await.unwrap();
        let ping = beam.expression(&format!("net_adm:ping('{gone}')"));
        assert_eq!(ping.text().await.unwrap(), "pang");
    }
}

async fn another_cookie_is_told_apart_on_both_sides(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("otp").start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster
            .node(&rust_name("rust"))
            .visible(visible)
            .cookie("other");
        let node = node.start().await.unwrap();
        let mut events = node.events();

        let error = node
            .call::<Term, _>(beam.name(), ("erlang", "node"), ())
            .await
            .unwrap_err();
        assert_eq!(error.code, Code::ServiceUnavailable);
        assert!(error.message.contains("cookie"), "{error}");
        assert!(error.message.contains(beam.name()), "{error}");
        assert!(!error.may_have_run());
        let failed = |event| match event {
            Event::ConnectFailed { peer, reason } if peer.as_str() == beam.name() => Some(reason),
            _ => None,
        };
        let reason = event(&mut events, failed).await;
        assert!(
            reason.to_string().contains("refused the cookie"),
            "{reason}"
        );
        let refused = |event| match event {
            Event::Refused {
                claimed: Some(peer),
                reason,
                ..
            } if peer.as_str() == beam.name() => Some(reason),
            _ => None,
        };

        assert_eq!(seen(&beam, &node, "net_adm:ping(N)").await, "pang");
        let reason = event(&mut events, refused).await;
        assert!(
            reason.to_string().contains("has another cookie"),
            "{reason}"
        );
        assert_eq!(
            seen(&beam, &node, "erpc:call(N, erlang, node, [])").await,
            "{error,{erpc,noconnection}}"
        );
        assert!(node.peers().is_empty());
    }
}

async fn a_killed_otp_node_is_down_and_its_calls_fail(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    for visible in HIDDEN_AND_VISIBLE {
        let mut beam = cluster.beam("otp").start().await.unwrap();
        let node = cluster.rust(visible).await;
        node.connect(beam.name()).await.unwrap();
        let mut events = node.events();
        let name = beam.name().to_owned();
        let waits = async || {
            node.call::<Term, _>(&name, ("timer", "sleep"), (Term::atom("infinity"),))
                .await
        };
        let kill = async {
            while node.calling() < 2 {
                tokio::task::yield_now().await;
            }
            beam.kill().await.unwrap();
        };
        let (first, second, ()) = join!(waits(), waits(), kill);
        for error in [first.unwrap_err(), second.unwrap_err()] {
            assert_eq!(error.code, Code::ServiceUnavailable);
            assert!(matches!(error.cause(), Cause::ConnectionLost), "{error}");
            assert!(error.may_have_run());
        }
        down(&mut events, &beam).await;
        assert!(node.peers().is_empty());
        assert_eq!(node.calling(), 0);
        let error = waits().await.unwrap_err();
        assert_eq!(error.code, Code::ServiceUnavailable);
        assert!(matches!(error.cause(), Cause::NotConnected(_)), "{error}");
        assert!(!error.may_have_run());
    }
}

async fn a_frozen_otp_node_is_given_up(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let impatient = ["-kernel", "net_ticktime", "4"];
    let mut beam = cluster.beam("otp").flags(impatient).start().await.unwrap();
    let nodes: Vec<Node> = {
        let mut nodes = Vec::new();
        for visible in HIDDEN_AND_VISIBLE {
            let node = cluster.node(&rust_name("rust")).visible(visible);
            // Nobody looks for it otherwise, once an attempt has met the end of its old connection.
            let node = node
                .discovery(true)
                .net_ticktime(Duration::from_secs(2))
                .start()
                .await
                .unwrap();
            node.connect(beam.name()).await.unwrap();
            nodes.push(node);
        }
        nodes
    };
    let mut events: Vec<_> = nodes.iter().map(Node::events).collect();
    beam.suspend().unwrap();
    for (node, events) in nodes.iter().zip(&mut events) {
        let (error, reason) = join!(
            node.call::<Term, _>(beam.name(), ("erlang", "node"), ()),
            down(events, &beam),
        );
        assert!(matches!(
            error.unwrap_err().cause(),
            Cause::ConnectionLost | Cause::NotConnected(_)
        ));
        assert!(matches!(reason, DownReason::Silent(_)), "{reason}");
    }
    beam.resume().unwrap();
    for (node, events) in nodes.iter().zip(&mut events) {
        // It was lost by silence, so it is looked for.
        up(events, &beam).await;
        sees(&beam, node.name(), true).await;
        node.ping(beam.name()).await.unwrap();
    }
}

async fn a_restarted_otp_node_is_found_again(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    for visible in HIDDEN_AND_VISIBLE {
        let builder = cluster.beam("otp");
        let mut beam = builder.clone().start().await.unwrap();
        let node = cluster
            .node(&rust_name("rust"))
            .visible(visible)
            .peer(beam.name());
        let node = node.start().await.unwrap();
        let mut events = node.events();
        node.connect(beam.name()).await.unwrap();
        let before = node.peers()[0].creation;

        beam.kill().await.unwrap();
        down(&mut events, &beam).await;
        let beam = builder.start().await.unwrap();
        // A configured peer is connected again without being asked.
        up(&mut events, &beam).await;
        let after = node.peers()[0].creation;
        assert_ne!(before, after);
        node.ping(beam.name()).await.unwrap();
        assert_eq!(seen(&beam, &node, "net_adm:ping(N)").await, "pong");
        node.shutdown().await.unwrap();
    }
}

async fn a_restarted_rust_node_is_found_again(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("otp").start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let name = rust_name("rust");
        let builder = cluster.node(&name).visible(visible);
        let first = builder.clone().start().await.unwrap();
        first.connect(beam.name()).await.unwrap();
        let (name, creation) = (first.name().clone(), first.creation());
        let mailbox = first.mailbox(None).unwrap();
        let old = Term::from(mailbox.pid().clone());
        // Stops abruptly.
        drop((mailbox, first));
        sees(&beam, &name, false).await;

        let second = started(&builder).await;
        assert_ne!(second.creation(), creation);
        assert_eq!(seen(&beam, &second, "net_adm:ping(N)").await, "pong");
        second.ping(beam.name()).await.unwrap();
        // Pids of the first are none of the second.
        let monitor = "R = monitor(process, Old), receive {'DOWN', R, _, _, Why} -> Why end";
        let monitor = beam.expression(monitor).bind("Old", &old);
        assert_eq!(monitor.text().await.unwrap(), "noproc");
    }
}

async fn a_restarted_rust_node_takes_the_place_of_a_link_not_yet_given_up(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let mut beam = cluster.beam("otp").start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let builder = cluster.node(&rust_name("rust")).visible(visible);
        let first = builder.clone().start().await.unwrap();
        first.connect(beam.name()).await.unwrap();
        sees(&beam, first.name(), true).await;

        // The node of OTP cannot see that the first one went before the second one is at its door.
        beam.suspend().unwrap();
        let creation = first.creation();
        drop(first);
        let second = started(&builder).await;
        assert_ne!(second.creation(), creation);
        let name = beam.name().to_owned();
        let (connected, ()) = join!(second.connect(&name), async {
            tokio::task::yield_now().await;
            beam.resume().unwrap();
        });
        connected.unwrap();
        let sum: i64 = second
            .call(beam.name(), ("erlang", "+"), (1, 2))
            .await
            .unwrap();
        assert_eq!(sum, 3);
        assert_eq!(
            seen(&beam, &second, "erpc:call(N, erlang, node, []) =:= N").await,
            "true"
        );
    }
}

/// Starts a node as soon as its name, which a node before it had, is free.
async fn started(builder: &beam_node::NodeBuilder) -> Node {
    let start = async || builder.clone().start().await.ok();
    interop::eventually("the name to be free", crate::cluster::DEADLINE, start).await
}

async fn up(events: &mut beam_node::Events, beam: &Beam) {
    let up = |event| match event {
        Event::Up { peer, .. } if peer.as_str() == beam.name() => Some(()),
        _ => None,
    };
    event(events, up).await;
}

async fn down(events: &mut beam_node::Events, beam: &Beam) -> DownReason {
    let down = |event| match event {
        Event::Down { peer, reason } if peer.as_str() == beam.name() => Some(reason),
        _ => None,
    };
    event(events, down).await
}
