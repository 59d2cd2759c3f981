//! What the peer can speak of: processes, references and terms, those that it has heard of among them.

use beam_dist::control::{Recipient, Target};
use beam_term::{Atom, Pid, Reference, Term};

use super::input::Input;

/// How many pids and references of the node are kept; the last ones make room.
const KEPT: usize = 32;

/// What has been seen of the node, and what the peer says of itself.
pub(super) struct Names {
    pub(super) own: Atom,
    pub(super) own_creation: u32,
    node: Atom,
    node_creation: u32,
    pids: Vec<Pid>,
    references: Vec<Reference>,
}

/// Names of processes, groups and tags that mean something to a node.
const WORDS: [&str; 32] = [
    "rpc_load_balancer",
    "net_kernel",
    "rex",
    "box",
    "nobody",
    "global_name_server",
    "rpc_load_balancer_probe",
    "pool",
    "$published",
    "features",
    "deadline_ms",
    "ok",
    "error",
    "return",
    "throw",
    "exit",
    "normal",
    "kill",
    "killed",
    "noproc",
    "noconnection",
    "badarg",
    "system_limit",
    "erpc",
    "true",
    "false",
    "undefined",
    "alias",
    "is_auth",
    "features_request",
    "monitor",
    "link",
];

impl Names {
    pub(super) fn new(own: &Atom, node: &Atom, node_creation: u32) -> Self {
        Self {
            own: own.clone(),
            own_creation: 1,
            node: node.clone(),
            node_creation,
            pids: Vec::new(),
            references: Vec::new(),
        }
    }

    /// Remembers what the node names.
    pub(super) fn see(&mut self, term: &Term) {
        match term {
            Term::Pid(pid) => self.see_pid(pid),
            Term::Reference(reference) => self.see_reference(reference),
            Term::Tuple(elements) | Term::List(elements) => {
                elements.iter().for_each(|element| self.see(element));
            }
            _ => {}
        }
    }

    pub(super) fn see_pid(&mut self, pid: &Pid) {
        if pid.node == self.node && !self.pids.contains(pid) {
            self.pids.truncate(KEPT - 1);
            self.pids.insert(0, pid.clone());
        }
    }

    pub(super) fn see_reference(&mut self, reference: &Reference) {
        if *reference.node() == self.node && !self.references.contains(reference) {
            self.references.truncate(KEPT - 1);
            self.references.insert(0, reference.clone());
        }
    }

    /// A process of the peer.
    pub(super) fn own_pid(&self, id: u32) -> Pid {
        Pid {
            node: self.own.clone(),
            id,
            serial: 0,
            creation: self.own_creation,
        }
    }

    /// A reference of the peer.
    pub(super) fn own_reference(&self, id: u8) -> Reference {
        let ids = [u32::from(id), 1, 2];
        Reference::new(self.own.clone(), self.own_creation, &ids).expect("it has three words")
    }

    /// Any process: of the peer, of the node, of one of their earlier lives, or of another node.
    pub(super) fn pid(&self, input: &mut Input<'_>) -> Pid {
        let choice = input.byte();
        let id = u32::from(choice >> 3);
        let mut pid = match choice & 7 {
            0..3 if !self.pids.is_empty() => self.pids[id as usize % self.pids.len()].clone(),
            3 => Pid {
                node: self.node.clone(),
                creation: self.node_creation,
                ..self.own_pid(id)
            },
            4 if !self.pids.is_empty() => {
                let pid = &self.pids[id as usize % self.pids.len()];
                Pid {
                    creation: pid.creation ^ 1,
                    ..pid.clone()
                }
            }
            5 => Pid {
                node: Atom::from_static("other@127.0.0.9"),
                ..self.own_pid(id)
            },
            _ => self.own_pid(id),
        };
        if choice == 0xff {
            (pid.id, pid.serial) = (u32::MAX, u32::MAX);
        }
        pid
    }

    /// Any reference.
    pub(super) fn reference(&self, input: &mut Input<'_>) -> Reference {
        let choice = input.byte();
        let id = choice >> 2;
        match choice & 3 {
            0 | 1 => self.own_reference(id),
            2 if !self.references.is_empty() => {
                self.references[usize::from(id) % self.references.len()].clone()
            }
            _ => {
                let ids = [u32::from(id), u32::MAX, 0, 0, u32::from(id)];
                let ids = &ids[..1 + usize::from(id) % ids.len()];
                let (node, creation) = (self.node.clone(), self.node_creation);
                Reference::new(node, creation, ids).expect("it has one to five words")
            }
        }
    }

    pub(super) fn word(&self, input: &mut Input<'_>) -> Atom {
        Atom::from_static(input.pick(&WORDS))
    }

    pub(super) fn target(&self, input: &mut Input<'_>) -> Target {
        match input.below(2) {
            0 => Target::Name(self.word(input)),
            _ => Target::Pid(self.pid(input)),
        }
    }

    pub(super) fn recipient(&self, input: &mut Input<'_>) -> Recipient {
        match input.below(3) {
            0 => Recipient::Name(self.word(input)),
            1 => Recipient::Pid(self.pid(input)),
            _ => Recipient::Alias(self.reference(input)),
        }
    }

    /// Any term; some are large, or deep.
    pub(super) fn term(&self, input: &mut Input<'_>) -> Term {
        self.term_of(input, 4)
    }

    fn term_of(&self, input: &mut Input<'_>, depth: usize) -> Term {
        let kind = input.below(if depth == 0 { 9 } else { 16 });
        let element = |input: &mut Input<'_>| self.term_of(input, depth - 1);
        match kind {
            0 | 1 => self.word(input).into(),
            2 | 3 => Term::from(input.byte()),
            4 => Term::from(i64::from(input.byte()).wrapping_mul(-0x0101_0101_0101_0101)),
            5 => Term::binary(vec![b'x'; input.size()]),
            6 => self.pid(input).into(),
            7 => self.reference(input).into(),
            8 => Term::charlist(&"é".repeat(input.size())),
            9..12 => {
                let count = input.below(5);
                Term::tuple((0..count).map(|_| element(input)))
            }
            12 | 13 => {
                let count = input.below(5);
                Term::list((0..count).map(|_| element(input)))
            }
            14 => {
                let (head, tail) = (element(input), element(input));
                Term::list_with_tail([head], tail)
            }
            _ => {
                let depth = input.size().min(300);
                (0..depth).fold(element(input), |term, _| Term::list([term]))
            }
        }
    }
}
