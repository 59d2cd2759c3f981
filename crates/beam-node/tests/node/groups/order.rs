//! The order in which others are told of joins and leaves.

use beam_dist::control::{Control, Recipient};
use beam_term::{Pid, Term};

use crate::support::{Cluster, RawPeer, within};

/// What the scope of a node says to that of a peer.
#[derive(Debug, PartialEq)]
enum Told {
    Groups(Term),
    Joined(Term, Vec<Pid>),
    Left(Vec<Pid>, Term),
}

fn pids(term: &Term) -> Vec<Pid> {
    match term {
        Term::Pid(pid) => vec![Pid::clone(pid)],
        Term::List(pids) => pids.iter().flat_map(self::pids).collect(),
        other => panic!("{other}"),
    }
}

/// The next message to the scope of the peer, other than the question for it.
async fn told(peer: &mut RawPeer) -> Told {
    let scope = peer.scope();
    within(async {
        loop {
            let message = peer.next_of_any_kind().await.unwrap();
            let Control::Send(send) = message.control else {
                continue;
            };
            if send.to != Recipient::Pid(scope.clone()) {
                continue;
            }
            let message = message.payload.unwrap().decode().unwrap();
            let Term::Tuple(parts) = &message else {
                panic!("{message}")
            };
            match &parts[..] {
                [cast, Term::Tuple(sync)] if *cast == Term::atom("$gen_cast") => {
                    assert_eq!(sync[0], Term::atom("sync"));
                    let groups = sync[2].as_list().unwrap().iter().cloned();
                    return Told::Groups(Term::list(groups.filter(is_group)));
                }
                [tag, _scope, group, joined] if *tag == Term::atom("join") => {
                    return Told::Joined(group.clone(), pids(joined));
                }
                [tag, _scope, left, Term::List(groups)] if *tag == Term::atom("leave") => {
                    assert_eq!(groups.len(), 1, "{message}");
                    return Told::Left(pids(left), groups[0].clone());
                }
                _ => {}
            }
        }
    })
    .await
}

/// Whether this is more than what a node says of itself.
fn is_group(entry: &Term) -> bool {
    let name = entry.as_tuple().unwrap()[0].as_tuple();
    name.is_none_or(|name| name[1] != Term::atom("rpc_load_balancer"))
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_leaves_and_drops_are_told_in_the_order_in_which_they_happened() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let (first, second) = (Term::atom("first"), Term::atom("second"));
    let before = a.join(first.clone()).unwrap();
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let discover = Term::tuple([Term::atom("discover"), peer.scope().into()]);
    peer.tell_scope(&discover).await;
    let all = Term::list([Term::tuple([
        first.clone(),
        Term::list([before.pid().clone().into()]),
    ])]);
    assert_eq!(told(&mut peer).await, Told::Groups(all));

    let mut expected = Vec::new();
    for _ in 0..50 {
        let [one, two] = [&first, &second].map(|group| a.join(group.clone()).unwrap());
        let (one_pid, two_pid) = (one.pid().clone(), two.pid().clone());
        drop(one);
        let again = a.join(first.clone()).unwrap();
        let again_pid = again.pid().clone();
        drop((again, two));
        expected.extend([
            Told::Joined(first.clone(), vec![one_pid.clone()]),
            Told::Joined(second.clone(), vec![two_pid.clone()]),
            Told::Left(vec![one_pid], first.clone()),
            Told::Joined(first.clone(), vec![again_pid.clone()]),
            Told::Left(vec![again_pid], first.clone()),
            Told::Left(vec![two_pid], second.clone()),
        ]);
    }
    drop(before);
    for expected in expected {
        assert_eq!(told(&mut peer).await, expected);
    }
    assert!(matches!(told(&mut peer).await, Told::Left(_, group) if group == first));
}
