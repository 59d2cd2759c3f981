//! Building value trees, without recursion.

use std::mem;

use super::{
    input::{Checkpoint, truncated},
    limits::MAX_TREE_DEPTH,
};
use crate::{Closure, DecodeError, DecodeErrorKind, Fun, Map, Opaque, Reader, Term, Token};

/// Reads one term.
pub(super) fn read(reader: &mut Reader) -> Result<Term, DecodeError> {
    let limit = reader.limits.depth.min(MAX_TREE_DEPTH);
    let mut open: Vec<Open> = Vec::new();
    // The terms that open containers still claim, this one included.
    let mut claimed = 1_usize;
    loop {
        let before = reader.checkpoint();
        let start = reader.position;
        let opened = match Step::of(reader.token()?, reader, before)? {
            Step::Whole(term) => {
                claimed -= 1;
                match close(&mut open, term, start)? {
                    Some(root) => return Ok(root),
                    None => continue,
                }
            }
            Step::Open(opened) => opened,
        };
        claimed = (claimed - 1).saturating_add(opened.left);
        if claimed > reader.remaining() {
            return Err(truncated(start));
        }
        let depth = open.len();
        match (open.last_mut(), &opened.container) {
            // A list in the tail of a list continues it.
            (
                Some(Open {
                    container: Container::List(elements),
                    left: left @ 1,
                }),
                Container::List(_),
            ) => {
                elements.reserve(opened.left.min(PREALLOCATED));
                *left = opened.left;
            }
            _ if depth == limit => return Err(DecodeErrorKind::TooDeep { limit }.into()),
            _ => open.push(opened),
        }
    }
}

/// What one token makes.
enum Step {
    Whole(Term),
    Open(Open),
}

impl Step {
    fn of(token: Token, reader: &mut Reader, before: Checkpoint) -> Result<Self, DecodeError> {
        Ok(Self::Whole(match token {
            Token::Integer(value) => value.into(),
            Token::Float(value) => value.into(),
            Token::Atom(atom) => atom.into(),
            Token::Reference(reference) => reference.into(),
            Token::Export {
                module,
                function,
                arity,
            } => Term::from(Fun::Export {
                module,
                function,
                arity,
            }),
            Token::Closure { closure, free: 0 } => Term::from(Fun::Closure(*closure)),
            Token::Port(port) => port.into(),
            Token::Pid(pid) => pid.into(),
            Token::Tuple(0) => Term::tuple([]),
            Token::Map(0) => Term::Map(Map::new()),
            Token::Nil => Term::nil(),
            Token::String(bytes) => Term::list(bytes.iter().map(|&byte| Term::from(byte))),
            Token::Binary(bytes) => Term::Binary(bytes),
            Token::BitString(bits) => bits.into(),
            Token::Record { .. } => {
                reader.rewind(before);
                Term::Opaque(Opaque::new(reader.raw()?.self_contained()?))
            }
            Token::Local(_) => {
                let whole = before.position()..reader.position;
                Term::Opaque(Opaque::new(reader.shared(&whole)))
            }
            Token::Closure { closure, free } => {
                return Ok(Self::open(Container::Closure(closure), free));
            }
            Token::Tuple(arity) => {
                return Ok(Self::open(Container::Tuple(room_for(arity)), arity));
            }
            Token::Map(pairs) => {
                let entries = Vec::with_capacity(pairs.min(PREALLOCATED));
                let map = Container::Map { entries, key: None };
                return Ok(Self::open(map, 2 * pairs));
            }
            Token::List(len) => return Ok(Self::open(Container::List(room_for(len)), len + 1)),
        }))
    }

    fn open(container: Container, left: usize) -> Self {
        Self::Open(Open { container, left })
    }
}

/// A container that lacks elements.
struct Open {
    container: Container,
    /// How many terms it lacks; at least one.
    left: usize,
}

enum Container {
    Tuple(Vec<Term>),
    /// Lacks its tail, too.
    List(Vec<Term>),
    Map {
        entries: Vec<(Term, Term)>,
        key: Option<Term>,
    },
    Closure(Box<Closure>),
}

/// Hands a term to the innermost container, and the containers that it completes to those around them. Gives the outermost
/// term when that is complete.
fn close(open: &mut Vec<Open>, term: Term, offset: usize) -> Result<Option<Term>, DecodeError> {
    let mut whole = term;
    while let Some(innermost) = open.last_mut() {
        innermost.left -= 1;
        let complete = innermost.left == 0;
        match &mut innermost.container {
            Container::List(elements) if complete => {
                whole = Term::list_with_tail(mem::take(elements), whole);
                open.pop();
                continue;
            }
            Container::Tuple(elements) | Container::List(elements) => elements.push(whole),
            Container::Map { entries, key } => match key.take() {
                None => *key = Some(whole),
                Some(key) => entries.push((key, whole)),
            },
            Container::Closure(closure) => closure.free.push(whole),
        }
        match open.pop_if(|_| complete) {
            None => return Ok(None),
            Some(open) => whole = open.container.into_term(offset)?,
        }
    }
    Ok(Some(whole))
}

impl Container {
    fn into_term(self, offset: usize) -> Result<Term, DecodeError> {
        Ok(match self {
            Self::Tuple(elements) => Term::Tuple(elements),
            Self::List(elements) => Term::List(elements),
            Self::Map { entries, .. } => {
                let map = Map::from_unique(entries).ok_or(DecodeErrorKind::Malformed {
                    reason: "the end of a map that has a key twice",
                    offset,
                })?;
                Term::Map(map)
            }
            Self::Closure(closure) => Term::from(Fun::Closure(*closure)),
        })
    }
}

fn room_for(elements: usize) -> Vec<Term> {
    Vec::with_capacity(elements.min(PREALLOCATED))
}

/// For how many elements room is made before the first one has come.
const PREALLOCATED: usize = 1024;
