//! The side that listens.

use bytes::Bytes;

use super::challenge::Digest;
use super::packet::{Ack, ChallengePacket, Name, Reply, Status};
use super::{Challenge, Decision, Established, HandshakeError, Identity, Stage};
use crate::node_name;
use crate::{Cookie, Creation, Flags, NodeName};

/// The side of a handshake that accepted the connection.
///
/// Its driver feeds it each packet that arrives with [`Acceptor::receive`]; sends what
/// [`Acceptor::outgoing`] gives after each call, those that failed too; decides when it is asked to;
/// and asks [`Acceptor::eof`] what it means when the peer closes the connection.
#[derive(Debug)]
pub struct Acceptor {
    own: Identity,
    cookie: Cookie,
    challenge: Challenge,
    outgoing: Option<Bytes>,
    state: State,
}

impl Acceptor {
    /// Awaits a handshake as the node that `own` describes.
    pub fn new(own: Identity, cookie: Cookie, challenge: Challenge) -> Self {
        Self {
            own,
            cookie,
            challenge,
            outgoing: None,
            state: State::Name,
        }
    }

    /// What is to be sent now, if anything; it may be more than one packet. Each is given once.
    pub fn outgoing(&mut self) -> Option<Bytes> {
        self.outgoing.take()
    }

    /// Takes a packet from the peer, without its length.
    ///
    /// # Errors
    ///
    /// Every error ends the handshake. A peer that says who it is and is refused is told so before:
    /// send what is outgoing, then close.
    pub fn receive(&mut self, packet: &[u8]) -> Result<AcceptorEvent, HandshakeError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Name => self.receive_name(Name::decode(packet)?),
            State::AliveReply { peer } => {
                self.receive_alive_reply(peer, Status::decode(packet, Stage::AliveReply)?)
            }
            State::Reply { peer } => self.receive_reply(peer, Reply::decode(packet)?),
            State::Decision { .. } | State::NameWanted { .. } | State::Over => {
                Err(HandshakeError::OutOfTurn)
            }
        }
    }

    /// Answers [`AcceptorEvent::Decide`], or refuses the peer of an [`AcceptorEvent::NameMe`],
    /// which can only be refused or named.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Refused`] when the peer was turned away, which it is told: send what is
    /// outgoing, then close. Every error ends the handshake.
    pub fn decide(&mut self, decision: Decision) -> Result<(), HandshakeError> {
        match (std::mem::replace(&mut self.state, State::Over), decision) {
            (State::Decision { peer }, Decision::Ok) => self.welcome(peer, Status::Ok),
            (State::Decision { peer }, Decision::OkSimultaneous) => {
                self.welcome(peer, Status::OkSimultaneous)
            }
            (State::Decision { peer }, Decision::Alive) => {
                self.send(Status::Alive.encode());
                self.state = State::AliveReply { peer };
            }
            (State::Decision { peer }, Decision::Nok) => {
                self.send(Status::Nok.encode());
                return Err(HandshakeError::Refused {
                    peer: peer.name.to_string(),
                    decision,
                });
            }
            (State::Decision { peer }, Decision::NotAllowed) => {
                self.send(Status::NotAllowed.encode());
                return Err(HandshakeError::Refused {
                    peer: peer.name.to_string(),
                    decision,
                });
            }
            (State::NameWanted { host, .. }, _) => {
                self.send(Status::NotAllowed.encode());
                let decision = Decision::NotAllowed;
                return Err(HandshakeError::Refused {
                    peer: host,
                    decision,
                });
            }
            _ => return Err(HandshakeError::OutOfTurn),
        }
        Ok(())
    }

    /// Answers [`AcceptorEvent::NameMe`]: gives the peer a name, which no other node may have, and
    /// a creation to go with it.
    ///
    /// # Errors
    ///
    /// When the name is for another host than the peer's; the peer is refused then. Every error ends
    /// the handshake.
    pub fn give_name(&mut self, name: NodeName, creation: Creation) -> Result<(), HandshakeError> {
        let State::NameWanted { host, flags } = std::mem::replace(&mut self.state, State::Over)
        else {
            return Err(HandshakeError::OutOfTurn);
        };
        if name.host() != host {
            self.send(Status::NotAllowed.encode());
            return Err(HandshakeError::NameForOtherHost { given: name, host });
        }

        // By this flag the peer knows a node that gives names from one that does not know how to.
        self.own.flags = (self.own.flags | Flags::NAME_ME) - Flags::PUBLISHED;
        let peer = Identity {
            name: name.clone(),
            creation,
            flags,
        };
        self.welcome(peer, Status::Named { name, creation });
        Ok(())
    }

    /// What it means that the peer closed the connection now.
    pub fn eof(&self) -> HandshakeError {
        let stage = match self.state {
            State::Name => Stage::Name,
            State::AliveReply { .. } => Stage::AliveReply,
            State::Decision { .. } | State::NameWanted { .. } | State::Reply { .. } => Stage::Reply,
            State::Over => return HandshakeError::OutOfTurn,
        };
        HandshakeError::Closed { stage }
    }

    fn receive_name(&mut self, packet: Name<'_>) -> Result<AcceptorEvent, HandshakeError> {
        if packet.flags.contains(Flags::NAME_ME) {
            let host = node_name::checked_host(&node_name::from_latin1(packet.latin1))?;
            self.check_flags(&host, packet.flags)?;
            self.state = State::NameWanted {
                host: host.clone(),
                flags: packet.flags,
            };
            return Ok(AcceptorEvent::NameMe { host });
        }

        let name = NodeName::from_latin1(packet.latin1)?;
        if name == self.own.name {
            self.send(Status::NotAllowed.encode());
            return Err(HandshakeError::OwnName { name });
        }
        self.check_flags(name.as_str(), packet.flags)?;
        let peer = Identity {
            name,
            creation: packet.creation,
            flags: packet.flags,
        };
        self.state = State::Decision { peer: peer.clone() };
        Ok(AcceptorEvent::Decide(peer))
    }

    fn receive_alive_reply(
        &mut self,
        peer: Identity,
        status: Status,
    ) -> Result<AcceptorEvent, HandshakeError> {
        match status {
            Status::True => {
                self.send_challenge(peer);
                Ok(AcceptorEvent::Continue)
            }
            Status::False => Err(HandshakeError::AliveRefused { peer: peer.name }),
            other => Err(other.unexpected()),
        }
    }

    fn receive_reply(
        &mut self,
        peer: Identity,
        reply: Reply,
    ) -> Result<AcceptorEvent, HandshakeError> {
        if reply.digest != Digest::of(&self.cookie, self.challenge.get()) {
            return Err(HandshakeError::CookieMismatch { peer: peer.name });
        }

        self.send(
            Ack {
                digest: Digest::of(&self.cookie, reply.challenge),
            }
            .encode(),
        );
        Ok(AcceptorEvent::Established(Established::between(
            self.own.clone(),
            peer,
        )))
    }

    fn check_flags(&mut self, peer: &str, flags: Flags) -> Result<(), HandshakeError> {
        let missing = flags.missing_mandatory();
        if missing.is_empty() {
            return Ok(());
        }
        self.send(Status::NotAllowed.encode());
        Err(HandshakeError::MissingFlags {
            peer: peer.to_owned(),
            missing,
        })
    }

    fn welcome(&mut self, peer: Identity, status: Status) {
        self.send(status.encode());
        self.send_challenge(peer);
    }

    fn send_challenge(&mut self, peer: Identity) {
        let packet = ChallengePacket {
            flags: self.own.flags,
            challenge: self.challenge.get(),
            creation: self.own.creation,
            latin1: &self.own.name.to_latin1(),
        };
        self.send(packet.encode());
        self.state = State::Reply { peer };
    }

    fn send(&mut self, packet: Bytes) {
        self.outgoing = Some(match self.outgoing.take() {
            Some(before) => [before, packet].concat().into(),
            None => packet,
        });
    }
}

/// What came of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptorEvent {
    /// The handshake goes on.
    Continue,
    /// A peer said who it is. To be answered by [`Acceptor::decide`].
    ///
    /// None of what it said is proved yet: it has not shown that it knows the cookie.
    Decide(Identity),
    /// A peer without a name asks for one. To be answered by [`Acceptor::give_name`], or refused by
    /// [`Acceptor::decide`].
    NameMe {
        /// The host that the name must have.
        host: String,
    },
    /// The link is open once all that is outgoing was sent. Whatever the peer sends from here on
    /// are frames.
    Established(Established),
}

#[derive(Debug)]
enum State {
    Name,
    Decision { peer: Identity },
    NameWanted { host: String, flags: Flags },
    AliveReply { peer: Identity },
    Reply { peer: Identity },
    Over,
}
