//! A peer made by hand: it says only what a test says, and reads only when a test does.

use beam_dist::{
    Cookie, Creation, Flags, Message, NodeName,
    control::{
        Control, Demonitor, Monitor, MonitorExit, Recipient, SpawnOptions, SpawnReply,
        SpawnRequest, Target,
    },
    frame::{Encoded, Event, Fragments, FrameDecoder, FrameEncoder, FrameLimits, TICK},
    handshake::{Challenge, Identity, Initiator, InitiatorEvent, take_packet},
};
use beam_term::{Atom, Pid, Reference, Term};
use bytes::{BufMut, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{COOKIE, within};

/// One end of a link, without a node behind it.
pub(crate) struct RawPeer {
    name: NodeName,
    node: Atom,
    stream: TcpStream,
    flags: Flags,
    encoder: FrameEncoder,
    decoder: FrameDecoder,
    received: BytesMut,
}

/// The incarnation of every such peer.
const CREATION: u32 = 77;

/// The name that nobody has, by which a node finds out whether anybody is there.
pub(crate) const PROBE: Atom = Atom::from_static("rpc_load_balancer_probe");

/// The scope of process groups, which looks for its like on every peer.
const SCOPE: Atom = Atom::from_static("rpc_load_balancer");

impl RawPeer {
    /// Takes a connection through the handshake with `node`, as `alive@127.0.0.1`.
    pub(crate) async fn initiate(mut stream: TcpStream, alive: &str, node: &NodeName) -> Self {
        let name: NodeName = format!("{alive}@127.0.0.1").parse().unwrap();
        let cookie: Cookie = COOKIE.parse().unwrap();
        let own = Identity {
            name: name.clone(),
            creation: Creation::new(CREATION),
            flags: Flags::for_node(false),
        };
        let challenge = Challenge::random().unwrap();
        let mut initiator = Initiator::new(own, node.clone(), cookie, challenge);
        let mut received = BytesMut::new();
        let established = loop {
            if let Some(packet) = initiator.outgoing() {
                stream.write_all(&packet).await.unwrap();
            }
            let packet = loop {
                if let Some(packet) = take_packet(&mut received).unwrap() {
                    break packet;
                }
                let count = within(stream.read_buf(&mut received)).await.unwrap();
                assert!(count > 0, "{}", initiator.eof());
            };
            match initiator.receive(&packet).unwrap() {
                InitiatorEvent::Continue => {}
                InitiatorEvent::Alive => initiator.confirm(true).unwrap(),
                InitiatorEvent::Established(established) => break established,
                other => panic!("{other:?}"),
            }
        };
        let limits = FrameLimits::default();
        Self {
            node: name.as_atom().clone(),
            name,
            stream,
            flags: established.flags,
            encoder: FrameEncoder::new(established.flags, limits),
            decoder: FrameDecoder::new(established.flags, limits),
            received,
        }
    }

    /// Makes it a violation to begin more fragmented messages than this at a time.
    pub(crate) fn assemble_at_most(&mut self, sequences: usize) {
        let limits = FrameLimits {
            sequences,
            ..FrameLimits::default()
        };
        self.decoder = FrameDecoder::new(self.flags, limits);
    }

    pub(crate) fn name(&self) -> &NodeName {
        &self.name
    }

    /// A pid of this peer.
    pub(crate) fn pid(&self, id: u32) -> Pid {
        Pid {
            node: self.node.clone(),
            id,
            serial: 0,
            creation: CREATION,
        }
    }

    /// A reference of this peer.
    pub(crate) fn reference(&self, id: u32) -> Reference {
        Reference::new(self.node.clone(), CREATION, &[id, 0, 0]).unwrap()
    }

    /// Sends a control message without a payload.
    pub(crate) async fn send(&mut self, control: Control) {
        let mut frame = BytesMut::new();
        self.encoder.encode(&control, &mut frame).unwrap();
        self.write(&frame).await;
    }

    /// Sends a control message with a payload.
    pub(crate) async fn send_with(&mut self, control: Control, payload: &Term) {
        let frames = self.encode(&control, payload);
        self.write(&frames).await;
    }

    /// The frame of a message without a payload.
    pub(crate) fn encode_bare(&self, control: &Control, frame: &mut BytesMut) {
        self.encoder.encode(control, frame).unwrap();
    }

    /// The frames of a message.
    pub(crate) fn encode(&self, control: &Control, payload: &Term) -> BytesMut {
        let mut frames = BytesMut::new();
        let encoded = self
            .encoder
            .encode_with(control, |writer| writer.term(payload), &mut frames);
        match encoded.unwrap() {
            Encoded::Whole => {}
            Encoded::Fragmented(fragments) => fragments.for_each(|fragment| frames.put(fragment)),
        }
        frames
    }

    /// The frames of a message that is long enough to have more than one.
    pub(crate) fn fragments(&self, control: &Control, payload: &Term) -> Fragments {
        let write = |writer: &mut beam_term::Writer<'_>| writer.term(payload);
        match self
            .encoder
            .encode_with(control, write, &mut BytesMut::new())
        {
            Ok(Encoded::Fragmented(fragments)) => fragments,
            other => panic!("{other:?}"),
        }
    }

    /// Writes bytes as they are.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        within(self.stream.write_all(bytes)).await.unwrap();
    }

    /// The next message that is not about process groups, nor a probe.
    pub(crate) async fn next(&mut self) -> Message {
        within(self.read())
            .await
            .unwrap_or_else(|| panic!("the link of {} was closed", self.name))
    }

    /// The next message, with the scope's among them; `None` at the end of the link.
    pub(crate) async fn next_of_any_kind(&mut self) -> Option<Message> {
        loop {
            match self.decoder.decode(&mut self.received).unwrap() {
                Some(Event::Message(message)) => return Some(message),
                Some(Event::Refused { control, error }) => panic!("{control:?}: {error}"),
                Some(_) => {}
                None => match self.stream.read_buf(&mut self.received).await {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => return None,
                },
            }
        }
    }

    /// Waits until the node closes the link.
    pub(crate) async fn closed(&mut self) {
        within(async { while self.next_of_any_kind().await.is_some() {} }).await;
    }

    /// Waits until the node has dealt with all that was sent: a monitor on a name that nobody has
    /// is answered at once, and in turn.
    pub(crate) async fn settle(&mut self) {
        let reference = self.reference(u32::MAX >> 14);
        self.send(self.monitor(Target::Name(Atom::from_static("nobody")), &reference))
            .await;
        match self.next().await {
            Message {
                control: Control::MonitorExit(exit),
                ..
            } if exit.reference == reference => {}
            other => panic!("{other:?}"),
        }
    }

    /// Waits for a tick.
    pub(crate) async fn read_tick(&mut self) {
        let tick = async {
            loop {
                match self.decoder.decode(&mut self.received).unwrap() {
                    Some(Event::Tick) => return,
                    Some(_) => {}
                    None => {
                        let count = self.stream.read_buf(&mut self.received).await.unwrap();
                        assert!(count > 0, "the link of {} was closed", self.name);
                    }
                }
            }
        };
        within(tick).await;
    }

    /// Gives a sign of life.
    pub(crate) async fn write_tick(&mut self) {
        self.write(&TICK).await;
    }

    /// Writes bytes that nobody may take any more.
    pub(crate) async fn write_late(&mut self, bytes: &[u8]) {
        // The node may have closed the link already.
        let _ = within(self.stream.write_all(bytes)).await;
    }

    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    async fn read(&mut self) -> Option<Message> {
        loop {
            let message = self.next_of_any_kind().await?;
            let is_passed_over = match &message.control {
                Control::Monitor(Monitor { to, .. }) | Control::Demonitor(Demonitor { to, .. }) => {
                    [
                        Target::Name(PROBE),
                        Target::Name(SCOPE),
                        Target::Pid(self.scope()),
                    ]
                    .contains(to)
                }
                Control::Send(send) => {
                    [Recipient::Name(SCOPE), Recipient::Pid(self.scope())].contains(&send.to)
                }
                _ => false,
            };
            if !is_passed_over {
                return Some(message);
            }
        }
    }
}

/// Messages, as a node would say them.
impl RawPeer {
    pub(crate) fn monitor(&self, to: Target, reference: &Reference) -> Control {
        Control::Monitor(Monitor {
            from: self.pid(1),
            to,
            reference: reference.clone(),
        })
    }

    pub(crate) fn message(&self, to: Recipient) -> Control {
        Control::Send(beam_dist::control::SendTo {
            from: Some(self.pid(1)),
            to,
            priority: false,
            token: None,
        })
    }

    /// A request to run a function, and the options for its process.
    pub(crate) fn spawn(
        &self,
        request: &Reference,
        (module, function, arity): (&'static str, &'static str, u32),
        options: SpawnOptions,
    ) -> Control {
        Control::SpawnRequest(SpawnRequest {
            request: request.clone(),
            from: self.pid(1),
            group_leader: self.pid(2),
            module: Atom::from_static(module),
            function: Atom::from_static(function),
            arity,
            options,
            token: None,
        })
    }

    /// What `erpc:call` sends.
    pub(crate) async fn call(
        &mut self,
        request: &Reference,
        (module, function): (&'static str, &'static str),
        arguments: impl IntoIterator<Item = Term>,
    ) {
        self.call_within(request, None, (module, function), arguments)
            .await;
    }

    /// The same of a caller that tells how many milliseconds it waits.
    pub(crate) async fn call_within(
        &mut self,
        request: &Reference,
        deadline_ms: Option<u64>,
        (module, function): (&'static str, &'static str),
        arguments: impl IntoIterator<Item = Term>,
    ) {
        let options = SpawnOptions {
            monitor: true,
            deadline_ms,
            ..SpawnOptions::default()
        };
        let control = self.spawn(request, ("erpc", "execute_call", 4), options);
        let payload = Term::list([
            Term::from(request.clone()),
            Term::atom(module),
            Term::atom(function),
            Term::list(arguments),
        ]);
        self.send_with(control, &payload).await;
    }

    /// The reply to a request: the process that was started, or why there is none.
    pub(crate) async fn spawn_reply(&mut self) -> SpawnReply {
        match self.next().await.control {
            Control::SpawnReply(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    /// The end of a process that was monitored, and its reason.
    pub(crate) async fn monitor_exit(&mut self) -> (MonitorExit, Term) {
        let message = self.next().await;
        match (message.control, message.payload) {
            (Control::MonitorExit(exit), Some(reason)) => (exit, reason.decode().unwrap()),
            other => panic!("{other:?}"),
        }
    }

    /// The next request of the node to run a function, with its arguments.
    pub(crate) async fn spawn_request(&mut self) -> (SpawnRequest, Term) {
        let message = self.next().await;
        match (message.control, message.payload) {
            (Control::SpawnRequest(request), Some(arguments)) => {
                (request, arguments.decode().unwrap())
            }
            other => panic!("{other:?}"),
        }
    }

    /// Answers a request of the node: it was started, as this process.
    pub(crate) async fn started(&mut self, request: &SpawnRequest, process: &Pid) {
        self.send(Control::SpawnReply(SpawnReply {
            request: request.request.clone(),
            to: request.from.clone(),
            linked: false,
            monitored: request.options.monitor,
            result: Ok(process.clone()),
            token: None,
        }))
        .await;
    }

    /// The end of the process of a request; its payload is the reason.
    pub(crate) fn end(request: &SpawnRequest, process: &Pid) -> Control {
        Control::MonitorExit(MonitorExit {
            from: Target::Pid(process.clone()),
            to: request.from.clone(),
            reference: request.request.clone(),
        })
    }

    /// Ends the process of a request with this reason.
    pub(crate) async fn ended(&mut self, request: &SpawnRequest, process: &Pid, reason: &Term) {
        self.send_with(Self::end(request, process), reason).await;
    }

    /// Sends a message to the scope of process groups.
    pub(crate) async fn tell_scope(&mut self, message: &Term) {
        let to_scope = self.message(Recipient::Name(SCOPE));
        self.send_with(to_scope, message).await;
    }

    /// The process that stands for the scope of this peer.
    pub(crate) fn scope(&self) -> Pid {
        self.pid(100)
    }

    /// Tells that this peer has one process in one group, and nothing else.
    pub(crate) async fn announce(&mut self, group: &Term) {
        self.announce_by(group, self.pid(101)).await;
    }

    async fn announce_by(&mut self, group: &Term, process: Pid) {
        let memberships = Term::list([Term::tuple([group.clone(), Term::list([process.into()])])]);
        let sync = Term::tuple([Term::atom("sync"), self.scope().into(), memberships]);
        let cast = Term::tuple([Term::atom("$gen_cast"), sync]);
        self.tell_scope(&cast).await;
    }

    /// Says that this peer takes deadlines, and has no groups.
    pub(crate) async fn take_deadlines(&mut self) {
        let introduction = "{'$published', rpc_load_balancer, 1, #{features => [deadline_ms]}}";
        self.announce_by(&introduction.parse().unwrap(), self.scope())
            .await;
    }

    /// What an `erpc` server makes of a result.
    pub(crate) fn returned(request: &SpawnRequest, value: Term) -> Term {
        Term::tuple([
            Term::from(request.request.clone()),
            Term::atom("return"),
            value,
        ])
    }
}
