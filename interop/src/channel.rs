//! The control channel to a node: packets over a pair of pipes, answered in any order.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::{mpsc, oneshot};

use crate::Exception;
use crate::supervised::Log;

/// The node's side of the channel, in Erlang.
pub(crate) const EVALUATOR: &str = include_str!("evaluator.erl");

/// What `erl -eval` runs to load the evaluator, which is the first packet on the channel.
pub(crate) const BOOTSTRAP: &str = r#"
spawn(fun() -> try
    Port = open_port({fd, 3, 4}, [{packet, 4}, binary, eof]),
    Source = receive {Port, {data, Data}} -> unicode:characters_to_list(Data) end,
    Parse = fun Next(Text, Line) ->
        case erl_scan:tokens([], Text, Line) of
            {done, {ok, Tokens, End}, Rest} ->
                {ok, Form} = erl_parse:parse_form(Tokens),
                [Form | Next(Rest, End)];
            _ -> []
        end
    end,
    {ok, Module, Code} = compile:forms(Parse(Source, 1)),
    {module, Module} = code:load_binary(Module, "evaluator.erl", Code),
    Module:serve(Port)
catch Class:Reason:Stack ->
    io:put_chars(erl_error:format_exception(Class, Reason, Stack)),
    halt(1)
end end)."#;

/// The request that asks for nothing: the node answers it by itself when it is ready.
pub(crate) const READY: u64 = 0;

/// The session of expressions that are evaluated each in a process of its own.
pub(crate) const NO_SESSION: u64 = 0;

/// One request to the evaluator.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) session: u64,
    pub(crate) kind: Kind,
    pub(crate) answer: Answer,
    /// Names of variables, with their values in the external term format.
    pub(crate) bindings: Vec<(String, Bytes)>,
    pub(crate) source: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Erlang,
    Elixir,
    CloseSession,
}

/// The form in which the evaluator answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Term,
    Printed,
}

pub(crate) type Reply = Result<Bytes, Exception>;

/// The way to a node's evaluator. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    shared: Arc<Shared>,
    requests: mpsc::UnboundedSender<Bytes>,
}

impl Channel {
    /// Sends the evaluator, and starts the tasks that write requests and read replies. The receiver
    /// is answered when the node is ready.
    pub(crate) fn open(
        label: String,
        log: Arc<Log>,
        input: ChildStdin,
        output: ChildStdout,
    ) -> (Self, oneshot::Receiver<Reply>) {
        let (requests, outgoing) = mpsc::unbounded_channel();
        let (ready, wait) = oneshot::channel();
        let shared = Arc::new(Shared {
            label,
            log,
            numbers: AtomicU64::new(READY + 1),
            pending: Mutex::new(Some(HashMap::from([(READY, ready)]))),
        });
        tokio::spawn(write(outgoing, input));
        tokio::spawn(read(output, Arc::clone(&shared)));

        let channel = Self { shared, requests };
        channel.post(Bytes::from_static(EVALUATOR.as_bytes()));
        (channel, wait)
    }

    /// Sends a request at once. The receiver fails when the node goes before it answers.
    pub(crate) fn send(&self, request: &Request) -> oneshot::Receiver<Reply> {
        let (reply, wait) = oneshot::channel();
        let id = self.number();
        if let Some(pending) = self.shared.pending().as_mut() {
            pending.insert(id, reply);
        }
        self.post(request.encode(id));
        wait
    }

    /// A number that no other request or session of this node has.
    pub(crate) fn number(&self) -> u64 {
        self.shared.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn label(&self) -> &str {
        &self.shared.label
    }

    /// What the node has printed so far.
    pub(crate) fn output(&self) -> String {
        self.shared.log.text()
    }

    fn post(&self, packet: Bytes) {
        // The writer ends with the node, and then the reply's sender is dropped too.
        _ = self.requests.send(packet);
    }
}

impl Request {
    fn encode(&self, id: u64) -> Bytes {
        let mut packet = BytesMut::new();
        packet.put_u64(id);
        packet.put_u64(self.session);
        packet.put_u8(match self.kind {
            Kind::Erlang => b'e',
            Kind::Elixir => b'x',
            Kind::CloseSession => b'c',
        });
        packet.put_u8(match self.answer {
            Answer::Term => b't',
            Answer::Printed => b'p',
        });
        packet.put_u16(self.bindings.len() as u16);
        for (name, value) in &self.bindings {
            packet.put_u16(name.len() as u16);
            packet.put_slice(name.as_bytes());
            packet.put_u32(value.len() as u32);
            packet.put_slice(value);
        }
        packet.put_slice(self.source.as_bytes());
        packet.freeze()
    }
}

#[derive(Debug)]
struct Shared {
    label: String,
    log: Arc<Log>,
    numbers: AtomicU64,
    /// Who waits for which request; `None` once the node is gone.
    pending: Mutex<Option<HashMap<u64, oneshot::Sender<Reply>>>>,
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, Option<HashMap<u64, oneshot::Sender<Reply>>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write(mut outgoing: mpsc::UnboundedReceiver<Bytes>, mut input: ChildStdin) {
    while let Some(packet) = outgoing.recv().await {
        let length = (packet.len() as u32).to_be_bytes();
        if input.write_all(&length).await.is_err() || input.write_all(&packet).await.is_err() {
            return;
        }
    }
}

async fn read(output: ChildStdout, shared: Arc<Shared>) {
    let mut output = BufReader::new(output);
    while let Ok(length) = output.read_u32().await {
        let mut packet = vec![0; length as usize];
        if output.read_exact(&mut packet).await.is_err() {
            break;
        }
        let (id, reply) = decode(packet.into());
        let waiting = shared
            .pending()
            .as_mut()
            .and_then(|pending| pending.remove(&id));
        if let Some(waiting) = waiting {
            // Whoever asked may have stopped waiting.
            _ = waiting.send(reply);
        }
    }
    // Dropping the senders tells everyone who still waits.
    *shared.pending() = None;
}

fn decode(mut packet: Bytes) -> (u64, Reply) {
    let id = packet.get_u64();
    if packet.get_u8() == 0 {
        return (id, Ok(packet));
    }
    let length = packet.get_u8().into();
    let class = String::from_utf8_lossy(&packet.split_to(length)).into_owned();
    let length = packet.get_u32() as usize;
    let text = String::from_utf8_lossy(&packet.split_to(length)).into_owned();
    (
        id,
        Err(Exception {
            class,
            reason: packet,
            text,
        }),
    )
}
