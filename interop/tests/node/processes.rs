//! Processes of this node as those of OTP observe them: messages, monitors, links and spawns.

use beam_node::{Mailbox, Node};
use beam_term::{Atom, RawTerm, Term};
use interop::{Otp, on_each_release};
use tokio::time::timeout;

use crate::cluster::{Cluster, DEADLINE, HIDDEN_AND_VISIBLE, seen, sees};

on_each_release! {
    messages_go_both_ways_by_name_and_by_pid,
    monitors_tell_how_processes_end,
    links_tell_how_processes_end,
    functions_are_spawned,
    a_spawned_function_is_killed_by_an_exit_signal,
    gen_servers_are_called_by_multi_call,
}

async fn messages_go_both_ways_by_name_and_by_pid(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("otp").start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        let mut inbox = node.mailbox(Some("inbox")).unwrap();
        let session = beam.session();
        let me = session
            .eval("register(rlb_session, self()), self()")
            .await
            .unwrap();
        let me = me.as_pid().unwrap().clone();
        let send = session
            .expression(&format!(
                "{{inbox, '{}'}} ! {{by_name, 1}}, Pid ! {{by_pid, self()}}, ok",
                node.name()
            ))
            .bind("Pid", &Term::from(inbox.pid().clone()));
        send.term().await.unwrap();
        // Nobody has this name; the message is lost, and the link is not.
        seen(&beam, &node, "{nobody, N} ! hello").await;
        for expected in [
            Term::tuple([Term::atom("by_name"), Term::from(1)]),
            Term::tuple([Term::atom("by_pid"), Term::from(me.clone())]),
        ] {
            let delivery = timeout(DEADLINE, inbox.recv()).await.unwrap().unwrap();
            assert_eq!(delivery.node.as_str(), beam.name());
            assert_eq!(delivery.message.decode().unwrap(), expected);
            if let Some(from) = delivery.from {
                assert_eq!(from, me);
            }
        }

        let beam_name = beam.name().parse().unwrap();
        node.send(me, &("to a pid", 1)).await.unwrap();
        node.send(
            (&beam_name, Atom::from_static("rlb_session")),
            &vec![1, 2, 3],
        )
        .await
        .unwrap();
        node.send((&beam_name, Atom::from_static("nobody")), &1)
            .await
            .unwrap();
        // The order between the two is kept.
        let received = session
            .expression("[receive M -> M end || _ <- [1, 2]]")
            .text()
            .await;
        assert_eq!(received.unwrap(), "[{<<\"to a pid\">>,1},[1,2,3]]");

        // A process of OTP answers a mailbox as it answers any other process.
        let echo = beam
            .eval("spawn(fun() -> receive {From, Message} -> From ! {self(), Message} end end)");
        let echo = echo.await.unwrap().as_pid().unwrap().clone();
        node.send(echo.clone(), &(inbox.pid(), "hello"))
            .await
            .unwrap();
        let delivery = timeout(DEADLINE, inbox.recv()).await.unwrap().unwrap();
        let expected = Term::tuple([Term::from(echo), Term::binary("hello")]);
        assert_eq!(delivery.message.decode().unwrap(), expected);
    }
}

async fn monitors_tell_how_processes_end(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("otp").start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        let name = node.name().clone();
        let session = beam.session();
        let inbox = node.mailbox(Some("inbox")).unwrap();
        let down = "receive {'DOWN', MONITOR, process, WhatMONITOR, WhyMONITOR} ->
            {WhatMONITOR =:= Pid, WhatMONITOR =:= {inbox, N}, WhyMONITOR} end";
        let down = |monitor: &str| down.replace("MONITOR", monitor);

        assert_eq!(seen(&beam, &node, "R = monitor(process, {nobody, N}), receive {'DOWN', R, _, W, Y} -> {W =:= {nobody, N}, Y} end").await, "{true,noproc}");
        for service in ["net_kernel", "rex", "rpc_load_balancer"] {
            let alive = format!("R = monitor(process, {{{service}, N}}), demonitor(R, [info])");
            assert_eq!(
                seen(&beam, &node, &alive).await,
                "true",
                "{service} is there"
            );
        }

        bind(&session, &node, &inbox).await;
        session.eval("R1 = monitor(process, Pid), R2 = monitor(process, {inbox, N}), R3 = monitor(process, Pid), true = demonitor(R3, [info]), erpc:call(N, erlang, node, [])").await.unwrap();
        drop(inbox);
        let one = session.expression(&down("R1")).text().await.unwrap();
        assert_eq!(one, "{true,false,normal}");
        let two = session.expression(&down("R2")).text().await;
        assert_eq!(two.unwrap(), "{false,true,normal}");
        // The name is free again, and the pid is nobody's.
        let gone = session
            .expression("R4 = monitor(process, Pid), receive {'DOWN', R4, _, _, Why4} -> Why4 end");
        assert_eq!(gone.text().await.unwrap(), "noproc");
        let none_left = session
            .expression("receive Any -> Any after 0 -> nothing end")
            .text()
            .await;
        assert_eq!(none_left.unwrap(), "nothing");

        let inbox = node.mailbox(Some("inbox")).unwrap();
        let session = beam.session();
        bind(&session, &node, &inbox).await;
        session
            .eval("R = monitor(process, Pid), erpc:call(N, erlang, node, [])")
            .await
            .unwrap();
        node.disconnect(beam.name());
        let cut = session.expression(&down("R")).text().await.unwrap();
        assert_eq!(cut, "{true,false,noconnection}");
        sees(&beam, &name, false).await;
    }
}

async fn links_tell_how_processes_end(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("otp").start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        let session = beam.session();
        let mut inbox = node.mailbox(None).unwrap();
        bind(&session, &node, &inbox).await;
        // An exit signal does not end a mailbox: it traps exits, as the user decides when it goes.
        session
            .eval("process_flag(trap_exit, true), link(Pid), exit(Pid, kill), Pid ! still_there")
            .await
            .unwrap();
        let delivery = timeout(DEADLINE, inbox.recv()).await.unwrap().unwrap();
        assert_eq!(
            delivery.message.decode().unwrap(),
            Term::atom("still_there")
        );
        drop(inbox);
        let exit = "receive {'EXIT', Pid, Why} -> Why end";
        assert_eq!(session.expression(exit).text().await.unwrap(), "normal");
        let gone = session.expression("link(Pid), receive {'EXIT', Pid, Why2} -> Why2 end");
        assert_eq!(gone.text().await.unwrap(), "noproc");

        let inbox = node.mailbox(None).unwrap();
        let session = beam.session();
        bind(&session, &node, &inbox).await;
        session.eval("process_flag(trap_exit, true), link(Pid), unlink(Pid), erpc:call(N, erlang, node, [])").await.unwrap();
        drop(inbox);
        // What would have been told of the end came before the answer to this.
        let unlinked = "erpc:call(N, erlang, node, []), receive Any -> Any after 0 -> nothing end";
        assert_eq!(
            session.expression(unlinked).text().await.unwrap(),
            "nothing"
        );

        // A link goes with the connection.
        let inbox = node.mailbox(None).unwrap();
        let session = beam.session();
        bind(&session, &node, &inbox).await;
        session
            .eval("process_flag(trap_exit, true), link(Pid), erpc:call(N, erlang, node, [])")
            .await
            .unwrap();
        node.disconnect(beam.name());
        assert_eq!(
            session.expression(exit).text().await.unwrap(),
            "noconnection"
        );
    }
}

async fn functions_are_spawned(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("otp").start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        node.export("demo", "echo", async |term: Term| term)
            .unwrap();
        node.export("demo", "panic", async || -> () { panic!("boom") })
            .unwrap();
        let undef = "{undef,[{demo,nothing,[1],[]}]}";
        let panic = "{{panic,<<\"boom\">>},[{demo,panic,0,[]}]}";
        for (call, reason) in [
            ("echo, [1]", "normal"),
            ("nothing, [1]", undef),
            ("panic, []", panic),
        ] {
            let spawned = [
                "{P, R} = spawn_monitor(N, demo, CALL), receive {'DOWN', R, process, P, Why} -> Why end",
                "process_flag(trap_exit, true), P = spawn_link(N, demo, CALL), receive {'EXIT', P, Why} -> Why end",
                "{P, R} = spawn_opt(N, demo, CALL, [monitor, {priority, low}]), receive {'DOWN', R, process, P, Why} -> Why end",
                "I = spawn_request(N, demo, CALL, [monitor]), receive {spawn_reply, I, ok, P} -> receive {'DOWN', I, process, P, Why} -> Why end end",
            ];
            for source in spawned {
                let ended = seen(&beam, &node, &source.replace("CALL", call)).await;
                assert_eq!(ended, reason, "{source} of {call}");
            }
            // Without a link or monitor nobody is told anything.
            let pid = seen(
                &beam,
                &node,
                &format!("P = spawn(N, demo, {call}), is_pid(P) andalso node(P) =:= N"),
            )
            .await;
            assert_eq!(pid, "true");
        }
        assert_eq!(
            seen(&beam, &node, "erpc:call(N, demo, echo, [still])").await,
            "still"
        );
        let gone = "I = spawn_request(nobody@nowhere, demo, echo, [1]), receive {spawn_reply, I, error, Why} -> Why end";
        assert_eq!(seen(&beam, &node, gone).await, "noconnection");
    }
}

async fn a_spawned_function_is_killed_by_an_exit_signal(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("otp").start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        // Tells when the handler is dropped.
        let (dropped, mut drops) = tokio::sync::mpsc::unbounded_channel::<()>();
        node.export("demo", "wait", move || {
            let dropped = dropped.clone();
            async move {
                std::future::pending::<()>().await;
                drop(dropped);
            }
        })
        .unwrap();
        for (signal, reason) in [("kill", "killed"), ("{shutdown, now}", "{shutdown,now}")] {
            let source = format!(
                "{{P, R}} = spawn_monitor(N, demo, wait, []), exit(P, normal), exit(P, {signal}),
                receive {{'DOWN', R, process, P, Why}} -> Why end"
            );
            assert_eq!(seen(&beam, &node, &source).await, reason);
        }
        // A linked process takes the function with it.
        seen(
            &beam,
            &node,
            "{P, R} = spawn_monitor(fun() -> spawn_link(N, demo, wait, []), exit(gone) end),
            receive {'DOWN', R, process, P, Why} -> Why end",
        )
        .await;
        let function = beam_node::Function::try_from(("demo", "wait")).unwrap();
        assert!(node.unregister(&function, 0));
        // The channel closes when the export and every handler that ran are gone.
        assert_eq!(timeout(DEADLINE, drops.recv()).await.unwrap(), None);
        let idle = async || node.serving() == 0;
        interop::eventually("nothing to be served any more", DEADLINE, idle).await;
    }
}

async fn gen_servers_are_called_by_multi_call(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("otp").start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        let name = node.name().clone();
        assert_eq!(
            seen(
                &beam,
                &node,
                "gen_server:multi_call([N], nobody, question, 5000)"
            )
            .await,
            format!("{{[],['{name}']}}")
        );
        assert_eq!(
            seen(&beam, &node, "gen_server:call({nobody, N}, question)").await,
            format!("{{exit,{{noproc,{{gen_server,call,[{{nobody,'{name}'}},question]}}}}}}")
        );

        let mut server = node.mailbox(Some("server")).unwrap();
        let answers = async {
            for _ in 0..3 {
                answer(&node, &mut server).await;
            }
        };
        let questions = async {
            let source = "gen_server:multi_call([N], server, question, 5000)";
            assert_eq!(
                seen(&beam, &node, source).await,
                format!("{{[{{'{name}',{{answer,question}}}}],[]}}")
            );
            let source = "gen_server:multi_call([N], server, question)";
            assert_eq!(
                seen(&beam, &node, source).await,
                format!("{{[{{'{name}',{{answer,question}}}}],[]}}")
            );
            assert_eq!(
                seen(&beam, &node, "gen_server:call({server, N}, question)").await,
                "{answer,question}"
            );
        };
        timeout(DEADLINE, async { tokio::join!(answers, questions) })
            .await
            .unwrap();
    }
}

/// Answers `{'$gen_call', {Pid, Tag}, Question}` with `{answer, Question}`.
async fn answer(node: &Node, server: &mut Mailbox) {
    let delivery = server.recv().await.unwrap();
    let call: (Atom, (beam_term::Pid, RawTerm), Term) = delivery.message.deserialize().unwrap();
    let (kind, (from, tag), question) = call;
    assert_eq!(kind.as_str(), "$gen_call");
    node.send(from, &(tag, (Atom::from_static("answer"), question)))
        .await
        .unwrap();
}

/// Binds `N` to the node and `Pid` to the mailbox in a session.
async fn bind(session: &interop::Session, node: &Node, inbox: &Mailbox) {
    let bind = session.expression(&format!("N = '{}', Pid = Pid", node.name()));
    bind.bind("Pid", &Term::from(inbox.pid().clone()))
        .term()
        .await
        .unwrap();
}
