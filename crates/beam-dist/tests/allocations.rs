//! What a call costs in allocations.

use beam_dist::{
    Flags,
    control::{Control, SpawnOptions, SpawnRequest},
    frame::{Event, FrameDecoder, FrameEncoder, FrameLimits},
};
use beam_term::{Atom, Pid, Reference};
use bytes::BytesMut;

#[test]
fn a_call_is_encoded_and_decoded_without_an_allocation() {
    let negotiated = Flags::for_node(false).negotiate(Flags::for_node(false));
    let encoder = FrameEncoder::new(negotiated, FrameLimits::default());
    let mut decoder = FrameDecoder::new(negotiated, FrameLimits::default());
    let mut wire = BytesMut::with_capacity(64 * 1024);

    let call = |decoder: &mut FrameDecoder, wire: &mut BytesMut| {
        let control = request();
        let written = encoder.encode_with(
            &control,
            |writer| {
                writer.list(4);
                writer.reference(&reference());
                writer.atom(&Atom::from_static("math"));
                writer.atom(&Atom::from_static("add"));
                writer.list(2);
                writer.integer(1);
                writer.integer(2_000);
                writer.nil();
                writer.nil();
                Ok(())
            },
            wire,
        );
        assert!(written.is_ok());
        let Ok(Some(Event::Message(message))) = decoder.decode(wire) else {
            panic!("a message was sent");
        };
        assert!(message.control == control);
        let payload = message.payload.expect("the arguments were sent");
        let mut reader = payload.reader();
        reader.list().unwrap();
        reader.reference().unwrap();
        reader.atom().unwrap();
        reader.atom().unwrap();
        let arguments: (i64, i64) = reader.raw().unwrap().deserialize().unwrap();
        assert_eq!(arguments, (1, 2_000));
    };
    // The buffer learns to be shared.
    call(&mut decoder, &mut wire);

    let counted = allocation_counter::measure(|| {
        for _ in 0..100 {
            call(&mut decoder, &mut wire);
        }
    });
    assert_eq!(counted.count_total, 0);
}

fn request() -> Control {
    Control::SpawnRequest(SpawnRequest {
        request: reference(),
        from: pid(),
        group_leader: pid(),
        module: Atom::from_static("erpc"),
        function: Atom::from_static("execute_call"),
        arity: 4,
        options: SpawnOptions {
            monitor: true,
            deadline_ms: Some(10_000),
            ..SpawnOptions::default()
        },
        token: None,
    })
}

fn pid() -> Pid {
    Pid {
        node: Atom::from_static("caller@127.0.0.1"),
        id: 1,
        serial: 0,
        creation: 1_700_000_000,
    }
}

fn reference() -> Reference {
    Reference::new(pid().node, pid().creation, &[7, 11, 13]).expect("it has three words")
}
