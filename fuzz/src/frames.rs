use beam_dist::frame::{Encoded, Event, FrameDecodeError, FrameDecoder, FrameEncoder, FrameLimits};
use beam_dist::{Flags, Message};
use bytes::{BufMut, BytesMut};

/// Small enough for an input to reach them.
const LIMITS: FrameLimits = FrameLimits {
    message_bytes: 64 * 1024,
    sequences: 4,
    assembly_bytes: 16 * 1024,
};

/// Takes the input for what a peer sends on a link. The first byte says what was negotiated, the
/// second in which pieces the rest arrives.
///
/// The same must come of it in whichever pieces it arrives; and what was decoded must survive being
/// encoded.
pub fn frames(input: &[u8]) {
    let [negotiated, piece, stream @ ..] = input else {
        return;
    };
    let flags = negotiated_flags(*negotiated);
    let (events, error) = receive(flags, std::iter::once(stream));
    let pieces = stream.chunks(usize::from(*piece).max(1));
    let (again, same_error) = receive(flags, pieces);
    assert_eq!(events.len(), again.len());
    for (event, same) in events.iter().zip(&again) {
        assert_same(event, same);
    }
    assert_eq!(format!("{error:?}"), format!("{same_error:?}"));

    let encoder = FrameEncoder::new(flags, FrameLimits::default());
    for event in &events {
        if let Event::Message(message) = event {
            survives_encoding(&encoder, flags, message);
        }
    }
}

fn negotiated_flags(choice: u8) -> Flags {
    let all = Flags::for_node(false);
    match choice % 4 {
        0 => all,
        1 => all - Flags::DIST_HDR_ATOM_CACHE,
        2 => all - Flags::FRAGMENTS - Flags::EXIT_PAYLOAD,
        _ => all - Flags::DIST_HDR_ATOM_CACHE - Flags::FRAGMENTS - Flags::EXIT_PAYLOAD,
    }
}

/// Decodes what arrives piece by piece, up to the first error.
fn receive<'a>(
    flags: Flags,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<Event>, Option<FrameDecodeError>) {
    let mut decoder = FrameDecoder::new(flags, LIMITS);
    let mut received = BytesMut::new();
    let mut events = Vec::new();
    for piece in pieces {
        received.put_slice(piece);
        loop {
            match decoder.decode(&mut received) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
    }
    (events, None)
}

fn survives_encoding(encoder: &FrameEncoder, flags: Flags, message: &Message) {
    let mut link = BytesMut::new();
    let encoded = match &message.payload {
        None => encoder
            .encode(&message.control, &mut link)
            .map(|()| Encoded::Whole),
        Some(payload) => encoder.encode_raw(&message.control, payload, &mut link),
    };
    match encoded {
        Ok(Encoded::Whole) => {}
        Ok(Encoded::Fragmented(fragments)) => fragments.for_each(|fragment| link.put(fragment)),
        // An operation that is not known cannot be passed on.
        Err(_) => return,
    }
    let mut decoder = FrameDecoder::new(flags, FrameLimits::default());
    let event = decoder
        .decode(&mut link)
        .expect("what was encoded can be decoded");
    let event = event.expect("what was encoded is whole");
    assert_same(&event, &Event::Message(message.clone()));
    assert!(link.is_empty());
}

fn assert_same(event: &Event, other: &Event) {
    match (event, other) {
        (Event::Tick, Event::Tick) => {}
        (Event::Message(message), Event::Message(same)) => {
            assert_eq!(message.control, same.control);
            let decoded = |message: &Message| message.payload.as_ref().map(|raw| raw.decode().ok());
            assert_eq!(decoded(message), decoded(same));
        }
        (
            Event::Refused { control, error },
            Event::Refused {
                control: same,
                error: same_error,
            },
        ) => {
            assert_eq!((control, error), (same, same_error));
        }
        _ => panic!("{event:?} is not {other:?}"),
    }
}
