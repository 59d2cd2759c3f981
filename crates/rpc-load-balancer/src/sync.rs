//! What threads share: the standard library's atomics and locks, or loom's in models, which run in
//! every order in which threads can meet.

#[cfg(not(all(test, rlb_loom)))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};

#[cfg(all(test, rlb_loom))]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};
