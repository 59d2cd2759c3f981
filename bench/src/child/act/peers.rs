//! Many nodes in one process, each connected to the hub.

use beam_node::{Listen, Membership};
use rpc_load_balancer::{Atom, Node, Term, beam_node};

use super::{PATIENCE, Place, Values, answer, number, ready, shared_clock, text};
use crate::{
    child::{
        lifeline::Commands,
        stack::node::{self, GROUP},
    },
    failure::Failure,
};

/// Commands: `connect N` has so many nodes connected in all, `join N` has so many of them in the group, `leave I` and
/// `rejoin I` have one of them leave it and come back, and tell when they did so.
pub(super) async fn run(hub: &str, place: &Place, mut commands: Commands) -> Result<(), Failure> {
    let mut peers = Peers {
        place: place.clone(),
        hub: hub.to_owned(),
        nodes: Vec::new(),
        memberships: Vec::new(),
    };
    ready(&place.name);
    while let Some(line) = commands.recv().await {
        let words: Vec<&str> = line.split_whitespace().collect();
        answer(match words[..] {
            ["connect", count] => peers.connect(count).await,
            ["join", count] => peers.join(count),
            ["leave", which] => peers.leave(which),
            ["rejoin", which] => peers.rejoin(which),
            _ => Err(format!("{line:?} is no command")),
        });
    }
    Ok(())
}

struct Peers {
    place: Place,
    hub: String,
    nodes: Vec<Node>,
    memberships: Vec<Option<Membership>>,
}

impl Peers {
    async fn connect(&mut self, count: &str) -> Values {
        for number in self.nodes.len()..number(count)? {
            // They do not listen, so that neither ports nor EPMD are part of the measurement, and do not look for each
            // other.
            let node = node::builder(&format!("peer{number}-{}", self.place.name), &self.place)
                .listen(Listen::Off)
                .discovery(false)
                .start()
                .await
                .map_err(text)?;
            let hub = node.peer(&self.hub).map_err(text)?;
            hub.connect(PATIENCE).await.map_err(text)?;
            self.nodes.push(node);
        }
        Ok(vec![("connected", self.nodes.len() as f64)])
    }

    fn join(&mut self, count: &str) -> Values {
        let joining = number(count)?.saturating_sub(self.memberships.len());
        for node in self.nodes.iter().skip(self.memberships.len()).take(joining) {
            self.memberships.push(Some(join(node)?));
        }
        Ok(vec![("joined", self.memberships.len() as f64)])
    }

    fn leave(&mut self, which: &str) -> Values {
        let which = number(which)?;
        let membership = self.memberships.get_mut(which).and_then(Option::take);
        let membership = membership.ok_or("it is no member")?;
        let at = shared_clock();
        drop(membership);
        Ok(vec![("at", at)])
    }

    fn rejoin(&mut self, which: &str) -> Values {
        let which = number(which)?;
        let node = self.nodes.get(which).ok_or("there is no such node")?;
        let at = shared_clock();
        let membership = join(node)?;
        self.memberships[which] = Some(membership);
        Ok(vec![("at", at)])
    }
}

fn join(node: &Node) -> Result<Membership, String> {
    node.join(Term::Atom(Atom::from_static(GROUP)))
        .map_err(text)
}
