//! Frames and control messages against what two nodes of OTP said to each other.
#![allow(clippy::unwrap_used)]

use beam_dist::{
    Flags, Message,
    frame::{Encoded, Event, FrameDecoder, FrameEncoder, FrameLimits},
};
use beam_term::{RawTerm, Reader};
use bytes::{BufMut, Bytes, BytesMut};

const SESSION: &str = include_str!("captures/session.txt");

/// What both nodes announce.
const OTP_25: Flags = Flags::from_bits_retain(0xd_07df_7fbd);

#[test]
fn every_message_decodes_to_what_was_said_and_encodes_to_the_same() {
    let encoder = FrameEncoder::new(OTP_25, FrameLimits::default());
    let (mut w1, mut c) = (decoder(), decoder());

    for said in said() {
        let from = if said.node == "w1" { &mut w1 } else { &mut c };
        let heard = only_message(from, &said.frames);
        assert_eq!(printed(heard.payload.as_ref()), said.payload);

        let encoded = encode(&encoder, &heard);
        assert_eq!(control(&encoded), said.control);
        let again = only_message(&mut decoder(), &encoded);
        assert_eq!(again.control, heard.control);
        assert_eq!(printed(again.payload.as_ref()), said.payload);
    }
}

#[test]
fn a_link_can_be_read_byte_by_byte() {
    for node in ["w1", "c"] {
        let said: Vec<_> = said().filter(|said| said.node == node).collect();
        let mut decoder = decoder();
        let mut buffer = BytesMut::new();
        let mut payloads = Vec::new();

        for byte in said.iter().flat_map(|said| &said.frames) {
            buffer.put_u8(*byte);
            if let Some(event) = decoder.decode(&mut buffer).unwrap() {
                payloads.push(printed(message(event).payload.as_ref()));
            }
        }
        let expected: Vec<_> = said.into_iter().map(|said| said.payload).collect();
        assert_eq!(payloads, expected);
    }
}

/// A message of the capture.
struct Said {
    node: &'static str,
    control: String,
    payload: Option<String>,
    frames: Bytes,
}

fn said() -> impl Iterator<Item = Said> {
    let paragraphs = SESSION.split("\n\n").filter(|text| !text.starts_with('#'));
    paragraphs.map(|paragraph| {
        let mut lines = paragraph.lines().map(str::trim).peekable();
        let (node, _operation) = lines.next().unwrap().split_once(' ').unwrap();
        let control = lines.next().unwrap().to_owned();
        let is_term = |line: &&str| !line.bytes().all(|byte| byte.is_ascii_hexdigit());
        let payload = lines.next_if(is_term).map(str::to_owned);
        let frames = lines.flat_map(bytes).collect();
        Said {
            node,
            control,
            payload,
            frames,
        }
    })
}

/// The bytes of a line.
fn bytes(line: &str) -> Vec<u8> {
    let byte = |digits: &str| u8::from_str_radix(digits, 16).unwrap();
    match line.split_once(" * ") {
        Some((digits, times)) => vec![byte(digits); times.parse().unwrap()],
        None => {
            let pairs = line.as_bytes().chunks(2);
            pairs
                .map(|pair| byte(str::from_utf8(pair).unwrap()))
                .collect()
        }
    }
}

fn decoder() -> FrameDecoder {
    FrameDecoder::new(OTP_25, FrameLimits::default())
}

fn only_message(decoder: &mut FrameDecoder, frames: &[u8]) -> Message {
    let mut buffer = BytesMut::from(frames);
    let message = message(decoder.decode(&mut buffer).unwrap().unwrap());
    assert!(decoder.decode(&mut buffer).unwrap().is_none());
    assert!(buffer.is_empty());
    message
}

fn message(event: Event) -> Message {
    match event {
        Event::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

fn encode(encoder: &FrameEncoder, message: &Message) -> BytesMut {
    let mut frames = BytesMut::new();
    match &message.payload {
        None => encoder.encode(&message.control, &mut frames).unwrap(),
        Some(payload) => match encoder.encode_raw(&message.control, payload, &mut frames) {
            Ok(Encoded::Whole) => (),
            Ok(Encoded::Fragmented(fragments)) => {
                fragments.for_each(|fragment| frames.put(fragment));
            }
            Err(error) => panic!("{error}"),
        },
    }
    frames
}

/// The control message in frames that this crate made, printed.
fn control(frames: &[u8]) -> String {
    let header = match frames[5] {
        68 => 7,
        _ => 23,
    };
    let mut reader = Reader::new(Bytes::copy_from_slice(&frames[header..]));
    reader.term().unwrap().to_string()
}

/// The payload as text, a binary of one repeated character as `<<"x" * 1024>>`.
fn printed(payload: Option<&RawTerm>) -> Option<String> {
    let text = payload?.decode().unwrap().to_string();
    let folded = text.split_once("<<\"").and_then(|(before, binary)| {
        let (binary, after) = binary.split_once("\">>")?;
        let first = binary.get(..1)?;
        let repeated = binary.len() > 1 && binary.matches(first).count() == binary.len();
        repeated.then(|| format!("{before}<<\"{first}\" * {}>>{after}", binary.len()))
    });
    Some(folded.unwrap_or(text))
}
