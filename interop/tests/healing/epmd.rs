//! An EPMD that goes, and another that comes in its place.

use beam_term::Term;
use interop::{Network, Otp, eventually};

use crate::site::{DEADLINE, Outcome, Site, call, events, member, otp_sees, outcome, rust, see};

#[tokio::test]
async fn nodes_register_with_the_next_epmd_and_keep_their_connections() {
    let otp = Otp::release(25).unwrap();
    let network = Network::create().unwrap();
    let (site, other) = (Site::new(&network), Site::new(&network));
    let (mut epmd, beam) = site.otp(&otp, std::time::Duration::from_secs(60)).await;
    let here = member(site.rust().external_epmd().peer(beam.name())).await;
    let there = member(other.rust().peer(here.name())).await;
    let names = [beam.name(), here.name(), there.name()];
    see(&[&here, &there], &names).await;
    otp_sees(&beam, &names).await;
    let across = there
        .command(&call(here.name(), "sleep", 5_000, 60_000))
        .start();

    epmd.kill().await.unwrap();
    let during = there
        .run(&call(here.name(), "double", 21, 10_000))
        .await
        .unwrap();
    assert_eq!(outcome(during), Outcome::Value(Term::from(42)));
    let next = otp.epmd().on(&site.host).port(4369).start().await.unwrap();
    let registered = async || {
        let mut known: Vec<_> = next
            .names()
            .await
            .unwrap()
            .into_iter()
            .map(|it| it.0)
            .collect();
        known.sort();
        let mut expected = [beam.name(), here.name()].map(|name| alive(name).to_owned());
        expected.sort();
        known == expected
    };
    eventually("both nodes to be registered again", DEADLINE, registered).await;

    // Who comes now finds them all, and is found.
    let late = member(rust("late").on(&other.host).peer(here.name())).await;
    let names = [beam.name(), here.name(), there.name(), late.name()];
    see(&[&here, &there, &late], &names).await;
    otp_sees(&beam, &names).await;
    assert_eq!(
        outcome(across.term().await.unwrap()),
        Outcome::Value(Term::atom("slept"))
    );
    for node in [&here, &there] {
        assert_eq!(events(node, "down").await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn an_epmd_may_take_the_place_of_the_one_that_a_node_serves_and_the_other_way_round() {
    let otp = Otp::release(25).unwrap();
    let network = Network::create().unwrap();
    let (site, other) = (Site::new(&network), Site::new(&network));
    let mut server = member(site.rust()).await;
    let here = member(site.rust().peer(server.name())).await;
    let there = member(other.rust().peer(here.name())).await;
    see(
        &[&here, &there],
        &[server.name(), here.name(), there.name()],
    )
    .await;

    // The first node of a host serves EPMD; the second takes over.
    server.kill().await.unwrap();
    let left = [here.name(), there.name()];
    see(&[&here, &there], &left).await;
    let found = member(rust("found").on(&other.host).peer(here.name())).await;
    see(
        &[&here, &there, &found],
        &[here.name(), there.name(), found.name()],
    )
    .await;

    // A node of OTP needs an EPMD, whoever serves it.
    let beam = otp
        .beam()
        .name(interop::unique_name("otp"))
        .on(&site.host)
        .epmd_port(4369);
    let beam = beam.start().await.unwrap();
    let ping = format!("net_adm:ping('{}')", here.name());
    assert_eq!(beam.expression(&ping).text().await.unwrap(), "pong");
    assert_eq!(events(&here, "down").await.len(), 1);
    assert_eq!(events(&there, "down").await.len(), 1);
}

fn alive(name: &str) -> &str {
    name.split_once('@').unwrap().0
}
