//! The same over IPv6.

use std::time::Duration;

use beam_term::Term;
use interop::{Network, Otp, RustBuilder, unique_name};
use tokio::time::Instant;

use crate::site::{
    HEALED_WITH_OTP, JOIN, NET_TICKTIME, Outcome, Site, call, in_time, lasts, member, otp_sees,
    outcome, see,
};

#[tokio::test]
async fn nodes_at_addresses_of_ipv6_are_whole_soon_after_a_cut() {
    let otp = Otp::release(25).unwrap();
    let network = Network::create().unwrap();
    let sites = [(); 3].map(|()| Site::new(&network));
    let [here, there, beyond] = sites.each_ref().map(|site| site.host.add_ipv6().unwrap());
    let epmd = otp
        .epmd()
        .on(&sites[2].host)
        .port(4369)
        .start()
        .await
        .unwrap();
    let seconds = NET_TICKTIME.as_secs().to_string();
    let beam = otp.beam().name(format!("{}@{beyond}", unique_name("otp")));
    let beam = beam.on(&sites[2].host).epmd(&epmd);
    let flags = [
        "-proto_dist",
        "inet6_tcp",
        "-kernel",
        "net_ticktime",
        &seconds,
    ];
    let beam = beam.flags(flags).start().await.unwrap();
    beam.expression(JOIN).external().await.unwrap();
    let rust = |site: &Site, address| {
        let name = format!("{}@{address}", unique_name("rust"));
        let node = RustBuilder::new(env!("CARGO_BIN_EXE_interop"), name);
        node.on(&site.host)
            .net_ticktime(NET_TICKTIME)
            .peer(beam.name())
    };
    let a = member(rust(&sites[0], here)).await;
    let b = member(rust(&sites[1], there)).await;
    let names = [a.name(), b.name(), beam.name()];
    see(&[&a, &b], &names).await;
    otp_sees(&beam, &names).await;

    sites[1].cable.cut();
    see(&[&a], &[a.name(), beam.name()]).await;
    see(&[&b], &[b.name()]).await;
    otp_sees(&beam, &[a.name(), beam.name()]).await;
    lasts(Duration::from_secs(5)).await;
    sites[1].cable.mend();
    let healed = Instant::now();

    see(&[&a, &b], &names).await;
    otp_sees(&beam, &names).await;
    in_time(healed, HEALED_WITH_OTP);
    let called = b.run(&call(a.name(), "double", 21, 10_000)).await.unwrap();
    assert_eq!(outcome(called), Outcome::Value(Term::from(42)));
}
