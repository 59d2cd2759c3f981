//! What called functions print.

use std::sync::{Arc, Mutex};

use beam_dist::control::{Control, Recipient};
use beam_node::{Limits, Node, Output};
use beam_term::{Pid, Term};

use crate::support::{Cluster, RawPeer, eventually, within};

/// A node and a peer that prints at it.
struct Printing {
    a: Node,
    peer: RawPeer,
    leader: Pid,
    _cluster: Cluster,
}

impl Printing {
    async fn new(limits: Limits, sink: impl Fn(Output) + Send + Sync + 'static) -> Self {
        let cluster = Cluster::new();
        let a = within(cluster.builder("a").limits(limits).output(sink).start())
            .await
            .unwrap();
        let mut peer = cluster.raw_peer(&a, "raw").await;
        let call = a.call::<Term, _>(peer.name(), ("m", "f"), ());
        let call = tokio::spawn(async move { call.await });
        let (request, _) = peer.spawn_request().await;
        call.abort();
        Self {
            a,
            peer,
            leader: request.group_leader,
            _cluster: cluster,
        }
    }

    /// What the group leader answers to a request.
    async fn ask(&mut self, request: Term) -> Term {
        let message = Term::tuple([
            Term::atom("io_request"),
            Term::from(self.peer.pid(7)),
            Term::from(self.peer.reference(7)),
            request,
        ]);
        let to_leader = self.peer.message(Recipient::Pid(self.leader.clone()));
        self.peer.send_with(to_leader, &message).await;
        loop {
            let message = self.peer.next().await;
            if let Control::Send(_) = message.control {
                let reply = message.payload.unwrap().decode().unwrap();
                return reply.as_tuple().unwrap()[2].clone();
            }
        }
    }
}

fn put(text: impl Into<Term>) -> Term {
    Term::tuple([Term::atom("put_chars"), Term::atom("unicode"), text.into()])
}

fn format(control: &'static str, arguments: impl IntoIterator<Item = Term>) -> Term {
    Term::tuple([
        Term::atom("put_chars"),
        Term::atom("unicode"),
        Term::atom("io_lib"),
        Term::atom("format"),
        Term::list([Term::binary(control), Term::list(arguments)]),
    ])
}

/// A sink, and what it was given.
fn collect() -> (impl Fn(Output) + Send + Sync + 'static, Arc<Mutex<String>>) {
    let seen = Arc::new(Mutex::new(String::new()));
    let sink = {
        let seen = Arc::clone(&seen);
        move |output: Output| seen.lock().unwrap().push_str(&output.text)
    };
    (sink, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_panics_loses_one_text_and_no_other() {
    let (sink, seen) = collect();
    let limits = Limits {
        output_bytes: 1_000,
        ..Limits::default()
    };
    let mut printing = Printing::new(limits, move |output| {
        assert!(output.text != "bad");
        sink(output);
    })
    .await;

    for round in 1..=100 {
        for text in ["bad", "good"] {
            let answer = printing.ask(put(Term::binary(text))).await;
            assert_eq!(answer, Term::atom("ok"));
        }
        // What was printed before is printed by then as well.
        eventually(|| *seen.lock().unwrap() == "good".repeat(round)).await;
    }

    assert_eq!(*seen.lock().unwrap(), "good".repeat(100));
    within(printing.a.shutdown()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_as_large_as_numbers_are_bound_what_is_printed_all_the_same() {
    let (sink, seen) = collect();
    let limits = Limits {
        output_bytes: usize::MAX,
        term_depth: usize::MAX,
        ..Limits::default()
    };
    let mut printing = Printing::new(limits, sink).await;
    let deep = |levels| (0..levels).fold(Term::nil(), |inner, _| Term::list([inner]));

    assert_eq!(
        printing.ask(put(Term::binary("text\n"))).await,
        Term::atom("ok")
    );
    let latin1 = Term::list([Term::binary(vec![0xE9]), Term::from(10)]);
    let request = Term::tuple([Term::atom("put_chars"), Term::atom("latin1"), latin1]);
    assert_eq!(printing.ask(request).await, Term::atom("ok"));
    for control in ["~p~n", "~w~n", "~tp~n"] {
        let request = format(control, [deep(1_000)]);
        assert_eq!(printing.ask(request).await, Term::atom("ok"), "{control}");
    }
    let requests = (0..500).fold(put(Term::binary("last")), |inner, _| {
        Term::tuple([Term::atom("requests"), Term::list([inner])])
    });
    assert_eq!(printing.ask(requests).await, Term::atom("ok"));
    // What is deeper yet is dropped, and the link goes on.
    let to_leader = printing
        .peer
        .message(Recipient::Pid(printing.leader.clone()));
    printing.peer.send_with(to_leader, &deep(5_000)).await;
    printing.peer.settle().await;

    eventually(|| seen.lock().unwrap().ends_with("last")).await;
    let text = seen.lock().unwrap();
    assert!(text.starts_with("text\né\n"));
    assert_eq!(text.matches(&"[".repeat(1_001)).count(), 3);
}
