//! Balancers: against what each release of OTP computes, and over members of OTP and of Rust.

#![allow(clippy::unwrap_used)]

mod mixed;
mod ring;
mod rolling;

use interop::on_each_release;

use mixed::every_algorithm_shares_calls_over_members_of_both_kinds;
use ring::owners_and_replicas_are_those_that_erlang_computes;
use rolling::every_member_is_restarted_in_turn_and_no_call_fails;

on_each_release! {
    owners_and_replicas_are_those_that_erlang_computes,
    every_algorithm_shares_calls_over_members_of_both_kinds,
    every_member_is_restarted_in_turn_and_no_call_fails,
}
