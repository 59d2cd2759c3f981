//! Balancers, against what each release of OTP computes.

#![allow(clippy::unwrap_used)]

mod ring;

use interop::on_each_release;

use ring::owners_and_replicas_are_those_that_erlang_computes;

on_each_release! {
    owners_and_replicas_are_those_that_erlang_computes,
}
