//! Members of groups: making some, and seeing them from both sides.

use beam_node::{Membership, Node, NodeName};
use beam_term::{Pid, Term};
use interop::{Beam, eventually};

use crate::nodes::DEADLINE;

/// Starts the scope of a node of OTP.
pub(crate) const SCOPE: &str = "{ok, _} = pg:start(rpc_load_balancer)";

/// Makes a process `P` a member of `workers`.
pub(crate) const JOIN: &str = "ok = pg:join(rpc_load_balancer, workers, P)";

/// Starts processes of OTP that can be in groups.
pub(crate) async fn processes(beam: &Beam, count: usize) -> Vec<Pid> {
    let start =
        format!("[spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, {count})]");
    pids(&beam.eval(&start).await.unwrap())
}

/// Evaluates an expression about these processes, `P` and `Q` in it.
pub(crate) async fn run(beam: &Beam, source: &str, pids: &[Pid]) {
    let mut expression = beam.expression(source);
    for (variable, pid) in ["P", "Q"].into_iter().zip(pids) {
        expression = expression.bind(variable, &Term::Pid(Box::new(pid.clone())));
    }
    expression.external().await.unwrap();
}

/// Waits until a node of OTP sees just these members of a group at a node of Rust.
pub(crate) async fn seen_by_otp(
    beam: &Beam,
    group: &str,
    node: &NodeName,
    members: &[&Membership],
) {
    let mut expected: Vec<Pid> = members.iter().map(|member| member.pid().clone()).collect();
    expected.sort();
    let source = format!(
        "[Pid || Pid <- pg:get_members(rpc_load_balancer, {group}), node(Pid) =:= '{node}']"
    );
    let agreed = async || pids(&beam.eval(&source).await.unwrap()) == expected;
    let what = format!("{} to see {expected:?} in {group}", beam.name());
    eventually(&what, DEADLINE, agreed).await;
}

/// Waits until a node of Rust sees just these processes of another node in a group.
pub(crate) async fn seen_by_rust(
    node: &Node,
    group: &'static str,
    at: &NodeName,
    expected: &[Pid],
) {
    let mut expected = expected.to_vec();
    expected.sort();
    let agreed = async || {
        let members = node.members(&Term::atom(group));
        let mut pids = members
            .get(at)
            .map_or_else(Vec::new, |member| member.pids().to_vec());
        pids.sort();
        pids == expected
    };
    let what = format!("{} to see {expected:?} in {group}", node.name());
    eventually(&what, DEADLINE, agreed).await;
}

pub(crate) fn pids(list: &Term) -> Vec<Pid> {
    let pid = |term: &Term| match term {
        Term::Pid(pid) => Pid::clone(pid),
        other => panic!("{other} is no pid"),
    };
    let mut pids: Vec<Pid> = list.as_list().unwrap().iter().map(pid).collect();
    pids.sort();
    pids
}
