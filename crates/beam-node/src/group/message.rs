//! The messages between scopes: `pg`'s of OTP 25 to 29, written in the forms that all of them read.

use beam_term::{
    Atom, DecodeError, DecodeErrorKind, EncodeError, Kind, Pid, RawTerm, Reader, Term, Writer,
};
use bytes::{Bytes, BytesMut};

use std::collections::BTreeMap;

use super::{Bound, Features, bound::name_bytes, pids::Pids};

/// What a scope tells another one.
#[derive(Debug, PartialEq)]
pub(crate) enum Message {
    /// A scope that wants to be known, and to know.
    Discover { scope: Pid },
    /// All that the sender's node has in groups.
    Sync { scope: Pid, groups: Groups },
    /// Processes joined a group.
    Join { scope: Pid, groups: Groups },
    /// Processes left groups, each as often as the number says.
    Leave {
        scope: Pid,
        pids: Vec<Pid>,
        groups: BTreeMap<Term, usize>,
    },
}

/// Groups with processes, how many memberships were left out for want of room, and what the peer says
/// of itself by a group that is none.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Groups {
    pub(super) entries: Vec<(Term, Vec<Pid>)>,
    pub(super) dropped: usize,
    pub(super) features: Features,
}

/// A term that cannot name a group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidGroup {
    /// It is too long to be kept by every node.
    #[error(
        "the name of a group takes {bytes} bytes when encoded, at most {GROUP_NAME_BYTES} are allowed"
    )]
    TooLong {
        /// How many bytes it takes.
        bytes: usize,
    },
    /// It has no encoding.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// The most bytes that the name of a group may take when encoded. `pg` allows any term, and a
/// name is kept as long as somebody is in the group.
pub(super) const GROUP_NAME_BYTES: usize = 1_024;

impl Message {
    /// Takes a message from the scope of `peer` apart, keeping no more of it than there is room for.
    ///
    /// A peer may leave more than it has room for, as what it joined beyond that was ignored. Of what
    /// is left beyond the room, that is kept which was `announced`: what the peer has in a group.
    ///
    /// Fails on whatever is not a message between scopes, and where the peer speaks for processes
    /// that are not its own.
    pub(crate) fn parse(
        message: &RawTerm,
        peer: &Atom,
        room: Bound,
        announced: &dyn Fn(&Term) -> Pids,
    ) -> Result<Self, DecodeError> {
        let mut parser = Parser { peer, room };
        let reader = &mut message.reader();
        let arity = reader.tuple()?;
        let tag = reader.atom()?;
        match (tag.as_str(), arity) {
            // With a version from OTP 29 on.
            ("discover", 2 | 3) => Ok(Self::Discover {
                scope: parser.pid(reader)?,
            }),
            ("join", 4) => {
                let scope = parser.pid(reader)?;
                let mut groups = Groups::default();
                parser.group(reader, &scope, &mut groups)?;
                Ok(Self::Join { scope, groups })
            }
            ("leave", 4) => parser.leave(reader, announced),
            ("$gen_cast", 2) => parser.cast(reader),
            _ => Err(unknown(reader)),
        }
    }
}

/// Reads the parts of a message of one peer, and no more of them than there is room for.
struct Parser<'a> {
    peer: &'a Atom,
    room: Bound,
}

impl Parser<'_> {
    fn cast(&mut self, reader: &mut Reader) -> Result<Message, DecodeError> {
        let arity = reader.tuple()?;
        let tag = reader.atom()?;
        let mut groups = Groups::default();
        match (tag.as_str(), arity) {
            ("sync", 3) => {
                let scope = self.pid(reader)?;
                reader.for_each(|reader| {
                    reader.tuple_of(2)?;
                    self.group(reader, &scope, &mut groups)
                })?;
                Ok(Message::Sync { scope, groups })
            }
            ("local_data", 4) => {
                let scope = self.pid(reader)?;
                reader.skip()?;
                for _ in 0..reader.map()? {
                    self.group(reader, &scope, &mut groups)?;
                }
                Ok(Message::Sync { scope, groups })
            }
            _ => Err(unknown(reader)),
        }
    }

    /// A scope, the processes that left, and the names of the groups that they left.
    fn leave(
        &mut self,
        reader: &mut Reader,
        announced: &dyn Fn(&Term) -> Pids,
    ) -> Result<Message, DecodeError> {
        let scope = self.pid(reader)?;
        // The names tell which processes matter.
        let mut names = reader.clone();
        names.skip()?;
        let groups = self.names(&mut names, announced)?;
        let mut leaving = Leaving {
            room: self.room.memberships,
            pids: Vec::new(),
            members: None,
        };
        let mut one = |reader: &mut Reader| {
            let pid = self.pid(reader)?;
            leaving.push(pid, || groups.keys().map(announced));
            Ok(())
        };
        match reader.peek_kind()? {
            Kind::Pid => one(reader)?,
            _ => reader.for_each(one)?,
        }
        Ok(Message::Leave {
            scope,
            pids: leaving.pids,
            groups,
        })
    }

    /// The name of a group, and after it its processes.
    fn group(
        &mut self,
        reader: &mut Reader,
        scope: &Pid,
        groups: &mut Groups,
    ) -> Result<(), DecodeError> {
        let name = name(reader)?;
        if let Some(features) = name.as_ref().and_then(Features::read) {
            if self.is_alone(reader, scope)? {
                groups.features = groups.features.or(features);
            }
            return Ok(());
        }
        let pids = self.pids(reader, &mut groups.dropped)?;
        let fitting = name.filter(|name| !pids.is_empty() && self.has_room_for(name));
        match fitting {
            Some(name) => {
                self.room.memberships -= pids.len();
                groups.entries.push((name, pids));
            }
            None => groups.dropped += pids.len(),
        }
        Ok(())
    }

    /// One process, or a list of them; counts those for which there is no room.
    fn pids(&self, reader: &mut Reader, dropped: &mut usize) -> Result<Vec<Pid>, DecodeError> {
        let mut pids = Vec::new();
        let mut one = |reader: &mut Reader| {
            let pid = self.pid(reader)?;
            if pids.len() < self.room.memberships {
                pids.push(pid);
            } else {
                *dropped += 1;
            }
            Ok(())
        };
        match reader.peek_kind()? {
            Kind::Pid => one(reader)?,
            _ => reader.for_each(one)?,
        }
        Ok(pids)
    }

    /// Whether a process, or a list of them, is this one alone: what is said of a node is said by its scope
    /// and by nobody else.
    fn is_alone(&self, reader: &mut Reader, scope: &Pid) -> Result<bool, DecodeError> {
        let (mut is_it, mut count) = (true, 0_usize);
        let mut one = |reader: &mut Reader| {
            is_it &= self.pid(reader)? == *scope;
            count += 1;
            Ok(())
        };
        match reader.peek_kind()? {
            Kind::Pid => one(reader)?,
            _ => reader.for_each(one)?,
        }
        Ok(is_it && count == 1)
    }

    /// A process of the peer.
    fn pid(&self, reader: &mut Reader) -> Result<Pid, DecodeError> {
        let offset = reader.position();
        let pid = reader.pid()?;
        if pid.node != *self.peer {
            return Err(DecodeErrorKind::Malformed {
                reason: "a process of another node",
                offset,
            }
            .into());
        }
        Ok(Pid {
            node: self.peer.clone(),
            ..pid
        })
    }

    /// The names of groups that processes left.
    fn names(
        &mut self,
        reader: &mut Reader,
        announced: &dyn Fn(&Term) -> Pids,
    ) -> Result<BTreeMap<Term, usize>, DecodeError> {
        let mut names = BTreeMap::<Term, usize>::new();
        reader.for_each(|reader| {
            let Some(name) = name(reader)? else {
                return Ok(());
            };
            match names.get_mut(&name) {
                Some(times) => *times += 1,
                None if self.has_room_for(&name) || !announced(&name).is_empty() => {
                    names.insert(name, 1);
                }
                None => {}
            }
            Ok(())
        })?;
        Ok(names)
    }

    /// Takes room for the name of a group, if there is any.
    fn has_room_for(&mut self, name: &Term) -> bool {
        let left = self.room.name_bytes.checked_sub(name_bytes(name));
        self.room.name_bytes = left.unwrap_or(self.room.name_bytes);
        left.is_some()
    }
}

/// The processes that leave groups: all for which there is room, and beyond that those that are in the
/// groups, each as often as it is.
struct Leaving {
    room: usize,
    pids: Vec<Pid>,
    /// How often each is in the groups and was not kept yet, once there is no more room.
    members: Option<BTreeMap<Pid, usize>>,
}

impl Leaving {
    fn push<I: Iterator<Item = Pids>>(&mut self, pid: Pid, groups: impl FnOnce() -> I) {
        if self.pids.len() < self.room {
            return self.pids.push(pid);
        }
        let members = self.members.get_or_insert_with(|| {
            let mut members = BTreeMap::new();
            for pids in groups() {
                for pid in pids.iter() {
                    *members.entry(pid.clone()).or_default() += 1;
                }
            }
            members
        });
        if let Some(left @ 1..) = members.get_mut(&pid) {
            *left -= 1;
            self.pids.push(pid);
        }
    }
}

/// Refuses what peers would not take as the name of a group.
pub(super) fn check_name(group: &Term) -> Result<(), InvalidGroup> {
    match group.to_bytes()?.len() {
        ..=GROUP_NAME_BYTES => Ok(()),
        bytes => Err(InvalidGroup::TooLong { bytes }),
    }
}

/// Reads the name of a group; `None` for one that is too long to be kept.
fn name(reader: &mut Reader) -> Result<Option<Term>, DecodeError> {
    if reader.peek_kind()? == Kind::Atom {
        return Ok(Some(Term::Atom(reader.atom()?.detached())));
    }
    let raw = reader.raw()?;
    if raw.encoded_len() > GROUP_NAME_BYTES {
        return Ok(None);
    }
    // References to the atom cache may stand for long names.
    let encoded = raw.to_external()?;
    if encoded.len() > GROUP_NAME_BYTES {
        return Ok(None);
    }
    Term::from_bytes(encoded).map(Some)
}

fn unknown(reader: &Reader) -> DecodeError {
    DecodeErrorKind::Malformed {
        reason: "no message between scopes",
        offset: reader.position(),
    }
    .into()
}

/// `{discover, Own}`: OTP 25 knows no form with a version, and crashes on it.
pub(super) fn discover(own: &Pid) -> Bytes {
    let mut buffer = BytesMut::new();
    let mut writer = Writer::new(&mut buffer);
    writer.tuple(2);
    writer.atom(&DISCOVER);
    writer.pid(own);
    buffer.freeze()
}

/// `{'$gen_cast', {sync, Own, [{Group, [Pid]}]}}`
pub(super) fn sync<'a>(
    own: &Pid,
    groups: impl ExactSizeIterator<Item = (&'a Term, &'a [Pid])>,
) -> Result<Bytes, EncodeError> {
    let mut buffer = BytesMut::new();
    let mut writer = Writer::new(&mut buffer);
    writer.tuple(2);
    writer.atom(&GEN_CAST);
    writer.tuple(3);
    writer.atom(&SYNC);
    writer.pid(own);
    writer.list(groups.len());
    for (group, pids) in groups {
        writer.tuple(2);
        writer.term(group)?;
        writer.list(pids.len());
        for pid in pids {
            writer.pid(pid);
        }
        writer.nil();
    }
    writer.nil();
    Ok(buffer.freeze())
}

/// `{join, Own, Group, Pid}`
pub(super) fn join(own: &Pid, group: &Term, pid: &Pid) -> Result<Bytes, EncodeError> {
    let mut buffer = BytesMut::new();
    let mut writer = Writer::new(&mut buffer);
    writer.tuple(4);
    writer.atom(&JOIN);
    writer.pid(own);
    writer.term(group)?;
    writer.pid(pid);
    Ok(buffer.freeze())
}

/// `{leave, Own, Pid, [Group]}`
pub(super) fn leave(own: &Pid, pid: &Pid, groups: &[Term]) -> Result<Bytes, EncodeError> {
    let mut buffer = BytesMut::new();
    let mut writer = Writer::new(&mut buffer);
    writer.tuple(4);
    writer.atom(&LEAVE);
    writer.pid(own);
    writer.pid(pid);
    writer.list(groups.len());
    for group in groups {
        writer.term(group)?;
    }
    writer.nil();
    Ok(buffer.freeze())
}

const DISCOVER: Atom = Atom::from_static("discover");
const GEN_CAST: Atom = Atom::from_static("$gen_cast");
const SYNC: Atom = Atom::from_static("sync");
const JOIN: Atom = Atom::from_static("join");
const LEAVE: Atom = Atom::from_static("leave");

#[cfg(test)]
mod tests;
