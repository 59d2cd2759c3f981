//! What the fuzz targets do with their input: one function each, which panics when something that
//! must hold does not.
//!
//! The binaries in `fuzz_targets` hand them what libFuzzer makes up. The tests here feed them the
//! seeds in `corpus`, and mutations of them, on any toolchain.

#[cfg(not(rlb_simulation))]
compile_error!(
    "run cargo in the folder of this package, where `.cargo/config.toml` sets the flags"
);

mod epmd;
mod frames;
mod handshake;
mod link;
mod term_decode;
mod term_syntax;

pub use epmd::epmd;
pub use frames::frames;
pub use handshake::handshake;
pub use link::link;
pub use term_decode::term_decode;
pub use term_syntax::term_syntax;

#[cfg(test)]
mod tests;
