//! What OTP's own protocols between nodes make of a node of Rust among them.

use beam_node::Node;
use interop::{Beam, Otp, on_each_release};

use crate::{
    mesh::{self, list, printed},
    nodes::{Cluster, connected, name, rust_name, text},
};

on_each_release! { nodes_of_otp_work_together_with_one_of_rust_among_them }

async fn nodes_of_otp_work_together_with_one_of_rust_among_them(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beams = [
        cluster.beam().start().await.unwrap(),
        cluster.beam().start().await.unwrap(),
        cluster.beam().start().await.unwrap(),
    ];
    mesh::connect(&beams).await;

    for visible in [false, true] {
        let observers = mesh::observe(&beams).await;
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
        node.disconnect(name(&beams[0]));
        mesh::down(&observers[0], node.name()).await;
        mesh::undisturbed(&beams, &observers).await;
        for beam in &beams {
            connected(beam, node.name(), true).await;
        }

        let gone = node.name().clone();
        drop(node);
        for (beam, observer) in beams.iter().zip(&observers) {
            connected(beam, &gone, false).await;
            mesh::down(observer, &gone).await;
        }
        mesh::undisturbed(&beams, &observers).await;
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
