//! Networks whose cables can be pulled, with real nodes on them.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use interop::{Beam, Epmd, Host, Network, Otp, eventually, on_each_release, unique_name};

const DEADLINE: Duration = Duration::from_secs(30);

/// Gives a silent peer up after one to two seconds.
const IMPATIENT: [&str; 3] = ["-kernel", "net_ticktime", "2"];

on_each_release! {
    an_unplugged_node_is_lost_and_comes_back,
    a_cut_between_two_hosts_leaves_the_others_connected,
}

async fn an_unplugged_node_is_lost_and_comes_back(otp: Otp) {
    let network = Network::create().unwrap();
    let (left_host, right_host) = (network.host().unwrap(), network.host().unwrap());
    let (_epmd, left) = node(&otp, &left_host).await;
    let (_epmd, right) = node(&otp, &right_host).await;
    assert_eq!(ping(&left, &right).await, "pong");

    right_host.unplug().unwrap();
    lost(&left, &right).await;
    right_host.plug().unwrap();
    let back = async || ping(&left, &right).await == "pong";
    eventually("the right node to come back", DEADLINE, back).await;
}

async fn a_cut_between_two_hosts_leaves_the_others_connected(otp: Otp) {
    let network = Network::create().unwrap();
    let hosts = [
        network.host().unwrap(),
        network.host().unwrap(),
        network.host().unwrap(),
    ];
    let (_epmd, left) = node(&otp, &hosts[0]).await;
    let (_epmd, middle) = node(&otp, &hosts[1]).await;
    let (_epmd, right) = node(&otp, &hosts[2]).await;
    assert_eq!(ping(&left, &middle).await, "pong");
    assert_eq!(ping(&right, &middle).await, "pong");
    let meshed = async || connected(&left, &right).await && connected(&right, &left).await;
    eventually("all three to be connected", DEADLINE, meshed).await;

    hosts[0].cut(hosts[2].address()).unwrap();
    lost(&left, &right).await;
    lost(&right, &left).await;
    assert!(connected(&left, &middle).await && connected(&right, &middle).await);
    hosts[0].mend(hosts[2].address()).unwrap();
    let back = async || ping(&right, &left).await == "pong";
    eventually("the left node to come back", DEADLINE, back).await;
}

#[tokio::test]
async fn a_network_reaches_the_test_itself_and_goes_with_its_value() {
    let network = Network::create().unwrap();
    let host = network.host().unwrap();
    let listener = tokio::net::TcpListener::bind((network.address(), 0))
        .await
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut client = host.command("bash");
    client.args([
        "-c",
        &format!("exec 3<>/dev/tcp/{}/{port}", network.address()),
    ]);
    let (accepted, status) = tokio::join!(listener.accept(), client.status());
    assert_eq!(accepted.unwrap().1.ip(), host.address());
    assert!(status.unwrap().success());

    let (first, second) = (network.address(), Network::create().unwrap().address());
    assert_ne!(first, second);
    drop((network, host));
    assert!(tokio::net::TcpListener::bind((first, 0)).await.is_err());
}

async fn node(otp: &Otp, host: &Host) -> (Epmd, Beam) {
    // The port mapper of a namespace is alone there, so that every host can use the same port.
    let epmd = otp.epmd().on(host).port(4369).start().await.unwrap();
    let flags = IMPATIENT
        .into_iter()
        .chain(["-kernel", "prevent_overlapping_partitions", "false"]);
    let beam = otp
        .beam()
        .name(unique_name("w"))
        .on(host)
        .epmd(&epmd)
        .flags(flags)
        .start()
        .await
        .unwrap();
    (epmd, beam)
}

async fn lost(from: &Beam, peer: &Beam) {
    let what = format!("{} to lose {}", from.name(), peer.name());
    eventually(&what, DEADLINE, async || !connected(from, peer).await).await;
}

async fn connected(from: &Beam, peer: &Beam) -> bool {
    text(from, &format!("lists:member('{}', nodes())", peer.name())).await == "true"
}

async fn ping(from: &Beam, to: &Beam) -> String {
    text(from, &format!("net_adm:ping('{}')", to.name())).await
}

async fn text(beam: &Beam, source: &str) -> String {
    beam.expression(source).text().await.unwrap()
}
