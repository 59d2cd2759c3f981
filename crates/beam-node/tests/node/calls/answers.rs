//! What a peer can answer, proper or not.

use beam_dist::control::{Control, SpawnReply};
use beam_node::{Cause, Code, Error};
use beam_term::{Atom, Term};
use tokio::task::JoinHandle;

use crate::support::{Cluster, RawPeer, within};

struct Asked {
    _cluster: Cluster,
    a: beam_node::Node,
    peer: RawPeer,
}

impl Asked {
    async fn new() -> Self {
        let cluster = Cluster::new();
        let a = cluster.start("a").await;
        let peer = cluster.raw_peer(&a, "raw").await;
        Self {
            _cluster: cluster,
            a,
            peer,
        }
    }

    fn call(&self) -> JoinHandle<Result<Term, Error>> {
        let call = self.a.call(self.peer.name(), ("m", "f"), (1, "two"));
        tokio::spawn(async move { call.await })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_what_erpc_sends_and_reads_what_it_answers() {
    let mut asked = Asked::new().await;
    let call = asked.call();

    let (request, arguments) = asked.peer.spawn_request().await;
    assert_eq!(
        (request.module.as_str(), request.function.as_str()),
        ("erpc", "execute_call")
    );
    assert_eq!(request.arity, 4);
    assert!(request.options.monitor && !request.options.link);
    let expected = Term::list([
        Term::from(request.request.clone()),
        Term::atom("m"),
        Term::atom("f"),
        Term::list([Term::from(1), Term::binary("two")]),
    ]);
    assert_eq!(arguments, expected);
    let process = asked.peer.pid(9);
    asked.peer.started(&request, &process).await;
    let reason = RawPeer::returned(&request, Term::from(12));
    asked.peer.ended(&request, &process, &reason).await;

    assert_eq!(within(call).await.unwrap().unwrap(), Term::from(12));
    assert_eq!(asked.a.calling(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cast_is_what_erpc_sends_and_reads_no_answer() {
    let mut asked = Asked::new().await;
    within(asked.a.cast(asked.peer.name(), ("m", "f"), (1,)))
        .await
        .unwrap();

    let (request, arguments) = asked.peer.spawn_request().await;
    assert_eq!(
        (request.module.as_str(), request.function.as_str()),
        ("erpc", "execute_cast")
    );
    assert_eq!(request.arity, 3);
    assert_eq!(request.options, Default::default());
    assert_eq!(arguments.to_string(), "[m,f,[1]]");
    let process = asked.peer.pid(9);
    asked.peer.started(&request, &process).await;
    asked.peer.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_to_start_a_call_says_that_it_did_not_run() {
    let mut asked = Asked::new().await;
    for (reason, code) in [
        ("system_limit", Code::TooManyRequests),
        ("badopt", Code::ServiceUnavailable),
    ] {
        let call = asked.call();
        let (request, _) = asked.peer.spawn_request().await;
        let reply = SpawnReply {
            request: request.request,
            to: request.from,
            linked: false,
            monitored: false,
            result: Err(Atom::from_static(reason)),
            token: None,
        };
        asked.peer.send(Control::SpawnReply(reply)).await;

        let error = within(call).await.unwrap().unwrap_err();
        assert_eq!(error.code, code);
        assert!(!error.may_have_run());
        assert!(
            matches!(error.cause(), Cause::Refused(found) if *found == reason),
            "{error:?}"
        );
    }
}

impl Asked {
    /// How a call of `m:f/2` fails that is answered with this, where `ID` stands for the request.
    async fn fails(&mut self, answer: &str) -> Error {
        let call = self.call();
        let (request, _) = self.peer.spawn_request().await;
        let process = self.peer.pid(9);
        self.peer.started(&request, &process).await;
        let Term::Tuple(parts) = answer.parse().unwrap() else {
            panic!("{answer} is no tuple")
        };
        let id = Term::from(request.request.clone());
        let answer = Term::tuple(std::iter::once(id).chain(parts));
        self.peer.ended(&request, &process, &answer).await;
        within(call).await.unwrap().unwrap_err()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_its_server_could_not_make_did_not_run() {
    let mut asked = Asked::new().await;

    let error = asked.fails("{error, {erpc, system_limit}}").await;

    assert!(
        matches!(error.cause(), Cause::Refused(reason) if *reason == "system_limit"),
        "{error:?}"
    );
    assert_eq!(error.code, Code::TooManyRequests);
    assert!(!error.may_have_run());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_fails_as_a_call_of_its_own_does_has_run() {
    let mut asked = Asked::new().await;
    for (reason, stack) in [
        // It calls a node that is gone.
        (
            "{erpc, noconnection}",
            "[{erpc, call, 5, []}, {m, f, 2, []}]",
        ),
        ("{erpc, system_limit}", "[]"),
        // It calls the same function on a node that has none.
        (
            "undef",
            "[{m, f, [1, <<\"two\">>], []}, {erpc, call, 5, []}]",
        ),
        ("undef", "[{m, f, [1, <<\"two\">>], []}, {m, f, 2, []}]"),
        // It raises this by itself.
        ("undef", "[{m, f, 2, []}]"),
        ("undef", "[]"),
    ] {
        let error = asked.fails(&format!("{{error, {reason}, {stack}}}")).await;

        let exception = error.exception().unwrap_or_else(|| panic!("{error:?}"));
        assert_eq!(exception.reason, reason.parse().unwrap());
        assert!(error.may_have_run());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_is_not_there_did_not_run() {
    let mut asked = Asked::new().await;

    let error = asked
        .fails("{error, undef, [{m, f, [1, <<\"two\">>], []}]}")
        .await;

    assert!(error.is_undefined() && !error.may_have_run(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_without_an_answer_was_killed() {
    let mut asked = Asked::new().await;
    for reason in ["killed", "{a, b, c}", "{shutdown, [deep]}"] {
        let reason: Term = reason.parse().unwrap();
        let call = asked.call();
        let (request, _) = asked.peer.spawn_request().await;
        let process = asked.peer.pid(9);
        asked.peer.started(&request, &process).await;
        asked.peer.ended(&request, &process, &reason).await;

        let error = within(call).await.unwrap().unwrap_err();
        assert_eq!(error.code, Code::InternalServerError);
        assert!(error.may_have_run());
        assert!(
            matches!(error.cause(), Cause::Killed(found) if *found == reason),
            "{error:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_before_its_process_is_known_counts() {
    let mut asked = Asked::new().await;
    let call = asked.call();
    let (request, _) = asked.peer.spawn_request().await;
    let process = asked.peer.pid(9);
    let reason = RawPeer::returned(&request, Term::atom("early"));
    asked.peer.ended(&request, &process, &reason).await;

    assert_eq!(within(call).await.unwrap().unwrap(), Term::atom("early"));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_nothing_are_ignored() {
    let mut asked = Asked::new().await;
    let call = asked.call();
    let (request, _) = asked.peer.spawn_request().await;
    let process = asked.peer.pid(9);
    let mut other = request.clone();
    other.request = asked.peer.reference(5);
    let reason = RawPeer::returned(&other, Term::atom("wrong"));
    asked.peer.ended(&other, &process, &reason).await;

    // It is the reference that tells requests apart, and it is inside the answer, too.
    asked.peer.ended(&request, &process, &reason).await;

    let error = within(call).await.unwrap().unwrap_err();
    assert!(matches!(error.cause(), Cause::Killed(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_beyond_the_limits_on_terms_fails_its_call_and_leaves_the_link() {
    let mut asked = Asked::new().await;
    let call = asked.call();
    let (request, _) = asked.peer.spawn_request().await;
    let process = asked.peer.pid(9);
    let deep = (0..1000).fold(Term::nil(), |inner, _| Term::list([inner]));
    let reason = RawPeer::returned(&request, deep);
    asked.peer.ended(&request, &process, &reason).await;

    let error = within(call).await.unwrap().unwrap_err();
    assert!(matches!(error.cause(), Cause::Decode(_)), "{error:?}");
    asked.peer.settle().await;
}
