//! Who calls whom.

use std::{fmt, str::FromStr};

use crate::{
    cell::Cell,
    workload::{Route, Workload},
};

/// Two processes, and what they speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pair {
    BeamBeam,
    RustBeam,
    BeamRust,
    RustRust,
    Tarpc,
    Tonic,
}

/// One side of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// A node of OTP.
    Beam,
    /// A node of this project.
    Node,
    Tarpc,
    Tonic,
}

impl Pair {
    pub(crate) const ALL: [Self; 6] = [
        Self::BeamBeam,
        Self::RustBeam,
        Self::BeamRust,
        Self::RustRust,
        Self::Tarpc,
        Self::Tonic,
    ];

    pub(crate) fn caller(self) -> Side {
        match self {
            Self::BeamBeam | Self::BeamRust => Side::Beam,
            Self::RustBeam | Self::RustRust => Side::Node,
            Self::Tarpc => Side::Tarpc,
            Self::Tonic => Side::Tonic,
        }
    }

    pub(crate) fn callee(self) -> Side {
        match self {
            Self::BeamBeam | Self::RustBeam => Side::Beam,
            Self::BeamRust | Self::RustRust => Side::Node,
            Self::Tarpc => Side::Tarpc,
            Self::Tonic => Side::Tonic,
        }
    }

    pub(crate) fn needs_erlang(self) -> bool {
        self.caller() == Side::Beam || self.callee() == Side::Beam
    }

    /// Whether there is such a thing: only this project's nodes have its balancers, and neither tarpc nor tonic has
    /// casts.
    pub(crate) fn has(self, cell: &Cell) -> bool {
        let routed = cell.route == Route::Direct || self.caller() == Side::Node;
        let cast = cell.workload != Workload::Cast || !matches!(self, Self::Tarpc | Self::Tonic);
        routed && cast
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::BeamBeam => "beam-beam",
            Self::RustBeam => "rust-beam",
            Self::BeamRust => "beam-rust",
            Self::RustRust => "rust-rust",
            Self::Tarpc => "tarpc",
            Self::Tonic => "tonic",
        })
    }
}

impl FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|pair| pair.to_string() == text);
        found.ok_or_else(|| {
            let all = Self::ALL.map(|pair| pair.to_string()).join(", ");
            format!("there is no pair {text:?}; there are {all}")
        })
    }
}

impl Side {
    /// The word for it on the command line of a child.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Beam => "beam",
            Self::Node => "node",
            Self::Tarpc => "tarpc",
            Self::Tonic => "tonic",
        }
    }
}
