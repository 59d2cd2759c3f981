//! Nodes that come back under the name that they had, while others still know what was before.

use std::time::Duration;

use beam_node::{Cause, DownReason, Event};
use beam_term::{Atom, Pid, Term};
use interop::{Beam, Otp, eventually, on_each_release};
use tokio::{join, time::timeout};

use crate::{
    members::{JOIN, SCOPE, processes, run, seen_by_otp, seen_by_rust},
    mesh::{self, printed},
    nodes::{Cluster, DEADLINE, connected, name, rust_name, text},
};

on_each_release! {
    nothing_of_a_node_of_rust_outlives_its_restart,
    nothing_of_a_node_of_otp_outlives_its_restart,
    a_restarted_node_of_otp_takes_the_place_of_one_that_is_not_given_up_yet,
}

async fn nothing_of_a_node_of_rust_outlives_its_restart(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let mut beam = cluster.beam().start().await.unwrap();
    text(&beam, SCOPE).await;
    for visible in [false, true] {
        let builder = cluster.rust(&rust_name("rust"), &[&beam]).visible(visible);
        let first = builder.clone().start().await.unwrap();
        let left = first.join(Term::atom("workers")).unwrap();
        seen_by_otp(&beam, "workers", first.name(), &[&left]).await;
        let inbox = first.mailbox(Some("inbox")).unwrap();
        let old = Term::from(inbox.pid().clone());
        let observer = beam.session();
        let watch = "R = monitor(process, Old),
            net_kernel:monitor_nodes(true, [{node_type, all}])";
        let watch = observer.expression(watch).bind("Old", &old);
        assert_eq!(watch.text().await.unwrap(), "ok");

        // The node of OTP sees nothing of it until the next one is there.
        beam.suspend().unwrap();
        drop(first);
        let start = async || builder.clone().start().await.ok();
        let second = eventually("the name to be free", DEADLINE, start).await;
        // Only now, so that nobody was told that they ended.
        drop((left, inbox));
        let joined = second.join(Term::atom("workers")).unwrap();
        let mut inbox = second.mailbox(Some("inbox")).unwrap();
        beam.resume().unwrap();

        // It is called at once, whatever is still known of the one before.
        let sum: i64 = second
            .call(beam.name(), ("erlang", "+"), (1, 2))
            .await
            .unwrap();
        assert_eq!(sum, 3);
        let called = format!(
            "erpc:call('{0}', erlang, node, []) =:= '{0}'",
            second.name()
        );
        assert_eq!(text(&beam, &called).await, "true");

        mesh::down(&observer, second.name()).await;
        let lost = "receive {'DOWN', R, process, Old, Why} -> Why end";
        assert_eq!(printed(&observer, lost).await, "noconnection");
        seen_by_otp(&beam, "workers", second.name(), &[&joined]).await;
        // Both go over one connection, in this order.
        let send = format!("Old ! stale, {{inbox, '{}'}} ! fresh", second.name());
        assert_eq!(printed(&observer, &send).await, "fresh");
        let received = timeout(DEADLINE, inbox.recv()).await.unwrap().unwrap();
        assert_eq!(received.message.decode().unwrap(), Term::atom("fresh"));
    }
}

async fn nothing_of_a_node_of_otp_outlives_its_restart(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let builder = cluster.beam();
    let mut beam = builder.clone().start().await.unwrap();
    for node in &cluster.hidden_and_visible(&[&beam]).await {
        text(&beam, SCOPE).await;
        let old = member(&beam).await;
        seen_by_rust(node, "workers", &name(&beam), std::slice::from_ref(&old)).await;
        beam.kill().await.unwrap();
        beam = builder.clone().start().await.unwrap();

        // It has no scope yet, and no members therefore.
        let sum: i64 = node
            .call(beam.name(), ("erlang", "+"), (1, 2))
            .await
            .unwrap();
        assert_eq!(sum, 3);
        seen_by_rust(node, "workers", &name(&beam), &[]).await;
        text(&beam, SCOPE).await;
        let new = member(&beam).await;
        seen_by_rust(node, "workers", &name(&beam), std::slice::from_ref(&new)).await;

        let inbox = beam.session();
        let register = "register(inbox, self()), self()";
        let pid: Pid = inbox.eval_as(register).await.unwrap();
        assert_ne!(pid.creation, old.creation);
        let creation = old.creation;
        node.send(Pid { creation, ..pid }, &Term::atom("stale"))
            .await
            .unwrap();
        let to = (&name(&beam), Atom::from_static("inbox"));
        node.send(to, &Term::atom("fresh")).await.unwrap();
        let received = printed(&inbox, "receive Message -> Message end").await;
        assert_eq!(received, "fresh");
        text(&beam, "exit(whereis(rpc_load_balancer), kill)").await;
    }
}

async fn a_restarted_node_of_otp_takes_the_place_of_one_that_is_not_given_up_yet(otp: Otp) {
    for visible in [false, true] {
        let mut cluster = Cluster::start(otp.clone()).await;
        let builder = cluster.beam();
        let mut first = builder.clone().start().await.unwrap();
        text(&first, SCOPE).await;
        let node = cluster.rust(&rust_name("rust"), &[]).visible(visible);
        let node = node.start().await.unwrap();
        node.connect(first.name()).await.unwrap();
        let old = member(&first).await;
        seen_by_rust(&node, "workers", &name(&first), &[old]).await;
        let mut events = node.events();
        let peer = first.name().to_owned();

        let replace = async {
            eventually("the call to run", DEADLINE, async || node.calling() == 1).await;
            // Its connections stay open, and with a new port mapper its name is free.
            first.suspend().unwrap();
            cluster.replace_epmd().await;
            let second = builder.start().await.unwrap();
            text(&second, SCOPE).await;
            let ping = format!("net_adm:ping('{}')", node.name());
            let pong = async || text(&second, &ping).await == "pong";
            eventually("the node to be registered again", DEADLINE, pong).await;
            second
        };
        let forever = (Term::atom("infinity"),);
        let call = node
            .call::<Term, _>(&peer, ("timer", "sleep"), forever)
            .timeout(Duration::from_secs(60));
        let (call, second) = join!(call.send(), replace);
        let error = call.unwrap_err();
        assert!(matches!(error.cause(), Cause::ConnectionLost), "{error}");
        let down = timeout(DEADLINE, events.next()).await.unwrap();
        let Some(Event::Down { reason, .. }) = down else {
            panic!("{down:?}")
        };
        assert_eq!(reason, DownReason::Replaced);
        assert_eq!(second.name(), peer);

        seen_by_rust(&node, "workers", &name(&second), &[]).await;
        let new = member(&second).await;
        seen_by_rust(&node, "workers", &name(&second), &[new]).await;
        connected(&second, node.name(), true).await;
        let sum: i64 = node
            .call(second.name(), ("erlang", "+"), (1, 2))
            .await
            .unwrap();
        assert_eq!(sum, 3);
    }
}

/// A new member of `workers`.
async fn member(beam: &Beam) -> Pid {
    let worker = processes(beam, 1).await;
    run(beam, JOIN, &worker).await;
    let [worker] = worker.try_into().unwrap();
    worker
}
