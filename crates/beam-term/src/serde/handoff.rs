//! Hands terms through serde as they are.
//!
//! serde's data model knows neither pids nor shared bytes, and its traits hide the types on the other side. So a type of
//! this crate announces itself by the name of a newtype struct, and where that meets this crate's (de)serializer, the
//! value changes hands beside serde, in a slot of the thread. It stays there for one call only; with any other format the
//! slot is empty, and the type takes its natural shape.

use std::cell::Cell;

use bytes::BytesMut;

use crate::{RawTerm, Term};

/// The name by which a type asks for a [`Term`], or offers one.
pub(super) const TERM: &str = "$beam_term::Term";

/// The name by which a type asks for a [`RawTerm`].
pub(super) const RAW_TERM: &str = "$beam_term::RawTerm";

/// What changes hands in decoding.
pub(super) enum Handed {
    Term(Term),
    Raw(RawTerm),
}

/// Calls `receive`, which may [`take`] the value.
pub(super) fn hand<R>(value: Handed, receive: impl FnOnce() -> R) -> R {
    HANDED.set(Some(value));
    let _cleared = Clear;
    receive()
}

/// The value that is handed over in a call around this one.
pub(super) fn take() -> Option<Handed> {
    HANDED.take()
}

/// Calls `write`, which may write to the [`lent`] buffer, and gives the buffer back.
pub(super) fn lend<R>(buffer: BytesMut, write: impl FnOnce() -> R) -> (BytesMut, R) {
    LENT.set(Some(buffer));
    let _cleared = Clear;
    let result = write();
    (LENT.take().unwrap_or_default(), result)
}

/// Writes to the buffer that is lent in a call around this one, if one is.
pub(super) fn lent<R>(write: impl FnOnce(&mut BytesMut) -> R) -> Option<R> {
    let mut buffer = LENT.take()?;
    let result = write(&mut buffer);
    LENT.set(Some(buffer));
    Some(result)
}

thread_local! {
    static HANDED: Cell<Option<Handed>> = const { Cell::new(None) };
    static LENT: Cell<Option<BytesMut>> = const { Cell::new(None) };
}

/// Empties the slots when dropped, even by a panic.
struct Clear;

impl Drop for Clear {
    fn drop(&mut self) {
        HANDED.set(None);
        LENT.set(None);
    }
}
