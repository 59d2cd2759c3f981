//! Frames and control messages between a node of OTP and a bare link, on each release.
#![allow(clippy::unwrap_used)]

use std::{net::Ipv4Addr, num::NonZeroU64, time::Duration};

use beam_dist::{
    Creation, Flags, Message,
    control::{
        Control, Demonitor, Exit, Exit2, GroupLeader, Link, Monitor, MonitorExit, Recipient,
        SendTo, SpawnOptions, SpawnReply, SpawnRequest, Target, Unlink, UnlinkAck,
    },
    epmd::{Port2Response, Request},
    frame::{Encoded, Event, FrameDecoder, FrameEncoder, FrameLimits},
    handshake::{Challenge, Identity, Initiator, InitiatorEvent, take_packet},
};
use beam_term::{Atom, Pid, Reference, Term, Writer};
use bytes::{BufMut, BytesMut};
use interop::{Beam, Epmd, Otp, eventually, on_each_release, unique_name};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const DEADLINE: Duration = Duration::from_secs(30);

on_each_release! {
    payloads_of_all_sizes_come_back_under_all_forms,
    many_large_results_arrive_in_turns,
    links_and_exits_are_understood,
    monitors_are_understood,
    messages_reach_pids_names_and_aliases_in_both_directions,
    spawn_requests_are_understood,
}

async fn payloads_of_all_sizes_come_back_under_all_forms(otp: Otp) {
    let (beam, epmd) = start(&otp).await;
    for left_out in [
        Flags::empty(),
        Flags::ALTACT_SIG,
        Flags::DIST_HDR_ATOM_CACHE,
        Flags::FRAGMENTS,
        Flags::DIST_HDR_ATOM_CACHE | Flags::FRAGMENTS,
        Flags::FRAGMENTS | Flags::EXIT_PAYLOAD,
    ] {
        let mut peer = Peer::connect_without(left_out, &beam, &epmd).await;
        for bytes in [0, 1000, 65_000, 66_000, 200_000, 3_000_000] {
            let binary = Term::binary(vec![b'x'; bytes]);
            let returned = peer.call("hd", [Term::list([binary.clone()])]).await;
            assert!(returned == binary, "{bytes} bytes without {left_out}");
        }
    }
}

async fn many_large_results_arrive_in_turns(otp: Otp) {
    let (beam, epmd) = start(&otp).await;
    let mut peer = Peer::connect(&beam, &epmd).await;
    let source = "Wait = fun() -> receive bytes -> exit(binary:copy(<<1>>, 1200000)) end end,
        [spawn(Wait) || _ <- lists:seq(1, 100)]";
    let processes = beam.eval(source).await.unwrap();
    for process in processes.as_list().unwrap().iter().cloned().map(as_pid) {
        let monitor = Monitor {
            from: peer.pid(),
            to: Target::Pid(process.clone()),
            reference: peer.reference(),
        };
        peer.send(Control::Monitor(monitor), None).await;
        peer.tell(Recipient::Pid(process), Term::atom("bytes"))
            .await;
    }
    // Nothing is read until all of them are about to end, so that many have begun to send.
    let source = "lists:any(fun erlang:is_process_alive/1, Processes)";
    let ended = async || {
        let alive = beam.expression(source).bind("Processes", &processes);
        alive.term().await.unwrap() == Term::atom("false")
    };
    eventually("the processes to end", DEADLINE, ended).await;

    for _ in 0..100 {
        let message = peer.receive().await;
        assert!(matches!(message.control, Control::MonitorExit(_)));
        assert_eq!(message.payload.unwrap().encoded_len(), 1_200_005);
    }
}

async fn links_and_exits_are_understood(otp: Otp) {
    let (beam, epmd) = start(&otp).await;
    let mut peer = Peer::connect(&beam, &epmd).await;
    let from = peer.pid();
    let spawned = async || {
        let spawned = beam.eval("spawn(fun() -> receive stop -> ok end end)");
        as_pid(spawned.await.unwrap())
    };

    let to = spawned().await;
    let link = Link {
        from: from.clone(),
        to: to.clone(),
    };
    peer.send(Control::Link(link), None).await;
    let kill = Exit2 {
        from: from.clone(),
        to: Recipient::Pid(to.clone()),
        priority: false,
        token: None,
    };
    peer.send(Control::Exit2(kill), Some(Term::atom("kill")))
        .await;
    let exit = Exit {
        from: to,
        to: from.clone(),
        token: None,
    };
    peer.expect(Control::Exit(exit), Some(Term::atom("killed")))
        .await;

    let to = spawned().await;
    let link = Link {
        from: from.clone(),
        to: to.clone(),
    };
    peer.send(Control::Link(link), None).await;
    let id = NonZeroU64::MAX;
    let unlink = Unlink {
        id: Some(id),
        from: from.clone(),
        to: to.clone(),
    };
    peer.send(Control::Unlink(unlink), None).await;
    let ack = UnlinkAck {
        id,
        from: to,
        to: from.clone(),
    };
    peer.expect(Control::UnlinkAck(ack), None).await;

    let source = "Self = self(), link(Pid), unlink(Pid), group_leader(Self, Pid),
        exit(Pid, {because, 1}), Self";
    let other = beam
        .expression(source)
        .bind("Pid", &Term::from(from.clone()));
    let other = as_pid(other.term().await.unwrap());
    let link = Link {
        from: other.clone(),
        to: from.clone(),
    };
    peer.expect(Control::Link(link), None).await;
    let message = peer.receive().await;
    assert!(matches!(
        message.control,
        Control::Unlink(Unlink { id: Some(_), .. })
    ));
    let leader = GroupLeader {
        leader: other.clone(),
        to: from.clone(),
    };
    peer.expect(Control::GroupLeader(leader), None).await;
    let exit = Exit2 {
        from: other,
        to: Recipient::Pid(from),
        priority: false,
        token: None,
    };
    let reason = Term::tuple([Term::atom("because"), Term::from(1)]);
    peer.expect(Control::Exit2(exit), Some(reason)).await;
}

async fn monitors_are_understood(otp: Otp) {
    let (beam, epmd) = start(&otp).await;
    for left_out in [Flags::empty(), Flags::FRAGMENTS | Flags::EXIT_PAYLOAD] {
        let mut peer = Peer::connect_without(left_out, &beam, &epmd).await;
        let (from, reference) = (peer.pid(), peer.reference());

        let to = Target::Name(Atom::from_static("nobody"));
        let monitor = Monitor {
            from: from.clone(),
            to: to.clone(),
            reference: reference.clone(),
        };
        peer.send(Control::Monitor(monitor), None).await;
        let exit = MonitorExit {
            from: to,
            to: from.clone(),
            reference,
        };
        peer.expect(Control::MonitorExit(exit), Some(Term::atom("noproc")))
            .await;

        let source = "M = fun(To) -> R = monitor(process, To), demonitor(R), R end,
            {self(), M(Pid), M({name, node(Pid)})}";
        let monitored = beam
            .expression(source)
            .bind("Pid", &Term::from(from.clone()))
            .term();
        let monitored = monitored.await.unwrap();
        let [watcher, by_pid, by_name] = monitored.as_tuple().unwrap() else {
            panic!("{monitored}");
        };
        let watcher = watcher.as_pid().unwrap();
        let by_name = (by_name, Target::Name(Atom::from_static("name")));
        for (reference, to) in [(by_pid, Target::Pid(from)), by_name] {
            let monitor = Monitor {
                from: watcher.clone(),
                to,
                reference: reference.as_reference().unwrap().clone(),
            };
            let Monitor {
                from,
                to,
                reference,
            } = monitor.clone();
            peer.expect(Control::Monitor(monitor), None).await;
            let demonitor = Demonitor {
                from,
                to,
                reference,
            };
            peer.expect(Control::Demonitor(demonitor), None).await;
        }
    }
}

async fn messages_reach_pids_names_and_aliases_in_both_directions(otp: Otp) {
    let (beam, epmd) = start(&otp).await;
    for left_out in [Flags::empty(), Flags::ALTACT_SIG] {
        let mut peer = Peer::connect_without(left_out, &beam, &epmd).await;
        let (own, alias) = (peer.pid(), peer.reference());
        let source = "
            register(name, self()),
            [To ! {self(), alias([reply])} || To <- [Pid, {name, node(Pid)}, Alias]],
            seq_trace:set_token(label, 17),
            Pid ! traced,
            seq_trace:set_token([]),
            Answers = [receive Answer -> Answer end || _ <- lists:seq(1, 5)],
            unregister(name),
            Answers";
        let answers = beam
            .expression(source)
            .bind("Pid", &Term::from(own.clone()))
            .bind("Alias", &Term::from(alias.clone()))
            .start();

        let recipients = [
            Recipient::Pid(own.clone()),
            Recipient::Name(Atom::from_static("name")),
            Recipient::Alias(alias),
        ];
        for recipient in recipients {
            let message = peer.receive().await;
            let payload = message.payload.unwrap().decode().unwrap();
            let [sender, alias] = payload.as_tuple().unwrap() else {
                panic!("{payload}");
            };
            let sender = sender.as_pid().unwrap();
            let sent = SendTo {
                from: Some(sender.clone()),
                to: recipient,
                priority: false,
                token: None,
            };
            assert_eq!(message.control, Control::Send(sent));

            let alias = Recipient::Alias(alias.as_reference().unwrap().clone());
            peer.tell(alias, Term::atom("alias")).await;
            if let Control::Send(SendTo {
                to: Recipient::Pid(_),
                ..
            }) = message.control
            {
                peer.tell(Recipient::Pid(sender.clone()), Term::atom("pid"))
                    .await;
                let name = Recipient::Name(Atom::from_static("name"));
                peer.tell(name, Term::atom("name")).await;
            }
        }
        let traced = peer.receive().await;
        assert!(matches!(
            traced.control,
            Control::Send(SendTo { token: Some(_), .. })
        ));
        let told = ["alias", "pid", "name", "alias", "alias"].map(Term::atom);
        assert_eq!(answers.term().await.unwrap(), Term::list(told));
    }
}

async fn spawn_requests_are_understood(otp: Otp) {
    let (beam, epmd) = start(&otp).await;
    let mut peer = Peer::connect(&beam, &epmd).await;
    let source = "Options = [link, {monitor, [{tag, down}]}, {priority, low}, {reply_tag, reply}],
        Request = spawn_request(Node, m, f, [a, 2], Options),
        receive {reply, Request, error, Reason} -> {self(), Request, Reason} end";
    let spawn = beam.expression(source).bind("Node", &peer.node()).start();

    let message = peer.receive().await;
    let Control::SpawnRequest(request) = message.control else {
        panic!("{message:?}");
    };
    assert_eq!(
        (&*request.module, &*request.function, request.arity),
        ("m", "f", 2)
    );
    let expected = SpawnOptions {
        link: true,
        monitor: true,
        deadline_ms: None,
        others: vec![Term::tuple([Term::atom("priority"), Term::atom("low")])],
    };
    assert_eq!(request.options, expected);
    let arguments = Term::list([Term::atom("a"), Term::from(2)]);
    assert_eq!(message.payload.unwrap().decode().unwrap(), arguments);

    let reply = SpawnReply {
        request: request.request.clone(),
        to: request.from.clone(),
        linked: false,
        monitored: false,
        result: Err(Atom::from_static("badopt")),
        token: None,
    };
    peer.send(Control::SpawnReply(reply), None).await;
    let told = [
        request.from.into(),
        request.request.into(),
        Term::atom("badopt"),
    ];
    assert_eq!(spawn.term().await.unwrap(), Term::tuple(told));
}

async fn start(otp: &Otp) -> (Beam, Epmd) {
    let epmd = otp.epmd().start().await.unwrap();
    let beam = otp.beam().name(unique_name("w")).epmd(&epmd).start();
    (beam.await.unwrap(), epmd)
}

fn as_pid(term: Term) -> Pid {
    term.as_pid().unwrap().clone()
}

/// A link to a node, and no more than that.
struct Peer {
    stream: TcpStream,
    name: Atom,
    received: BytesMut,
    decoder: FrameDecoder,
    encoder: FrameEncoder,
    references: u32,
}

impl Peer {
    async fn connect(beam: &Beam, epmd: &Epmd) -> Self {
        Self::connect_without(Flags::empty(), beam, epmd).await
    }

    async fn connect_without(left_out: Flags, beam: &Beam, epmd: &Epmd) -> Self {
        let alive = beam.name().split_once('@').unwrap().0;
        let mut mapper = TcpStream::connect(epmd.address()).await.unwrap();
        let request = Request::PortPlease2(alive.parse().unwrap());
        mapper.write_all(&request.encode()).await.unwrap();
        let mut answer = Vec::new();
        mapper.read_to_end(&mut answer).await.unwrap();
        let Some(Port2Response::Found(registration)) = Port2Response::decode(&answer).unwrap()
        else {
            panic!("{alive} is not registered");
        };

        let identity = Identity {
            name: format!("{}@127.0.0.1", unique_name("rust"))
                .parse()
                .unwrap(),
            creation: Creation::new(7),
            flags: Flags::for_node(false) - left_out,
        };
        let name = identity.name.as_atom().clone();
        let mut handshake = Initiator::new(
            identity,
            beam.name().parse().unwrap(),
            "interop".parse().unwrap(),
            Challenge::random().unwrap(),
        );
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, registration.port))
            .await
            .unwrap();
        let mut received = BytesMut::new();
        let link = loop {
            if let Some(packet) = handshake.outgoing() {
                stream.write_all(&packet).await.unwrap();
            }
            let packet = loop {
                match take_packet(&mut received).unwrap() {
                    Some(packet) => break packet,
                    None => assert!(stream.read_buf(&mut received).await.unwrap() > 0),
                }
            };
            match handshake.receive(&packet).unwrap() {
                InitiatorEvent::Established(link) => break link,
                InitiatorEvent::Continue => (),
                other => panic!("{other:?}"),
            }
        };
        Self {
            stream,
            name,
            received,
            decoder: FrameDecoder::new(link.flags, FrameLimits::default()),
            encoder: FrameEncoder::new(link.flags, FrameLimits::default()),
            references: 0,
        }
    }

    fn pid(&self) -> Pid {
        Pid {
            node: self.name.clone(),
            id: 1,
            serial: 0,
            creation: 7,
        }
    }

    fn reference(&mut self) -> Reference {
        self.references += 1;
        Reference::new(self.name.clone(), 7, &[self.references, 0, 0]).unwrap()
    }

    async fn send(&mut self, control: Control, payload: Option<Term>) {
        let mut out = BytesMut::new();
        match payload {
            None => self.encoder.encode(&control, &mut out).unwrap(),
            Some(payload) => {
                let write = |writer: &mut Writer<'_>| writer.term(&payload);
                match self.encoder.encode_with(&control, write, &mut out).unwrap() {
                    Encoded::Whole => (),
                    Encoded::Fragmented(fragments) => {
                        fragments.for_each(|fragment| out.put(fragment))
                    }
                }
            }
        }
        self.stream.write_all(&out).await.unwrap();
    }

    async fn receive(&mut self) -> Message {
        loop {
            match self.decoder.decode(&mut self.received).unwrap() {
                Some(Event::Tick) => (),
                Some(Event::Message(message)) => return message,
                Some(other) => panic!("{other:?}"),
                None => {
                    let read = timeout(DEADLINE, self.stream.read_buf(&mut self.received)).await;
                    assert!(read.unwrap().unwrap() > 0, "the node closed the link");
                }
            }
        }
    }

    fn node(&self) -> Term {
        self.name.clone().into()
    }

    async fn expect(&mut self, control: Control, payload: Option<Term>) {
        let message = self.receive().await;
        assert_eq!(message.control, control);
        let received = message.payload.map(|payload| payload.decode().unwrap());
        assert_eq!(received, payload);
    }

    async fn tell(&mut self, to: Recipient, message: Term) {
        let send = SendTo {
            from: Some(self.pid()),
            to,
            priority: false,
            token: None,
        };
        self.send(Control::Send(send), Some(message)).await;
    }

    /// Calls a function of the module `erlang` through `erpc`.
    async fn call<const N: usize>(&mut self, function: &'static str, args: [Term; N]) -> Term {
        let (request, result) = (self.reference(), self.reference());
        let call = Control::SpawnRequest(SpawnRequest {
            request: request.clone(),
            from: self.pid(),
            group_leader: self.pid(),
            module: Atom::from_static("erpc"),
            function: Atom::from_static("execute_call"),
            arity: 4,
            options: SpawnOptions {
                monitor: true,
                ..SpawnOptions::default()
            },
            token: None,
        });
        let args = Term::list([
            Term::from(result),
            Term::atom("erlang"),
            Term::atom(function),
            Term::list(args),
        ]);
        self.send(call, Some(args)).await;
        loop {
            let message = self.receive().await;
            if let Control::MonitorExit(exit) = message.control
                && exit.reference == request
            {
                let reason = message.payload.unwrap().decode().unwrap();
                return reason.as_tuple().unwrap()[2].clone();
            }
        }
    }
}
