//! What a called function, or its caller, can do wrong.

use beam_node::{Cause, Class, Code, Error, Exception, Export, Node};
use beam_term::{Atom, Term};

use crate::support::{Cluster, within};

async fn fails(
    caller: &Node,
    callee: &Node,
    function: (&str, &str),
    arguments: Vec<Term>,
) -> Error {
    within(caller.call::<Term, _>(callee.name(), function, arguments))
        .await
        .unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_function_raises_reaches_the_caller_by_its_class() {
    let (a, b) = Cluster::new().pair().await;
    for (name, class) in [
        ("error", Class::Error),
        ("throw", Class::Throw),
        ("exit", Class::Exit),
    ] {
        b.register(Export::raw("raise", name, 1, move |_, mut arguments| {
            let exception = Exception {
                class,
                reason: arguments.remove(0),
                stack: Term::nil(),
            };
            async { Err(exception) }
        }))
        .unwrap();

        let error = fails(&a, &b, ("raise", name), vec![Term::binary("why")]).await;

        let exception = error.exception().unwrap();
        assert_eq!(exception.class, class);
        assert_eq!(exception.reason, Term::binary("why"));
        assert_eq!(exception.stack == Term::nil(), class != Class::Error);
        assert_eq!(error.code, Code::InternalServerError);
        assert!(error.may_have_run());
        assert_eq!(error.details.node.as_ref(), Some(b.name()));
        assert_eq!(error.details.arity, Some(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_is_to_be_raised_is_raised() {
    let (a, b) = Cluster::new().pair().await;
    b.register(Export::raising("math", "div", async |a: i64, b: i64| {
        a.checked_div(b).ok_or(Atom::from_static("badarith"))
    }))
    .unwrap();

    let quotient: i64 = within(a.call(b.name(), ("math", "div"), (7, 2)))
        .await
        .unwrap();
    let error = fails(&a, &b, ("math", "div"), vec![7.into(), 0.into()]).await;

    assert_eq!(quotient, 3);
    let exception = error.exception().unwrap();
    assert_eq!(exception.reason, Term::atom("badarith"));
    let frame = "[{math, 'div', 2, []}]".parse().unwrap();
    assert_eq!(exception.stack, frame);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_ends_its_call_and_nothing_else() {
    let (a, b) = Cluster::new().pair().await;
    b.export("bad", "luck", async |n: i32| {
        assert!(n != 13, "unlucky {n}");
        n
    })
    .unwrap();

    let error = fails(&a, &b, ("bad", "luck"), vec![13.into()]).await;
    let later: i32 = within(a.call(b.name(), ("bad", "luck"), (7,)))
        .await
        .unwrap();

    let reason = "{panic, <<\"unlucky 13\">>}".parse().unwrap();
    assert_eq!(error.exception().unwrap().reason, reason);
    assert_eq!(later, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_arguments_raise_badarg_with_the_function_that_refused_them() {
    let (a, b) = Cluster::new().pair().await;
    b.export("math", "double", async |n: i64| 2 * n).unwrap();

    let error = fails(&a, &b, ("math", "double"), vec![Term::atom("two")]).await;

    let exception = error.exception().unwrap();
    assert_eq!(
        (exception.class, &exception.reason),
        (Class::Error, &Term::atom("badarg"))
    );
    let stack = exception.stack.to_string();
    assert!(stack.starts_with("[{math,double,[two],["), "{stack}");
    assert!(!error.is_undefined());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_exported_is_undefined_and_did_not_run() {
    let (a, b) = Cluster::new().pair().await;
    b.export("math", "double", async |n: i64| 2 * n).unwrap();

    for (function, arguments) in [
        (("math", "triple"), vec![Term::from(1)]),
        (("math", "double"), vec![]),
        (("math", "double"), vec![Term::from(1), Term::from(2)]),
        (("Elixir.Math", "double"), vec![Term::from(1)]),
        (("erlang", "halt"), vec![]),
    ] {
        let error = fails(&a, &b, function, arguments).await;
        assert!(error.is_undefined() && !error.may_have_run(), "{error}");
        assert_eq!(error.code, Code::InternalServerError);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_exported_did_not_run_whatever_it_was_called_with() {
    let (a, b) = Cluster::new().pair().await;
    let large = Term::binary(vec![b'x'; 1024 * 1024]);

    for node in [&a, &b] {
        let error = fails(&a, node, ("math", "triple"), vec![large.clone()]).await;
        assert!(error.is_undefined() && !error.may_have_run(), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undefined_function_deeper_in_a_call_is_an_exception_of_the_call() {
    let (a, b) = Cluster::new().pair().await;
    b.register(Export::raw("math", "double", 1, async |_, _| {
        Err(Exception {
            class: Class::Error,
            reason: Term::atom("undef"),
            stack: "[{other, function, [1], []}]".parse().unwrap(),
        })
    }))
    .unwrap();

    let error = fails(&a, &b, ("math", "double"), vec![Term::from(1)]).await;

    assert!(!error.is_undefined() && error.may_have_run());
    assert_eq!(error.exception().unwrap().reason, Term::atom("undef"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_of_another_type_than_was_asked_for_is_told_as_such() {
    let (a, b) = Cluster::new().pair().await;
    b.export("text", "word", async || "word").unwrap();

    let error = within(a.call::<u64, _>(b.name(), ("text", "word"), ()))
        .await
        .unwrap_err();

    assert!(matches!(error.cause(), Cause::Decode(_)), "{error:?}");
    assert_eq!(error.code, Code::InternalServerError);
    assert!(error.may_have_run());
    // Erlang's functions return atoms where others return text.
    let error = within(a.call::<String, _>(b.name(), ("erlang", "node"), ()))
        .await
        .unwrap_err();
    assert!(
        error.message.contains("an atom is read as `Atom`"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_argument_without_a_form_as_a_term_is_refused_before_anything_is_sent() {
    let (a, b) = Cluster::new().pair().await;
    b.export("math", "double", async |n: f64| 2.0 * n).unwrap();

    for node in [a.name(), b.name()] {
        let error = within(a.call::<f64, _>(node, ("math", "double"), (f64::NAN,)))
            .await
            .unwrap_err();
        assert!(matches!(error.cause(), Cause::Encode(_)), "{error:?}");
        assert_eq!(error.code, Code::BadRequest);
        assert!(!error.may_have_run());
        let cast = within(a.cast(node, ("math", "double"), (f64::NAN,))).await;
        assert_eq!(cast.unwrap_err().code, Code::BadRequest);
    }
    assert_eq!(a.calling(), 0);
    let double: f64 = within(a.call(b.name(), ("math", "double"), (1.5,)))
        .await
        .unwrap();
    assert!(double == 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_without_a_form_as_a_term_raises_badreturn() {
    let (a, b) = Cluster::new().pair().await;
    b.export("math", "infinity", async || f64::INFINITY)
        .unwrap();

    let error = fails(&a, &b, ("math", "infinity"), vec![]).await;

    let reason = error.exception().unwrap().reason.to_string();
    assert!(reason.starts_with("{badreturn,"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_none_are_refused_at_once() {
    let a = Cluster::new().start("a").await;
    let long = "x".repeat(256);

    for error in [
        within(a.call::<Term, _>("nobody", ("m", "f"), ())).await,
        within(a.call::<Term, _>("a@b@c", ("m", "f"), ())).await,
        within(a.call::<Term, _>("b@127.0.0.1", (long.as_str(), "f"), ())).await,
        within(a.call::<Term, _>("b@127.0.0.1", ("m", long.as_str()), ())).await,
    ] {
        let error = error.unwrap_err();
        assert_eq!(error.code, Code::BadRequest, "{error}");
        assert!(!error.may_have_run());
    }
}
