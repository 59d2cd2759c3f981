//! A plan for people to read.

use std::fmt;

use super::{Event, Plan};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}: {} nodes, steps of {} ms, packets take {} to {} ms, windows of {} bytes, \
             found by {:?}, net tick time {:?}",
            self.seed,
            self.nodes.len(),
            self.step,
            self.network.delay.least,
            self.network.delay.most,
            self.network.window,
            self.finding,
            self.net_ticktime,
        )?;
        for (host, node) in self.nodes.iter().enumerate() {
            writeln!(
                f,
                "  h{host}: {}{}{}, {}{}, at most {:?} calls in flight, {} bytes for a peer{}, {:?} ms for suspects",
                if node.is_member { "member" } else { "client" },
                if node.starts { "" } else { ", starts late" },
                if node.stays { "" } else { ", gone in the end" },
                node.algorithm,
                if node.visible { ", visible" } else { "" },
                node.in_flight,
                node.outgoing,
                if node.waits_for_room {
                    ", waited for"
                } else {
                    ""
                },
                node.grace,
            )?;
            for caller in &node.callers {
                writeln!(f, "      {caller:?}")?;
            }
        }
        for Event { at, fault } in &self.events {
            writeln!(f, "  {at:>6} ms  {fault:?}")?;
        }
        writeln!(f, "  {:>6} ms  all is well", self.healed)
    }
}
