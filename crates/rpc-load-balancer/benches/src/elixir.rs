//! The Elixir library `rpc_load_balancer` 0.4.0 on OTP 25, measured on another day, on a machine with
//! 2 processors, through its `select_node`, in one process. Copied here, not measured by this
//! program.

/// The numbers of members that there are figures for.
pub(crate) const MEMBERS: [usize; 3] = [8, 32, 10_000];

/// Microseconds for each selection.
const MICROS: [(&str, [f64; 3]); 8] = [
    ("CallDirect", [1.48, 4.40, 2_992.0]),
    ("Random", [1.56, 4.77, 3_059.0]),
    ("RoundRobin", [2.96, 5.99, 2_972.0]),
    ("WeightedRoundRobin", [3.18, 6.55, 3_457.0]),
    ("LeastConnections", [3.27, 9.86, 5_814.0]),
    ("PowerOfTwo", [3.03, 7.40, 3_308.0]),
    ("HashRing", [5.00, 17.5, 24_317.0]),
    ("LeastCpu", [2.78, 7.52, 6_396.0]),
];

/// What a selection takes there; `None` if it has no such algorithm.
pub(crate) fn micros(algorithm: &str) -> Option<[f64; 3]> {
    let (_, micros) = MICROS.iter().find(|(name, _)| *name == algorithm)?;
    Some(*micros)
}
