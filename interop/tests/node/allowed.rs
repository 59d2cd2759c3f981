//! Who may connect and who may call, as the nodes of OTP see it.

use beam_node::{Cause, ConnectError, Event, Export, Limits};
use interop::{Otp, eventually, on_each_release};

use crate::cluster::{Cluster, DEADLINE, HIDDEN_AND_VISIBLE, event, rust_name, seen, sees};

on_each_release! {
    a_node_of_otp_that_is_not_allowed_is_turned_away,
    a_caller_that_is_not_allowed_is_told_so,
    a_node_of_otp_for_which_there_is_no_room_is_turned_away,
}

async fn a_node_of_otp_that_is_not_allowed_is_turned_away(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let allowed = cluster.beam("allowed").start().await.unwrap();
    let stranger = cluster.beam("stranger").start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster
            .node(&rust_name("rust"))
            .visible(visible)
            .allow_peers(["/^allowed-/"])
            .allow_networks(["127.0.0.0/8"])
            .start()
            .await
            .unwrap();
        let mut events = node.events();

        assert_eq!(seen(&stranger, &node, "net_adm:ping(N)").await, "pang");
        let reason = event(&mut events, |event| match event {
            Event::Refused {
                claimed: Some(peer),
                reason,
                ..
            } if peer.as_str() == stranger.name() => Some(reason),
            _ => None,
        })
        .await;
        assert!(
            matches!(reason, ConnectError::PeerNotAllowed(_)),
            "{reason}"
        );
        let error = node.ping(stranger.name()).await.unwrap_err();
        assert!(
            matches!(
                error.cause(),
                Cause::NotConnected(ConnectError::PeerNotAllowed(_))
            ),
            "{error:?}"
        );

        assert_eq!(seen(&allowed, &node, "net_adm:ping(N)").await, "pong");
        sees(&stranger, node.name(), false).await;
    }
}

async fn a_caller_that_is_not_allowed_is_told_so(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("otp").start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        let open = |name| Export::new("till", name, async || 7);
        node.register(open("open").allow_callers([beam.name()]))
            .unwrap();
        node.register(open("closed").allow_callers(["backoffice@*"]))
            .unwrap();

        for (source, expected) in [
            ("erpc:call(N, till, open, [])", "7"),
            (
                "erpc:call(N, till, closed, [])",
                "{error,{erpc,not_allowed}}",
            ),
            (
                "erpc:multicall([N], till, closed, [])",
                "[{error,{erpc,not_allowed}}]",
            ),
            (
                "{badrpc, _} = rpc:call(N, till, closed, []), refused",
                "refused",
            ),
            ("erpc:cast(N, till, closed, [])", "ok"),
            (
                "R = spawn_request(N, till, closed, [], [monitor]),
                 receive {spawn_reply, R, error, Why} -> Why end",
                "not_allowed",
            ),
            ("erpc:call(N, till, open, [])", "7"),
        ] {
            assert_eq!(seen(&beam, &node, source).await, expected, "{source}");
        }
        assert_eq!(node.served(), 2);
    }
}

async fn a_node_of_otp_for_which_there_is_no_room_is_turned_away(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let first = cluster.beam("first").start().await.unwrap();
    let second = cluster.beam("second").start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let limits = Limits {
            connected_peers: 1,
            ..Limits::default()
        };
        let node = cluster
            .node(&rust_name("rust"))
            .visible(visible)
            .limits(limits)
            .start()
            .await
            .unwrap();
        let mut events = node.events();
        assert_eq!(seen(&first, &node, "net_adm:ping(N)").await, "pong");

        assert_eq!(seen(&second, &node, "net_adm:ping(N)").await, "pang");
        let reason = event(&mut events, |event| match event {
            Event::Refused {
                claimed: Some(peer),
                reason,
                ..
            } if peer.as_str() == second.name() => Some(reason),
            _ => None,
        })
        .await;
        assert!(
            matches!(reason, ConnectError::TooManyPeers { limit: 1, .. }),
            "{reason}"
        );
        // The one that is there may come anew, and its place is another's once it has gone.
        let anew = "erlang:disconnect_node(N), net_adm:ping(N)";
        assert_eq!(seen(&first, &node, anew).await, "pong");
        let gone = "erlang:disconnect_node(N)";
        assert_eq!(seen(&first, &node, gone).await, "true");
        sees(&first, node.name(), false).await;
        // The node may notice that it has gone a moment later.
        let has_room = async || seen(&second, &node, "net_adm:ping(N)").await == "pong";
        eventually("the place to be free", DEADLINE, has_room).await;
    }
}
