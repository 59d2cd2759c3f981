//! Cuts: packets vanish, and nobody is told.

use std::time::Duration;

use beam_term::Term;
use interop::{Beam, Conditions, Network, Otp, Rust, eventually, on_each_release};
use tokio::time::Instant;

use crate::site::{
    DEADLINE, HEALED, HEALED_WITH_OTP, MixedPair, NET_TICKTIME, Outcome, Pair, Site, at_work, call,
    events, in_time, lasts, member, members, members_seen_by_otp, otp_sees, outcome, see,
};

on_each_release! {
    nodes_of_otp_and_of_rust_are_whole_soon_after_a_cut,
    a_node_of_otp_that_is_not_given_up_can_be_called_soon_after_a_long_cut,
}

/// Shorter than the net tick time, which is the default one here.
const SHORT: Duration = Duration::from_secs(5);

/// For how long a cut goes on once everybody has given up the others: longer than the pauses between
/// attempts to find them again take to grow, and than what the system tries by itself.
const GIVEN_UP_FOR: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_cut_of_five_seconds_loses_no_call_and_no_member() {
    let network = Network::create().unwrap();
    let [near, middle, far] = [(); 3].map(|()| Site::new(&network));
    let otp = Otp::release(25).unwrap();
    let a = member(near.rust()).await;
    let (_epmd, beam) = middle.otp(&otp, Duration::from_secs(60)).await;
    let b = member(far.rust().peer(a.name()).peer(beam.name())).await;
    let names = [a.name(), b.name(), beam.name()];
    see(&[&a, &b], &names).await;
    otp_sees(&beam, &names).await;

    let both_ways = [(&a, &b), (&b, &a)];
    let calls = both_ways.map(|(from, to)| {
        from.command(&call(to.name(), "sleep", 1_000, 60_000))
            .deadline(DEADLINE * 2)
            .start()
    });
    let sleep = "{call, '%', timer, sleep, [1000], 60000}".replace('%', beam.name());
    let to_otp = b.command(&sleep).deadline(DEADLINE * 2).start();
    let source = format!("erpc:call('{}', rust, sleep, [1000])", b.name());
    let from_otp = beam.expression(&source).deadline(DEADLINE * 2).start();
    at_work(&b, 2, 2).await;
    far.cable.cut();
    lasts(SHORT).await;
    assert_eq!(members(&a).await.len(), 3);
    assert_eq!(members(&b).await.len(), 3);
    assert_eq!(members_seen_by_otp(&beam).await.len(), 3);
    far.cable.mend();

    for call in calls {
        assert_eq!(
            outcome(call.term().await.unwrap()),
            Outcome::Value(Term::atom("slept"))
        );
    }
    assert_eq!(
        outcome(to_otp.term().await.unwrap()),
        Outcome::Value(Term::atom("ok"))
    );
    assert_eq!(from_otp.term().await.unwrap(), Term::atom("slept"));
    see(&[&a, &b], &names).await;
    otp_sees(&beam, &names).await;
    for node in [&a, &b] {
        assert_eq!(events(node, "down").await, Vec::<String>::new());
    }
}

/// Three nodes of Rust, of which two know one only, each on a host of its own.
struct Trio {
    sites: [Site; 3],
    nodes: [Rust; 3],
    _network: Network,
}

impl Trio {
    async fn start() -> Self {
        let network = Network::create().unwrap();
        let sites = [(); 3].map(|()| Site::new(&network));
        let builder = |site: &Site| site.rust().net_ticktime(NET_TICKTIME);
        let a = member(builder(&sites[0])).await;
        let b = member(builder(&sites[1]).peer(a.name())).await;
        let c = member(builder(&sites[2]).peer(a.name())).await;
        let trio = Self {
            sites,
            nodes: [a, b, c],
            _network: network,
        };
        trio.is_whole().await;
        trio
    }

    fn names(&self) -> [&str; 3] {
        self.nodes.each_ref().map(Rust::name)
    }

    async fn is_whole(&self) {
        see(&self.nodes.each_ref(), &self.names()).await;
    }

    /// Waits until those on either side of the last node's cut have given each other up.
    async fn last_is_given_up(&self) {
        let [a, b, c] = &self.nodes;
        see(&[a, b], &[a.name(), b.name()]).await;
        see(&[c], &[c.name()]).await;
    }

    /// Mends a cut long after those on either side have given each other up; all is well soon after.
    async fn heals(&self, mend: impl FnOnce()) {
        lasts(GIVEN_UP_FOR).await;
        mend();
        let healed = Instant::now();
        self.is_whole().await;
        in_time(healed, HEALED);
        self.call_each_other().await;
    }

    /// Calls everybody from everybody.
    async fn call_each_other(&self) {
        for from in &self.nodes {
            for to in &self.nodes {
                let called = from
                    .run(&call(to.name(), "double", 21, 10_000))
                    .await
                    .unwrap();
                assert_eq!(outcome(called), Outcome::Value(Term::from(42)));
            }
        }
    }
}

/// Longer than it takes until a silent peer is connected to anew, and shorter than three quarters of the
/// net tick time, which is the default one. TCP has just tried in vain, and does again 25 s after what it
/// lost was sent.
const LONG: Duration = Duration::from_secs(16);

#[tokio::test]
async fn peers_that_are_not_given_up_can_be_called_soon_after_a_long_cut() {
    let pair = Pair::start().await;
    let [a, b] = &pair.nodes;

    pair.far.cable.cut();
    lasts(LONG).await;
    pair.is_whole().await;
    pair.none_is_down().await;
    pair.far.cable.mend();
    let healed = Instant::now();

    for (from, to) in [(a, b), (b, a)] {
        let answered = async || {
            let called = from.run(&call(to.name(), "double", 21, 500)).await.unwrap();
            outcome(called) == Outcome::Value(Term::from(42))
        };
        eventually("a call to be answered", DEADLINE, answered).await;
    }
    pair.is_whole().await;
    in_time(healed, HEALED);
    for node in [a, b] {
        assert!(events(node, "down").await.len() <= 2);
    }
}

async fn a_node_of_otp_that_is_not_given_up_can_be_called_soon_after_a_long_cut(otp: Otp) {
    let pair = MixedPair::start(&otp).await;
    let (beam, rust) = (&pair.beam, &pair.rust);

    pair.far.cable.cut();
    lasts(LONG).await;
    assert_eq!(events(rust, "down").await, Vec::<String>::new());
    pair.far.cable.mend();
    let healed = Instant::now();

    let sum = format!("{{call, '{}', erlang, '+', [1, 2], 500}}", beam.name());
    let answered = async || outcome(rust.run(&sum).await.unwrap()) == Outcome::Value(Term::from(3));
    eventually("a call to be answered", DEADLINE, answered).await;
    call_each_other(beam, &[rust]).await;
    pair.is_whole().await;
    in_time(healed, HEALED_WITH_OTP);
}

#[tokio::test]
async fn calls_that_run_during_a_long_cut_are_answered() {
    let pair = Pair::start().await;
    let [a, b] = &pair.nodes;
    let calls = [(a, b), (b, a)].map(|(from, to)| {
        from.command(&call(to.name(), "sleep", 2_000, 120_000))
            .deadline(DEADLINE * 4)
            .start()
    });
    for node in [a, b] {
        at_work(node, 1, 1).await;
    }

    pair.far.cable.cut();
    lasts(LONG).await;
    pair.far.cable.mend();

    for call in calls {
        let answer = outcome(call.term().await.unwrap());
        assert_eq!(answer, Outcome::Value(Term::atom("slept")));
    }
    pair.none_is_down().await;
}

#[tokio::test]
async fn nodes_that_gave_each_other_up_are_whole_soon_after_the_cut() {
    let trio = Trio::start().await;
    let cable = &trio.sites[2].cable;

    cable.cut();
    trio.last_is_given_up().await;

    trio.heals(|| cable.mend()).await;
}

#[tokio::test]
async fn nodes_that_learned_of_each_other_find_each_other_after_a_cut_between_them() {
    let trio = Trio::start().await;
    let [a, b, c] = &trio.nodes;
    let [_, near, far] = trio.sites.each_ref();

    // They learned of each other from the first one, which they both still reach.
    near.host.cut(far.host.address()).unwrap();
    see(&[b], &[a.name(), b.name()]).await;
    see(&[c], &[a.name(), c.name()]).await;
    see(&[a], &trio.names()).await;

    trio.heals(|| near.host.mend(far.host.address()).unwrap())
        .await;
}

#[tokio::test]
async fn a_host_that_hears_nothing_but_is_heard_is_whole_soon_after() {
    let trio = Trio::start().await;
    let cable = &trio.sites[2].cable;

    cable.set_incoming(Conditions::CUT);
    trio.last_is_given_up().await;

    trio.heals(|| cable.mend()).await;
}

#[tokio::test]
async fn a_node_that_came_during_a_cut_is_found_by_all_soon_after() {
    let trio = Trio::start().await;
    let [a, b, c] = &trio.nodes;

    trio.sites[2].cable.cut();
    trio.last_is_given_up().await;
    // One on either side: only the first node is told of them, each by one of its own side.
    let late = [
        trio.sites[1]
            .rust()
            .net_ticktime(NET_TICKTIME)
            .peer(b.name()),
        trio.sites[2]
            .rust()
            .net_ticktime(NET_TICKTIME)
            .peer(a.name()),
    ];
    let [on_this_side, on_the_other] = late;
    let d = member(on_this_side).await;
    let e = member(on_the_other).await;
    see(&[a, b, &d], &[a.name(), b.name(), d.name()]).await;
    lasts(GIVEN_UP_FOR).await;
    trio.sites[2].cable.mend();
    let healed = Instant::now();

    let names = [a.name(), b.name(), c.name(), d.name(), e.name()];
    see(&[a, b, c, &d, &e], &names).await;
    in_time(healed, HEALED);
}

async fn nodes_of_otp_and_of_rust_are_whole_soon_after_a_cut(otp: Otp) {
    let network = Network::create().unwrap();
    let sites = [(); 3].map(|()| Site::new(&network));
    let (_epmd, beam) = sites[0].otp(&otp, NET_TICKTIME).await;
    let builder = |site: &Site| site.rust().net_ticktime(NET_TICKTIME).peer(beam.name());
    let b = member(builder(&sites[1])).await;
    let c = member(builder(&sites[2])).await;
    let names = [beam.name(), b.name(), c.name()];
    let is_whole = async || {
        see(&[&b, &c], &names).await;
        otp_sees(&beam, &names).await;
    };
    is_whole().await;

    sites[0].cable.cut();
    otp_sees(&beam, &[beam.name()]).await;
    see(&[&b, &c], &[b.name(), c.name()]).await;
    lasts(GIVEN_UP_FOR).await;
    sites[0].cable.mend();
    let healed = Instant::now();

    is_whole().await;
    in_time(healed, HEALED_WITH_OTP);
    call_each_other(&beam, &[&b, &c]).await;
}

#[tokio::test]
async fn a_node_of_rust_looks_for_one_of_otp_that_had_connected_to_it() {
    let otp = Otp::release(25).unwrap();
    let network = Network::create().unwrap();
    let sites = [(); 2].map(|()| Site::new(&network));
    let (_epmd, beam) = sites[0].otp(&otp, NET_TICKTIME).await;
    let rust = member(sites[1].rust().net_ticktime(NET_TICKTIME)).await;
    let connect = format!("net_kernel:connect_node('{}')", rust.name());
    assert_eq!(beam.expression(&connect).text().await.unwrap(), "true");
    let names = [beam.name(), rust.name()];
    see(&[&rust], &names).await;
    otp_sees(&beam, &names).await;

    sites[0].cable.cut();
    otp_sees(&beam, &[beam.name()]).await;
    see(&[&rust], &[rust.name()]).await;
    sites[0].cable.mend();
    let healed = Instant::now();

    see(&[&rust], &names).await;
    otp_sees(&beam, &names).await;
    in_time(healed, HEALED_WITH_OTP);
}

async fn call_each_other(beam: &Beam, nodes: &[&Rust]) {
    for node in nodes {
        let sum = format!("{{call, '{}', erlang, '+', [1, 2], 10000}}", beam.name());
        assert_eq!(
            outcome(node.run(&sum).await.unwrap()),
            Outcome::Value(Term::from(3))
        );
        let double = format!("erpc:call('{}', rust, double, [21])", node.name());
        assert_eq!(beam.eval(&double).await.unwrap(), Term::from(42));
    }
}
