//! Encoding value trees, without recursion.

use std::slice;

use bytes::{Bytes, BytesMut};

use super::bounds::{check_arity, check_free, countable};
use crate::{EncodeError, Fun, Map, MapIter, Term, Writer, encode::patch::ClosureMark};

impl Term {
    /// Encodes the term in the external format, as `term_to_binary` does.
    ///
    /// Fails only for what no node could decode: a binary of 4 GiB, a tuple of 2²⁴ elements, an integer of more than 524,280
    /// bytes, a closure with more than 255 values, and a term in a local format inside of another.
    ///
    /// ```
    /// use beam_term::Term;
    ///
    /// assert_eq!(Term::atom("ok").to_bytes()?, b"\x83w\x02ok".as_slice());
    /// # Ok::<(), beam_term::EncodeError>(())
    /// ```
    pub fn to_bytes(&self) -> Result<Bytes, EncodeError> {
        let mut buffer = BytesMut::new();
        let mut writer = Writer::new(&mut buffer);
        writer.version();
        writer.term(self)?;
        Ok(buffer.freeze())
    }
}

impl Writer<'_> {
    /// A whole term, however deep.
    ///
    /// Fails only for what no node could decode, as [`Term::to_bytes`] does.
    pub fn term(&mut self, term: &Term) -> Result<(), EncodeError> {
        let mut open = Vec::new();
        self.step(term, &mut open)?;
        while let Some(innermost) = open.last_mut() {
            let next = match innermost {
                Open::Elements(elements) => elements.next(),
                Open::Map { entries, value } => value.take().or_else(|| {
                    let (key, next_value) = entries.next()?;
                    *value = Some(next_value);
                    Some(key)
                }),
                Open::Tail(tail) => tail.take(),
                Open::Closure(_) => None,
            };
            match next {
                Some(term) => self.step(term, &mut open)?,
                None => {
                    if let Some(Open::Closure(mark)) = open.pop() {
                        self.close_closure(mark);
                    }
                }
            }
        }
        Ok(())
    }

    /// A whole fun.
    pub(crate) fn fun(&mut self, fun: &Fun) -> Result<(), EncodeError> {
        match fun {
            Fun::Export {
                module,
                function,
                arity,
            } => self.export(module, function, *arity),
            Fun::Closure(closure) => {
                check_free(closure.free.len())?;
                let mark = self.open_closure(closure, closure.free.len());
                closure.free.iter().try_for_each(|term| self.term(term))?;
                self.close_closure(mark);
            }
        }
        Ok(())
    }

    /// Writes a scalar or the head of a container, and notes what is to follow.
    fn step<'t>(&mut self, term: &'t Term, open: &mut Vec<Open<'t>>) -> Result<(), EncodeError> {
        match term {
            Term::Integer(value) => self.integer_ref(value)?,
            Term::Float(value) => self.float(*value),
            Term::Atom(atom) => self.atom(atom),
            Term::Reference(reference) => self.reference(reference),
            Term::Fun(fun) => match &**fun {
                Fun::Export {
                    module,
                    function,
                    arity,
                } => self.export(module, function, *arity),
                Fun::Closure(closure) => {
                    check_free(closure.free.len())?;
                    let mark = self.open_closure(closure, closure.free.len());
                    open.push(Open::Closure(mark));
                    open.push(Open::Elements(closure.free.iter()));
                }
            },
            Term::Port(port) => self.port(port),
            Term::Pid(pid) => self.pid(pid),
            Term::Tuple(elements) => {
                check_arity(elements.len())?;
                self.tuple(elements.len());
                open.push(Open::Elements(elements.iter()));
            }
            Term::Map(map) => {
                countable("a map", map.len())?;
                self.map(map.len());
                open.push(Open::map(map));
            }
            Term::List(elements) if elements.is_empty() => self.nil(),
            Term::List(elements) => {
                countable("a list", elements.len())?;
                if !self.string(elements) {
                    self.list(elements.len());
                    open.push(Open::Tail(Some(&NIL)));
                    open.push(Open::Elements(elements.iter()));
                }
            }
            Term::ImproperList(list) => {
                countable("a list", list.elements().len())?;
                self.list(list.elements().len());
                open.push(Open::Tail(Some(list.tail())));
                open.push(Open::Elements(list.elements().iter()));
            }
            Term::Binary(bytes) => {
                countable("a binary", bytes.len())?;
                self.shared_binary(bytes);
            }
            Term::BitString(bits) => {
                countable("a bit string", bits.as_bytes().len())?;
                self.bit_string(bits);
            }
            Term::Opaque(opaque) => self.opaque(opaque)?,
        }
        Ok(())
    }

    /// Writes a list that OTP would send as bytes: a short one of small integers only. Tells whether it did.
    fn string(&mut self, elements: &[Term]) -> bool {
        let byte = |term: &Term| u8::try_from(term.as_i64()?).ok();
        if u16::try_from(elements.len()).is_err()
            || !elements.iter().all(|term| byte(term).is_some())
        {
            return false;
        }
        let bytes: Vec<u8> = elements.iter().filter_map(byte).collect();
        self.string_list(&bytes);
        true
    }
}

/// What is to follow the heads that are written.
enum Open<'t> {
    Elements(slice::Iter<'t, Term>),
    Map {
        entries: MapIter<'t>,
        value: Option<&'t Term>,
    },
    Tail(Option<&'t Term>),
    Closure(ClosureMark),
}

impl<'t> Open<'t> {
    fn map(map: &'t Map) -> Self {
        Self::Map {
            entries: map.iter(),
            value: None,
        }
    }
}

static NIL: Term = Term::nil();
