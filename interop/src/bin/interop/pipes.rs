//! This end of the pipes between a node and its test; the packets are those of `evaluator.erl`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use beam_term::Term;
use tokio::sync::mpsc;

/// A command to be answered under its number.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) number: u64,
    pub(crate) source: String,
    is_printed: bool,
}

/// Where answers go.
#[derive(Clone, Debug)]
pub(crate) struct Answers(Arc<Mutex<File>>);

/// The request that asks whether this node is ready.
const READY: u64 = 0;

/// Before the text of a command: its number, a session, its kind, the form of the answer, and how many
/// variables it has, which is none.
const HEADER_BYTES: usize = 8 + 8 + 1 + 1 + 2;

/// Takes the pipes. The commands end with the test, or with its process.
pub(crate) fn open() -> io::Result<(mpsc::UnboundedReceiver<Command>, Answers)> {
    let mut input = File::open("/dev/fd/3")?;
    let output = File::options().write(true).open("/dev/fd/4")?;
    // The first packet is what would make a node of OTP answer.
    packet(&mut input)?;
    let (sender, commands) = mpsc::unbounded_channel();
    thread::spawn(move || {
        while let Ok(packet) = packet(&mut input) {
            let Some((header, source)) = packet.split_at_checked(HEADER_BYTES) else {
                return;
            };
            let command = Command {
                number: u64::from_be_bytes(header[..8].try_into().unwrap_or_default()),
                source: String::from_utf8_lossy(source).into_owned(),
                is_printed: header[17] == b'p',
            };
            if sender.send(command).is_err() {
                return;
            }
        }
    });
    Ok((commands, Answers(Arc::new(Mutex::new(output)))))
}

impl Answers {
    /// Tells that this node can be given commands.
    pub(crate) fn ready(&self) -> io::Result<()> {
        let name = Term::atom("ready").to_bytes().map_err(io::Error::other)?;
        self.send(READY, &[&[0], &name])
    }

    pub(crate) fn answer(
        &self,
        command: &Command,
        outcome: Result<Term, String>,
    ) -> io::Result<()> {
        let bytes = |term: &Term| term.to_bytes().map_err(io::Error::other);
        match outcome {
            Ok(term) if command.is_printed => {
                self.send(command.number, &[&[0], term.to_string().as_bytes()])
            }
            Ok(term) => self.send(command.number, &[&[0], &bytes(&term)?]),
            Err(text) => {
                let class = b"error";
                let length = (text.len() as u32).to_be_bytes();
                let reason = bytes(&Term::binary(text.clone()))?;
                let head = [1, class.len() as u8];
                self.send(
                    command.number,
                    &[&head, class, &length, text.as_bytes(), &reason],
                )
            }
        }
    }

    fn send(&self, number: u64, parts: &[&[u8]]) -> io::Result<()> {
        let mut packet = number.to_be_bytes().to_vec();
        for part in parts {
            packet.extend_from_slice(part);
        }
        let length = (packet.len() as u32).to_be_bytes();
        let mut output = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        output.write_all(&[&length, &*packet].concat())
    }
}

fn packet(input: &mut File) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    let mut packet = vec![0; u32::from_be_bytes(length) as usize];
    input.read_exact(&mut packet)?;
    Ok(packet)
}
