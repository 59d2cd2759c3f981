//! What the peer says, as the input tells it.

use std::num::NonZeroU64;

use beam_dist::control::{
    Control, Demonitor, Exit, Exit2, GroupLeader, Link, Monitor, MonitorExit, Recipient, SendTo,
    SpawnOptions, SpawnReply, SpawnRequest, Target, Unlink, UnlinkAck,
};
use beam_term::{Atom, Pid, Term};

use super::{
    frames::{self, Damage},
    input::Input,
    peer::Peer,
};

/// The functions of the node, one that there is not, and one that every node has.
const FUNCTIONS: [(&str, &str); 10] = [
    ("m", "echo"),
    ("m", "wait"),
    ("m", "wait_for_me"),
    ("m", "large"),
    ("m", "raise"),
    ("m", "until"),
    ("m", "closed"),
    ("m", "none"),
    ("erlang", "nodes"),
    ("erlang", "node"),
];

const SCOPE: Atom = Atom::from_static("rpc_load_balancer");

impl Peer {
    /// Says something, as one process to another does.
    pub(super) fn speak(&mut self, input: &mut Input<'_>) {
        match input.below(24) {
            0..4 => self.call(input),
            4 => self.spawn(input),
            5 | 6 => self.answer(input),
            7 => self.reply(input),
            8 => self.end_anything(input),
            9 | 10 => self.send(input),
            11 => self.monitor(input),
            12 => self.demonitor(input),
            13 => self.link(input),
            14 => self.exit(input),
            15..18 => self.tell_scope(input),
            18 => self.ask_service(input),
            19 => self.print(input),
            20 => self.damage_next(Damage::choose(input)),
            21 => {
                let pieces = 1 + input.below(7);
                self.cut_next(pieces);
            }
            22 => self.say_fragment(input),
            _ => self.say_anything(input),
        }
    }

    /// A call, as `erpc` makes it.
    fn call(&mut self, input: &mut Input<'_>) {
        let (module, function) = input.pick(&FUNCTIONS);
        let request = self.reference(input);
        let choice = input.byte();
        let argument = match choice & 3 {
            0 => Term::from(u32::from(choice) * 64),
            1 => Term::list([Term::atom("visible")]),
            _ => self.names.term(input),
        };
        let arguments = match (choice >> 2) & 3 {
            0 => Term::nil(),
            3 => argument,
            _ => Term::list([argument]),
        };
        let payload = Term::list([
            Term::from(request.clone()),
            Term::atom(module),
            Term::atom(function),
            arguments,
        ]);
        let options = SpawnOptions {
            monitor: choice & 16 == 0,
            link: choice & 32 != 0,
            deadline_ms: (choice & 64 != 0).then(|| u64::from(input.byte()) * 16),
            others: Vec::new(),
        };
        let control = Control::SpawnRequest(SpawnRequest {
            request,
            from: self.names.own_pid(1),
            group_leader: self.names.own_pid(2),
            module: Atom::from_static("erpc"),
            function: Atom::from_static("execute_call"),
            arity: 4,
            options,
            token: None,
        });
        self.say(&control, Some(&payload));
    }

    /// Any request for a process.
    fn spawn(&mut self, input: &mut Input<'_>) {
        let choice = input.byte();
        let (module, function) = match choice & 3 {
            0 => (Atom::from_static("erpc"), Atom::from_static("execute_cast")),
            1 => (Atom::from_static("m"), Atom::from_static("wait")),
            _ => (self.names.word(input), self.names.word(input)),
        };
        let options = SpawnOptions {
            monitor: choice & 4 != 0,
            link: choice & 8 != 0,
            deadline_ms: (choice & 16 != 0).then_some(u64::MAX),
            others: match choice & 32 {
                0 => Vec::new(),
                _ => vec![self.names.term(input)],
            },
        };
        let control = Control::SpawnRequest(SpawnRequest {
            request: self.names.reference(input),
            from: self.names.pid(input),
            group_leader: self.names.pid(input),
            module,
            function,
            arity: 1 + u32::from(choice >> 6),
            options,
            token: None,
        });
        let payload = self.names.term(input);
        self.say(&control, Some(&payload));
    }

    /// Answers a request of the node as it should be, or in part.
    fn answer(&mut self, input: &mut Input<'_>) {
        let choice = input.byte();
        if self.asked.is_empty() {
            return;
        }
        let at = usize::from(choice >> 3) % self.asked.len();
        let request = self.asked[at].clone();
        let process = self.names.own_pid(50 + u32::from(choice >> 3));
        if choice & 1 == 0 {
            self.say(
                &Control::SpawnReply(SpawnReply {
                    request: request.request.clone(),
                    to: request.from.clone(),
                    linked: false,
                    monitored: true,
                    result: Ok(process.clone()),
                    token: None,
                }),
                None,
            );
        }
        if choice & 2 == 0 {
            let value = match choice & 4 {
                0 => Term::from(input.byte()),
                _ => self.names_of_nodes(input),
            };
            let returned = Term::tuple([
                Term::from(request.request.clone()),
                Term::atom("return"),
                value,
            ]);
            let end = Control::MonitorExit(MonitorExit {
                from: Target::Pid(process),
                to: request.from,
                reference: request.request,
            });
            self.say(&end, Some(&returned));
        }
    }

    /// What a node that knows others answers when it is asked for them.
    fn names_of_nodes(&self, input: &mut Input<'_>) -> Term {
        let first = input.byte();
        let names = (0..first % 16).map(|at| format!("n{}@127.0.0.{at}", first.wrapping_add(at)));
        Term::list(names.map(|name| Atom::try_from(name.as_str()).expect("it is short").into()))
    }

    fn reply(&mut self, input: &mut Input<'_>) {
        let choice = input.byte();
        let result = match choice & 1 {
            0 => Ok(self.names.pid(input)),
            _ => Err(self.names.word(input)),
        };
        let control = Control::SpawnReply(SpawnReply {
            request: self.names.reference(input),
            to: self.names.pid(input),
            linked: choice & 2 != 0,
            monitored: choice & 4 != 0,
            result,
            token: None,
        });
        self.say(&control, None);
    }

    /// The end of any process that anybody may have monitored.
    fn end_anything(&mut self, input: &mut Input<'_>) {
        let reference = self.names.reference(input);
        let reason = match input.below(3) {
            0 => Term::tuple([
                Term::from(reference.clone()),
                self.names.word(input).into(),
                self.names.term(input),
            ]),
            _ => self.names.term(input),
        };
        let control = Control::MonitorExit(MonitorExit {
            from: self.names.target(input),
            to: self.names.pid(input),
            reference,
        });
        self.say(&control, Some(&reason));
    }

    fn send(&mut self, input: &mut Input<'_>) {
        let choice = input.byte();
        let control = Control::Send(SendTo {
            from: (choice & 1 == 0).then(|| self.names.pid(input)),
            to: self.names.recipient(input),
            priority: choice & 2 != 0,
            token: (choice & 4 != 0).then(|| self.names.term(input)),
        });
        let message = self.names.term(input);
        self.say(&control, Some(&message));
    }

    fn monitor(&mut self, input: &mut Input<'_>) {
        let times = 1 + input.below(16);
        for _ in 0..times {
            let control = Control::Monitor(Monitor {
                from: self.names.pid(input),
                to: self.names.target(input),
                reference: self.names.reference(input),
            });
            self.say(&control, None);
        }
    }

    fn demonitor(&mut self, input: &mut Input<'_>) {
        let control = Control::Demonitor(Demonitor {
            from: self.names.pid(input),
            to: self.names.target(input),
            reference: self.names.reference(input),
        });
        self.say(&control, None);
    }

    fn link(&mut self, input: &mut Input<'_>) {
        let choice = input.byte();
        let (from, to) = (self.names.pid(input), self.names.pid(input));
        let id = NonZeroU64::new(u64::from(choice >> 3));
        let control = match (choice & 7, id) {
            (0..4, _) => Control::Link(Link { from, to }),
            (4 | 5, id) => Control::Unlink(Unlink { id, from, to }),
            (6, Some(id)) => Control::UnlinkAck(UnlinkAck { id, from, to }),
            (6, None) => Control::NodeLink,
            _ => Control::GroupLeader(GroupLeader { leader: from, to }),
        };
        self.say(&control, None);
    }

    fn exit(&mut self, input: &mut Input<'_>) {
        let choice = input.byte();
        let from = self.names.pid(input);
        let token = (choice & 2 != 0).then(|| self.names.term(input));
        let control = match choice & 1 {
            0 => Control::Exit(Exit {
                from,
                to: self.names.pid(input),
                token,
            }),
            _ => Control::Exit2(Exit2 {
                from,
                to: match choice & 4 {
                    0 => Recipient::Pid(self.names.pid(input)),
                    _ => self.names.recipient(input),
                },
                priority: choice & 8 != 0,
                token,
            }),
        };
        let reason = match choice & 16 {
            0 => self.names.word(input).into(),
            _ => self.names.term(input),
        };
        self.say(&control, Some(&reason));
    }

    /// A message of the scope of process groups, of a scope that may be another one than before.
    fn tell_scope(&mut self, input: &mut Input<'_>) {
        let choice = input.byte();
        let scope = match choice & 0xc0 {
            0xc0 => self.names.pid(input),
            0x80 => self.names.own_pid(101),
            _ => self.names.own_pid(100),
        };
        let own = Term::from(scope.clone());
        let message = match choice & 7 {
            0 => Term::tuple([Term::atom("discover"), own]),
            1 => {
                let count = input.below(6);
                let groups: Vec<_> = (0..count)
                    .map(|_| Term::tuple([self.group(input), self.members(input, &scope)]))
                    .collect();
                let sync = Term::tuple([Term::atom("sync"), own, Term::list(groups)]);
                Term::tuple([Term::atom("$gen_cast"), sync])
            }
            2 | 3 => {
                let (group, members) = (self.group(input), self.members(input, &scope));
                Term::tuple([Term::atom("join"), own, group, members])
            }
            4 => {
                let (members, group) = (self.members(input, &scope), self.group(input));
                let groups = Term::list(vec![group; 1 + input.below(3)]);
                Term::tuple([Term::atom("leave"), own, members, groups])
            }
            5 => {
                let entries = [(self.group(input), self.members(input, &scope))];
                let map = Term::Map(entries.into_iter().collect());
                let data = [Term::atom("local_data"), own, Term::from(1), map];
                Term::tuple([Term::atom("$gen_cast"), Term::tuple(data)])
            }
            6 => Term::tuple([Term::atom("discover"), own, self.names.term(input)]),
            _ => self.names.term(input),
        };
        let to = Recipient::Name(SCOPE);
        let control = Control::Send(SendTo {
            from: Some(scope),
            to,
            priority: false,
            token: None,
        });
        self.say(&control, Some(&message));
    }

    fn group(&self, input: &mut Input<'_>) -> Term {
        match input.below(6) {
            0 => Term::atom("pool"),
            1 => Term::from(input.byte()),
            2 => Term::tuple([
                Term::atom("$published"),
                self.names.term(input),
                Term::from(input.byte()),
                self.names.term(input),
            ]),
            3 => "{'$published', rpc_load_balancer, 1, #{features => [deadline_ms]}}"
                .parse()
                .expect("it is a term"),
            _ => self.names.term(input),
        }
    }

    /// Processes in a group: one, some, or many.
    fn members(&self, input: &mut Input<'_>, scope: &Pid) -> Term {
        let choice = input.byte();
        let own = |id: usize| Term::from(self.names.own_pid(id as u32 & 0xfff));
        match choice & 3 {
            0 => scope.clone().into(),
            1 => Term::list((0..usize::from(choice >> 2)).map(own)),
            2 => Term::list((0..input.size().min(2_000)).map(own)),
            _ => Term::list([self.names.pid(input).into(), own(1), own(1)]),
        }
    }

    /// What OTP asks the processes that every node has.
    fn ask_service(&mut self, input: &mut Input<'_>) {
        let choice = input.byte();
        let from = Term::from(self.names.pid(input));
        let tag = match choice & 3 {
            0 => Term::from(self.names.reference(input)),
            1 => Term::list_with_tail([Term::atom("alias")], self.names.reference(input).into()),
            _ => self.names.term(input),
        };
        let request = match choice & 4 {
            0 => Term::tuple([Term::atom("is_auth"), Term::from(1)]),
            _ => self.names.term(input),
        };
        let message = match (choice >> 3) & 3 {
            0 => Term::tuple([from, Term::atom("features_request")]),
            1 => {
                let connect = Term::tuple([Term::atom("init_connect"), tag, request]);
                Term::tuple([Term::atom("$gen_cast"), connect])
            }
            _ => Term::tuple([Term::atom("$gen_call"), Term::tuple([from, tag]), request]),
        };
        let name = ["net_kernel", "rex", "global_name_server", "box"][usize::from(choice >> 6)];
        let control = Control::Send(SendTo {
            from: Some(self.names.own_pid(1)),
            to: Recipient::Name(Atom::from_static(name)),
            priority: false,
            token: None,
        });
        self.say(&control, Some(&message));
    }

    /// Prints something by the group leader of the node, the one that comes with its requests.
    fn print(&mut self, input: &mut Input<'_>) {
        let choice = input.byte();
        let leader = match self.asked.first() {
            Some(request) => request.group_leader.clone(),
            None => self.names.pid(input),
        };
        let encoding = Term::atom(if choice & 1 == 0 { "unicode" } else { "latin1" });
        let request = match (choice >> 1) & 7 {
            0 | 1 => Term::tuple([Term::atom("put_chars"), encoding, self.names.term(input)]),
            2 | 3 => {
                let format = Term::charlist(input.pick(&[
                    "~p~n",
                    "~ts ~w",
                    "~s~10.4f~e",
                    "~*c~-5B",
                    "~999999999s",
                    "~i~~~b",
                    "~",
                ]));
                let arguments = Term::list([self.names.term(input), self.names.term(input)]);
                Term::tuple([
                    Term::atom("put_chars"),
                    encoding,
                    Term::atom("io_lib"),
                    Term::atom("format"),
                    Term::list([format, arguments]),
                ])
            }
            4 => Term::tuple([
                Term::atom("requests"),
                Term::list([
                    Term::tuple([Term::atom("put_chars"), encoding, self.names.term(input)]),
                    self.names.term(input),
                ]),
            ]),
            5 => Term::tuple([Term::atom("get_line"), encoding, Term::nil()]),
            6 => Term::atom("getopts"),
            _ => self.names.term(input),
        };
        let message = Term::tuple([
            Term::atom("io_request"),
            self.names.pid(input).into(),
            self.names.reference(input).into(),
            request,
        ]);
        let control = Control::Send(SendTo {
            from: Some(self.names.own_pid(1)),
            to: Recipient::Pid(leader),
            priority: false,
            token: None,
        });
        self.say(&control, Some(&message));
    }

    /// Sends bytes of the input, with or without a length and a header, or a message that uses the
    /// atom cache.
    fn say_anything(&mut self, input: &mut Input<'_>) {
        let frame = match input.below(5) {
            0 => input.bytes().to_vec(),
            1 => frames::framed(input.bytes()),
            2 => frames::framed(&[&[131, 68, 0], input.bytes()].concat()),
            3 => frames::framed(&[&[112, 131], input.bytes()].concat()),
            _ => {
                let word = self.names.word(input);
                frames::cached(word.as_str(), input.byte(), input.flag())
            }
        };
        self.say_bytes(&frame);
    }
}
