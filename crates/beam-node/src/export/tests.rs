use std::{
    future::{pending, ready},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use beam_dist::{Creation, NodeName};
use beam_term::{Atom, AtomRefs, Pid, RawTerm, Reader, Term};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::*;
use crate::{
    Class, Exception, Function, Limits,
    identity::Identity,
    process::{Process, Processes, Role, Served},
    serve::{Admitted, Caller},
};

fn entry(export: Export) -> Arc<Entry> {
    Arc::new(export.into_entry().unwrap())
}

fn context(entry: &Arc<Entry>) -> CallContext {
    CallContext::new(&process(entry, None))
}

/// The process of a call that a node makes itself.
fn process(entry: &Arc<Entry>, deadline: Option<Instant>) -> Arc<Process> {
    let name: NodeName = "caller@h".parse().unwrap();
    let creation = Creation::new(7);
    let processes = Processes::new(name.as_atom().clone(), creation.get());
    let node = Identity::new(name, creation, &processes, Limits::default());
    let admitted = Admitted::new(Caller::Own(node), 0, true).unwrap();
    let is_awaited = true;
    let served = Served::new(admitted, None, Arc::clone(entry), is_awaited, deadline);
    processes.spawn(Role::Served(served), [])
}

fn encoded(arguments: impl IntoIterator<Item = Term>) -> RawTerm {
    RawTerm::serialize(&Term::list(arguments)).unwrap()
}

async fn run(export: Export, arguments: impl IntoIterator<Item = Term>) -> Outcome {
    let entry = entry(export);
    let context = context(&entry);
    entry.run(encoded(arguments), context).await
}

async fn result(export: Export, arguments: impl IntoIterator<Item = Term>) -> Term {
    match run(export, arguments).await {
        Outcome::Returned(value) => value.decode().unwrap(),
        other => panic!("{other:?}"),
    }
}

async fn exception(export: Export, arguments: impl IntoIterator<Item = Term>) -> Exception {
    match run(export, arguments).await {
        Outcome::Raised(exception) => exception,
        other => panic!("{other:?}"),
    }
}

/// The exception of an entry that stands for none.
async fn raised_by(entry: Entry, arguments: RawTerm) -> Exception {
    let entry = Arc::new(entry);
    match entry.run(arguments, context(&entry)).await {
        Outcome::Raised(exception) => exception,
        other => panic!("{other:?}"),
    }
}

fn parsed(term: &str) -> Term {
    term.parse().unwrap()
}

#[tokio::test]
async fn arguments_and_results_pass_through_serde() {
    #[derive(Deserialize, Serialize)]
    struct Point {
        x: i64,
        y: i64,
    }
    let export = Export::new("geo", "flip", async |point: Point, times: Option<u8>| {
        Point {
            x: point.y * i64::from(times.unwrap_or(1)),
            y: point.x,
        }
    });
    let arguments = [parsed("#{x => 1, y => 2}"), parsed("undefined")];
    assert_eq!(result(export, arguments).await, parsed("#{x => 2, y => 1}"));
}

#[tokio::test]
async fn functions_closures_and_async_closures_are_handlers_of_any_arity() {
    async fn add(a: i64, b: i64) -> i64 {
        a + b
    }
    async fn caller(call: CallContext) -> String {
        call.caller().to_string()
    }
    let numbers = |range: std::ops::RangeInclusive<i64>| range.map(Term::from);

    assert_eq!(
        result(Export::new("m", "f", add), numbers(1..=2)).await,
        Term::from(3)
    );
    assert_eq!(
        result(Export::new("m", "f", caller), []).await,
        Term::binary("caller@h")
    );
    let none = Export::new("m", "f", async || 7);
    assert_eq!(result(none, []).await, Term::from(7));
    let twelve = Export::new(
        "m",
        "f",
        async |a: i64,
               b: i64,
               c: i64,
               d: i64,
               e: i64,
               f: i64,
               g: i64,
               h: i64,
               i: i64,
               j: i64,
               k: i64,
               l: i64| { [a, b, c, d, e, f, g, h, i, j, k, l].iter().sum::<i64>() },
    );
    assert_eq!(result(twelve, numbers(1..=12)).await, Term::from(78));
    let thousand = Arc::new(1_000);
    let capturing = Export::new("m", "f", move |_: CallContext, a: i64| {
        let thousand = Arc::clone(&thousand);
        async move { *thousand + a }
    });
    assert_eq!(capturing.arity(), 1);
    assert_eq!(result(capturing, numbers(1..=1)).await, Term::from(1_001));
}

#[tokio::test]
async fn small_integers_arrive_however_they_are_encoded() {
    let sum = || entry(Export::new("m", "f", async |a: u8, b: Term| (b, a)));
    for list in [
        &b"k\x00\x02\x01\x02"[..],
        b"l\x00\x00\x00\x02a\x01b\x00\x00\x00\x02j",
    ] {
        let raw = Reader::new(list).raw().unwrap();
        let (entry, raw) = (sum(), raw);
        let Outcome::Returned(value) = entry.run(raw, context(&entry)).await else {
            panic!("raised");
        };
        assert_eq!(value.decode().unwrap(), parsed("{2, 1}"));
    }
}

#[tokio::test]
async fn an_argument_may_refer_to_the_atoms_of_its_message() {
    let entry = entry(Export::new("m", "f", async |a: Atom| a));
    let atoms: AtomRefs = [Atom::from_static("cached")].into_iter().collect();
    let raw = Reader::new(&b"l\x00\x00\x00\x01R\x00j"[..])
        .with_atoms(atoms)
        .raw()
        .unwrap();
    let Outcome::Returned(value) = entry.run(raw, context(&entry)).await else {
        panic!("raised");
    };
    assert_eq!(value.decode().unwrap(), Term::atom("cached"));
}

#[tokio::test]
async fn errors_are_sent_as_values_or_raised_as_registered() {
    let divide = |a: i64, b: i64| ready(a.checked_div(b).ok_or(Atom::from_static("badarith")));
    let arguments = |b: i64| [Term::from(7), Term::from(b)];

    let sent = || Export::new("math", "div", divide);
    assert_eq!(result(sent(), arguments(2)).await, parsed("{ok, 3}"));
    assert_eq!(
        result(sent(), arguments(0)).await,
        parsed("{error, badarith}")
    );

    let raised = || Export::raising("math", "div", divide);
    assert_eq!(result(raised(), arguments(2)).await, Term::from(3));
    assert_eq!(
        exception(raised(), arguments(0)).await,
        Exception {
            class: Class::Error,
            reason: Term::atom("badarith"),
            stack: parsed("[{math, 'div', 2, []}]"),
        }
    );
}

#[tokio::test]
async fn arguments_of_other_types_are_a_badarg_of_that_function() {
    let export = || Export::new("greeter", "hello", async |name: String, _: u8| name);
    let raised = exception(export(), [Term::from(1), Term::from(2)]).await;
    assert_eq!(
        (raised.class, &raised.reason),
        (Class::Error, &Term::atom("badarg"))
    );
    let Some([Term::Tuple(frame)]) = raised.stack.as_list() else {
        panic!("not one frame: {:?}", raised.stack);
    };
    assert_eq!(
        Term::tuple(frame[..3].to_vec()),
        parsed("{greeter, hello, [1, 2]}")
    );
    let cause = match frame[3].as_list() {
        Some([Term::Tuple(info)]) if info[0] == Term::atom("error_info") => {
            info[1].as_map().unwrap().get(&Term::atom("cause")).cloned()
        }
        other => panic!("no error_info: {other:?}"),
    };
    let cause = cause.unwrap();
    let cause = cause.as_str().unwrap();
    assert!(cause.starts_with("argument 1: expected text"), "{cause}");

    // An integer that does not fit is wrong as well.
    let raised = exception(export(), [Term::binary("x"), Term::from(256)]).await;
    assert_eq!(raised.reason, Term::atom("badarg"));
}

#[tokio::test]
async fn a_badarg_names_the_place_inside_an_argument() {
    #[derive(Deserialize)]
    struct Job {
        #[expect(dead_code)]
        retries: u8,
    }
    let export = Export::new("m", "f", async |_: u8, _: Job| ());
    let raised = exception(export, [Term::from(1), parsed("#{retries => many}")]).await;
    let stack = raised.stack.to_string();
    assert!(stack.contains("argument 2: expected an integer"), "{stack}");
    assert!(stack.contains("in `retries`"), "{stack}");
}

#[tokio::test]
async fn messages_in_exceptions_are_cut() {
    let export = Export::new("m", "f", async |text: String| -> u8 { panic!("{text}") });
    let raised = exception(export, [Term::binary("é".repeat(10_000))]).await;
    let message = raised.reason.as_tuple().unwrap()[1].as_str().unwrap();
    assert_eq!(message, "é".repeat(2_048));
}

#[tokio::test]
async fn a_wrong_number_of_arguments_is_a_badarg_too() {
    for count in [0, 2] {
        let export = Export::new("m", "f", async |_: Term| ());
        let raised = exception(export, (0..count).map(Term::from)).await;
        assert_eq!(raised.reason, Term::atom("badarg"));
    }
    let export = Export::new("m", "f", async || ());
    assert_eq!(
        exception(export, [Term::from(1)]).await.reason,
        Term::atom("badarg")
    );
}

#[tokio::test]
async fn arguments_too_long_for_a_stack_trace_are_left_out_of_it() {
    let export = Export::new("m", "f", async |_: u8| ());
    let raised = exception(export, [Term::binary(vec![0; 100_000])]).await;
    let frame = raised.stack.as_list().unwrap()[0].as_tuple().unwrap();
    assert_eq!(frame[2], Term::from(1));

    let long = encoded([Term::binary(vec![0; 100_000]), Term::from(1)]);
    let (module, name) = (Atom::from_static("m"), Atom::from_static("f"));
    let raised = raised_by(Entry::undefined(module, name, 2), long).await;
    assert_eq!(raised.stack, parsed("[{m, f, ['...', '...'], []}]"));
}

#[tokio::test]
async fn what_is_not_there_is_undefined_as_in_otp() {
    let (module, name) = (Atom::from_static("nomod"), Atom::from_static("nofun"));
    let arguments = encoded([Term::from(1)]);
    let raised = raised_by(Entry::undefined(module, name, 1), arguments).await;
    assert_eq!(
        (raised.class, raised.reason),
        (Class::Error, Term::atom("undef"))
    );
    assert_eq!(raised.stack, parsed("[{nomod, nofun, [1], []}]"));
}

#[tokio::test]
async fn a_panic_ends_the_call_and_nothing_else() {
    let unlucky = Export::new("m", "f", async |number: u8| -> u8 {
        tokio::task::yield_now().await;
        assert_ne!(number, 13, "unlucky {number}");
        number
    });
    for _ in 0..2 {
        let raised = exception(unlucky.clone(), [Term::from(13)]).await;
        assert_eq!(raised.class, Class::Error);
        let message = raised.reason.as_tuple().unwrap()[1]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(message.contains("unlucky 13"), "{message}");
        assert_eq!(raised.stack, parsed("[{m, f, 1, []}]"));
        assert_eq!(
            result(unlucky.clone(), [Term::from(7)]).await,
            Term::from(7)
        );
    }
}

#[tokio::test]
async fn panics_of_every_kind_of_handler_and_with_any_payload_are_caught() {
    let reason = async |export, arguments: [Term; 0]| exception(export, arguments).await.reason;
    let literal = Export::blocking("m", "f", || -> u8 { panic!("literal") });
    assert_eq!(
        reason(literal, []).await,
        parsed(r#"{panic, <<"literal">>}"#)
    );
    let before = Export::new("m", "f", || -> std::future::Ready<u8> {
        panic!("no future")
    });
    assert_eq!(
        reason(before, []).await,
        parsed(r#"{panic, <<"no future">>}"#)
    );
    let payload = Export::raw("m", "f", 0, |_, _| async { std::panic::panic_any(7) });
    assert_eq!(
        reason(payload, []).await,
        parsed(r#"{panic, <<"the handler panicked without a message">>}"#)
    );
}

#[tokio::test]
async fn a_result_without_a_form_as_a_term_is_a_badreturn() {
    for export in [
        Export::new("m", "f", async || f64::NAN),
        Export::raising("m", "f", async || Err::<(), _>(f64::NAN)),
        Export::blocking("m", "f", || f64::INFINITY),
    ] {
        let raised = exception(export, []).await;
        let reason = raised.reason.as_tuple().unwrap();
        assert_eq!(
            (raised.class, &reason[0]),
            (Class::Error, &Term::atom("badreturn"))
        );
        assert!(reason[1].as_str().is_some_and(|text| !text.is_empty()));
    }
}

#[tokio::test]
async fn a_blocking_handler_runs_on_a_thread_of_its_own() {
    let export = Export::blocking("m", "f", |call: CallContext, bytes: Bytes| {
        let thread = std::thread::current().id();
        (format!("{thread:?} for {}", call.function()), bytes)
    });
    let here = format!("{:?} for m:f", std::thread::current().id());
    let value = result(export, [Term::binary("abc")]).await;
    let value = value.as_tuple().unwrap();
    assert_ne!(value[0].as_str(), Some(&*here));
    assert!(value[0].as_str().unwrap().ends_with("for m:f"));
    assert_eq!(value[1], Term::binary("abc"));

    let export = Export::blocking("m", "f", |_: u8| ());
    assert_eq!(
        exception(export, [Term::atom("x")]).await.reason,
        Term::atom("badarg")
    );
}

#[tokio::test]
async fn a_raw_handler_takes_and_gives_terms_and_exceptions() {
    let export = || {
        Export::raw(
            "m",
            "f",
            2,
            async |call: CallContext, arguments: Vec<Term>| {
                assert_eq!(call.arity(), 2);
                match &arguments[..] {
                    [Term::Atom(class), reason] => Err(Exception {
                        class: match class.as_str() {
                            "throw" => Class::Throw,
                            "exit" => Class::Exit,
                            _ => Class::Error,
                        },
                        reason: reason.clone(),
                        stack: Term::nil(),
                    }),
                    _ => Ok(Term::tuple(arguments)),
                }
            },
        )
    };
    assert_eq!(
        result(export(), [Term::from(1), Term::from(2)]).await,
        parsed("{1, 2}")
    );
    for (class, expected, stack) in [
        ("throw", Class::Throw, "[]"),
        ("exit", Class::Exit, "[]"),
        ("error", Class::Error, "[{m, f, 2, []}]"),
    ] {
        let arguments = [Term::Atom(Atom::from_static(class)), Term::atom("why")];
        let expected = Exception {
            class: expected,
            reason: Term::atom("why"),
            stack: parsed(stack),
        };
        assert_eq!(exception(export(), arguments).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_learns_that_nobody_waits_any_more() {
    let entry = entry(Export::new("m", "f", async |call: CallContext| {
        let before = call.is_cancelled();
        call.cancelled().await;
        (before, call.is_cancelled(), call.deadline().is_some())
    }));
    let deadline = Instant::now() + Duration::from_secs(1);
    let process = process(&entry, Some(deadline));
    let context = CallContext::new(&process);
    let (outcome, ()) = tokio::join!(entry.run(encoded([]), context), async {
        process.served().unwrap().cancel();
    });
    let Outcome::Returned(value) = outcome else {
        panic!("raised");
    };
    assert_eq!(value.decode().unwrap(), parsed("{false, true, true}"));
}

#[tokio::test]
async fn a_call_whose_deadline_has_passed_is_not_run() {
    fn not_run() -> u8 {
        panic!("the handler was called")
    }
    for export in [
        Export::new("m", "f", async || not_run()),
        Export::raising("m", "f", async || Ok::<_, u8>(not_run())),
        Export::blocking("m", "f", not_run),
        Export::raw("m", "f", 0, async |_, _| Ok(not_run().into())),
    ] {
        let entry = entry(export);
        let process = process(&entry, Some(Instant::now()));
        let outcome = entry.run(encoded([]), CallContext::new(&process)).await;
        assert!(
            matches!(&outcome, Outcome::Refused(reason) if *reason == "timeout"),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_dropped_call_drops_the_handlers_future() {
    struct Dropped(Arc<AtomicBool>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&dropped);
    let entry = entry(Export::new("m", "f", move || {
        let guard = Dropped(Arc::clone(&flag));
        async move {
            let _guard = guard;
            pending::<()>().await;
        }
    }));
    let mut running = Box::pin(entry.run(encoded([]), context(&entry)));
    tokio::select! {
        biased;
        _ = &mut running => panic!("it never ends"),
        () = ready(()) => {}
    }
    assert!(!dropped.load(Ordering::Relaxed));
    drop(running);
    assert!(dropped.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_handler_may_keep_its_arguments_as_they_came() {
    let export = Export::new("m", "f", async |raw: RawTerm, pid: Pid| (pid, raw));
    let pid = Pid {
        node: Atom::from_static("a@h"),
        id: 1,
        serial: 2,
        creation: 3,
    };
    let value = result(export, [parsed("{a, [1]}"), Term::from(pid.clone())]).await;
    assert_eq!(value, Term::tuple([Term::from(pid), parsed("{a, [1]}")]));
}

#[test]
fn a_function_is_found_under_its_module_name_and_arity() {
    let exports = Exports::default();
    for (module, name) in [("b", "g"), ("a", "f"), ("b", "f")] {
        exports
            .register(Export::new(module, name, async |_: Term| ()))
            .unwrap();
    }
    exports
        .register(Export::new("b", "f", async || ()))
        .unwrap();

    let find = |module, name, arity| {
        let found = exports.find(&Atom::from_static(module), &Atom::from_static(name), arity);
        found.map(|entry| entry.to_string())
    };
    assert_eq!(find("b", "f", 1).as_deref(), Some("b:f/1"));
    assert_eq!(find("b", "f", 0).as_deref(), Some("b:f/0"));
    assert_eq!(find("a", "f", 1).as_deref(), Some("a:f/1"));
    assert_eq!(find("a", "f", 0), None);
    assert_eq!(find("a", "g", 1), None);
    let all: Vec<_> = exports.all().iter().map(ToString::to_string).collect();
    assert_eq!(all, ["a:f/1", "b:f/0", "b:f/1", "b:g/1"]);
}

#[tokio::test]
async fn a_function_can_be_replaced_and_taken_back_but_not_registered_twice() {
    let exports = Exports::default();
    let version = |version: u8| Export::new("m", "version", move || ready(version));
    let current = async || {
        let entry = exports.find(&Atom::from_static("m"), &Atom::from_static("version"), 0)?;
        match entry.run(encoded([]), context(&entry)).await {
            Outcome::Returned(value) => value.decode().ok(),
            _ => None,
        }
    };
    exports.register(version(1)).unwrap();
    let error = exports.register(version(2)).unwrap_err();
    assert_eq!(error.code, crate::Code::BadRequest);
    assert!(error.to_string().contains("m:version/0"), "{error}");
    assert_eq!(current().await, Some(Term::from(1)));

    exports.replace(version(2)).unwrap();
    assert_eq!(current().await, Some(Term::from(2)));

    let function = Function::try_from(("m", "version")).unwrap();
    assert!(!exports.unregister(&function, 1));
    assert!(exports.unregister(&function, 0));
    assert_eq!(current().await, None);
}

#[test]
fn a_name_that_is_no_atom_cannot_be_exported() {
    let exports = Exports::default();
    let long = "x".repeat(256);
    for export in [
        Export::new(&long, "f", async || ()),
        Export::new("m", &long, async || ()),
    ] {
        let error = exports.register(export).unwrap_err();
        assert_eq!(error.code, crate::Code::BadRequest);
    }
}
