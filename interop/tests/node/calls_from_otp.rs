//! What calls of functions of this node come to, as the nodes of OTP see them.

use beam_node::{CallContext, Class, Exception, Export, Limits, Node};
use beam_term::{Atom, Term};
use interop::{Otp, eventually, on_each_release};
use tokio::{sync::mpsc, time::timeout};

use crate::cluster::{Cluster, DEADLINE, HIDDEN_AND_VISIBLE, rust_name, seen, sees};

on_each_release! {
    every_way_a_call_can_end_is_seen_as_what_it_is,
    calls_that_nobody_waits_for_are_cancelled,
    a_call_beyond_the_limit_is_refused,
    requests_and_multicalls_are_answered,
    rpc_is_answered,
    casts_run,
}

async fn every_way_a_call_can_end_is_seen_as_what_it_is(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("otp").start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        export(&node);
        for (call, expected) in [
            ("demo, add, [1, 2]", "3"),
            (
                "demo, echo, [{a, [1, 2, 3], #{b => <<\"c\">>}, \"text\", 1.5}]",
                "{a,[1,2,3],#{b => <<\"c\">>},\"text\",1.5}",
            ),
            ("demo, checked, [1]", "{ok,1}"),
            ("demo, checked, [0]", "{error,zero}"),
            ("demo, raising, [1]", "1"),
            ("demo, none, []", "nil"),
            ("demo, unit, []", "ok"),
            ("demo, blocking, [20]", "40"),
            ("demo, raw, [throw, {a, 1}]", "{throw,{a,1}}"),
            ("demo, raw, [exit, {a, 1}]", "{exit,{exception,{a,1}}}"),
            ("demo, raw, [exit, normal]", "{exit,{exception,normal}}"),
            (
                "demo, raw, [error, {a, 1}]",
                "{error,{exception,{a,1},[{demo,raw,2,[]}]}}",
            ),
            (
                "demo, raising, [0]",
                "{error,{exception,zero,[{demo,raising,1,[]}]}}",
            ),
            (
                "demo, panic, []",
                "{error,{exception,{panic,<<\"boom\">>},[{demo,panic,0,[]}]}}",
            ),
            (
                "demo, blocking, [0]",
                "{error,{exception,{panic,<<\"boom\">>},[{demo,blocking,1,[]}]}}",
            ),
            (
                "demo, nothing, [1, a]",
                "{error,{exception,undef,[{demo,nothing,[1,a],[]}]}}",
            ),
            (
                "demo, add, [1]",
                "{error,{exception,undef,[{demo,add,[1],[]}]}}",
            ),
            (
                "lists, reverse, [[1]]",
                "{error,{exception,undef,[{lists,reverse,[[1]],[]}]}}",
            ),
            (
                "erlang, halt, []",
                "{error,{exception,undef,[{erlang,halt,[],[]}]}}",
            ),
        ] {
            let called = seen(&beam, &node, &format!("erpc:call(N, {call})")).await;
            assert_eq!(called, expected, "{call}");
        }
        // The reason is for programs, what was wrong is for people.
        let badarg =
            "try erpc:call(N, demo, add, [1, two]) catch error:{exception, badarg, [Frame]} ->
            {demo, add, [1, two], [{error_info, #{cause := Cause}}]} = Frame, is_binary(Cause) end";
        assert_eq!(seen(&beam, &node, badarg).await, "true");
        let bad = "try erpc:call(N, demo, nan, []) catch error:{exception, {badreturn, Why}, _} ->
            is_binary(Why) end";
        assert_eq!(seen(&beam, &node, bad).await, "true");
        // A panic ended nothing but its call.
        assert_eq!(
            seen(&beam, &node, "erpc:call(N, demo, add, [20, 22], 5000)").await,
            "42"
        );
        assert_eq!(node.serving(), 0);

        let gone = rust_name("gone");
        let noconnection = format!("erpc:call('{gone}', demo, add, [1, 2])");
        assert_eq!(
            seen(&beam, &node, &noconnection).await,
            "{error,{erpc,noconnection}}"
        );
        node.shutdown().await.unwrap();
        sees(&beam, node.name(), false).await;
        assert_eq!(
            seen(&beam, &node, "erpc:call(N, demo, add, [1, 2])").await,
            "{error,{erpc,noconnection}}"
        );
    }
}

async fn calls_that_nobody_waits_for_are_cancelled(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("otp").start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        let mut held = export_hold(&node);
        let start = |source: &str| {
            let source = format!(
                "N = '{}', try {source} catch Class:Reason -> {{Class, Reason}} end",
                node.name()
            );
            beam.expression(&source).start()
        };

        let timed_out = start("erpc:call(N, demo, hold, [], 200)");
        let call = next(&mut held).await;
        assert_eq!(call.caller().as_str(), beam.name());
        assert_eq!(
            timed_out.term().await.unwrap(),
            "{error,{erpc,timeout}}".parse().unwrap()
        );
        timeout(DEADLINE, call.cancelled()).await.unwrap();

        // The caller dies.
        let session = beam.session();
        session
            .expression(&format!("erpc:call('{}', demo, hold, [])", node.name()))
            .start();
        let call = next(&mut held).await;
        assert!(!call.is_cancelled());
        drop(session);
        timeout(DEADLINE, call.cancelled()).await.unwrap();

        // The link goes.
        let cut = start("erpc:call(N, demo, hold, [])");
        let call = next(&mut held).await;
        node.disconnect(beam.name());
        assert_eq!(
            cut.term().await.unwrap(),
            "{error,{erpc,noconnection}}".parse().unwrap()
        );
        timeout(DEADLINE, call.cancelled()).await.unwrap();
    }
}

async fn a_call_beyond_the_limit_is_refused(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("otp").start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let limits = Limits {
            served_per_peer: 1,
            ..Limits::default()
        };
        let node = cluster
            .node(&rust_name("rust"))
            .visible(visible)
            .limits(limits);
        let node = node.start().await.unwrap();
        let mut held = export_hold(&node);
        let session = beam.session();
        let name = node.name();
        session
            .eval(&format!("R = erpc:send_request('{name}', demo, hold, [])"))
            .await
            .unwrap();
        next(&mut held).await;
        let refused = seen(&beam, &node, "erpc:call(N, demo, hold, [])").await;
        assert_eq!(refused, "{error,{erpc,system_limit}}");
        let refused = seen(
            &beam,
            &node,
            "spawn_request(N, demo, hold, []), receive {spawn_reply, _, error, R} -> R end",
        );
        assert_eq!(refused.await, "system_limit");
        let ping = seen(&beam, &node, "net_adm:ping(N)").await;
        assert_eq!(ping, "pong", "a limit on calls is none on pings");

        // There is room again once the first has ended.
        drop(session);
        let idle = async || node.serving() == 0;
        eventually("the first call to end", DEADLINE, idle).await;
        let again = seen(&beam, &node, "erpc:call(N, erlang, node, [])").await;
        assert_eq!(again, format!("'{name}'"));
    }
}

async fn requests_and_multicalls_are_answered(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("otp").start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        let other = cluster.rust(visible).await;
        export(&node);
        other
            .export("demo", "add", async |a: i64, b: i64| a - b)
            .unwrap();
        let gone = rust_name("gone");

        let request = "R = erpc:send_request(N, demo, add, [1, 2]), erpc:receive_response(R, 5000)";
        assert_eq!(seen(&beam, &node, request).await, "3");
        let request = "R = erpc:send_request(N, demo, panic, []), {response, _} = erpc:wait_response(R, 5000)";
        assert_eq!(
            seen(&beam, &node, request).await,
            "{error,{exception,{panic,<<\"boom\">>},[{demo,panic,0,[]}]}}"
        );

        let multicall = format!(
            "erpc:multicall([N, '{}', '{gone}', node()], demo, add, [5, 3], 5000)",
            other.name()
        );
        assert_eq!(
            seen(&beam, &node, &multicall).await,
            "[{ok,8},{ok,2},{error,{erpc,noconnection}},{error,{exception,undef,[{demo,add,[5,3],[]}]}}]"
        );
        let multicast = format!("erpc:multicast([N, '{}'], demo, add, [5, 3])", other.name());
        assert_eq!(seen(&beam, &node, &multicast).await, "ok");
    }
}

async fn rpc_is_answered(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("otp").start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        let mut told = export(&node);
        let gone = rust_name("gone");
        let multicall = format!("rpc:multicall([N, '{gone}'], demo, add, [500, 300], 5000)");
        let bad_node = format!("{{[800],['{gone}']}}");
        for (source, expected) in [
            ("rpc:call(N, demo, add, [1, 2])", "3"),
            ("rpc:call(N, demo, checked, [0], 5000)", "{error,zero}"),
            ("rpc:call(N, demo, raw, [throw, thrown])", "thrown"),
            (
                "rpc:call(N, demo, raw, [exit, left])",
                "{badrpc,{'EXIT',left}}",
            ),
            (
                "rpc:call(N, demo, nothing, [])",
                "{badrpc,{'EXIT',{undef,[{demo,nothing,[],[]}]}}}",
            ),
            (
                "rpc:call(N, demo, panic, [])",
                "{badrpc,{'EXIT',{{panic,<<\"boom\">>},[{demo,panic,0,[]}]}}}",
            ),
            ("rpc:call(N, demo, wait, [], 100)", "{badrpc,timeout}"),
            ("rpc:yield(rpc:async_call(N, demo, add, [1, 2]))", "3"),
            ("rpc:cast(N, demo, tell, [from_a_cast])", "true"),
            (&multicall, &bad_node),
        ] {
            assert_eq!(seen(&beam, &node, source).await, expected, "{source}");
        }
        assert_eq!(
            timeout(DEADLINE, told.recv()).await.unwrap(),
            Some(Term::atom("from_a_cast"))
        );
        // What goes through the server `rex` is refused, and hangs nobody.
        let refused = seen(&beam, &node, "rpc:block_call(N, demo, add, [1, 2])").await;
        assert_eq!(refused, "{badrpc,enotsup}");
        let refused = seen(
            &beam,
            &node,
            "{_, Bad} = rpc:abcast([N], nobody, hello), Bad",
        );
        assert_ne!(refused.await, "");
    }
}

async fn casts_run(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("otp").start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        let mut told = export(&node);
        // Those that fail, and those of functions that are not there, end no others.
        for call in ["nothing, []", "panic, []", "tell, []", "tell, [1]"] {
            assert_eq!(
                seen(&beam, &node, &format!("erpc:cast(N, demo, {call})")).await,
                "ok"
            );
        }
        assert_eq!(
            timeout(DEADLINE, told.recv()).await.unwrap(),
            Some(Term::from(1))
        );
        assert_eq!(
            seen(&beam, &node, "erpc:call(N, demo, add, [1, 2])").await,
            "3"
        );
    }
}

/// Exports functions that end in every way; gives what `demo:tell/1` is told.
fn export(node: &Node) -> mpsc::UnboundedReceiver<Term> {
    let zero = Atom::from_static("zero");
    let checked = move |number: i64| {
        let result = if number == 0 {
            Err(zero.clone())
        } else {
            Ok(number)
        };
        async move { result }
    };
    node.export("demo", "echo", async |term: Term| term)
        .unwrap();
    node.export("demo", "add", async |a: i64, b: i64| a + b)
        .unwrap();
    node.export("demo", "none", async || None::<i64>).unwrap();
    node.export("demo", "unit", async || ()).unwrap();
    node.export("demo", "nan", async || f64::NAN).unwrap();
    node.export("demo", "wait", async || std::future::pending::<()>().await)
        .unwrap();
    node.export("demo", "panic", async || explode(0)).unwrap();
    node.export("demo", "checked", checked.clone()).unwrap();
    node.register(Export::raising("demo", "raising", checked))
        .unwrap();
    node.register(Export::blocking("demo", "blocking", explode))
        .unwrap();
    let raw = async |_: CallContext, arguments: Vec<Term>| {
        let [class, reason] = <[Term; 2]>::try_from(arguments).expect("the arity is two");
        let class = match class.as_atom().expect("a class is an atom").as_str() {
            "throw" => Class::Throw,
            "exit" => Class::Exit,
            _ => Class::Error,
        };
        Err(Exception {
            class,
            reason,
            stack: Term::nil(),
        })
    };
    node.register(Export::raw("demo", "raw", 2, raw)).unwrap();
    let (tell, told) = mpsc::unbounded_channel();
    node.export("demo", "tell", move |term: Term| {
        let told = tell.send(term);
        async move { told.is_ok() }
    })
    .unwrap();
    told
}

/// Twice the number, and a panic for zero.
fn explode(number: i64) -> i64 {
    assert!(number != 0, "boom");
    number * 2
}

/// Exports `demo:hold/0`, which ends when nobody waits for it; gives the calls as they come.
fn export_hold(node: &Node) -> mpsc::UnboundedReceiver<CallContext> {
    let (tell, held) = mpsc::unbounded_channel();
    node.export("demo", "hold", move |call: CallContext| {
        let told = tell.send(call.clone());
        async move {
            told.expect("the test counts the calls");
            call.cancelled().await;
        }
    })
    .unwrap();
    held
}

async fn next(held: &mut mpsc::UnboundedReceiver<CallContext>) -> CallContext {
    timeout(DEADLINE, held.recv())
        .await
        .expect("the call comes")
        .expect("the function is exported")
}
