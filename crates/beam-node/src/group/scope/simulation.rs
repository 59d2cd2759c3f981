//! Scopes of a few nodes wired together in memory: whatever happens to processes and links, the
//! views agree with a simple model once everything has been delivered.

use std::{collections::BTreeSet, time::Duration};

use beam_term::Reader;
use proptest::{collection::vec, prelude::*};

use super::*;

/// What happens to the nodes; numbers wrap around at their count.
#[derive(Clone, Debug)]
enum Event {
    Join(usize, u8, u32),
    Leave(usize, u8, u32),
    Exit(usize, u32),
    /// A process publishes under a key, in the place of what it published there before.
    Publish(usize, u8, u32),
    Connect(usize, usize),
    Cut(usize, usize),
    Crash(usize),
    Start(usize),
    /// Some messages arrive, each over a link that a number chooses.
    Deliver(Vec<usize>),
    /// All messages arrive, and time passes.
    Settle,
}

/// What travels over a link, in order. Monitors belong to one process of a scope.
#[derive(Debug)]
enum Packet {
    Message(Destination, Bytes),
    Monitor(Watcher, Destination),
    Demonitor(Watcher),
    Down(Watcher),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Watcher {
    scope: Pid,
    id: MonitorId,
}

struct Node {
    name: NodeName,
    /// `None` while the process of the scope is not running.
    scope: Option<Scope>,
    /// How many such processes there were.
    processes: u32,
    /// Answers and does not search, as OTP behaves towards a hidden node.
    passive: bool,
    /// Who watches the process of the scope, and from which node.
    watchers: BTreeSet<(usize, Watcher)>,
    /// What the node has in groups.
    joined: Vec<(Term, Pid)>,
    /// What it publishes: key, value, process, and the group that carries it.
    published: Vec<(Term, u32, Pid, Term)>,
}

struct World {
    nodes: Vec<Node>,
    /// The packets on their way from one node to another, while there is a link.
    links: BTreeMap<(usize, usize), VecDeque<Packet>>,
    now: Instant,
    /// No value is published twice.
    values: u32,
}

impl World {
    fn new(count: usize, passive: bool) -> Self {
        let node = |index: usize| Node {
            name: format!("n{index}@h").parse().unwrap(),
            scope: None,
            processes: 0,
            passive: passive && index == 0,
            watchers: BTreeSet::new(),
            joined: Vec::new(),
            published: Vec::new(),
        };
        Self {
            nodes: (0..count).map(node).collect(),
            links: BTreeMap::new(),
            now: Instant::now(),
            values: 0,
        }
    }

    fn happen(&mut self, event: Event) {
        let count = self.nodes.len();
        match event {
            Event::Join(node, group, member) => self.join(node % count, group, member),
            Event::Leave(node, group, member) => self.leave(node % count, group, member),
            Event::Exit(node, member) => self.exit(node % count, member),
            Event::Publish(node, key, member) => self.publish(node % count, key, member),
            Event::Connect(a, b) => self.connect(a % count, b % count),
            Event::Cut(a, b) => self.cut(a % count, b % count),
            Event::Crash(node) => self.crash(node % count),
            Event::Start(node) => self.start(node % count),
            Event::Deliver(choices) => {
                for choice in choices {
                    self.deliver(choice);
                }
            }
            Event::Settle => self.settle(),
        }
    }

    fn join(&mut self, node: usize, group: u8, member: u32) {
        let pid = self.pid(node, member);
        let group = Term::from(group);
        if let Some(scope) = &mut self.nodes[node].scope {
            scope.local_join(&group, &pid).unwrap();
            self.nodes[node].joined.push((group, pid));
        }
        self.perform(node);
    }

    fn leave(&mut self, node: usize, group: u8, member: u32) {
        let entry = (Term::from(group), self.pid(node, member));
        let joined = &mut self.nodes[node].joined;
        let at = joined.iter().position(|joined| *joined == entry);
        at.map(|at| joined.remove(at));
        if let Some(scope) = &mut self.nodes[node].scope {
            assert_eq!(scope.local_leave(&entry.0, &entry.1), at.is_some());
        }
        self.perform(node);
    }

    fn publish(&mut self, node: usize, key: u8, member: u32) {
        let pid = self.pid(node, member);
        let key = Term::from(key);
        self.values += 1;
        let Node {
            scope, published, ..
        } = &mut self.nodes[node];
        if let Some(scope) = scope {
            let before = published
                .iter()
                .position(|(under, _, by, _)| *under == key && *by == pid)
                .map(|at| published.remove(at).3);
            let value = Term::from(self.values);
            let group = scope
                .local_publish(&key, value, &pid, before.as_ref())
                .unwrap();
            published.push((key, self.values, pid, group));
        }
        self.perform(node);
    }

    fn exit(&mut self, node: usize, member: u32) {
        let pid = self.pid(node, member);
        self.nodes[node].joined.retain(|(_, joined)| *joined != pid);
        self.nodes[node]
            .published
            .retain(|(_, _, by, _)| *by != pid);
        if let Some(scope) = &mut self.nodes[node].scope {
            scope.local_exit(&pid);
        }
        self.perform(node);
    }

    fn connect(&mut self, a: usize, b: usize) {
        if a != b && !self.links.contains_key(&(a, b)) {
            self.links.insert((a, b), VecDeque::new());
            self.links.insert((b, a), VecDeque::new());
            self.link_up(a, b);
            self.link_up(b, a);
        }
    }

    fn link_up(&mut self, node: usize, peer: usize) {
        let peer = self.nodes[peer].name.clone();
        let Node { scope, passive, .. } = &mut self.nodes[node];
        if let Some(scope) = scope {
            scope.link_up(&peer);
            if *passive {
                scope.actions.clear();
            }
        }
        self.perform(node);
    }

    fn cut(&mut self, a: usize, b: usize) {
        for (node, peer) in [(a, b), (b, a)] {
            if self.links.remove(&(node, peer)).is_some() {
                let peer_name = self.nodes[peer].name.clone();
                let node = &mut self.nodes[node];
                node.watchers.retain(|(from, _)| *from != peer);
                if let Some(scope) = &mut node.scope {
                    scope.link_down(&peer_name);
                }
            }
        }
    }

    fn crash(&mut self, node: usize) {
        let crashed = &mut self.nodes[node];
        if crashed.scope.take().is_none() {
            return;
        }
        crashed.joined.clear();
        crashed.published.clear();
        for (from, watcher) in std::mem::take(&mut crashed.watchers) {
            self.send(node, from, Packet::Down(watcher));
        }
        for other in &mut self.nodes {
            other.watchers.retain(|(from, _)| *from != node);
        }
    }

    fn start(&mut self, node: usize) {
        if self.nodes[node].scope.is_some() {
            return;
        }
        self.nodes[node].processes += 1;
        let own = self.scope_pid(node);
        let name = self.nodes[node].name.clone();
        self.nodes[node].scope = Some(Scope::new(name, own, Bound::NONE));
        for peer in 0..self.nodes.len() {
            if self.links.contains_key(&(node, peer)) {
                self.link_up(node, peer);
            }
        }
    }

    /// Sends what the scope of a node asks for.
    fn perform(&mut self, node: usize) {
        let own = self.scope_pid(node);
        let watcher = |id| Watcher {
            scope: own.clone(),
            id,
        };
        while let Some(action) = self.nodes[node].scope.as_mut().and_then(Scope::next_action) {
            let (peer, packet) = match action {
                Action::Send { peer, to, message } => (peer, Packet::Message(to, message)),
                Action::Monitor { peer, target, id } => {
                    (peer, Packet::Monitor(watcher(id), target))
                }
                Action::Demonitor { peer, id, .. } => (peer, Packet::Demonitor(watcher(id))),
                Action::Learn { .. } => continue,
            };
            let peer = self.nodes.iter().position(|node| node.name == peer);
            self.send(node, peer.unwrap(), packet);
        }
    }

    fn send(&mut self, from: usize, to: usize, packet: Packet) {
        let link = self.links.get_mut(&(from, to));
        link.expect("scopes send to connected peers only")
            .push_back(packet);
    }

    /// Lets the first packet of one link arrive; `false` if there is none anywhere.
    fn deliver(&mut self, choice: usize) -> bool {
        let waiting: Vec<_> = self
            .links
            .iter()
            .filter(|(_, packets)| !packets.is_empty())
            .map(|(link, _)| *link)
            .collect();
        if waiting.is_empty() {
            return false;
        }
        let (from, to) = waiting[choice % waiting.len()];
        let packet = self
            .links
            .get_mut(&(from, to))
            .and_then(VecDeque::pop_front);
        self.arrive(from, to, packet.unwrap());
        self.perform(to);
        true
    }

    fn arrive(&mut self, from: usize, to: usize, packet: Packet) {
        let own = self.scope_pid(to);
        let sender = self.nodes[from].name.clone();
        let node = &mut self.nodes[to];
        let is_here = |target: &Destination| match target {
            Destination::Name => true,
            Destination::Pid(pid) => *pid == own,
        };
        match (packet, &mut node.scope) {
            (Packet::Message(target, message), Some(scope)) if is_here(&target) => {
                let message = Reader::new(message).raw().unwrap();
                let announced = |group: &Term| scope.announced(&sender, group);
                let message = Message::parse(&message, sender.as_atom(), Bound::NONE, &announced);
                scope.message(&sender, message);
                assert_eq!(scope.refused(&sender), 0);
            }
            (Packet::Message(..), _) => {}
            (Packet::Monitor(watcher, target), Some(_)) if is_here(&target) => {
                node.watchers.insert((from, watcher));
            }
            (Packet::Monitor(watcher, _), _) => self.send(to, from, Packet::Down(watcher)),
            (Packet::Demonitor(watcher), _) => {
                node.watchers.remove(&(from, watcher));
            }
            (Packet::Down(watcher), Some(scope)) if watcher.scope == own => {
                scope.down(&sender, watcher.id, self.now);
            }
            (Packet::Down(_), _) => {}
        }
    }

    /// Delivers everything, and lets time pass until nobody waits, or longer than any pause.
    fn settle(&mut self) {
        let end = self.now + Duration::from_secs(20);
        loop {
            let mut packets = 0;
            while self.deliver(packets) {
                packets += 1;
                assert!(packets < 100_000, "the scopes never come to rest");
            }
            let searching = self.nodes.iter().filter(|node| !node.passive);
            let due = searching
                .filter_map(|node| node.scope.as_ref()?.next_timer())
                .min();
            match due {
                Some(due) if due <= end => self.now = due,
                _ => break,
            }
            for node in 0..self.nodes.len() {
                let Node { scope, passive, .. } = &mut self.nodes[node];
                if let (Some(scope), false) = (scope, *passive) {
                    scope.timer(self.now);
                }
                self.perform(node);
            }
        }
    }

    /// Compares what every node sees with what the nodes that it is connected to have.
    fn check(&self) {
        let groups: BTreeSet<_> = self
            .nodes
            .iter()
            .flat_map(|node| {
                let joined = node.joined.iter().map(|(group, _)| group);
                joined.chain(node.published.iter().map(|(_, _, _, group)| group))
            })
            .collect();
        let keys: BTreeSet<_> = self
            .nodes
            .iter()
            .flat_map(|node| &node.published)
            .map(|(key, ..)| key)
            .collect();
        for (at, node) in self.nodes.iter().enumerate() {
            let scope = node.scope.as_ref().unwrap();
            let sees = |from: usize| from == at || self.links.contains_key(&(at, from));
            for group in &groups {
                let mut expected: Vec<_> = (0..self.nodes.len())
                    .filter(|from| sees(*from))
                    .flat_map(|from| {
                        let Node {
                            joined, published, ..
                        } = &self.nodes[from];
                        let carrying = published.iter().map(|(_, _, pid, group)| (group, pid));
                        joined
                            .iter()
                            .map(|(group, pid)| (group, pid))
                            .chain(carrying)
                    })
                    .filter(|(joined, _)| joined == group)
                    .map(|(_, pid)| pid.clone())
                    .collect();
                let members = scope.members(group);
                let mut seen: Vec<_> = members
                    .iter()
                    .flat_map(|member| member.pids().iter().cloned())
                    .collect();
                expected.sort();
                seen.sort();
                assert_eq!(seen, expected, "what {} sees of {group:?}", node.name);
            }
            for key in &keys {
                // What was published last counts.
                let newest = |from: &Node| {
                    let under_key = from.published.iter().filter(|(under, ..)| under == *key);
                    let value = under_key.map(|(_, value, ..)| *value).max()?;
                    Some((from.name.clone(), Arc::new(Term::from(value))))
                };
                let expected: PublishedValues = (0..self.nodes.len())
                    .filter(|from| sees(*from))
                    .filter_map(|from| newest(&self.nodes[from]))
                    .collect();
                let seen = scope.published(key);
                assert_eq!(*seen, expected, "what {} sees under {key:?}", node.name);
            }
            let stale: Vec<_> = scope
                .groups()
                .filter(|group| !groups.contains(group))
                .collect();
            assert!(stale.is_empty(), "{} still has {stale:?}", node.name);
        }
    }

    fn scope_pid(&self, node: usize) -> Pid {
        self.pid(node, 1_000 + self.nodes[node].processes)
    }

    fn pid(&self, node: usize, id: u32) -> Pid {
        Pid {
            node: self.nodes[node].name.as_atom().clone(),
            id,
            serial: 0,
            creation: 1,
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    let node = || 0..5_usize;
    let (group, member) = (|| 0..3_u8, || 0..3_u32);
    prop_oneof![
        6 => (node(), group(), member()).prop_map(|(n, g, m)| Event::Join(n, g, m)),
        4 => (node(), group(), member()).prop_map(|(n, g, m)| Event::Leave(n, g, m)),
        1 => (node(), member()).prop_map(|(n, m)| Event::Exit(n, m)),
        4 => (node(), group(), member()).prop_map(|(n, k, m)| Event::Publish(n, k, m)),
        3 => (node(), node()).prop_map(|(a, b)| Event::Connect(a, b)),
        1 => (node(), node()).prop_map(|(a, b)| Event::Cut(a, b)),
        1 => node().prop_map(Event::Crash),
        3 => node().prop_map(Event::Start),
        6 => vec(any::<usize>(), 1..20).prop_map(Event::Deliver),
        1 => Just(Event::Settle),
    ]
}

proptest! {
    #[test]
    fn all_views_agree_once_everything_is_delivered(
        count in 2..=5_usize,
        passive: bool,
        events in vec(event(), 0..120),
    ) {
        let mut world = World::new(count, passive);
        for event in events {
            world.happen(event);
        }
        for node in 0..count {
            world.start(node);
        }
        world.settle();
        world.check();
    }
}
