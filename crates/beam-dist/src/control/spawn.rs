//! Spawning on the other node: what `erpc` and `spawn/4` are built on.

use beam_term::{Atom, DecodeError, EncodeError, Kind, Pid, Reader, Reference, Term, Writer};

use super::{ControlDecodeError, operation, token};

/// Starts a process that calls a function. The payload is the list of its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpawnRequest {
    /// Identifies the request, and the monitor if one is asked for.
    pub request: Reference,
    /// The process that asks, the parent of the new one.
    pub from: Pid,
    /// The group leader of the new process.
    pub group_leader: Pid,
    /// The module of the function to call.
    pub module: Atom,
    /// The name of the function to call.
    pub function: Atom,
    /// How many arguments it takes.
    pub arity: u32,
    /// How to start it.
    pub options: SpawnOptions,
    /// The trace token, if this is traced.
    pub token: Option<Term>,
}

/// The options of a [`SpawnRequest`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpawnOptions {
    /// `link`: link the new process to its parent.
    pub link: bool,
    /// `monitor`, also as `{monitor, Details}`, whose details concern only the parent's node: the
    /// parent watches the new process, and the reference of the monitor is the one of the request.
    pub monitor: bool,
    /// `{deadline_ms, N}`: how many milliseconds the parent still waits for the end of the new process,
    /// counted from the arrival of the request; so the time on the wire is not counted, and the clocks
    /// of the two nodes need not agree. With 0 nobody waits any more.
    ///
    /// OTP has no such option, and refuses requests with options that it has not: it is for nodes that
    /// say that they take it.
    pub deadline_ms: Option<u64>,
    /// All others, such as `{priority, low}`, in their order.
    pub others: Vec<Term>,
}

/// Answers a [`SpawnRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpawnReply {
    /// The one of the request.
    pub request: Reference,
    /// The process that asked.
    pub to: Pid,
    /// Whether the new process is linked to it.
    pub linked: bool,
    /// Whether the new process is watched by it.
    pub monitored: bool,
    /// The new process, or why there is none: `system_limit`, `badopt`, …
    pub result: Result<Pid, Atom>,
    /// The trace token, if this is traced.
    pub token: Option<Term>,
}

impl SpawnRequest {
    #[inline]
    pub(super) fn decode(operation: i64, reader: &mut Reader) -> Result<Self, ControlDecodeError> {
        let request = reader.reference()?;
        let from = reader.pid()?;
        let group_leader = reader.pid()?;
        reader.tuple_of(3)?;
        Ok(Self {
            request,
            from,
            group_leader,
            module: reader.atom()?,
            function: reader.atom()?,
            arity: reader.integer()?,
            options: SpawnOptions::decode(reader)?,
            token: token::decode(operation == operation::SPAWN_REQUEST_TT, reader)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        match self.token {
            None => {
                writer.tuple(6);
                writer.integer(operation::SPAWN_REQUEST);
            }
            Some(_) => {
                writer.tuple(7);
                writer.integer(operation::SPAWN_REQUEST_TT);
            }
        }
        writer.reference(&self.request);
        writer.pid(&self.from);
        writer.pid(&self.group_leader);
        writer.tuple(3);
        writer.atom(&self.module);
        writer.atom(&self.function);
        writer.integer(self.arity);
        self.options.encode(writer)?;
        token::encode(self.token.as_ref(), writer)
    }
}

impl SpawnOptions {
    fn decode(reader: &mut Reader) -> Result<Self, ControlDecodeError> {
        let mut options = Self::default();
        reader.for_each(|reader| match reader.peek_kind()? {
            // Nearly always the first one.
            Kind::Atom => {
                let name = reader.atom()?;
                if !options.set(&name) {
                    options.others.push(Term::Atom(name));
                }
                Ok(())
            }
            Kind::Tuple => options.decode_tuple(reader),
            _ => {
                options.others.push(reader.term()?);
                Ok(())
            }
        })?;
        Ok(options)
    }

    /// Reads an option that is a tuple. The one with the deadline comes with many requests, and is no
    /// term on its way.
    fn decode_tuple(&mut self, reader: &mut Reader) -> Result<(), DecodeError> {
        let arity = reader.tuple()?;
        if arity != 2 || reader.peek_kind()? != Kind::Atom {
            let elements = (0..arity).map(|_| reader.term());
            let elements: Vec<Term> = elements.collect::<Result<_, _>>()?;
            self.others.push(Term::tuple(elements));
            return Ok(());
        }
        let (name, value) = (reader.atom()?, reader.term()?);
        match (name.as_bytes(), &value) {
            (b"deadline_ms", Term::Integer(left)) if let Ok(left) = left.try_into() => {
                self.deadline_ms = Some(left);
            }
            (b"monitor", _) => self.monitor = true,
            _ => self.others.push(Term::tuple([Term::Atom(name), value])),
        }
        Ok(())
    }

    /// Sets the option of a name, if there is one.
    fn set(&mut self, name: &Atom) -> bool {
        match name.as_bytes() {
            b"monitor" => self.monitor = true,
            b"link" => self.link = true,
            _ => return false,
        }
        true
    }

    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        let flags = usize::from(self.link) + usize::from(self.monitor);
        let deadline = usize::from(self.deadline_ms.is_some());
        writer.list(flags + deadline + self.others.len());
        if self.link {
            writer.atom(&LINK);
        }
        if self.monitor {
            writer.atom(&MONITOR);
        }
        if let Some(deadline_ms) = self.deadline_ms {
            writer.tuple(2);
            writer.atom(&DEADLINE_MS);
            writer.integer(deadline_ms);
        }
        for option in &self.others {
            writer.term(option)?;
        }
        writer.nil();
        Ok(())
    }
}

const DEADLINE_MS: Atom = Atom::from_static("deadline_ms");
const LINK: Atom = Atom::from_static("link");
const MONITOR: Atom = Atom::from_static("monitor");

impl SpawnReply {
    #[inline]
    pub(super) fn decode(operation: i64, reader: &mut Reader) -> Result<Self, ControlDecodeError> {
        let invalid = |element| ControlDecodeError::Value { operation, element };

        let request = reader.reference()?;
        let to = reader.pid()?;
        let flags: u32 = reader.integer()?;
        let result = match reader.peek_kind()? {
            Kind::Pid => Ok(reader.pid()?),
            Kind::Atom => Err(reader.atom()?),
            _ => return Err(invalid("result")),
        };
        Ok(Self {
            request,
            to,
            linked: flags & LINKED != 0,
            monitored: flags & MONITORED != 0,
            result,
            token: token::decode(operation == operation::SPAWN_REPLY_TT, reader)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        match self.token {
            None => {
                writer.tuple(5);
                writer.integer(operation::SPAWN_REPLY);
            }
            Some(_) => {
                writer.tuple(6);
                writer.integer(operation::SPAWN_REPLY_TT);
            }
        }
        writer.reference(&self.request);
        writer.pid(&self.to);
        let linked = if self.linked { LINKED } else { 0 };
        let monitored = if self.monitored { MONITORED } else { 0 };
        writer.integer(linked | monitored);
        match &self.result {
            Ok(pid) => writer.pid(pid),
            Err(reason) => writer.atom(reason),
        }
        token::encode(self.token.as_ref(), writer)
    }
}

/// In the flags of a reply: the new process is linked to its parent.
const LINKED: u32 = 1 << 0;
/// In the flags of a reply: the parent watches the new process.
const MONITORED: u32 = 1 << 1;
