//! Nodes that are killed and started anew while their host is cut off: their peers have seen no end of
//! them.

use std::time::Duration;

use beam_term::Term;
use interop::{Conditions, Network, Otp, Rust, RustBuilder, eventually};
use tokio::time::{Instant, sleep_until};

use crate::site::{
    DEADLINE, HEALED, HEALED_WITH_OTP, JOIN, Outcome, Site, at_work, call, events, in_time, member,
    otp_sees, outcome, see,
};

/// What is lost is sent again at 0.2, 0.6, 1.4, 3.0, 6.2 and 12.6 s: for a while after this it is not.
const SENT_AGAIN: Duration = Duration::from_secs(7);

/// A long call: it ends with the connection only.
const FOREVER: u64 = 600_000;

#[tokio::test]
async fn a_node_that_was_killed_during_a_cut_is_a_new_one_to_its_peers() {
    let network = Network::create().unwrap();
    let (near, far) = (Site::new(&network), Site::new(&network));
    let (a, old, builder) = members(&near, &far).await;
    let in_flight = told_and_called(&a, &old).await;

    far.cable.cut();
    let new = started_anew(old, builder).await;
    // It is its peer that has a connection, with nobody at the other end.
    assert_eq!(events(&a, "down").await, Vec::<String>::new());
    far.cable.mend();
    let healed = Instant::now();

    takes_the_place(&a, &new, in_flight, healed).await;
}

#[tokio::test]
async fn nothing_that_an_old_incarnation_sent_reaches_anybody_once_the_new_one_is_there() {
    let network = Network::create().unwrap();
    let (near, far) = (Site::new(&network), Site::new(&network));
    let (a, old, builder) = members(&near, &far).await;
    let in_flight = told_and_called(&a, &old).await;
    let answered = a.command(&call(old.name(), "sleep", 500, 60_000)).start();

    // What the old one says from here on is under way for longer than it takes to start anew, its end
    // and the answer to a call among it.
    let late = Conditions {
        delay: Duration::from_secs(12),
        ..Conditions::default()
    };
    far.cable.set_outgoing(late);
    let to = format!("{{send_to_inbox, '{}', late}}", a.name());
    let answering = async || old.run_as::<(u64, u64, u64)>("counts").await.unwrap().2 == 1;
    eventually("the second call to be answered", DEADLINE, answering).await;
    old.run(&to).await.unwrap();
    let spoken = Instant::now();
    // Nothing of it comes earlier, when the system sends it again.
    far.cable.cut();
    let new = started_anew(old, builder).await;
    sleep_until(spoken + SENT_AGAIN).await;
    far.cable.mend();
    let healed = Instant::now();

    takes_the_place(&a, &new, in_flight, healed).await;
    assert!(spoken.elapsed() < late.delay, "the late ones came first");
    let lost = outcome(answered.term().await.unwrap());
    assert_eq!(lost, Outcome::Failed("connection_lost".into(), true));
    // Now they come.
    sleep_until(spoken + late.delay).await;
    let called = a
        .run(&call(new.name(), "double", 21, 10_000))
        .await
        .unwrap();
    assert_eq!(outcome(called), Outcome::Value(Term::from(42)));
    assert_eq!(
        a.run("received").await.unwrap(),
        Term::list([Term::atom("fresh")])
    );
    assert_eq!(events(&a, "down").await.len(), 1);
    see(&[&a, &new], &[a.name(), new.name()]).await;
}

/// A node near by, and one far away with how it is started again; they see each other.
async fn members(near: &Site, far: &Site) -> (Rust, Rust, RustBuilder) {
    let a = member(near.rust()).await;
    let builder = far.rust().peer(a.name());
    let old = member(builder.clone()).await;
    see(&[&a, &old], &[a.name(), old.name()]).await;
    (a, old, builder)
}

/// Has the old incarnation tell its pid, and call and be called for ever.
async fn told_and_called(a: &Rust, old: &Rust) -> interop::Running {
    old.run(&format!("{{tell, '{}'}}", a.name())).await.unwrap();
    let in_flight = a.command(&call(old.name(), "sleep", FOREVER, FOREVER));
    let in_flight = in_flight.deadline(DEADLINE * 2).start();
    // It is not waited for by anybody who lives on.
    drop(
        old.command(&call(a.name(), "sleep", FOREVER, FOREVER))
            .start(),
    );
    at_work(a, 1, 1).await;
    in_flight
}

async fn started_anew(mut old: Rust, builder: RustBuilder) -> Rust {
    let creation = old.run("creation").await.unwrap();
    old.kill().await.unwrap();
    let new = member(builder).await;
    assert_eq!(new.name(), old.name());
    assert_ne!(new.run("creation").await.unwrap(), creation);
    new
}

/// Waits until the new incarnation is the one that its peer knows, and makes sure that it gets
/// nothing that is for the old one.
async fn takes_the_place(a: &Rust, new: &Rust, in_flight: interop::Running, healed: Instant) {
    let creation = new.run("creation").await.unwrap();
    let known = async || {
        let peers: Vec<(beam_term::Atom, Term)> = a.run_as("peers").await.unwrap();
        peers
            .iter()
            .any(|(name, of)| name.as_str() == new.name() && *of == creation)
    };
    eventually("the new one to be known", DEADLINE, known).await;
    see(&[a, new], &[a.name(), new.name()]).await;
    in_time(healed, HEALED);

    let lost = outcome(in_flight.term().await.unwrap());
    assert_eq!(lost, Outcome::Failed("connection_lost".into(), true));
    at_work(a, 0, 0).await;
    // Both go over one connection, in this order.
    a.run("{send_to_told, stale}").await.unwrap();
    let fresh = |to: &Rust| format!("{{send_to_inbox, '{}', fresh}}", to.name());
    a.run(&fresh(new)).await.unwrap();
    new.run(&fresh(a)).await.unwrap();
    for node in [a, new] {
        let received = async || {
            !node
                .run_as::<Vec<Term>>("received")
                .await
                .unwrap()
                .is_empty()
        };
        eventually("the message", DEADLINE, received).await;
        let received = node.run("received").await.unwrap();
        assert_eq!(received, Term::list([Term::atom("fresh")]));
    }
}

#[tokio::test]
async fn a_node_of_otp_that_was_killed_during_a_cut_is_a_new_one_to_rust() {
    let otp = Otp::release(25).unwrap();
    let network = Network::create().unwrap();
    let (near, far) = (Site::new(&network), Site::new(&network));
    let epmd = otp.epmd().on(&far.host).port(4369).start().await.unwrap();
    let builder = otp
        .beam()
        .name(interop::unique_name("otp"))
        .on(&far.host)
        .epmd(&epmd);
    let mut old = builder.clone().start().await.unwrap();
    old.expression(JOIN).external().await.unwrap();
    let rust = member(near.rust().peer(old.name())).await;
    let name = old.name().to_owned();
    see(&[&rust], &[&name, rust.name()]).await;
    let endless = format!("{{call, '{name}', timer, sleep, [infinity], {FOREVER}}}");
    let in_flight = rust.command(&endless).deadline(DEADLINE * 2).start();
    // Its pid is kept, to be sent to later.
    let inbox = old.session();
    let tell = format!(
        "register(inbox, self()), {{inbox, '{}'}} ! self()",
        rust.name()
    );
    inbox.expression(&tell).external().await.unwrap();
    let told = async || rust.run("{send_to_told, early}").await.is_ok();
    eventually("the pid to be told", DEADLINE, told).await;
    let calling = async || rust.run_as::<(u64, u64, u64)>("counts").await.unwrap().1 == 1;
    eventually("the call to be sent", DEADLINE, calling).await;

    far.cable.cut();
    old.kill().await.unwrap();
    let start = async || builder.clone().start().await.ok();
    let new = eventually("the name to be free", DEADLINE, start).await;
    new.expression(JOIN).external().await.unwrap();
    far.cable.mend();
    let healed = Instant::now();
    let ping = format!("net_adm:ping('{}')", rust.name());
    assert_eq!(new.expression(&ping).text().await.unwrap(), "pong");

    let lost = outcome(in_flight.term().await.unwrap());
    assert_eq!(lost, Outcome::Failed("connection_lost".into(), true));
    see(&[&rust], &[&name, rust.name()]).await;
    otp_sees(&new, &[&name, rust.name()]).await;
    in_time(healed, HEALED_WITH_OTP);
    let inbox = new.session();
    inbox
        .expression("register(inbox, self())")
        .external()
        .await
        .unwrap();
    rust.run("{send_to_told, stale}").await.unwrap();
    let fresh = format!("{{send_to_inbox, '{name}', fresh}}");
    rust.run(&fresh).await.unwrap();
    let received = inbox
        .expression("receive Message -> Message end")
        .text()
        .await;
    assert_eq!(received.unwrap(), "fresh");
}
