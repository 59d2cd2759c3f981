//! Hands terms through serde as they are.
//!
//! serde's data model knows neither pids nor shared bytes, and its traits hide the types on the other side. So a type of
//! this crate announces itself by the name of a newtype struct, and where that meets this crate's (de)serializer, the
//! value changes hands beside serde, in a slot of the thread. It stays there for one call only; with any other format the
//! slot is empty, and the type takes its natural shape.

use std::cell::Cell;

use bytes::BytesMut;

use crate::{RawTerm, Term, Writer, encode::SoFar};

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

/// What a writer lends.
pub(super) type Lent = (BytesMut, SoFar);

/// Calls `write`, which may write with the [`lent`] writer, and gives back what was lent.
pub(super) fn lend<R>(lent: Lent, write: impl FnOnce() -> R) -> (Lent, R) {
    LENT.set(Some(lent));
    let _cleared = Clear;
    let result = write();
    (LENT.take().unwrap_or_default(), result)
}

/// Writes with the writer that is lent in a call around this one, if one is.
pub(super) fn lent<R>(write: impl FnOnce(&mut Writer<'_>) -> R) -> Option<R> {
    let (mut buffer, so_far) = LENT.take()?;
    let mut writer = Writer::resume(&mut buffer, so_far);
    let result = write(&mut writer);
    let so_far = writer.into_so_far();
    LENT.set(Some((buffer, so_far)));
    Some(result)
}

thread_local! {
    static HANDED: Cell<Option<Handed>> = const { Cell::new(None) };
    static LENT: Cell<Option<Lent>> = const { Cell::new(None) };
}

/// Empties the slots when dropped, even by a panic.
struct Clear;

impl Drop for Clear {
    fn drop(&mut self) {
        HANDED.set(None);
        LENT.set(None);
    }
}
