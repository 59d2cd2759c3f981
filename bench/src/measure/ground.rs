//! What all measurements stand on: programs, an EPMD, the Erlang module, a cookie, and a processor for each side.

use std::{cell::Cell, fmt, path::PathBuf};

use crate::{
    cli::{Plan, Suite},
    failure::Failure,
    pair::{Pair, Side},
    process::{Child, Mapper, Program, erlang, rlb},
};

/// Everything that children need.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) mapper: Mapper,
    /// `None` where there is no Erlang.
    pub(super) module: Option<erlang::Module>,
    /// The program `rlb`, if its start is to be measured.
    pub(super) rlb: Option<PathBuf>,
    pub(super) cookie: String,
    /// The processors of callers and callees, if there are two.
    processors: Option<[usize; 2]>,
    names: Cell<u32>,
}

/// Which side of a pair a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Caller,
    Callee,
}

/// What kind of node a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
    Rust,
    Otp,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::Otp => "OTP",
        })
    }
}

impl Ground {
    pub(super) fn new(plan: &Plan) -> Result<Self, Failure> {
        let module = match erlang::Module::compile(plan.out.join("erlang")) {
            Ok(module) => Some(module),
            Err(failure) if plan.pairs.iter().any(|pair| pair.needs_erlang()) => {
                return Err(failure);
            }
            Err(failure) => {
                eprintln!("bench: {failure}; what needs Erlang is left out");
                None
            }
        };
        let processors = match measurement::processors().as_slice() {
            &[caller, callee, ..] => Some([caller, callee]),
            _ => {
                eprintln!(
                    "bench: there is one processor only, so callers and callees share it: \
                     compare these figures with nothing"
                );
                None
            }
        };
        let rlb = plan.suites.contains(&Suite::Footprint) && plan.wants("start");
        Ok(Self {
            mapper: Mapper::start()?,
            module,
            rlb: rlb.then(rlb::build).transpose()?,
            cookie: format!("{:016x}", fastrand::u64(..)),
            processors,
            names: Cell::new(0),
        })
    }

    /// The pairs that are asked for and can be had.
    pub(super) fn pairs(&self, plan: &Plan) -> Vec<Pair> {
        let asked = |pair: &Pair| plan.pairs.is_empty() || plan.pairs.contains(pair);
        let possible = |pair: &Pair| self.module.is_some() || !pair.needs_erlang();
        let all = Pair::ALL.into_iter();
        all.filter(asked).filter(possible).collect()
    }

    pub(super) fn processor(&self, end: End) -> Option<usize> {
        let [caller, callee] = self.processors?;
        Some(match end {
            End::Caller => caller,
            End::Callee => callee,
        })
    }

    /// Those of both, if there are two.
    pub(super) fn processors(&self) -> Vec<usize> {
        self.processors.iter().flatten().copied().collect()
    }

    /// The name of another node.
    pub(super) fn name(&self, alive: &str) -> String {
        self.names.set(self.names.get() + 1);
        format!("{alive}-{}@127.0.0.1", self.names.get())
    }

    /// Starts one side of a pair, and tells what it said when it was ready.
    pub(super) fn start(
        &self,
        label: &str,
        side: Side,
        end: End,
        callee: Option<&str>,
    ) -> Result<(Child, Vec<String>), Failure> {
        let processor = self.processor(end);
        let words: Vec<&str> = match callee {
            Some(callee) => vec!["load", callee],
            None => vec!["serve"],
        };
        if side == Side::Beam {
            let Some(module) = &self.module else {
                return Err(Failure::Other(format!("{label} needs Erlang")));
            };
            let name = self.name("beam");
            let node = module.node(label, (&name, &self.cookie), processor, &words);
            return node.epmd(&self.mapper).start();
        }
        let mut arguments = vec![
            "child".to_owned(),
            words[0].to_owned(),
            side.word().to_owned(),
        ];
        arguments.extend(callee.map(str::to_owned));
        arguments.extend(processor.map(|processor| format!("--processor={processor}")));
        if side == Side::Node {
            arguments.push(format!("--name={}", self.name("rust")));
            arguments.push(format!("--epmd-port={}", self.mapper.port()));
        }
        Program::this(label, arguments, &self.cookie)?.start()
    }

    /// Starts a member of the group, which connects to `caller`, and waits until it has joined.
    pub(super) fn member(&self, kind: Member, name: &str, caller: &str) -> Result<Child, Failure> {
        let processor = self.processor(End::Callee);
        if kind == Member::Rust {
            return self.act_as(name, "member", caller, processor, &[]);
        }
        let Some(module) = &self.module else {
            return Err(Failure::Other("a member of OTP needs Erlang".to_owned()));
        };
        let node = (name, self.cookie.as_str());
        let node = module.node("a member of OTP", node, processor, &["member", caller]);
        let (child, _) = node.epmd(&self.mapper).start()?;
        Ok(child)
    }

    /// Starts a part of a measurement, and tells the name of its node.
    pub(super) fn act(
        &self,
        part: &str,
        whom: &str,
        processor: Option<usize>,
        further: &[String],
    ) -> Result<(Child, String), Failure> {
        let name = self.name(part);
        let child = self.act_as(&name, part, whom, processor, further)?;
        Ok((child, name))
    }

    /// The same for a node of this name.
    pub(super) fn act_as(
        &self,
        name: &str,
        part: &str,
        whom: &str,
        processor: Option<usize>,
        further: &[String],
    ) -> Result<Child, Failure> {
        let mut arguments = ["child", "act", part, whom].map(str::to_owned).to_vec();
        arguments.push(format!("--name={name}"));
        arguments.push(format!("--epmd-port={}", self.mapper.port()));
        arguments.extend(processor.map(|processor| format!("--processor={processor}")));
        arguments.extend_from_slice(further);
        let (child, _) = Program::this(part, arguments, &self.cookie)?.start()?;
        Ok(child)
    }
}
