//! The peer: connects, says what the input tells it to, and listens to what the node says.

use std::{collections::VecDeque, time::Duration};

use beam_dist::{
    Creation, Flags, Message, NodeName,
    control::{Control, SpawnRequest},
    frame::{Encoded, TICK},
    handshake::Identity,
};
use beam_term::{Reference, Term};
use bytes::{BufMut, BytesMut};
use tokio::time::sleep;

use super::{
    book::Book,
    frames::{self, Damage},
    input::Input,
    names::Names,
    pipes::Pipes,
    wire::Wire,
};

pub(super) struct Peer {
    pipes: Pipes,
    /// Which node it is, and which other one it can be.
    name: NodeName,
    other_name: NodeName,
    node: NodeName,
    pub(super) names: Names,
    book: Book,
    flags: Flags,
    wire: Option<Wire>,
    /// Connections that were left as they are, without a word.
    left: Vec<Wire>,
    /// Requests of the node that were not answered.
    pub(super) asked: Vec<SpawnRequest>,
    damage: Option<Damage>,
    /// Into how many fragments the next message is cut.
    pieces: usize,
    /// Fragments that were not sent.
    fragments: Vec<VecDeque<Vec<u8>>>,
    sequence: u64,
    connections: usize,
}

/// More connections are not made.
const CONNECTIONS: usize = 12;

/// How many requests of the node are kept, and how many messages in fragments.
const KEPT: usize = 16;

impl Peer {
    pub(super) fn new(
        pipes: Pipes,
        [name, other_name]: [NodeName; 2],
        node: (&NodeName, Creation),
        book: Book,
        flags: Flags,
    ) -> Self {
        Self {
            names: Names::new(name.as_atom(), node.0.as_atom(), node.1.get()),
            node: node.0.clone(),
            pipes,
            name,
            other_name,
            book,
            flags,
            wire: None,
            left: Vec::new(),
            asked: Vec::new(),
            damage: None,
            pieces: 0,
            fragments: Vec::new(),
            sequence: 0,
            connections: 0,
        }
    }

    /// Connects, unless there is a connection.
    pub(super) async fn connect(&mut self) {
        if self.wire.is_some() || self.connections == CONNECTIONS {
            return;
        }
        self.connections += 1;
        if let Some(stream) = self.pipes.dial() {
            self.wire = Wire::initiate(stream, self.identity(), &self.node).await;
            self.book.connected();
        }
    }

    /// Takes connections that the node has made, each in the place of the last one.
    pub(super) async fn accept(&mut self) {
        self.pipes.listen(self.connections < CONNECTIONS);
        while let Some(stream) = self.pipes.accept() {
            self.connections += 1;
            if let Some(accepted) = Wire::accept(stream, self.identity()).await {
                self.wire = Some(accepted);
                self.asked.clear();
                self.fragments.clear();
                self.book.connected();
            }
        }
    }

    /// Ends the connection, or leaves it as it is; perhaps the next one is of another life, or of another
    /// node. Or ends one that was left.
    pub(super) fn leave(&mut self, input: &mut Input<'_>) {
        let choice = input.byte();
        if choice & 0x80 != 0 {
            return drop(self.left.pop());
        }
        self.asked.clear();
        self.fragments.clear();
        if let Some(wire) = self.wire.take()
            && choice & 1 != 0
        {
            self.left.push(wire);
        }
        if choice & 2 != 0 {
            self.names.own_creation += 1;
        }
        if choice & 4 != 0 {
            std::mem::swap(&mut self.name, &mut self.other_name);
            self.names.own = self.name.as_atom().clone();
        }
        self.flags = flags(choice >> 3);
    }

    /// Is gone for good.
    pub(super) fn end(&mut self) {
        self.wire = None;
        self.left.clear();
        self.pipes.listen(false);
    }

    /// Says something.
    pub(super) fn say(&mut self, control: &Control, payload: Option<&Term>) {
        let Some(wire) = &mut self.wire else { return };
        let mut frame = BytesMut::new();
        let encoded = match payload {
            Some(payload) => {
                wire.encoder
                    .encode_with(control, |writer| writer.term(payload), &mut frame)
            }
            None => wire
                .encoder
                .encode(control, &mut frame)
                .map(|()| Encoded::Whole),
        };
        match encoded {
            Ok(Encoded::Whole) => {}
            Ok(Encoded::Fragmented(fragments)) => fragments.for_each(|part| frame.put(part)),
            // What was not negotiated cannot be said.
            Err(_) => return,
        }
        self.book.said(control, payload);
        let mut frame = Vec::from(frame);
        if let Some(damage) = self.damage.take() {
            damage.apply(&mut frame);
            return self.say_bytes(&frame);
        }
        match std::mem::take(&mut self.pieces) {
            0 => {
                wire.said.sent(control);
                wire.queue(&frame);
            }
            pieces => {
                self.garbled();
                self.sequence += 1;
                let fragments = frames::fragments(&frame, self.sequence, pieces).into();
                self.fragments.push(fragments);
                self.fragments.truncate(KEPT);
            }
        }
    }

    /// Sends bytes of which nobody knows what they say.
    pub(super) fn say_bytes(&mut self, bytes: &[u8]) {
        self.garbled();
        if let Some(wire) = &mut self.wire {
            wire.queue(bytes);
        }
    }

    pub(super) fn tick(&mut self) {
        if let Some(wire) = &mut self.wire {
            wire.queue(&TICK);
        }
    }

    /// Sends a fragment of those that were kept back: the next one of its message, mostly.
    pub(super) fn say_fragment(&mut self, input: &mut Input<'_>) {
        if self.fragments.is_empty() {
            return;
        }
        let choice = input.byte();
        let at = usize::from(choice >> 2) % self.fragments.len();
        let fragment = match choice & 3 {
            0 => self.fragments[at].pop_back(),
            1 => self.fragments[at].front().cloned(),
            _ => self.fragments[at].pop_front(),
        };
        if self.fragments[at].is_empty() {
            self.fragments.remove(at);
        }
        if let Some(fragment) = fragment {
            self.say_bytes(&fragment);
        }
    }

    pub(super) fn damage_next(&mut self, damage: Damage) {
        self.damage = Some(damage);
    }

    pub(super) fn cut_next(&mut self, pieces: usize) {
        self.pieces = pieces;
    }

    /// Has what was said sent, and listens if it is to.
    pub(super) async fn exchange(&mut self, reads: bool) {
        for _ in 0..ROUNDS {
            let mut progress = false;
            if let Some(wire) = &mut self.wire {
                progress = wire.write().await;
                if reads {
                    progress |= wire.read().await;
                }
            }
            if reads {
                self.listen();
            }
            // The node does all that it can do at once.
            sleep(Duration::from_millis(1)).await;
            if !progress {
                break;
            }
        }
        if self.wire.as_ref().is_some_and(Wire::is_closed) {
            self.wire = None;
            self.asked.clear();
            self.fragments.clear();
        }
    }

    /// All that was asked over the connection must have its answer, if there is one.
    pub(super) fn check_all_is_answered(&self) {
        if let Some(wire) = &self.wire {
            wire.said.check_all_is_answered();
        }
    }

    /// Whether there is no connection, or one over which something was sent of which nobody knows what
    /// it says.
    pub(super) fn is_garbled(&self) -> bool {
        self.wire.as_ref().is_none_or(|wire| wire.said.is_garbled)
    }

    fn listen(&mut self) {
        let Some(wire) = &mut self.wire else { return };
        while let Some(Message { control, payload }) = wire.message() {
            let payload = payload.and_then(|payload| payload.decode().ok());
            if let Some(payload) = &payload {
                self.names.see(payload);
            }
            match control {
                Control::SpawnRequest(request) => {
                    self.names.see_reference(&request.request);
                    self.names.see_pid(&request.from);
                    self.names.see_pid(&request.group_leader);
                    if let Some(arguments) = &payload {
                        self.book.received(&request, arguments);
                    }
                    self.asked.truncate(KEPT - 1);
                    self.asked.insert(0, request);
                }
                Control::SpawnReply(reply) => {
                    if let Ok(pid) = &reply.result {
                        self.names.see_pid(pid);
                    }
                }
                Control::Monitor(monitor) => {
                    self.names.see_pid(&monitor.from);
                    self.names.see_reference(&monitor.reference);
                }
                Control::Send(send) => {
                    if let Some(from) = &send.from {
                        self.names.see_pid(from);
                    }
                }
                _ => {}
            }
        }
    }

    fn garbled(&mut self) {
        self.book.garbled();
        if let Some(wire) = &mut self.wire {
            wire.said.is_garbled = true;
        }
    }

    /// A reference of this peer, which it may have used before.
    pub(super) fn reference(&self, input: &mut Input<'_>) -> Reference {
        self.names.own_reference(input.byte())
    }

    fn identity(&self) -> Identity {
        Identity {
            name: self.name.clone(),
            creation: Creation::new(self.names.own_creation),
            flags: self.flags,
        }
    }
}

/// How often both sides take turns until the peer does something else.
const ROUNDS: usize = 64;

/// What the peer says it can do.
pub(super) fn flags(choice: u8) -> Flags {
    let visible = choice & 1 != 0;
    let all = Flags::for_node(visible);
    match choice >> 1 & 7 {
        1 => all - Flags::DIST_HDR_ATOM_CACHE,
        2 => all - Flags::FRAGMENTS - Flags::EXIT_PAYLOAD,
        3 => all - Flags::DIST_HDR_ATOM_CACHE - Flags::FRAGMENTS - Flags::EXIT_PAYLOAD,
        4 => all - Flags::ALTACT_SIG - Flags::NATIVE_RECORDS,
        5 => all - Flags::SEND_SENDER - Flags::ALTACT_SIG,
        _ => all,
    }
}
