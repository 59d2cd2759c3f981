//! `net_kernel`: answers `net_adm:ping`.

use beam_term::RawTerm;

use super::gen_call::GenCall;
use crate::{atoms, link::Link};

/// Whoever came through the handshake is allowed: `{is_auth, Node}` is answered `yes`.
pub(super) fn deliver(link: &Link, message: &RawTerm) {
    let Some(call) = GenCall::read(message) else {
        return;
    };
    let is_ping = call
        .request
        .as_tuple()
        .and_then(|request| request.first())
        .and_then(|tag| tag.as_atom())
        .is_some_and(|tag| tag.as_str() == "is_auth");
    if is_ping {
        call.answer(link, |writer| {
            writer.atom(&atoms::YES);
            Ok(())
        });
    }
}
