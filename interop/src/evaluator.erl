%% The Erlang side of the control channel: serves requests that arrive on a
%% port (file descriptors 3 and 4), far from the node's own input and output and
%% from its distribution, so that it answers whatever state those are in.
%%
%% Request:  Id:64 Session:64 Kind:8 Answer:8 Bindings:16
%%           {NameLength:16 Name ValueLength:32 ExternalTerm}* Source
%%           Kind: $e Erlang, $x Elixir, $c close the session
%%           Answer: $t the term, $p the term printed
%% Reply:    Id:64 0:8 ExternalTerm | Text
%%           Id:64 1:8 ClassLength:8 Class TextLength:32 Text ExternalReason
-module(rlb_evaluator).
-export([serve/1, define/1]).

serve(Port) ->
    reply(Port, 0, 0, term_to_binary(node())),
    loop(Port, #{}, #{}).

%% Sessions: session number => pid. Running: request => the pid at work on it.
loop(Port, Sessions, Running) ->
    receive
        {Port, {data, <<Id:64, Session:64, Kind, Answer, Count:16, Rest/binary>>}} ->
            {Bindings, Source} = bindings(Count, Rest, []),
            Request = {rlb_request, Id, Kind, Answer, Bindings, Source},
            Server = self(),
            case Sessions of
                #{Session := Pid} when Kind =:= $c ->
                    exit(Pid, kill),
                    loop(Port, maps:remove(Session, Sessions), Running);
                _ when Kind =:= $c ->
                    loop(Port, Sessions, Running);
                #{Session := Pid} ->
                    Pid ! Request,
                    loop(Port, Sessions, Running#{Id => Pid});
                _ when Session =:= 0 ->
                    {Pid, _} = spawn_monitor(fun() -> evaluate(Port, Server, Request, []) end),
                    loop(Port, Sessions, Running#{Id => Pid});
                _ ->
                    {Pid, _} = spawn_monitor(fun() -> session(Port, Server, []) end),
                    Pid ! Request,
                    loop(Port, Sessions#{Session => Pid}, Running#{Id => Pid})
            end;
        {rlb_done, Id} ->
            loop(Port, Sessions, maps:remove(Id, Running));
        {'DOWN', _, process, Pid, Reason} ->
            Lost = [Id || {Id, P} <- maps:to_list(Running), P =:= Pid],
            [raised(Port, Id, exit, Reason, []) || Id <- Lost],
            loop(
                Port,
                maps:filter(fun(_, P) -> P =/= Pid end, Sessions),
                maps:without(Lost, Running)
            );
        {Port, eof} ->
            %% The test is over, or its process died.
            erlang:halt(0, [{flush, false}])
    end.

%% Takes requests only, so that messages sent to the session stay in its mailbox for
%% the expressions that it evaluates.
session(Port, Server, Bindings) ->
    receive
        {rlb_request, _, _, _, _, _} = Request ->
            session(Port, Server, evaluate(Port, Server, Request, Bindings))
    end.

evaluate(Port, Server, {rlb_request, Id, Kind, Answer, New, Source}, Kept) ->
    Given = lists:ukeymerge(1, lists:ukeysort(1, New), Kept),
    Bindings =
        try
            {Value, Next} = run(Kind, Source, Given),
            reply(Port, Id, 0, answer(Answer, Value)),
            Next
        catch
            Class:Reason:Stack ->
                raised(Port, Id, Class, Reason, Stack),
                Given
        end,
    Server ! {rlb_done, Id},
    Bindings.

run($e, Source, Bindings) ->
    {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Source) ++ "\n."),
    Expressions =
        case erl_parse:parse_exprs(one_dot(Tokens)) of
            {ok, Parsed} -> Parsed;
            {error, {_, Module, Message}} -> error({parse, lists:flatten(Module:format_error(Message))})
        end,
    Environment = lists:foldl(
        fun({Name, Value}, Acc) -> erl_eval:add_binding(Name, Value, Acc) end,
        erl_eval:new_bindings(),
        Bindings
    ),
    {value, Value, Next} = erl_eval:exprs(Expressions, Environment),
    {Value, lists:ukeysort(1, erl_eval:bindings(Next))};
run($x, Source, Bindings) ->
    {Value, Next} = 'Elixir.Code':eval_string(Source, Bindings),
    {Value, lists:ukeysort(1, [Binding || {Name, _} = Binding <- Next, is_atom(Name)])}.

%% The source may or may not end with its own full stop.
one_dot(Tokens) ->
    case lists:reverse(Tokens) of
        [{dot, _}, {dot, _} = Dot | Before] -> lists:reverse(Before, [Dot]);
        _ -> Tokens
    end.

bindings(0, Source, Bindings) ->
    {Bindings, Source};
bindings(
    Count,
    <<NameLength:16, Name:NameLength/binary, Length:32, Value:Length/binary, Rest/binary>>,
    Bindings
) ->
    Binding = {binary_to_atom(Name, utf8), binary_to_term(Value)},
    bindings(Count - 1, Rest, [Binding | Bindings]).

answer($t, Value) -> term_to_binary(Value);
answer($p, Value) -> unicode:characters_to_binary(io_lib:format("~0tp", [Value])).

raised(Port, Id, Class, Reason, Stack) ->
    ClassName = atom_to_binary(Class, utf8),
    Text = unicode:characters_to_binary(erl_error:format_exception(Class, Reason, Stack)),
    reply(Port, Id, 1, [byte_size(ClassName), ClassName, <<(byte_size(Text)):32>>, Text, term_to_binary(Reason)]).

reply(Port, Id, Status, Body) ->
    port_command(Port, [<<Id:64, Status>>, Body]).

%% Compiles and loads an Erlang module from its text. It goes through a file because
%% the preprocessor reads nothing else.
define(Source) ->
    Path = filename:join("/tmp", lists:concat(["rlb-", os:getpid(), "-", erlang:unique_integer([positive]), ".erl"])),
    ok = file:write_file(Path, Source),
    Compiled = compile:file(Path, [binary, return_errors]),
    ok = file:delete(Path),
    case Compiled of
        {ok, Module, Code} ->
            {module, Module} = code:load_binary(Module, atom_to_list(Module) ++ ".erl", Code),
            Module;
        {error, Errors, _} ->
            Lines = [
                io_lib:format("~tp: ~ts~n", [Location, By:format_error(Message)])
             || {_, InFile} <- Errors, {Location, By, Message} <- InFile
            ],
            error({compile, lists:flatten(Lines)})
    end.
