//! The node, and what its user does with it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use beam_dist::NodeName;
use beam_node::{CallContext, Epmd, Export, Limits, Listen, Mailbox, Membership, Node, Published};
use beam_term::{Binary, Term};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{COOKIE, NODE, PEERS, book::Book, input::Input, names::Names, pipes};

/// Small enough for an input to reach them.
fn limits(wait_for_room: bool, connected_peers: usize) -> Limits {
    Limits {
        calls_per_peer: 6,
        calls_per_node: 6,
        served_per_peer: 6,
        served_per_node: 6,
        served_bytes_per_peer: 16 * 1024,
        served_bytes_per_node: 24 * 1024,
        outgoing_bytes_per_peer: 16 * 1024,
        wait_for_room,
        connected_peers,
        message_bytes: 64 * 1024,
        sequences_per_link: 4,
        assembly_bytes_per_link: 64 * 1024,
        term_depth: 64,
        unauthenticated_connections: 2,
        monitors_per_peer: 8,
        memberships_per_peer: 8,
        group_name_bytes_per_peer: 512,
        output_bytes: 256,
        mailbox_messages: 4,
        mailbox_bytes: 8 * 1024,
        learned_peers: 4,
        spare_bytes_per_node: 96 * 1024,
        ..Limits::default()
    }
}

/// The longest that a function takes.
const LONGEST_MS: u64 = 3_000;

pub(super) struct User {
    pub(super) node: Node,
    peer: NodeName,
    pub(super) book: Book,
    mailbox: Mailbox,
    memberships: Vec<Membership>,
    published: Vec<Published>,
    calls: Vec<JoinHandle<()>>,
    running: Running,
    limits: Limits,
    /// What the node holds as long as nobody has connected.
    idle: usize,
}

impl User {
    /// Starts the node.
    pub(super) async fn start(input: &mut Input<'_>, peer: &NodeName) -> Self {
        let choice = input.byte();
        let limits = limits(choice & 2 != 0, if choice & 16 == 0 { 2 } else { 1 });
        let node = Node::builder(NODE)
            .cookie(COOKIE)
            .listen(Listen::from(9_100))
            .epmd(Epmd::Off)
            .visible(choice & 1 != 0)
            .address(peer.as_str(), pipes::PEER)
            .discovery(choice & 4 != 0)
            .net_ticktime(Duration::from_secs(20))
            .suspect_call_grace((choice & 8 != 0).then_some(Duration::from_millis(500)))
            .drain_timeout(Duration::from_secs(30))
            .drain_linger(Duration::ZERO)
            .limits(limits.clone())
            .output(|output| assert!(output.text.len() <= 256))
            .start()
            .await
            .expect("the node starts");
        let running = Running::default();
        export(&node, &running);
        let mailbox = node.mailbox(Some("box")).expect("the name is free");
        Self {
            peer: peer.clone(),
            book: Book::default(),
            mailbox,
            memberships: Vec::new(),
            published: Vec::new(),
            calls: Vec::new(),
            running,
            limits,
            idle: node.holdings().tasks,
            node,
        }
    }

    /// Does something.
    pub(super) async fn act(&mut self, input: &mut Input<'_>, names: &Names) {
        match input.below(12) {
            0..3 => self.call(input),
            3 => drop(self.calls.pop().map(|call| call.abort())),
            4 => {
                let argument = names.term(input);
                let (node, peer) = (self.node.clone(), self.peer.clone());
                self.spawn(async move { drop(node.cast(peer, ("m", "f"), (argument,)).await) });
            }
            5 => {
                let (pid, word, message) = (names.pid(input), names.word(input), names.term(input));
                let (node, peer, by_name) = (self.node.clone(), self.peer.clone(), input.flag());
                self.spawn(async move {
                    let _ = match by_name {
                        true => node.send((&peer, word), &message).await,
                        false => node.send(pid, &message).await,
                    };
                });
            }
            6 => self.memberships.extend(self.node.join(names.term(input))),
            7 => drop(self.memberships.pop()),
            8 => {
                let (key, value) = (names.term(input), names.term(input));
                self.published.extend(self.node.publish(key, value));
                if self.published.len() > 3 {
                    self.published.clear();
                }
            }
            9 => {
                let mut count = 0;
                while let Ok(Some(_)) = timeout(Duration::ZERO, self.mailbox.recv()).await {
                    count += 1;
                }
                assert!(count <= 4, "{count} messages waited");
            }
            10 => drop(self.node.disconnect(&self.peer)),
            _ => {
                let (node, peer) = (self.node.clone(), self.peer.clone());
                self.spawn(async move { drop(node.ping(&peer).await) });
            }
        }
        self.memberships.truncate(4);
        self.calls.retain(|call| !call.is_finished());
    }

    fn call(&mut self, input: &mut Input<'_>) {
        let open = self.book.open();
        let timeout = Duration::from_millis(input.pick(&[1, 100, 1_000, 5_000]));
        let call = self
            .node
            .call::<Term, _>(&self.peer, ("m", "f"), (open.number,))
            .timeout(timeout)
            .leave_suspect(input.flag());
        let call = async move { open.end(&call.await) };
        self.calls.push(tokio::spawn(call));
    }

    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.calls.push(tokio::spawn(task));
    }

    /// Whatever the peer does, the node holds no more than this.
    pub(super) fn check_bounds(&self) {
        let limits = &self.limits;
        let held = self.node.holdings();
        let own = OWN_PROCESSES + self.memberships.len() + self.published.len();
        assert!(held.processes <= own + limits.served_per_node, "{held:?}");
        // That to which the node connects itself is never one too many.
        assert!(held.links <= PEERS.len(), "{held:?}");
        assert!(
            held.strangers <= limits.unauthenticated_connections,
            "{held:?}"
        );
        // A served call is watched by its caller once, or twice, beyond the limit.
        let watchers = PEERS.len() * limits.monitors_per_peer + 2 * limits.served_per_node;
        assert!(held.watchers <= watchers, "{held:?}");
        assert!(
            held.requests <= limits.calls_per_node + PEERS.len() + held.scope_monitors,
            "{held:?}"
        );
        assert!(held.names <= 32, "{held:?}");
        assert!(held.tasks <= self.idle + 32, "{held:?}");
        assert!(self.node.serving() <= limits.served_per_node);
        assert!(self.node.calling() <= limits.calls_per_node);
        // A call that is served alone may be as large as a message.
        let served_bytes = limits.served_bytes_per_node.max(limits.message_bytes);
        assert!(held.served_bytes <= served_bytes, "{held:?}");
        for peer in self.node.peers() {
            assert!(peer.memberships <= limits.memberships_per_peer, "{peer:?}");
        }
        self.check_group_names();
    }

    /// The names of a peer's groups take at least their encodings.
    fn check_group_names(&self) {
        let mut bytes = BTreeMap::new();
        for group in self.node.groups() {
            let encoded = group.to_bytes().expect("it came in an encoding").len();
            for member in self.node.members(&group).iter() {
                *bytes.entry(member.node().clone()).or_insert(0) += encoded;
            }
        }
        bytes.remove(self.node.name());
        for (peer, bytes) in bytes {
            assert!(
                bytes <= self.limits.group_name_bytes_per_peer,
                "{peer}: {bytes}"
            );
        }
    }

    /// When the peer is gone, and all calls had the time to end, nothing is left of it.
    pub(super) async fn check_nothing_is_left(mut self) {
        self.check_bounds();
        self.calls.retain(|call| !call.is_finished());
        assert!(
            self.calls.is_empty(),
            "{} calls have not ended",
            self.calls.len()
        );
        self.book.check();
        assert_eq!(self.running.0.load(Ordering::Relaxed), 0, "functions run");
        let held = self.node.holdings();
        let own = OWN_PROCESSES + self.memberships.len() + self.published.len();
        let left = [
            held.links,
            held.kept_links,
            held.requests,
            held.probes,
            held.scope_monitors,
            held.watchers,
            held.served_bytes,
            held.strangers,
            held.processes - own,
            self.node.calling(),
            self.node.serving(),
            self.node.peers().len(),
            self.node.suspects().len(),
        ];
        assert_eq!(left, [0; 13], "{held:?}");
        for group in self.node.groups() {
            for member in self.node.members(&group).iter() {
                assert_eq!(member.node(), self.node.name(), "a member of {group}");
            }
        }
        self.memberships.clear();
        self.published.clear();
        drop(self.mailbox);
        assert_eq!(self.node.groups(), []);
        self.node
            .shutdown()
            .await
            .expect("nothing is left to wait for");
        let held = self.node.holdings();
        assert_eq!((held.tasks, held.links), (0, 0), "{held:?}");
    }
}

/// Those that every node has, and the mailbox.
const OWN_PROCESSES: usize = 5 + 1;

/// How many functions run.
#[derive(Clone, Default)]
struct Running(Arc<AtomicUsize>);

impl Running {
    fn begin(&self) -> Self {
        self.0.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

/// What the peer can call.
fn export(node: &Node, running: &Running) {
    let wait = |running: &Running| {
        let running = running.clone();
        move |ms: u64| {
            let guard = Guard(running.begin());
            async move {
                sleep(Duration::from_millis(ms.min(LONGEST_MS))).await;
                drop(guard);
                ms
            }
        }
    };
    let exports = [
        Export::new("m", "echo", async |term: Term| term),
        Export::new("m", "wait", wait(running)),
        Export::new("m", "wait_for_me", wait(running)).cancel_when_abandoned(),
        Export::new("m", "large", async |bytes: u32| {
            Binary::from(vec![0; bytes.min(100_000) as usize])
        }),
        Export::raising("m", "raise", async |term: Term| Err::<(), _>(term)),
        Export::new("m", "until", async |call: CallContext| {
            let wait = sleep(Duration::from_millis(LONGEST_MS));
            tokio::select! {
                biased;
                () = call.cancelled() => "cancelled",
                () = wait => "done",
            }
        }),
        Export::new("m", "closed", async |term: Term| term).allow_callers(["nobody@nowhere"]),
    ];
    for function in exports {
        node.register(function)
            .expect("it is the first of its name");
    }
}

/// A function that runs, until it ends or is ended.
struct Guard(Running);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
