//! Distribution over TLS, with `-proto_dist inet_tls` on the side of OTP.
//!
//! Both sides show certificates and check those of the other, host names included.

use std::time::Duration;

use beam_node::{Cause, ConnectError, DownReason, Event, Node, TlsError};
use beam_term::Term;
use bytes::Bytes;
use interop::{Beam, Otp, eventually, on_each_release};
use tokio::join;

use crate::{
    authority::{Authority, Options},
    cluster::{Cluster, DEADLINE, HIDDEN_AND_VISIBLE, event, rust_name, seen, sees},
};

on_each_release! {
    either_side_connects_and_calls_over_tls,
    both_sides_may_connect_at_once_over_tls,
    members_are_seen_both_ways_over_tls,
    a_link_over_tls_lives_by_its_ticks,
    a_shutdown_over_tls_loses_nothing,
    otp_changes_keys_under_way,
    a_link_over_tls_1_2_is_closed_when_otp_renegotiates_and_made_anew,
    the_certificate_of_another_authority_is_refused_by_either_side,
    a_node_without_a_certificate_is_refused_by_otp,
    nodes_with_and_without_tls_do_not_connect,
}

/// OTP's default for the distribution comes first.
const VERSIONS: [Options; 2] = [
    Options {
        version: "tlsv1.2",
        more: "",
    },
    Options {
        version: "tlsv1.3",
        more: "",
    },
];

const LARGE_BYTES: usize = 16 * 1024 * 1024;

async fn rust(cluster: &Cluster, authority: &Authority, visible: bool) -> Node {
    let node = cluster.node(&rust_name("rust")).visible(visible);
    node.tls(authority.rust()).start().await.unwrap()
}

async fn either_side_connects_and_calls_over_tls(otp: Otp) {
    let cluster = Cluster::start(otp.clone()).await;
    let authority = Authority::new(&otp);
    for options in VERSIONS {
        println!("{}", options.version);
        let beam = authority.otp(cluster.beam("otp"), &options);
        let beam = beam.start().await.unwrap();
        for visible in HIDDEN_AND_VISIBLE {
            let node = rust(&cluster, &authority, visible).await;
            node.export("echo", "bytes", async |bytes: Bytes| bytes)
                .unwrap();

            node.connect(beam.name()).await.unwrap();
            calls_go_both_ways(&node, &beam).await;
            assert!(node.disconnect(beam.name()));
            sees(&beam, node.name(), false).await;

            assert_eq!(
                seen(&beam, &node, "net_kernel:connect_node(N)").await,
                "true"
            );
            calls_go_both_ways(&node, &beam).await;
            assert_eq!(
                seen(&beam, &node, "erlang:disconnect_node(N)").await,
                "true"
            );
            crate::cluster::lost(&node, beam.name()).await;
        }
    }
}

async fn calls_go_both_ways(node: &Node, beam: &Beam) {
    let sum: i64 = node
        .call(beam.name(), ("erlang", "+"), (1, 2))
        .await
        .unwrap();
    assert_eq!(sum, 3);
    assert_eq!(seen(beam, node, "net_adm:ping(N)").await, "pong");
    let large = Bytes::from(vec![7; LARGE_BYTES]);
    let back: Bytes = node
        .call(beam.name(), ("erlang", "hd"), (vec![&large],))
        .timeout(DEADLINE)
        .await
        .unwrap();
    assert!(back == large);
    let source = format!(
        "Large = binary:copy(<<7>>, {LARGE_BYTES}), \
         Large =:= erpc:call(N, echo, bytes, [Large], 30000)"
    );
    assert_eq!(seen(beam, node, &source).await, "true");
    let many = "lists:usort([erpc:call(N, echo, bytes, [<<\"x\">>]) || _ <- lists:seq(1, 1000)])";
    assert_eq!(seen(beam, node, many).await, "[<<\"x\">>]");
    let calls = (0..1000_u32).map(|n| {
        node.call::<u32, _>(beam.name(), ("erlang", "+"), (n, 1))
            .into_future()
    });
    let sums = futures_util::future::try_join_all(calls).await.unwrap();
    assert_eq!(sums, (1..=1000).collect::<Vec<_>>());
}

async fn both_sides_may_connect_at_once_over_tls(otp: Otp) {
    let cluster = Cluster::start(otp.clone()).await;
    let authority = Authority::new(&otp);
    let beam = authority.otp(cluster.beam("m"), &VERSIONS[1]);
    let beam = beam.start().await.unwrap();
    for alive in ["a", "z"] {
        let node = cluster.node(&rust_name(alive)).tls(authority.rust());
        let node = node.start().await.unwrap();
        for race in 0..10 {
            let (ours, theirs) = join!(
                node.connect(beam.name()),
                seen(&beam, &node, "net_kernel:connect_node(N)"),
            );
            ours.unwrap_or_else(|error| panic!("race {race} of {alive}: {error}"));
            assert_eq!(theirs, "true", "race {race} of {alive}");
            node.ping(beam.name()).await.unwrap();
            assert_eq!(node.peers().len(), 1);
            node.disconnect(beam.name());
            sees(&beam, node.name(), false).await;
        }
    }
}

async fn members_are_seen_both_ways_over_tls(otp: Otp) {
    let cluster = Cluster::start(otp.clone()).await;
    let authority = Authority::new(&otp);
    let beam = authority.otp(cluster.beam("otp"), &VERSIONS[0]);
    let beam = beam.start().await.unwrap();
    let scope = "{ok, _} = pg:start(rpc_load_balancer), \
        ok = pg:join(rpc_load_balancer, workers, whereis(init)), ok";
    assert_eq!(beam.expression(scope).text().await.unwrap(), "ok");
    for visible in HIDDEN_AND_VISIBLE {
        let node = rust(&cluster, &authority, visible).await;
        let membership = node.join(Term::atom("workers")).unwrap();
        node.connect(beam.name()).await.unwrap();

        let name = beam.name().parse().unwrap();
        let known = async || node.members(&Term::atom("workers")).contains(&name);
        eventually("the member of OTP to be known", DEADLINE, known).await;
        let source = "[P || P <- pg:get_members(rpc_load_balancer, workers), node(P) =:= N]";
        let count = format!("length({source})");
        let known = async || seen(&beam, &node, &count).await == "1";
        eventually("the member of Rust to be known", DEADLINE, known).await;
        drop(membership);
        let left = async || seen(&beam, &node, &count).await == "0";
        eventually("the member of Rust to be gone", DEADLINE, left).await;
    }
}

async fn a_link_over_tls_lives_by_its_ticks(otp: Otp) {
    let cluster = Cluster::start(otp.clone()).await;
    let authority = Authority::new(&otp);
    let impatient = ["-kernel", "net_ticktime", "4"];
    let beam = authority.otp(cluster.beam("otp"), &VERSIONS[0]);
    let mut beam = beam.flags(impatient).start().await.unwrap();
    let node = cluster.node(&rust_name("rust")).tls(authority.rust());
    let node = node.net_ticktime(Duration::from_secs(2));
    let node = node.start().await.unwrap();
    node.connect(beam.name()).await.unwrap();
    let mut events = node.events();
    // Longer than either side waits for a sign of life.
    let quiet = tokio::time::timeout(Duration::from_secs(6), events.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    node.ping(beam.name()).await.unwrap();

    beam.suspend().unwrap();
    let down = |event| matches!(event, Event::Down { .. }).then_some(());
    event(&mut events, down).await;
    beam.resume().unwrap();
}

async fn otp_changes_keys_under_way(otp: Otp) {
    let cluster = Cluster::start(otp.clone()).await;
    let authority = Authority::new(&otp);
    // After so many bytes, where it is many terabytes by default.
    let options = Options {
        version: "tlsv1.3",
        more: ", {key_update_at, 100000}",
    };
    let beam = authority.otp(cluster.beam("otp"), &options);
    let beam = beam.start().await.unwrap();
    let node = rust(&cluster, &authority, false).await;
    node.export("echo", "bytes", async |bytes: Bytes| bytes)
        .unwrap();
    node.connect(beam.name()).await.unwrap();
    let mut events = node.events();
    calls_go_both_ways(&node, &beam).await;
    let changed = tokio::time::timeout(Duration::ZERO, events.next()).await;
    assert!(changed.is_err(), "{changed:?}");
}

/// OTP wants other keys by a way that is not followed, after 2²⁸ messages by default.
async fn a_link_over_tls_1_2_is_closed_when_otp_renegotiates_and_made_anew(otp: Otp) {
    let cluster = Cluster::start(otp.clone()).await;
    let authority = Authority::new(&otp);
    let options = Options {
        version: "tlsv1.2",
        more: ", {renegotiate_at, 500}",
    };
    let beam = authority.otp(cluster.beam("otp"), &options);
    let beam = beam.start().await.unwrap();
    let node = rust(&cluster, &authority, false).await;
    node.connect(beam.name()).await.unwrap();
    let mut events = node.events();
    let called = async || {
        let sum = node.call::<u32, _>(beam.name(), ("erlang", "+"), (1, 2));
        sum.timeout(DEADLINE).await
    };
    let calls = async {
        let mut count = 0;
        while called().await.is_ok() {
            count += 1;
        }
        count
    };
    let down = |event| match event {
        Event::Down { reason, .. } => Some(reason),
        _ => None,
    };
    let (count, reason) = join!(calls, event(&mut events, down));
    assert!(count > 100, "{count}");
    assert_eq!(reason, DownReason::Closed);
    let again = async || called().await.is_ok();
    eventually("the link to be made anew", DEADLINE, again).await;
}

async fn a_shutdown_over_tls_loses_nothing(otp: Otp) {
    let cluster = Cluster::start(otp.clone()).await;
    let authority = Authority::new(&otp);
    for options in VERSIONS {
        let beam = authority.otp(cluster.beam("otp"), &options);
        let beam = beam.start().await.unwrap();
        let node = rust(&cluster, &authority, false).await;
        node.connect(beam.name()).await.unwrap();
        let counter = "ets:new(got, [named_table, public]), ets:insert(got, {n, 0}), \
            register(keeper, self()), receive stop -> ok end";
        let _keeper = beam.expression(counter).start();
        let kept = async || {
            beam.expression("whereis(keeper) =/= undefined")
                .text()
                .await
                .unwrap()
                == "true"
        };
        eventually("the table to be there", DEADLINE, kept).await;
        let arguments = (Term::atom("got"), Term::atom("n"), 1);
        for _ in 0..2_000 {
            node.cast(beam.name(), ("ets", "update_counter"), arguments.clone())
                .await
                .unwrap();
        }
        node.shutdown().await.unwrap();
        let all =
            async || beam.expression("ets:lookup(got, n)").text().await.unwrap() == "[{n,2000}]";
        eventually("all casts to have arrived", DEADLINE, all).await;
    }
}

async fn the_certificate_of_another_authority_is_refused_by_either_side(otp: Otp) {
    let cluster = Cluster::start(otp.clone()).await;
    let (theirs, ours) = (Authority::new(&otp), Authority::new(&otp));
    for options in VERSIONS {
        let beam = theirs.otp(cluster.beam("otp"), &options);
        let beam = beam.start().await.unwrap();
        let node = rust(&cluster, &ours, false).await;
        let mut events = node.events();

        let error = node.connect(beam.name()).await.unwrap_err();
        let Cause::NotConnected(ConnectError::Tls { error, .. }) = error.cause() else {
            panic!("{error:?}")
        };
        assert_eq!(*error, TlsError::UnknownAuthority);
        let failed = |event| match event {
            Event::ConnectFailed { reason, .. } => Some(reason),
            _ => None,
        };
        event(&mut events, failed).await;
        assert_eq!(seen(&beam, &node, "net_adm:ping(N)").await, "pang");
        // It has not said its name by then.
        let refused = |event| match event {
            Event::Refused {
                claimed: None,
                reason,
                ..
            } => Some(reason),
            _ => None,
        };
        event(&mut events, refused).await;
        assert!(node.peers().is_empty());

        // One that trusts the authority of OTP is refused by OTP.
        let half = ours.rust().and_trusting(theirs.ca());
        let half = cluster.node(&rust_name("half")).tls(half);
        let half = half.start().await.unwrap();
        let error = half.connect(beam.name()).await.unwrap_err();
        let Cause::NotConnected(ConnectError::Tls { error, .. }) = error.cause() else {
            panic!("{error:?}")
        };
        assert!(matches!(error, TlsError::Refused { .. }), "{error}");
    }
}

async fn a_node_without_a_certificate_is_refused_by_otp(otp: Otp) {
    let cluster = Cluster::start(otp.clone()).await;
    let authority = Authority::new(&otp);
    for options in VERSIONS {
        let beam = authority.otp(cluster.beam("otp"), &options);
        let beam = beam.start().await.unwrap();
        let nobody = cluster.node(&rust_name("nobody"));
        let nobody = nobody.tls(beam_node::Tls::trusting(authority.ca()));
        let nobody = nobody.listen(beam_node::Listen::Off).start().await.unwrap();

        let error = nobody.connect(beam.name()).await.unwrap_err();
        let Cause::NotConnected(ConnectError::Tls { error, .. }) = error.cause() else {
            panic!("{error:?}")
        };
        assert!(matches!(error, TlsError::Refused { .. }), "{error}");
    }
}

async fn nodes_with_and_without_tls_do_not_connect(otp: Otp) {
    let cluster = Cluster::start(otp.clone()).await;
    let authority = Authority::new(&otp);
    let plain_beam = cluster.beam("plain").start().await.unwrap();
    let beam = authority.otp(cluster.beam("otp"), &VERSIONS[0]);
    let beam = beam.start().await.unwrap();
    let node = rust(&cluster, &authority, false).await;
    let plain = cluster.rust(false).await;

    let error = node.connect(plain_beam.name()).await.unwrap_err();
    println!("TLS to plain OTP: {error}");
    let Cause::NotConnected(ConnectError::Tls { error, .. }) = error.cause() else {
        panic!("{error:?}")
    };
    assert!(error.to_string().contains("TLS"), "{error}");
    assert_eq!(seen(&plain_beam, &node, "net_adm:ping(N)").await, "pang");

    let error = plain.connect(beam.name()).await.unwrap_err();
    println!("plain to OTP with TLS: {error}");
    assert!(
        matches!(
            error.cause(),
            Cause::NotConnected(ConnectError::WantsTls { .. })
        ),
        "{error}"
    );
    assert_eq!(seen(&beam, &plain, "net_adm:ping(N)").await, "pang");
    assert!(node.peers().is_empty() && plain.peers().is_empty());
}
