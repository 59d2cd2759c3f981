//! `rex`: says which features of `rpc` this node has.

use beam_dist::control::Recipient;
use beam_term::{RawTerm, Token, Writer};

use super::gen_call::GenCall;
use crate::{atoms, link::Link, state::NodeState};

/// Answers `{Pid, features_request}`, which OTP sends to every visible node, and refuses the
/// requests of releases before `erpc`, which would wait forever.
pub(super) fn deliver(node: &NodeState, link: &Link, message: &RawTerm) {
    if let Some(call) = GenCall::read(message) {
        return call.answer(link, |writer| {
            writer.tuple(2);
            writer.atom(&atoms::BADRPC);
            writer.atom(&atoms::ENOTSUP);
            Ok(())
        });
    }
    let mut reader = message.reader();
    let (Ok(Token::Tuple(2)), Ok(from), Ok(request)) =
        (reader.token(), reader.pid(), reader.atom())
    else {
        return;
    };
    if request.as_str() == "features_request" {
        link.answer_to(&Recipient::Pid(from), &mut |writer: &mut Writer<'_>| {
            writer.tuple(3);
            writer.atom(&atoms::FEATURES_REPLY);
            writer.atom(&node.identity.atom);
            writer.list(1);
            writer.atom(&atoms::ERPC);
            writer.nil();
            Ok(())
        });
    }
}
