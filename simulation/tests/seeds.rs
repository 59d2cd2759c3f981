//! Simulations that are to pass, among them those in which something was found.
#![cfg(rlb_simulation)]

use simulation::{Passed, run};

fn passes(seed: u64) -> Passed {
    match run(seed) {
        Ok(passed) => passed,
        Err(failed) => panic!("{failed}"),
    }
}

#[test]
fn a_seed_has_one_course() {
    for seed in 0..20 {
        assert_eq!(passes(seed), passes(seed), "seed {seed}");
    }
}

#[test]
fn seeds_have_courses_of_their_own() {
    let mut hashes: Vec<_> = (0..20).map(|seed| passes(seed).hash).collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 20);
}

#[test]
fn most_calls_are_answered_all_the_same() {
    let passed: Vec<_> = (0..20).map(passes).collect();
    let calls: usize = passed.iter().map(|passed| passed.calls).sum();
    let answered: usize = passed.iter().map(|passed| passed.answered).sum();
    assert!(2 * answered > calls, "{answered} of {calls}");
}

/// A call that may run twice was sent again and again to a suspect that nobody could stand in for, until
/// the budget of the balancer was used up, all in the same instant.
#[test]
fn a_call_is_sent_to_a_suspect_once_more_and_not_a_hundred_times() {
    for seed in [271, 328, 428, 459, 497, 752] {
        passes(seed);
    }
}

/// The first attempt failed by the deadline without having reached anybody; that the second one had was
/// forgotten.
#[test]
fn a_hedged_call_may_have_run_where_either_attempt_may() {
    passes(3058);
}

/// A peer answered a probe before the rest of the batch was written that the probe was in, and was never
/// probed again.
#[test]
fn a_peer_that_answers_early_is_no_suspect_when_it_is_silent_later() {
    passes(41740);
}

/// A caller went on for a millisecond and hung again, which is too short to find out that it is too late.
#[test]
fn a_caller_that_hangs_again_at_once_ends_its_calls_later() {
    passes(67841);
}

/// Who asked for a connection a moment before the power came back was not heard for as long as it could wait:
/// here a system asks again.
#[test]
fn a_host_that_is_on_again_is_connected_to_by_who_asked_before() {
    passes(84603);
}
