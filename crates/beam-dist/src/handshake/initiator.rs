//! The side that connects.

use bytes::Bytes;

use super::challenge::Digest;
use super::packet::{Ack, ChallengePacket, Name, Reply, Status};
use super::{Challenge, Established, HandshakeError, Identity, Stage};
use crate::node_name;
use crate::{Cookie, Creation, Flags, InvalidNodeName, NodeName};

/// The side of a handshake that made the connection.
///
/// Its driver sends what [`Initiator::outgoing`] gives, first right after it was made, then after
/// each call; feeds it each packet that arrives with [`Initiator::receive`]; and asks
/// [`Initiator::eof`] what it means when the peer closes the connection.
#[derive(Debug)]
pub struct Initiator {
    own: Own,
    dialled: NodeName,
    cookie: Cookie,
    challenge: Challenge,
    outgoing: Option<Bytes>,
    proved: bool,
    state: State,
}

impl Initiator {
    /// Begins a handshake with the node named `peer`, as the node that `own` describes.
    pub fn new(own: Identity, peer: NodeName, cookie: Cookie, challenge: Challenge) -> Self {
        let introduction = Name {
            flags: own.flags,
            creation: own.creation,
            latin1: &own.name.to_latin1(),
        };
        let outgoing = Some(introduction.encode());

        Self {
            own: Own::Named(own),
            dialled: peer,
            cookie,
            challenge,
            outgoing,
            proved: false,
            state: State::Status,
        }
    }

    /// Begins a handshake with the node named `peer`, as a node that has no name yet and asks that
    /// peer for one on `host`.
    ///
    /// Nodes since OTP 23 give names. The one given is in [`Established::own`] and must be used
    /// towards all other nodes too. Without a name a node is hidden, whatever `flags` say.
    ///
    /// # Errors
    ///
    /// When no name on this host could be valid.
    pub fn nameless(
        host: &str,
        flags: Flags,
        peer: NodeName,
        cookie: Cookie,
        challenge: Challenge,
    ) -> Result<Self, InvalidNodeName> {
        let host = node_name::checked_host(host)?;
        let flags = (flags | Flags::NAME_ME) - Flags::PUBLISHED;
        let introduction = Name {
            flags,
            creation: Creation::UNKNOWN,
            latin1: &node_name::to_latin1(&host),
        };
        let outgoing = Some(introduction.encode());

        Ok(Self {
            own: Own::Nameless { host, flags },
            dialled: peer,
            cookie,
            challenge,
            outgoing,
            proved: false,
            state: State::Status,
        })
    }

    /// What is to be sent now, if anything. Each packet is given once.
    pub fn outgoing(&mut self) -> Option<Bytes> {
        self.outgoing.take()
    }

    /// Takes a packet from the peer, without its length.
    ///
    /// # Errors
    ///
    /// Every error ends the handshake.
    pub fn receive(&mut self, packet: &[u8]) -> Result<InitiatorEvent, HandshakeError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Status => self.receive_status(Status::decode(packet, Stage::Status)?),
            State::Challenge => self.receive_challenge(ChallengePacket::decode(packet)?),
            State::Ack { identity, peer } => self.receive_ack(identity, peer, Ack::decode(packet)?),
            State::Alive | State::Over => Err(HandshakeError::OutOfTurn),
        }
    }

    /// Answers [`InitiatorEvent::Alive`]: whether to go on.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::AliveRefused`] if not, which the peer is told. Every error ends the
    /// handshake.
    pub fn confirm(&mut self, go_on: bool) -> Result<(), HandshakeError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Alive if go_on => {
                self.outgoing = Some(Status::True.encode());
                self.state = State::Challenge;
                Ok(())
            }
            State::Alive => {
                self.outgoing = Some(Status::False.encode());
                Err(HandshakeError::AliveRefused {
                    peer: self.dialled.clone(),
                })
            }
            _ => Err(HandshakeError::OutOfTurn),
        }
    }

    /// Whether the proof that the own node knows the cookie was made. Once it is sent, the peer may
    /// take the link for established, whatever becomes of this side.
    pub fn has_proved(&self) -> bool {
        self.proved
    }

    /// What it means that the peer closed the connection now.
    pub fn eof(&self) -> HandshakeError {
        match self.state {
            State::Status => HandshakeError::Closed {
                stage: Stage::Status,
            },
            State::Alive | State::Challenge => HandshakeError::Closed {
                stage: Stage::Challenge,
            },
            State::Ack { .. } => HandshakeError::CookieRefused {
                peer: self.dialled.clone(),
            },
            State::Over => HandshakeError::OutOfTurn,
        }
    }

    fn receive_status(&mut self, status: Status) -> Result<InitiatorEvent, HandshakeError> {
        let peer = self.dialled.clone();

        match (status, &self.own) {
            (Status::Nok | Status::NotAllowed, Own::Named(own)) if own.name == peer => {
                Err(HandshakeError::OwnName { name: peer })
            }
            (Status::NotAllowed, _) => Err(HandshakeError::NotAllowed { peer }),
            (Status::Named { name, creation }, Own::Nameless { host, flags }) => {
                if name.host() != host {
                    let host = host.clone();
                    return Err(HandshakeError::NameForOtherHost { given: name, host });
                }
                self.own = Own::Named(Identity {
                    name,
                    creation,
                    flags: *flags,
                });
                self.state = State::Challenge;
                Ok(InitiatorEvent::Continue)
            }
            (_, Own::Nameless { .. }) => Err(HandshakeError::NoNameGiven { peer }),
            (Status::Ok | Status::OkSimultaneous, _) => {
                self.state = State::Challenge;
                Ok(InitiatorEvent::Continue)
            }
            (Status::Nok, _) => Err(HandshakeError::SimultaneousLost { peer }),
            (Status::Alive, _) => {
                self.state = State::Alive;
                Ok(InitiatorEvent::Alive)
            }
            (status @ (Status::True | Status::False | Status::Named { .. }), _) => {
                Err(status.unexpected())
            }
        }
    }

    fn receive_challenge(
        &mut self,
        packet: ChallengePacket<'_>,
    ) -> Result<InitiatorEvent, HandshakeError> {
        let Own::Named(own) = &self.own else {
            return Err(HandshakeError::OutOfTurn);
        };
        let answered = NodeName::from_latin1(packet.latin1)?;
        if answered != self.dialled {
            return Err(HandshakeError::WrongPeer {
                dialled: self.dialled.clone(),
                answered,
            });
        }
        let missing = packet.flags.missing_mandatory();
        if !missing.is_empty() {
            return Err(HandshakeError::MissingFlags {
                peer: answered.to_string(),
                missing,
            });
        }

        let reply = Reply {
            challenge: self.challenge.get(),
            digest: Digest::of(&self.cookie, packet.challenge),
        };
        self.outgoing = Some(reply.encode());
        self.proved = true;
        self.state = State::Ack {
            identity: own.clone(),
            peer: Identity {
                name: answered,
                creation: packet.creation,
                flags: packet.flags,
            },
        };
        Ok(InitiatorEvent::Continue)
    }

    fn receive_ack(
        &self,
        own: Identity,
        peer: Identity,
        ack: Ack,
    ) -> Result<InitiatorEvent, HandshakeError> {
        if ack.digest != Digest::of(&self.cookie, self.challenge.get()) {
            return Err(HandshakeError::CookieMismatch { peer: peer.name });
        }

        Ok(InitiatorEvent::Established(Established::between(own, peer)))
    }
}

/// What came of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InitiatorEvent {
    /// The handshake goes on.
    Continue,
    /// The peer has a link to a node of the own name and asks whether to go on all the same.
    ///
    /// To be answered by [`Initiator::confirm`]: `true` if the own node knows of no such link, which
    /// makes the peer give up the one it has.
    Alive,
    /// The link is open. Whatever the peer sends from here on are frames.
    Established(Established),
}

#[derive(Debug)]
enum Own {
    Named(Identity),
    Nameless { host: String, flags: Flags },
}

#[derive(Debug)]
enum State {
    Status,
    Alive,
    Challenge,
    Ack { identity: Identity, peer: Identity },
    Over,
}
