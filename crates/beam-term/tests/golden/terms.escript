#!/usr/bin/env escript
%%! +pc unicode
%% Writes, or checks, the table of terms that tests/golden.rs reads. A line of it is
%%
%%     Hash <tab> Hex <tab> Text
%%
%% with erlang:phash2(Term, 1 bsl 32), term_to_binary(Term) in base 16, and io_lib:format("~0tp", [Term]), or "-" where
%% the text depends on more than the term: identifiers, funs, and maps of more than 32 keys.
%%
%%     escript terms.escript make > terms.tsv     with OTP 25
%%     escript terms.escript check terms.tsv      with any release: do the terms have the same hashes there?

main(["make"]) ->
    ok = io:setopts([{encoding, unicode}]),
    rand:seed(exsss, {1, 2, 3}),
    Terms = integers() ++ floats() ++ atoms() ++ binaries() ++ lists() ++ tuples() ++ maps()
        ++ identifiers() ++ funs() ++ [drawn(3) || _ <- lists:seq(1, 200)],
    [io:format("~w\t~s\t~ts~n", [hash(T), hex(term_to_binary(T)), text(T)]) || T <- Terms],
    ok;
main(["check", File]) ->
    {ok, Table} = file:read_file(File),
    Wrong = [Line || Line <- binary:split(Table, <<"\n">>, [global]), Line =/= <<>>, not agrees(Line)],
    io:format("OTP ~s: ~w lines differ~n", [erlang:system_info(otp_release), length(Wrong)]),
    halt(min(1, length(Wrong))).

agrees(Line) ->
    [Hash, Hex, _Text] = binary:split(Line, <<"\t">>, [global]),
    hash(binary_to_term(unhex(Hex))) =:= binary_to_integer(Hash).

hash(Term) ->
    erlang:phash2(Term, 1 bsl 32).

text(Term) ->
    case is_data(Term) of
        true -> io_lib:format("~0tp", [Term]);
        false -> "-"
    end.

is_data(T) when is_pid(T); is_port(T); is_reference(T); is_function(T) -> false;
is_data(T) when is_tuple(T) -> is_data(tuple_to_list(T));
is_data(T) when map_size(T) > 32 -> false;
is_data(T) when is_map(T) -> is_data(maps:to_list(T));
is_data([Head | Tail]) -> is_data(Head) andalso is_data(Tail);
is_data(_) -> true.

integers() ->
    Edges = [1 bsl B || B <- [7, 8, 26, 27, 28, 31, 32, 58, 59, 60, 62, 63, 64, 65, 95, 96, 127, 128, 191, 192, 2048]],
    Near = [E + D || E <- Edges, D <- [-1, 0, 1]],
    [0, 1, 2, 9, 10, 99, 100] ++ Near ++ [-N || N <- [1, 2 | Near]].

floats() ->
    Floats = [1.0, 0.1, 10.0, 100.0, 1000.0, 12345.0, 120000.0, 1.0e10, 123456789.0, 1.0e15, 9007199254740991.0,
              9007199254740992.0, 9007199254740994.0, 4503599627370497.0, 4503599627370496.5, 1.0e22, 1.0e23,
              123456789012345680.0, 1.0e100, 1.7976931348623157e308, 5.0e-324, 2.2250738585072014e-308, 0.01, 0.001,
              0.0001, 0.00001, 0.00012345, 0.000012345, 0.30000000000000004, 3.141592653589793, 1.0e-7, 2.0e-44,
              687442468058880.25, 189550727172141.625, 1125815565863262.25],
    [0.0, -0.0] ++ Floats ++ [-F || F <- Floats] ++ [drawn_float() || _ <- lists:seq(1, 40)].

atoms() ->
    Words = ["", "a", "ok", "undefined", "true", "Elixir.String", "a b", "a@b", "_x", "x1_", "app@host.example.com",
             "it's", "back\\slash", "line\nfeed", "\x{1}\d\e", "\x{7f}\x{80}\x{9f}\x{a0}", "é", "ÿ", "ß", "÷", "×x", "aé", "éa",
             "aéb", "É", "aÀÞ", "\x{3c9}", "日本", "é€é", "\x{10ffff}", "\x{1f600}", "\x{2028}",
             lists:duplicate(255, $x), lists:duplicate(255, 16#e9), lists:duplicate(255, 16#1f600)],
    Reserved = ["after", "and", "andalso", "band", "begin", "bnot", "bor", "bsl", "bsr", "bxor", "case", "catch", "cond",
                "div", "end", "fun", "if", "let", "not", "of", "or", "orelse", "receive", "rem", "try", "when", "xor",
                "opaque", "spec", "module"],
    [list_to_atom(Word) || Word <- Words ++ Reserved].

binaries() ->
    Texts = [<<"é"/utf8>>, <<233, 97>>, <<"日本"/utf8>>, <<"a\nb\t\"q\" \\ '"/utf8>>, <<27>>, <<127>>, <<"é", 127>>,
             <<"\x{85}"/utf8>>, <<239, 191, 190>>, <<"\x{10ffff}"/utf8>>, <<195>>, <<237, 160, 128>>],
    [binary:copy(<<"x">>, N) || N <- lists:seq(0, 30)] ++ [list_to_binary(lists:seq(0, N)) || N <- [0, 11, 12, 255]]
        ++ Texts ++ [<<5:3>>, <<1:1>>, <<0:7>>, <<1, 2:2>>, <<"x", 1:1>>, <<"eleven byte", 3:5>>, <<"twelve bytes", 3:5>>]
        ++ [binary:part(<<"0123456789abcdef">>, 3, 9), binary:copy(<<"deadbeef">>, 100)].

lists() ->
    [lists:sublist("The quick brown fox", N) || N <- lists:seq(1, 19)]
        ++ [[], [[]], [[], []], [[[]]], [a], [a, b], [a | b], [1 | 2], [97 | 98], [1, 2, 3 | 4], [1, 2, 3, 4 | 5],
            [255], [256], [-1], [0], [255, 256, 255], [1, 2, 3, 4, 5, a, 6, 7], [a, 1, 2, 3, 4 | b], [[1, 2], [3, 4]],
            [1.0, 1], ["ab", "cd"], ["ab" | "cd"], [["ab"] | cd], "日本", "é\n\"", [27], [7], [16#d800], [16#fffe],
            [16#10ffff], [16#110000], [$a, -1], [1 bsl 70, 1, 2], [<<>>, <<1>>], [[] | {}], [[] | #{}],
            lists:seq(1, 300), lists:duplicate(50, 1 bsl 40)].

tuples() ->
    [{}, {a}, {a, b}, {''}, {'', ''}, {'', []}, {[]}, {{}}, {{{}}}, {0}, {0.0}, {-0.0}, {"text"}, {<<>>}, {1, 2, 3},
     {error, {badarg, [{m, f, [1, 2], [{line, 3}]}]}}, list_to_tuple(lists:seq(1, 300)),
     {'node@host', 1}, {'node@host', 128}, {ok, #{}}, {#{}, []}].

maps() ->
    [maps:from_list([{K, K * K} || K <- lists:seq(1, N)]) || N <- [0, 1, 2, 31, 32, 33, 34, 100]]
        ++ [#{a => 1}, #{'' => a}, #{'' => ''}, #{[] => []}, #{a => []}, #{[] => a}, #{"k" => "v", <<"k">> => <<"v">>},
            #{1 => a, 1.0 => b}, #{#{} => #{}}, #{#{a => b} => #{c => #{d => e}}}, #{{a, b} => [c | d]},
            #{a => #{b => #{c => #{}}}, b => [#{}, #{a => 1}]}, #{0.0 => zero},
            maps:from_list([{{K, "key"}, #{K => <<K:32>>}} || K <- lists:seq(1, 40)])].

identifiers() ->
    Node = atom(<<"app@host">>),
    [binary_to_term(<<131, Body/binary>>) || Body <-
        [<<88, Node/binary, Id:32, Serial:32, 7:32>> || {Id, Serial} <- [{0, 0}, {1, 0}, {1, 1}, {32767, 2}, {32768, 0},
            {16#fffffff, 1}, {16#ffffffff, 16#1fff}, {16#ffffffff, 16#ffffffff}]]
        ++ [<<120, Node/binary, Id:64, 7:32>> || Id <- [0, 1, 16#fffffff, 16#ffffffff, 1 bsl 32, (1 bsl 64) - 1]]
        ++ [<<90, (length(Ids)):16, Node/binary, 7:32, << <<Id:32>> || Id <- Ids >>/binary>> || Ids <- [[1], [2, 1],
            [1, 2, 3], [16#3ffff, 1, 2], [16#40000, 1, 2], [16#ffffffff, 0, 0], [5, 4, 3, 2, 1]]]].

funs() ->
    [fun lists:map/2, fun erlang:'+'/2, fun unknown:f/255, fun 'A b':'é'/0]
        ++ [closure(Arity, Index, Uniq, Free) || {Arity, Index, Uniq, Free} <- [{0, 0, 1, []}, {2, 1, 99, [x]},
            {255, 2, 16#7fffffff, [1, {a, "b"}]}, {1, 3, 16#ffffffff, [[], #{}, ''] }]]
        ++ [{closure(1, 4, 5, []), [closure(1, 5, 5, [closure(1, 6, 5, [])])]}].

closure(Arity, Index, Uniq, Free) ->
    Values = << <<(without_version(term_to_binary(Value)))/binary>> || Value <- Free >>,
    Body = <<Arity, Index:128, Index:32, (length(Free)):32, (atom(<<"some_module">>))/binary, 97, Index, 98, Uniq:32, 88,
             (atom(<<"app@host">>))/binary, 5:32, 0:32, 7:32, Values/binary>>,
    binary_to_term(<<131, 112, (byte_size(Body) + 4):32, Body/binary>>).

without_version(<<131, Body/binary>>) -> Body.

atom(Text) -> <<119, (byte_size(Text)), Text/binary>>.

%% A random term.
drawn(0) ->
    scalar(rand:uniform(7));
drawn(Depth) ->
    case rand:uniform(7) of
        1 -> some(Depth);
        2 -> list_to_tuple(some(Depth));
        3 -> maps:from_list([{drawn(Depth - 1), drawn(Depth - 1)} || _ <- some(1)]);
        4 -> [drawn(0) | some(Depth)] ++ drawn(0);
        5 -> [rand:uniform(256) - 1 || _ <- some(1)] ++ some(Depth);
        N -> scalar(N)
    end.

some(Depth) ->
    [drawn(Depth - 1) || _ <- lists:seq(1, rand:uniform(6) - 1)].

scalar(1) -> lists:nth(rand:uniform(6), [a, ok, '', 'two words', 'Ω', 'Elixir.Map']);
scalar(2) -> rand:uniform(512) - 256;
scalar(3) -> (rand:uniform(1 bsl 80) - (1 bsl 79)) bsr (rand:uniform(80) - 1);
scalar(4) -> drawn_float();
scalar(5) -> rand:bytes(rand:uniform(20) - 1);
scalar(6) -> list_to_binary([31 + rand:uniform(95) || _ <- lists:seq(1, rand:uniform(9))]);
scalar(7) -> Bits = rand:uniform(40), <<(rand:uniform(1 bsl Bits) - 1):Bits>>.

drawn_float() ->
    case <<(rand:uniform(1 bsl 64) - 1):64>> of
        <<Float/float>> when Float /= 0.0 -> Float;
        _ -> drawn_float()
    end.

hex(Bytes) -> string:lowercase(binary:encode_hex(Bytes)).

unhex(Hex) -> binary:decode_hex(Hex).
