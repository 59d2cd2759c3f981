//! What was said over one connection, as far as one side owes the other an answer.

use std::collections::HashMap;

use beam_dist::control::{Control, SpawnOptions};
use beam_term::{Reference, Term};

/// How often the node was asked something, and has answered.
#[derive(Default)]
pub(super) struct Said {
    spawns: HashMap<Reference, Asked>,
    /// Monitors, those that come with new processes among them.
    monitors: HashMap<Reference, Asked>,
    /// What may have been taken back, or asked for in vain.
    excused: Vec<Reference>,
    unlinks: HashMap<u64, Asked>,
    /// Whether something was sent that is none of these messages: what the node makes of it is
    /// not known here.
    pub(super) is_garbled: bool,
}

#[derive(Default)]
struct Asked {
    times: usize,
    answers: usize,
}

impl Said {
    pub(super) fn sent(&mut self, control: &Control) {
        match control {
            Control::SpawnRequest(request) => {
                self.spawns
                    .entry(request.request.clone())
                    .or_default()
                    .times += 1;
                if is_monitored(&request.options) {
                    self.monitors
                        .entry(request.request.clone())
                        .or_default()
                        .times += 1;
                }
            }
            Control::Monitor(monitor) => {
                self.monitors
                    .entry(monitor.reference.clone())
                    .or_default()
                    .times += 1;
                // It lasts as long as the process.
                self.excused.push(monitor.reference.clone());
            }
            Control::Demonitor(demonitor) => self.excused.push(demonitor.reference.clone()),
            Control::Unlink(unlink) => {
                let id = unlink.id.map_or(0, u64::from);
                self.unlinks.entry(id).or_default().times += 1;
            }
            _ => {}
        }
    }

    pub(super) fn received(&mut self, control: &Control) {
        if self.is_garbled {
            return;
        }
        match control {
            Control::SpawnReply(reply) => {
                self.spawns
                    .entry(reply.request.clone())
                    .or_default()
                    .answered(control);
                if reply.result.is_err() {
                    self.excused.push(reply.request.clone());
                }
            }
            Control::MonitorExit(exit) => {
                self.monitors
                    .entry(exit.reference.clone())
                    .or_default()
                    .answered(control);
            }
            Control::UnlinkAck(ack) => {
                self.unlinks
                    .entry(ack.id.into())
                    .or_default()
                    .answered(control);
            }
            _ => {}
        }
    }

    /// Everything that was asked must have its answer by now.
    pub(super) fn check_all_is_answered(&self) {
        if self.is_garbled {
            return;
        }
        for (reference, asked) in &self.spawns {
            assert_eq!(asked.times, asked.answers, "replies to {reference:?}");
        }
        for (reference, asked) in &self.monitors {
            if !self.excused.contains(reference) {
                assert_eq!(asked.times, asked.answers, "ends of {reference:?}");
            }
        }
        for (id, asked) in &self.unlinks {
            assert!(*id == 0 || asked.times == asked.answers, "unlinks of {id}");
        }
    }
}

/// An option may be told in more than one way.
fn is_monitored(options: &SpawnOptions) -> bool {
    let is_monitor = |option: &Term| match option {
        Term::Tuple(elements) => elements.first() == Some(&Term::atom("monitor")),
        option => *option == Term::atom("monitor"),
    };
    options.monitor || options.others.iter().any(is_monitor)
}

impl Asked {
    fn answered(&mut self, control: &Control) {
        self.answers += 1;
        assert!(self.answers <= self.times, "nobody asked for {control:?}");
    }
}
