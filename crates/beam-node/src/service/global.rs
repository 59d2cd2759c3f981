//! `global`: keeps this node out of the global name registry without holding the others up.
//!
//! OTP nodes open the protocol of `global` with every visible node. This node registers no
//! `global_name_server`, so monitors on that name are answered `noproc` and locks go on without
//! it; but `global:sync/0` waits for every known node to be in sync, hence the one answer here.

use beam_dist::control::Recipient;
use beam_term::{Atom, RawTerm, Token, Writer};

use crate::{atoms, link::Link, state::NodeState};

/// The name that peers monitor and send to.
pub(crate) const NAME: &str = "global_name_server";

/// Answers `{'$gen_cast', {init_connect, …}}` with `{'$gen_cast', {in_sync, Node, true}}`.
pub(super) fn deliver(node: &NodeState, link: &Link, message: &RawTerm) {
    if !is_init_connect(message) {
        return;
    }
    let to = Recipient::Name(Atom::from_static(NAME));
    link.answer_to(&to, &mut |writer: &mut Writer<'_>| {
        writer.tuple(2);
        writer.atom(&atoms::GEN_CAST);
        writer.tuple(3);
        writer.atom(&atoms::IN_SYNC);
        writer.atom(&node.identity.atom);
        writer.atom(&atoms::TRUE);
        Ok(())
    });
}

fn is_init_connect(message: &RawTerm) -> bool {
    let mut reader = message.reader();
    matches!(reader.token(), Ok(Token::Tuple(2)))
        && matches!(reader.atom(), Ok(cast) if cast.as_str() == "$gen_cast")
        && matches!(reader.token(), Ok(Token::Tuple(_)))
        && matches!(reader.atom(), Ok(tag) if tag.as_str() == "init_connect")
}
