//! Nodes of OTP that are all connected to each other, and are watched for whether they stay so.

use beam_node::NodeName;
use interop::{Beam, Session, eventually};

use crate::nodes::{DEADLINE, text};

/// Connects every node to every other.
pub(crate) async fn connect(beams: &[Beam; 3]) {
    for beam in &beams[1..] {
        let ping = format!("net_adm:ping('{}')", beam.name());
        assert_eq!(text(&beams[0], &ping).await, "pong");
    }
    for beam in beams {
        let meshed = async || is_connected_to_all(beam, beams).await;
        eventually("the nodes of OTP to be connected", DEADLINE, meshed).await;
    }
}

/// Starts a process on each node that is told from now on which nodes come and go.
pub(crate) async fn observe(beams: &[Beam; 3]) -> [Session; 3] {
    let observers = beams.each_ref().map(Beam::session);
    for observer in &observers {
        let monitor = "net_kernel:monitor_nodes(true, [{node_type, all}])";
        assert_eq!(printed(observer, monitor).await, "ok");
    }
    observers
}

/// Waits until an observer is told that this node is gone.
pub(crate) async fn down(observer: &Session, gone: &NodeName) {
    printed(
        observer,
        &format!("receive {{nodedown, '{gone}', _}} -> ok end"),
    )
    .await;
}

/// The nodes that an observer was told are gone, but for those that were waited for.
pub(crate) async fn lost(observer: &Session) -> String {
    let lost = "[Name || {nodedown, Name, _} <- element(2, process_info(self(), messages))]";
    printed(observer, lost).await
}

/// None of these nodes of OTP has lost another since the observers were started.
///
/// What the nodes tell each other of a loss is on its way when they notice it themselves. Two
/// rounds through all the servers of `global` come after it, and after what follows from it.
pub(crate) async fn undisturbed(beams: &[Beam], observers: &[Session]) {
    let names = list(beams.iter().map(Beam::name));
    for beam in beams.iter().chain(beams) {
        let settle = format!(
            "[sys:get_state({{global_name_server, Name}}) || Name <- {names}], global:sync()"
        );
        assert_eq!(text(beam, &settle).await, "ok");
    }
    for (beam, observer) in beams.iter().zip(observers) {
        let lost = format!(
            "[Name || {{nodedown, Name, _}} <- element(2, process_info(self(), messages)),
                lists:member(Name, {names})]"
        );
        let lost = printed(observer, &lost).await;
        assert_eq!(lost, "[]", "{} lost them", beam.name());
        assert!(is_connected_to_all(beam, beams).await, "{}", beam.name());
    }
}

async fn is_connected_to_all(beam: &Beam, beams: &[Beam]) -> bool {
    let names = list(beams.iter().map(Beam::name));
    text(beam, &format!("{names} -- [node() | nodes()]")).await == "[]"
}

/// A list of nodes, as Erlang writes it.
pub(crate) fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.map(|name| format!("'{name}'")).collect();
    format!("[{}]", quoted.join(", "))
}

/// The value of an expression in a process that lasts, as Erlang prints it.
pub(crate) async fn printed(session: &Session, source: &str) -> String {
    session.expression(source).text().await.unwrap()
}
