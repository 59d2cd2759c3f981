//! What is called, and by which route.

use std::{fmt, str::FromStr};

/// What a call carries and what the callee does for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    /// Two integers, answered by their sum.
    Add,
    /// A binary of so many bytes, which comes back.
    Echo(Size),
    /// A map of twenty keys that is read into a struct, answered by an integer that every field goes into.
    Map20,
    /// A cast, which has no answer: the callee counts those that arrive.
    Cast,
}

/// How large an echoed binary is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Kib1,
    Kib64,
    Mib1,
}

impl Size {
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Kib1 => 1 << 10,
            Self::Kib64 => 64 << 10,
            Self::Mib1 => 1 << 20,
        }
    }
}

impl Workload {
    pub(crate) const ALL: [Self; 6] = [
        Self::Add,
        Self::Echo(Size::Kib1),
        Self::Echo(Size::Kib64),
        Self::Echo(Size::Mib1),
        Self::Map20,
        Self::Cast,
    ];

    /// About how many bytes a call brings into flight.
    pub(crate) fn payload_bytes(self) -> usize {
        match self {
            Self::Echo(size) => size.bytes(),
            Self::Add | Self::Map20 | Self::Cast => 0,
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "add",
            Self::Echo(Size::Kib1) => "echo_1k",
            Self::Echo(Size::Kib64) => "echo_64k",
            Self::Echo(Size::Mib1) => "echo_1m",
            Self::Map20 => "map20",
            Self::Cast => "cast",
        })
    }
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|one| one.to_string() == text);
        found.ok_or_else(|| format!("there is no workload {text:?}"))
    }
}

/// How a call finds its callee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// The caller names it.
    Direct,
    /// A balancer with the algorithm `RoundRobin` picks it, the only member.
    RoundRobin,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct",
            Self::RoundRobin => "round_robin",
        })
    }
}

impl FromStr for Route {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "direct" => Ok(Self::Direct),
            "round_robin" => Ok(Self::RoundRobin),
            _ => Err(format!("there is no route {text:?}")),
        }
    }
}
