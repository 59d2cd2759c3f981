//! What OTP's own protocols between nodes make of a node of Rust among them.

use beam_node::{Node, NodeName};
use interop::{Beam, Otp, Session, eventually, on_each_release};

use crate::nodes::{Cluster, DEADLINE, connected, name, rust_name, text};

on_each_release! { nodes_of_otp_work_together_with_one_of_rust_among_them }

async fn nodes_of_otp_work_together_with_one_of_rust_among_them(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beams = [
        cluster.beam().start().await.unwrap(),
        cluster.beam().start().await.unwrap(),
        cluster.beam().start().await.unwrap(),
    ];
    for beam in &beams[1..] {
        let ping = format!("net_adm:ping('{}')", beam.name());
        assert_eq!(text(&beams[0], &ping).await, "pong");
    }
    let names = list(beams.iter().map(Beam::name));
    for beam in &beams {
        let meshed = format!("lists:sort([node() | nodes()]) =:= lists:sort({names})");
        let meshed = async || text(beam, &meshed).await == "true";
        eventually("the nodes of OTP to be connected", DEADLINE, meshed).await;
    }

    for visible in [false, true] {
        let observers = beams.each_ref().map(Beam::session);
        for observer in &observers {
            printed(
                observer,
                "ok = net_kernel:monitor_nodes(true, [{node_type, all}])",
            )
            .await;
        }
        let builder = cluster.rust(&rust_name("rust"), &beams.each_ref());
        let node = builder.visible(visible).start().await.unwrap();
        for beam in &beams {
            connected(beam, node.name(), true).await;
        }

        calls_to_many_nodes_are_answered(&beams, &node).await;
        names_are_registered_everywhere(&beams).await;
        locks_exclude_each_other(&beams, &node).await;
        for beam in &beams {
            assert_eq!(text(beam, "global:sync()").await, "ok");
        }

        // One lost connection must not look like a network in two overlapping parts.
        node.disconnect(&name(&beams[0]));
        down(&observers[0], node.name()).await;
        undisturbed(&beams, &observers, node.name()).await;
        for beam in &beams {
            connected(beam, node.name(), true).await;
        }

        let gone = node.name().clone();
        drop(node);
        for (beam, observer) in beams.iter().zip(&observers) {
            connected(beam, &gone, false).await;
            down(observer, &gone).await;
        }
        undisturbed(&beams, &observers, &gone).await;
    }
}

async fn calls_to_many_nodes_are_answered(beams: &[Beam; 3], node: &Node) {
    let names = list(beams.iter().map(Beam::name).chain([node.name().as_str()]));
    for beam in beams {
        let multicall = format!(
            "erpc:multicall({names}, erlang, node, []) =:= [{{ok, Name}} || Name <- {names}]"
        );
        assert_eq!(text(beam, &multicall).await, "true");
        let multi_call = format!(
            "{{Replies, Bad}} = gen_server:multi_call({names}, nobody_has_this_name, hello),
            {{Replies, lists:sort(Bad) =:= lists:sort({names})}}"
        );
        assert_eq!(text(beam, &multi_call).await, "{[],true}");
    }
}

async fn names_are_registered_everywhere(beams: &[Beam; 3]) {
    for beam in beams {
        let owner = beam.session();
        let register = "global:register_name(the_name, self())";
        assert_eq!(printed(&owner, register).await, "yes");
        for other in beams {
            let whereis = format!("node(global:whereis_name(the_name)) =:= '{}'", beam.name());
            assert_eq!(text(other, &whereis).await, "true");
            assert_eq!(text(other, register).await, "no");
        }
        assert_eq!(
            printed(&owner, "global:unregister_name(the_name)").await,
            "ok"
        );
        for other in beams {
            assert_eq!(
                text(other, "global:whereis_name(the_name)").await,
                "undefined"
            );
        }
    }
}

async fn locks_exclude_each_other(beams: &[Beam; 3], node: &Node) {
    let names = list(beams.iter().map(Beam::name).chain([node.name().as_str()]));
    // On the nodes that OTP picks itself, and on all that there are.
    for nodes in ["[node() | nodes()]", &names] {
        for beam in beams {
            let trans = format!("global:trans({{lock, self()}}, fun() -> done end, {nodes})");
            assert_eq!(text(beam, &trans).await, "done");
        }
        let holder = beams[0].session();
        let lock = format!("global:set_lock({{lock, self()}}, {nodes}, 0)");
        let trans = format!("global:trans({{lock, self()}}, fun() -> done end, {nodes}, 0)");
        assert_eq!(printed(&holder, &lock).await, "true");
        assert_eq!(text(&beams[1], &trans).await, "aborted");
        let unlock = format!("global:del_lock({{lock, self()}}, {nodes})");
        assert_eq!(printed(&holder, &unlock).await, "true");
        assert_eq!(text(&beams[2], &trans).await, "done");
    }
}

/// Waits in a process that monitors nodes until it is told that this one is gone.
async fn down(observer: &Session, gone: &NodeName) {
    printed(
        observer,
        &format!("receive {{nodedown, '{gone}', _}} -> ok end"),
    )
    .await;
}

/// No node of OTP has lost another since the observers were started.
///
/// What the nodes tell each other of a loss is on its way when they notice it themselves. Two
/// rounds through all the servers of `global` come after it, and after what follows from it.
async fn undisturbed(beams: &[Beam; 3], observers: &[Session; 3], gone: &NodeName) {
    let names = list(beams.iter().map(Beam::name));
    for beam in beams.iter().chain(beams) {
        let settle = format!(
            "[sys:get_state({{global_name_server, Name}}) || Name <- {names}], global:sync()"
        );
        assert_eq!(text(beam, &settle).await, "ok");
    }
    for (beam, observer) in beams.iter().zip(observers) {
        let lost = "[Name || {nodedown, Name, _} <- element(2, process_info(self(), messages))]";
        let lost = printed(observer, lost).await;
        assert!(
            lost.replace(&format!("'{gone}'"), "")
                .trim_matches(['[', ']', ','])
                .is_empty(),
            "{} lost {lost}",
            beam.name()
        );
        let meshed =
            format!("lists:sort([node() | nodes()] -- ['{gone}']) =:= lists:sort({names})");
        assert_eq!(text(beam, &meshed).await, "true");
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.map(|name| format!("'{name}'")).collect();
    format!("[{}]", quoted.join(", "))
}

async fn printed(session: &Session, source: &str) -> String {
    session.expression(source).text().await.unwrap()
}
