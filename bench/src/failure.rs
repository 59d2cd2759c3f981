//! Why a measurement did not come to its end.

use std::{io, path::PathBuf};

/// What went wrong, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot start {program}: {error}{}", advice(program))]
    Start { program: String, error: io::Error },
    #[error(
        "{label} ended, or said nothing for {seconds} s, when it was expected to {expected}; it had printed:\n{printed}"
    )]
    Silent {
        label: String,
        expected: &'static str,
        seconds: u64,
        printed: String,
    },
    #[error("{label} answered what makes no sense: {answer:?}")]
    Protocol { label: String, answer: String },
    #[error("{label} failed at {cell}: {message}")]
    Cell {
        label: String,
        cell: String,
        message: String,
    },
    #[error("{doing} failed: {error}")]
    Node {
        doing: &'static str,
        error: rpc_load_balancer::Error,
    },
    #[error("{0}")]
    Other(String),
    #[error("cannot write {}: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },
    #[error("{doing} failed: {error}")]
    Io {
        doing: &'static str,
        error: io::Error,
    },
}

impl Failure {
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io { doing, error }
    }

    pub(crate) fn node(doing: &'static str) -> impl FnOnce(rpc_load_balancer::Error) -> Self {
        move |error| Self::Node { doing, error }
    }
}

fn advice(program: &str) -> &'static str {
    match program {
        "erl" | "erlc" => {
            " (Erlang/OTP is in the Debian package erlang-base; without it, name the other pairs with --pairs)"
        }
        "taskset" => " (it is in the Debian package util-linux)",
        _ => "",
    }
}
