//! Requests and answers between `gen_server` processes.
//!
//! A request is `{'$gen_call', {Pid, Tag}, Request}`; the answer is `{Tag, Answer}`, sent to the
//! alias that the tag holds, where it holds one, else to the pid.

use beam_dist::control::Recipient;
use beam_term::{EncodeError, RawTerm, Reference, Term, Token, Writer};

use crate::link::Link;

/// A request that waits for its answer.
#[derive(Debug)]
pub(crate) struct GenCall {
    to: Recipient,
    tag: Term,
    pub(crate) request: Term,
}

impl GenCall {
    /// Reads a message as a request; `None` if it is none.
    pub(crate) fn read(message: &RawTerm) -> Option<Self> {
        let mut reader = message.reader();
        if !matches!(reader.token().ok()?, Token::Tuple(3))
            || reader.atom().ok()?.as_str() != "$gen_call"
        {
            return None;
        }
        if !matches!(reader.token().ok()?, Token::Tuple(2)) {
            return None;
        }
        let from = reader.pid().ok()?;
        let tag = reader.term().ok()?;
        let to = match alias_of(&tag) {
            Some(alias) => Recipient::Alias(alias.clone()),
            None => Recipient::Pid(from),
        };
        Some(Self {
            to,
            tag,
            request: reader.term().ok()?,
        })
    }

    /// Sends the answer.
    pub(crate) fn answer(
        &self,
        link: &Link,
        write: impl Fn(&mut Writer<'_>) -> Result<(), EncodeError> + Send + Sync,
    ) {
        link.answer_to(&self.to, &mut |writer: &mut Writer<'_>| {
            writer.tuple(2);
            writer.term(&self.tag)?;
            write(writer)
        });
    }
}

/// The alias in a tag: `[alias | Ref]`, or, from `multi_call`, `[[alias | Ref] | _]`.
fn alias_of(tag: &Term) -> Option<&Reference> {
    let first = match tag {
        Term::List(elements) => elements.first(),
        Term::ImproperList(list) => list.elements().first(),
        _ => None,
    };
    alias_itself(tag).or_else(|| alias_itself(first?))
}

fn alias_itself(tag: &Term) -> Option<&Reference> {
    let Term::ImproperList(list) = tag else {
        return None;
    };
    match (list.elements(), list.tail()) {
        ([Term::Atom(alias)], Term::Reference(reference)) if alias.as_str() == "alias" => {
            Some(reference)
        }
        _ => None,
    }
}
