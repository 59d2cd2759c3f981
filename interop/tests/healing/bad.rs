//! A network that loses, delays, repeats and reorders packets.

use std::time::Duration;

use beam_term::Term;
use interop::{Conditions, Otp};

use crate::site::{
    MixedPair, Outcome, Pair, call, events, lasts, members, members_seen_by_otp, outcome,
};

const BAD: Conditions = Conditions {
    loss: 0.2,
    delay: Duration::from_millis(100),
    jitter: Duration::from_millis(50),
    duplication: 0.1,
    reordering: 0.25,
};

const CALLS: i64 = 40;

/// Longer than TCP takes to get through.
const PATIENCE_MS: u64 = 80_000;

#[tokio::test]
async fn calls_over_a_bad_network_are_answered_and_none_runs_twice() {
    let pair = Pair::start().await;
    let ([a, b], cable) = (&pair.nodes, &pair.far.cable);

    cable.set(BAD);
    // Both ways, and all at a time.
    let mut calls = Vec::new();
    for number in 0..CALLS {
        for (from, to) in [(a, b), (b, a)] {
            let command = from.command(&call(to.name(), "run", number, PATIENCE_MS));
            calls.push(
                command
                    .deadline(Duration::from_millis(PATIENCE_MS + 5_000))
                    .start(),
            );
            // So that there are more packets than one.
            lasts(Duration::from_millis(10)).await;
        }
    }
    for call in calls {
        // How often it had run, which is this one time.
        assert_eq!(
            outcome(call.term().await.unwrap()),
            Outcome::Value(Term::from(1))
        );
        for node in [a, b] {
            assert_eq!(members(node).await.len(), 2);
        }
    }
    let passed = cable.passed();
    println!("{passed:?}");
    assert!(
        passed.lost > 0 && passed.duplicated > 0 && passed.overtook > 0,
        "{passed:?}"
    );

    cable.mend();
    for (from, to) in [(a, b), (b, a)] {
        let ran = from
            .run(&format!("{{call, '{}', rust, ran, [], 30000}}", to.name()))
            .await;
        let expected = Term::tuple([Term::from(CALLS), Term::from(1)]);
        assert_eq!(outcome(ran.unwrap()), Outcome::Value(expected));
        assert_eq!(events(from, "down").await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn calls_between_otp_and_rust_over_a_bad_network_are_answered_and_none_runs_twice() {
    let otp = Otp::release(25).unwrap();
    let pair = MixedPair::start(&otp).await;
    let (beam, rust, cable) = (&pair.beam, &pair.rust, &pair.far.cable);
    let counts =
        "ets:new(runs, [named_table, public]), register(runs, self()), timer:sleep(infinity)";
    let _counts = beam.expression(counts).start();
    let module = "-module(rust).\n-export([run/1]).\n\
        run(Number) -> ets:update_counter(runs, Number, 1, {Number, 0}).\n";
    beam.define_module(module).await.unwrap();

    cable.set(BAD);
    let mut to_otp = Vec::new();
    let mut from_otp = Vec::new();
    for number in 0..CALLS {
        let command = rust.command(&call(beam.name(), "run", number, PATIENCE_MS));
        to_otp.push(
            command
                .deadline(Duration::from_millis(PATIENCE_MS + 5_000))
                .start(),
        );
        let source = format!(
            "erpc:call('{}', rust, run, [{number}], {PATIENCE_MS})",
            rust.name()
        );
        let expression = beam.expression(&source);
        from_otp.push(
            expression
                .deadline(Duration::from_millis(PATIENCE_MS + 5_000))
                .start(),
        );
        lasts(Duration::from_millis(10)).await;
    }
    for (to, from) in to_otp.into_iter().zip(from_otp) {
        assert_eq!(
            outcome(to.term().await.unwrap()),
            Outcome::Value(Term::from(1))
        );
        assert_eq!(from.term().await.unwrap(), Term::from(1));
        assert_eq!(members(rust).await.len(), 2);
        assert_eq!(members_seen_by_otp(beam).await.len(), 2);
    }
    assert!(cable.passed().lost > 0);
    assert_eq!(events(rust, "down").await, Vec::<String>::new());
}
