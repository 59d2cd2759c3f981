//! Those who call members again and again: tasks of this process, and processes of a node of OTP.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use beam_term::Atom;
use interop::{Beam, Epmd, Otp, eventually, unique_name};
use rpc_load_balancer::Balancer;

use crate::mixed::{COOKIE, DEADLINE};

/// Tasks, each of which makes its next call when the last has ended.
pub(crate) struct RustCallers {
    pub(crate) balancer: Balancer,
    call_ms: u64,
    over: AtomicBool,
    done: AtomicU64,
    failures: Mutex<Vec<String>>,
}

impl RustCallers {
    /// Calls that take so long, none yet.
    pub(crate) fn new(balancer: &Balancer, call_ms: u64) -> Self {
        Self {
            balancer: balancer.clone(),
            call_ms,
            over: AtomicBool::new(false),
            done: AtomicU64::new(0),
            failures: Mutex::default(),
        }
    }

    /// Calls until they are stopped.
    pub(crate) async fn call(&self, callers: usize) {
        let callers = (0..callers).map(|_| async {
            while !self.over.load(Ordering::Relaxed) {
                let call = self
                    .balancer
                    .call::<Atom, _>(("demo", "sleep"), (self.call_ms,));
                if let (node, Err(error)) = call.send_and_tell().await {
                    let mut failures = self.failures.lock().unwrap();
                    failures.push(format!("{error} at {node:?}"));
                }
                self.done.fetch_add(1, Ordering::Relaxed);
            }
        });
        futures_util::future::join_all(callers).await;
    }

    pub(crate) fn stop(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    pub(crate) fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap().clone()
    }

    /// How many of them a node has not answered, or of others of this node.
    pub(crate) fn in_flight_at(&self, name: &str) -> usize {
        let peers = self.balancer.node().peers();
        let peer = peers.iter().find(|peer| peer.name.as_str() == name);
        peer.map_or(0, |peer| peer.calling)
    }
}

/// Processes that call members of the group by plain `erpc`, each picked at random.
const MODULE: &str = "
    -module(callers).
    -export([start/0, begin_calls/2, stop/0, members/0, value/1, failures/0]).

    start() ->
        Self = self(),
        spawn(fun() ->
            {ok, _} = pg:start(rpc_load_balancer),
            calls = ets:new(calls, [named_table, public]),
            failures = ets:new(failures, [named_table, public]),
            Self ! ready,
            receive stop -> ok end
        end),
        receive ready -> ok end.

    begin_calls(Count, Ms) ->
        [spawn(fun() -> call(Ms) end) || _ <- lists:seq(1, Count)],
        add(callers, Count),
        ok.

    stop() -> ets:insert(calls, {stop, true}).

    members() -> [node(Pid) || Pid <- pg:get_members(rpc_load_balancer, my_balancer)].

    value(Key) -> case ets:lookup(calls, Key) of [{_, Count}] -> Count; [] -> 0 end.

    failures() -> ets:tab2list(failures).

    add(Key, Count) -> ets:update_counter(calls, Key, Count, {Key, 0}).

    call(Ms) ->
        case ets:member(calls, stop) of
            true ->
                add(callers, -1);
            false ->
                add(picking, 1),
                Members = members(),
                Node = lists:nth(rand:uniform(length(Members)), Members),
                add({in_flight, Node, Ms}, 1),
                add(picking, -1),
                try ok = erpc:call(Node, demo, sleep, [Ms], 30000)
                catch Class:Reason -> ets:insert(failures, {make_ref(), Node, Ms, Class, Reason})
                end,
                add({in_flight, Node, Ms}, -1),
                add({done, Ms}, 1),
                call(Ms)
        end.
";

/// A node of OTP that is no member itself.
pub(crate) struct OtpCallers {
    pub(crate) beam: Beam,
}

impl OtpCallers {
    /// A node that calls nobody yet.
    pub(crate) async fn start(otp: &Otp, epmd: &Epmd) -> Self {
        let beam = otp.beam().name(unique_name("caller")).cookie(COOKIE);
        let beam = beam.epmd(epmd).start().await.unwrap();
        beam.define_module(MODULE).await.unwrap();
        beam.expression("ok = callers:start()")
            .external()
            .await
            .unwrap();
        Self { beam }
    }

    /// Starts so many processes that make calls that take so long.
    pub(crate) async fn begin(&self, count: usize, call_ms: u64) {
        let begin = format!("ok = callers:begin_calls({count}, {call_ms})");
        self.beam.expression(&begin).external().await.unwrap();
    }

    /// Waits until the last calls have ended.
    pub(crate) async fn stop(&self) {
        self.beam.eval("callers:stop()").await.unwrap();
        let ended = async || self.value("callers").await == 0;
        eventually("the last calls to end", DEADLINE, ended).await;
    }

    /// The nodes of the members that it sees.
    pub(crate) async fn members(&self) -> Vec<String> {
        let members: Vec<Atom> = self.beam.eval_as("callers:members()").await.unwrap();
        members
            .iter()
            .map(|name| name.as_str().to_owned())
            .collect()
    }

    /// How many processes have picked somebody whom they have not called yet.
    pub(crate) async fn picking(&self) -> i64 {
        self.value("picking").await
    }

    pub(crate) async fn done(&self, call_ms: u64) -> i64 {
        self.value(&format!("{{done, {call_ms}}}")).await
    }

    pub(crate) async fn in_flight_at(&self, name: &str, call_ms: u64) -> i64 {
        self.value(&format!("{{in_flight, '{name}', {call_ms}}}"))
            .await
    }

    /// The failed calls as Erlang prints them.
    pub(crate) async fn failures(&self) -> String {
        let failures = self.beam.expression("callers:failures()");
        failures.text().await.unwrap()
    }

    async fn value(&self, key: &str) -> i64 {
        let ask = format!("callers:value({key})");
        self.beam.eval_as(&ask).await.unwrap()
    }
}
