%% The functions that are called, and a caller, for nodes of OTP. The caller speaks the protocol of
%% `src/protocol`, and counts latencies in the same buckets as `src/latency.rs`.
-module(rlb_bench).

-export([main/1]).
-export([add/2, echo/1, map20/1, note/0, arrived/0, large/1, swallow/1, sleep/1]).

-define(DEADLINE, 10000).
-define(LARGE_DEADLINE, 60000).
-define(LARGE, 67108864).
%% Counters of the node that is called.
-define(ARRIVED, rlb_bench_arrived).
%% Buckets: 256 of one nanosecond, then 128 for each further bit.
-define(SLOTS, 4096).
-define(LONGEST, 68719476735).
%% Calls of the open loop that may wait for their answers.
-define(MOST_OPEN, 4000).

%% What is called.

add(A, B) -> A + B.

echo(Binary) -> Binary.

map20(#{id := Id, account := Account, region := Region, shard := Shard, attempt := Attempt,
        created := Created, updated := Updated, priority := Priority, name := Name,
        owner := Owner, queue := Queue, trace := Trace, cost := Cost, weight := Weight,
        progress := Progress, score := Score, urgent := Urgent, sealed := Sealed,
        audited := Audited, public := Public}) ->
    Id + Account + Region + Shard + Attempt + Created + Updated + Priority +
        byte_size(Name) + byte_size(Owner) + byte_size(Queue) + byte_size(Trace) +
        trunc(Cost) + trunc(Weight) + trunc(Progress) + trunc(Score) +
        one(Urgent) + one(Sealed) + one(Audited) + one(Public).

one(true) -> 1;
one(false) -> 0.

note() -> counters:add(persistent_term:get(?ARRIVED), 1, 1).

arrived() -> counters:get(persistent_term:get(?ARRIVED), 1).

%% Made when it is asked for first, so that others do not pay for it in memory.
large(Bytes) ->
    case persistent_term:get({?MODULE, Bytes}, none) of
        none ->
            Binary = binary:copy(<<"x">>, Bytes),
            persistent_term:put({?MODULE, Bytes}, Binary),
            Binary;
        Binary ->
            Binary
    end.

swallow(Binary) -> byte_size(Binary).

sleep(Millis) -> receive after Millis -> Millis end.

%% Child of the orchestrator: `serve`, `member Caller`, or `load Callee`.

main(Args) ->
    try begin_as(Args)
    catch Class:Reason:Stack ->
        say("@error ~0p", [{Class, Reason, Stack}]),
        erlang:halt(1)
    end.

begin_as(Args) ->
    persistent_term:put(?ARRIVED, counters:new(1, [write_concurrency])),
    case Args of
        ["serve"] ->
            {ok, _} = pg:start(rpc_load_balancer),
            ok = pg:join(rpc_load_balancer, bench, self()),
            ready(),
            commands(fun(_) -> say("@error it only serves") end);
        ["member", Caller] ->
            {ok, _} = pg:start(rpc_load_balancer),
            pong = net_adm:ping(list_to_atom(Caller)),
            ok = pg:join(rpc_load_balancer, bench, self()),
            ready(),
            commands(fun(Line) -> member(string:trim(Line)) end);
        ["load", Callee] ->
            Node = list_to_atom(Callee),
            pong = net_adm:ping(Node),
            ready(),
            commands(fun(Line) -> command(Node, string:lexemes(Line, " \n")) end)
    end.

ready() ->
    Otp = filename:join([code:root_dir(), "releases", erlang:system_info(otp_release),
                         "OTP_VERSION"]),
    Version = case file:read_file(Otp) of
                  {ok, Text} -> string:trim(Text);
                  _ -> erlang:system_info(otp_release)
              end,
    say("@ready ~s ~s ~s", [node(), Version, erlang:system_info(emu_flavor)]).

%% What a member is told: to leave the group and to come back, and to tell what its node holds.
member("leave") ->
    ok = pg:leave(rpc_load_balancer, bench, self()),
    say("@values");
member("join") ->
    ok = pg:join(rpc_load_balancer, bench, self()),
    say("@values");
member("stats") ->
    say("@values processes=~b ports=~b peers=~b memory_mb=~.3f",
        [erlang:system_info(process_count), erlang:system_info(port_count),
         length(nodes([visible, hidden])), erlang:memory(total) / 1048576]).

%% Commands are read in a process of their own, so that the node ends with its standard input even
%% in the middle of one.
commands(Handle) ->
    Worker = self(),
    spawn_link(fun() -> read(Worker) end),
    handle(Handle).

read(Worker) ->
    case io:get_line("") of
        Line when is_list(Line) -> Worker ! {line, Line}, read(Worker);
        _ -> erlang:halt(0, [{flush, false}])
    end.

handle(Handle) ->
    receive
        {line, Line} ->
            try Handle(Line)
            catch Class:Reason:Stack ->
                say("@error ~0p", [{Class, Reason, Stack}])
            end,
            handle(Handle)
    end.

say(Text) -> say(Text, []).
say(Format, Args) -> io:put_chars([io_lib:format(Format, Args), $\n]).

command(Node, ["run", Load, Workload, "direct", Number, WarmUp, Measured | Rest]) ->
    Large = case Rest of [] -> none; ["beside", What] -> list_to_atom(What) end,
    run(Node, list_to_atom(Load), list_to_atom(Workload), list_to_integer(Number),
        list_to_integer(WarmUp), list_to_integer(Measured), Large).

%% Load. The phase is 0 while it warms up, 1 while it is measured, 2 afterwards.

run(Node, closed, cast, Bound, WarmUp, Measured, none) ->
    casts(Node, Bound, WarmUp, Measured);
run(Node, Load, Workload, Number, WarmUp, Measured, Large) ->
    Call = call(Node, Workload),
    Phase = atomics:new(1, []),
    Counts = counters:new(?SLOTS, []),
    LargeDone = counters:new(1, []),
    Workers = case Load of
        closed ->
            [spawn_monitor(fun() -> worker(Call, Phase, Counts, now_ns(), I) end)
             || I <- lists:seq(1, Number)];
        open ->
            [spawn_monitor(fun() -> pace(Call, Phase, Counts, now_ns(), Number) end)]
    end,
    Beside = case Large of
        none -> [];
        _ -> [spawn_monitor(fun() -> large(Node, Large, Phase, LargeDone) end)]
    end,
    {Elapsed, ok} = phases(Phase, WarmUp, Measured, fun() -> ok end),
    case ended(Workers ++ Beside) of
        [] ->
            {Calls, Buckets} = buckets(Counts),
            result(Calls, 0, Elapsed, counters:get(LargeDone, 1), Buckets);
        [Reason | _] = All ->
            say("@error ~b workers failed, one by ~0p", [length(All), Reason])
    end.

phases(Phase, WarmUp, Measured, AtBegin) ->
    timer:sleep(WarmUp),
    Begun = now_ns(),
    atomics:put(Phase, 1, 1),
    say("@begin"),
    Value = AtBegin(),
    timer:sleep(Measured),
    atomics:put(Phase, 1, 2),
    Ended = now_ns(),
    say("@end"),
    {Ended - Begun, Value}.

ended(Workers) ->
    lists:flatmap(
        fun({Pid, Monitor}) ->
            receive
                {'DOWN', Monitor, process, Pid, normal} -> [];
                {'DOWN', Monitor, process, Pid, Reason} -> [Reason]
            end
        end, Workers).

result(Calls, Failed, Elapsed, Large, Buckets) ->
    say("@result ~b ~b ~b ~b~s", [Calls, Failed, Elapsed, Large, Buckets]).

now_ns() -> erlang:monotonic_time(nanosecond).

%% One that calls in a loop.
worker(Call, Phase, Counts, Begun, I) ->
    Call(I),
    Ended = now_ns(),
    case atomics:get(Phase, 1) of
        1 -> count(Counts, Ended - Begun), worker(Call, Phase, Counts, Ended, I + 1);
        0 -> worker(Call, Phase, Counts, Ended, I + 1);
        2 -> ok
    end.

%% Starts a call whenever one is due, in a process of its own. A call's latency is counted from when
%% it was due. Sleeping is too coarse for this, so it looks at the clock again and again.
pace(Call, Phase, Counts, Begun, PerSecond) ->
    Pending = counters:new(1, []),
    pace(Call, Phase, Counts, Begun, PerSecond, Pending, 0).

pace(Call, Phase, Counts, Begun, PerSecond, Pending, I) ->
    Due = Begun + I * 1000000000 div PerSecond,
    case wait_until(Due, Phase, Pending) of
        stop ->
            drain(Pending);
        go ->
            counters:add(Pending, 1, 1),
            spawn_link(
                fun() ->
                    Call(I),
                    Ended = now_ns(),
                    case atomics:get(Phase, 1) of
                        1 -> count(Counts, Ended - Due);
                        _ -> ok
                    end,
                    counters:sub(Pending, 1, 1)
                end),
            pace(Call, Phase, Counts, Begun, PerSecond, Pending, I + 1)
    end.

wait_until(Due, Phase, Pending) ->
    case atomics:get(Phase, 1) of
        2 -> stop;
        _ ->
            case now_ns() >= Due andalso counters:get(Pending, 1) < ?MOST_OPEN of
                true -> go;
                false -> erlang:yield(), wait_until(Due, Phase, Pending)
            end
    end.

drain(Pending) ->
    case counters:get(Pending, 1) of
        0 -> ok;
        _ -> receive after 1 -> drain(Pending) end
    end.

%% Large calls, one after the other, beside the small ones.
large(Node, What, Phase, Done) ->
    case What of
        result ->
            Binary = erpc:call(Node, ?MODULE, large, [?LARGE], ?LARGE_DEADLINE),
            ?LARGE = byte_size(Binary);
        argument ->
            Binary = large(?LARGE),
            ?LARGE = erpc:call(Node, ?MODULE, swallow, [Binary], ?LARGE_DEADLINE)
    end,
    case atomics:get(Phase, 1) of
        2 -> ok;
        1 -> counters:add(Done, 1, 1), large(Node, What, Phase, Done);
        0 -> large(Node, What, Phase, Done)
    end.

%% Casts, a bounded number of which are not known to have arrived: each caster asks for the count
%% after each batch.
casts(Node, Bound, WarmUp, Measured) ->
    Casters = 4,
    Batch = max(1, Bound div Casters),
    Phase = atomics:new(1, []),
    Sent = counters:new(1, []),
    Before = ask(Node),
    Workers = [spawn_monitor(fun() -> caster(Node, Batch, Phase, Sent) end)
               || _ <- lists:seq(1, Casters)],
    timer:sleep(WarmUp),
    First = ask(Node),
    Begun = now_ns(),
    say("@begin"),
    timer:sleep(Measured),
    Last = ask(Node),
    Ended = now_ns(),
    say("@end"),
    atomics:put(Phase, 1, 2),
    case ended(Workers) of
        [] ->
            Lost = lost(Node, Before + counters:get(Sent, 1), 1000),
            result(Last - First, Lost, Ended - Begun, 0, "");
        [Reason | _] ->
            say("@error a caster failed by ~0p", [Reason])
    end.

caster(Node, Batch, Phase, Sent) ->
    [ok = erpc:cast(Node, ?MODULE, note, []) || _ <- lists:seq(1, Batch)],
    counters:add(Sent, 1, Batch),
    _ = ask(Node),
    case atomics:get(Phase, 1) of
        2 -> ok;
        _ -> caster(Node, Batch, Phase, Sent)
    end.

ask(Node) -> erpc:call(Node, ?MODULE, arrived, [], ?DEADLINE).

%% How many are missing; the last ones have up to ten seconds to come.
lost(Node, Expected, Tries) ->
    case Expected - ask(Node) of
        0 -> 0;
        Missing when Tries =:= 0 -> Missing;
        _ -> timer:sleep(10), lost(Node, Expected, Tries - 1)
    end.

%% Calls.

call(Node, add) ->
    fun(I) ->
        Sum = I + 7,
        Sum = erpc:call(Node, ?MODULE, add, [I, 7], ?DEADLINE)
    end;
call(Node, map20) ->
    Fields = fields(),
    Expected = map20(Fields),
    fun(_) -> Expected = erpc:call(Node, ?MODULE, map20, [Fields], ?DEADLINE) end;
call(Node, echo_1k) -> echoes(Node, 1024);
call(Node, echo_64k) -> echoes(Node, 65536);
call(Node, echo_1m) -> echoes(Node, 1048576).

echoes(Node, Bytes) ->
    Binary = binary:copy(<<"x">>, Bytes),
    fun(_) -> Bytes = byte_size(erpc:call(Node, ?MODULE, echo, [Binary], ?DEADLINE)) end.

%% The same as `Fields::sample` in `src/child/stack/fields.rs`.
fields() ->
    #{id => 7300001, account => 88213, region => 3, shard => 117, attempt => 2,
      created => 1764150000, updated => 1764150321, priority => 5,
      name => <<"resize-image">>, owner => <<"media-team">>, queue => <<"bulk-eu-central">>,
      trace => <<"0af7651916cd43dd8448eb211c80319c">>, cost => 12.5, weight => 1.25,
      progress => 0.5, score => 99.75, urgent => true, sealed => false, audited => true,
      public => false}.

%% Buckets.

count(Counts, Nanos) when Nanos < 256 -> counters:add(Counts, max(Nanos, 0) + 1, 1);
count(Counts, Nanos) when Nanos > ?LONGEST -> count(Counts, ?LONGEST);
count(Counts, Nanos) ->
    Shift = bits(Nanos bsr 8, 0),
    counters:add(Counts, (Shift bsl 7) + (Nanos bsr Shift) + 1, 1).

bits(N, Bits) when N >= 65536 -> bits(N bsr 16, Bits + 16);
bits(N, Bits) when N >= 256 -> bits(N bsr 8, Bits + 8);
bits(N, Bits) when N >= 16 -> bits(N bsr 4, Bits + 4);
bits(N, Bits) when N >= 8 -> Bits + 4;
bits(N, Bits) when N >= 4 -> Bits + 3;
bits(N, Bits) when N >= 2 -> Bits + 2;
bits(N, Bits) -> Bits + N.

buckets(Counts) ->
    Found = [{Slot - 1, Count} || Slot <- lists:seq(1, ?SLOTS),
                                  (Count = counters:get(Counts, Slot)) > 0],
    Text = [io_lib:format(" ~b:~b", [middle(Slot), Count]) || {Slot, Count} <- Found],
    {lists:sum([Count || {_, Count} <- Found]), Text}.

middle(Slot) when Slot < 256 -> Slot;
middle(Slot) ->
    Shift = (Slot bsr 7) - 1,
    ((Slot - (Shift bsl 7)) bsl Shift) + (1 bsl Shift) div 2.
