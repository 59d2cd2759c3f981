//! Balancers: against what each release of OTP computes, and over members of OTP and of Rust.

#![allow(clippy::unwrap_used)]

mod callers;
mod cpu;
mod mixed;
mod ring;
mod rolling;

use interop::on_each_release;

use cpu::{
    a_member_of_rust_tells_otp_how_busy_it_is,
    members_of_otp_tell_their_load_average_if_os_mon_runs,
};
use mixed::every_algorithm_shares_calls_over_members_of_both_kinds;
use ring::owners_and_replicas_are_those_that_erlang_computes;
use rolling::every_member_is_restarted_in_turn_and_no_call_fails;

on_each_release! {
    members_of_otp_tell_their_load_average_if_os_mon_runs,
    a_member_of_rust_tells_otp_how_busy_it_is,
    owners_and_replicas_are_those_that_erlang_computes,
    every_algorithm_shares_calls_over_members_of_both_kinds,
    every_member_is_restarted_in_turn_and_no_call_fails,
}
