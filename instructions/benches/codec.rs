//! The messages of a call: encoded and decoded as its two nodes do it, without the nodes.

use std::hint::black_box;

use beam_dist::{
    Flags,
    control::{Control, MonitorExit, SpawnOptions, SpawnReply, SpawnRequest, Target},
    frame::{Encoded, Event, FrameDecoder, FrameEncoder, FrameLimits},
};
use beam_term::{Atom, Pid, RawTerm, Reference, Token, Writer};
use bytes::BytesMut;
use gungraun::{library_benchmark, library_benchmark_group};

use crate::bound::{TIMES, at_most};

const ERPC: Atom = Atom::from_static("erpc");
const EXECUTE_CALL: Atom = Atom::from_static("execute_call");
const RETURN: Atom = Atom::from_static("return");

/// The two ends of a link, and what is on its way between them.
pub(crate) struct Ends {
    caller: Pid,
    callee: Pid,
    reference: Reference,
    module: Atom,
    function: Atom,
    deadline_ms: Option<u64>,
    encoder: FrameEncoder,
    decoder: FrameDecoder,
    wire: BytesMut,
}

impl Ends {
    fn new() -> Self {
        let pid = |name, id| Pid {
            node: Atom::try_from(name).expect("it is short"),
            id,
            serial: 0,
            creation: 1_700_000_000,
        };
        let caller = pid("caller@127.0.0.1", 1);
        let negotiated = Flags::for_node(false).negotiate(Flags::for_node(false));
        Self {
            callee: pid("callee@127.0.0.1", 77),
            reference: Reference::new(caller.node.clone(), caller.creation, &[7, 11, 13])
                .expect("it has three words"),
            caller,
            module: Atom::from_static("math"),
            function: Atom::from_static("add"),
            deadline_ms: None,
            encoder: FrameEncoder::new(negotiated, FrameLimits::default()),
            decoder: FrameDecoder::new(negotiated, FrameLimits::default()),
            wire: BytesMut::with_capacity(1024 * 1024),
        }
    }

    /// What goes to a peer that takes deadlines.
    fn with_deadline() -> Self {
        Self {
            deadline_ms: Some(10_000),
            ..Self::new()
        }
    }

    fn send_request(&mut self, arguments: (i64, i64)) {
        let control = Control::SpawnRequest(SpawnRequest {
            request: self.reference.clone(),
            from: self.caller.clone(),
            group_leader: self.caller.clone(),
            module: ERPC,
            function: EXECUTE_CALL,
            arity: 4,
            options: SpawnOptions {
                monitor: true,
                deadline_ms: self.deadline_ms,
                ..SpawnOptions::default()
            },
            token: None,
        });
        let payload = |writer: &mut Writer<'_>| {
            writer.list(4);
            writer.reference(&self.reference);
            writer.atom(&self.module);
            writer.atom(&self.function);
            writer.list(2);
            writer.serialize(&arguments.0)?;
            writer.serialize(&arguments.1)?;
            writer.nil();
            writer.nil();
            Ok(())
        };
        let encoded = self.encoder.encode_with(&control, payload, &mut self.wire);
        assert!(matches!(encoded, Ok(Encoded::Whole)));
    }

    /// Gives the arguments.
    fn receive_request(&mut self) -> (i64, i64) {
        let Some((Control::SpawnRequest(request), Some(payload))) = self.message() else {
            panic!("this is a request");
        };
        assert!(request.module == ERPC && request.function == EXECUTE_CALL && request.arity == 4);
        let read = || {
            let mut reader = payload.reader();
            reader.list()?;
            black_box(reader.raw()?);
            black_box((reader.atom()?, reader.atom()?));
            let arguments = reader.raw()?;
            reader.nil()?;
            arguments.deserialize()
        };
        read().expect("two integers")
    }

    /// That the function was started, and what it returned.
    fn send_reply(&mut self, value: i64) {
        let started = Control::SpawnReply(SpawnReply {
            request: self.reference.clone(),
            to: self.caller.clone(),
            linked: false,
            monitored: true,
            result: Ok(self.callee.clone()),
            token: None,
        });
        self.encoder
            .encode(&started, &mut self.wire)
            .expect("it can be sent");
        let ended = Control::MonitorExit(MonitorExit {
            from: Target::Pid(self.callee.clone()),
            to: self.caller.clone(),
            reference: self.reference.clone(),
        });
        let reason = |writer: &mut Writer<'_>| {
            writer.tuple(3);
            writer.reference(&self.reference);
            writer.atom(&RETURN);
            writer.serialize(&value)
        };
        let encoded = self.encoder.encode_with(&ended, reason, &mut self.wire);
        assert!(matches!(encoded, Ok(Encoded::Whole)));
    }

    /// Gives what was returned.
    fn receive_reply(&mut self) -> i64 {
        let Some((Control::SpawnReply(started), None)) = self.message() else {
            panic!("this is the answer to a request");
        };
        assert!(started.request == self.reference && started.result.is_ok());
        let Some((Control::MonitorExit(ended), Some(reason))) = self.message() else {
            panic!("this is the end of a process");
        };
        assert!(ended.reference == self.reference);
        let read = || {
            let mut reader = reason.reader();
            reader.tuple_of(3)?;
            let found = reader.token()?;
            assert!(matches!(found, Token::Reference(found) if found == self.reference));
            assert!(reader.atom()? == RETURN);
            reader.deserialize()
        };
        read().expect("an integer")
    }

    fn message(&mut self) -> Option<(Control, Option<RawTerm>)> {
        match self.decoder.decode(&mut self.wire) {
            Ok(Some(Event::Message(message))) => Some((message.control, message.payload)),
            _ => None,
        }
    }
}

fn idle(mut ends: Ends) -> Ends {
    ends.send_request((1, 2));
    ends.send_reply(3);
    ends.wire.clear();
    ends
}

fn requested(mut ends: Ends) -> Ends {
    (0..=TIMES).for_each(|n| ends.send_request((n.into(), 2_000)));
    ends.receive_request();
    ends
}

fn replied(mut ends: Ends) -> Ends {
    (0..=TIMES).for_each(|n| ends.send_reply(n.into()));
    ends.receive_reply();
    ends
}

#[library_benchmark(setup = idle)]
#[bench::two_integers(args = [Ends::new()], config = at_most(1_450))]
#[bench::with_deadline(args = [Ends::with_deadline()], config = at_most(1_500))]
fn encode_request(mut ends: Ends) -> Ends {
    for n in 0..TIMES {
        ends.send_request(black_box((n.into(), 2_000)));
    }
    ends
}

#[library_benchmark(setup = requested)]
#[bench::two_integers(args = [Ends::new()], config = at_most(4_100))]
#[bench::with_deadline(args = [Ends::with_deadline()], config = at_most(4_650))]
fn decode_request(mut ends: Ends) -> Ends {
    for _ in 0..TIMES {
        black_box(ends.receive_request());
    }
    ends
}

#[library_benchmark(setup = idle)]
#[bench::an_integer(args = [Ends::new()], config = at_most(1_700))]
fn encode_reply(mut ends: Ends) -> Ends {
    for n in 0..TIMES {
        ends.send_reply(black_box(n.into()));
    }
    ends
}

#[library_benchmark(setup = replied)]
#[bench::an_integer(args = [Ends::new()], config = at_most(4_150))]
fn decode_reply(mut ends: Ends) -> Ends {
    for _ in 0..TIMES {
        black_box(ends.receive_reply());
    }
    ends
}

library_benchmark_group!(
    name = messages,
    benchmarks = [encode_request, decode_request, encode_reply, decode_reply]
);
