//! `erlang:phash2`, the hash that every Erlang node gives the same term, whatever its release and machine.
//!
//! [`Term::phash2`](crate::Term::phash2), [`Term::phash2_range`](crate::Term::phash2_range) and
//! [`Term::phash2_full`](crate::Term::phash2_full) hash a term that is there; a [`Hasher`] hashes one that is never built.
//! The function is not defined by OTP's documentation but by `make_hash2` in its `erl_term_hashing.c`; hashes of OTP 25, 27
//! and 29 are compared in this module's tests.
//!
//! What OTP leaves out of a hash is left out here: of a pid all but its number, of a port its node, of a reference all but its
//! first word, of a closure its arity, its creator and the digest of its module. Native records of OTP 29 and terms in a local
//! format ([`Opaque`](crate::Opaque)) are hashed as a binary that holds their encoding, which is **not** what OTP does.

mod hasher;
mod term;

pub use hasher::Hasher;
