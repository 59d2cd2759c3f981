%% A consistent hash ring by Erlang's own phash2, as the Elixir library describes its ring: a point
%% belongs to the first that came, and a key to the first point at or above it.
-module(ring).
-export([answers/4]).

%% For each key a binary: the number of its owner, how many replicas there are up to the end of the
%% ring, and the numbers of all replicas, once around.
answers(Names, Weight, Count, Keys) ->
    Numbers = lists:zip([binary_to_atom(Name, utf8) || Name <- Names], lists:seq(0, length(Names) - 1)),
    Ring = ring(lists:sort(Numbers), Weight),
    [answer(Key, Ring, Count) || Key <- Keys].

answer(Key, Ring, Count) ->
    Owner = owner(erlang:phash2(one(Key), range()), Ring),
    Start = first(erlang:phash2(Key, range()), Ring),
    ToTheEnd = distinct(Start, tuple_size(Ring), Ring, Count, []),
    Around = distinct(1, Start - 1, Ring, Count, ToTheEnd),
    list_to_binary([Owner, length(ToTheEnd) | lists:reverse(Around)]).

one(Key) when is_atom(Key) -> term_to_binary(Key);
one(Key) -> Key.

range() -> 1 bsl 32 - 1.

ring(Numbers, Weight) ->
    Add = fun({Point, Number}, Points) ->
        case Points of
            #{Point := _} -> Points;
            #{} -> Points#{Point => Number}
        end
    end,
    Points = [{erlang:phash2({Node, I}, range()), Number} || {Node, Number} <- Numbers, I <- lists:seq(1, Weight)],
    list_to_tuple(lists:sort(maps:to_list(lists:foldl(Add, #{}, Points)))).

owner(Hash, Ring) ->
    At = case first(Hash, Ring) of
        Beyond when Beyond > tuple_size(Ring) -> 1;
        First -> First
    end,
    {_, Number} = element(At, Ring),
    Number.

%% Where the first point at or above a hash is; one beyond the last if there is none.
first(Hash, Ring) -> first(Hash, Ring, 1, tuple_size(Ring) + 1).

first(_, _, Low, Low) -> Low;
first(Hash, Ring, Low, High) ->
    Middle = (Low + High) div 2,
    case element(1, element(Middle, Ring)) < Hash of
        true -> first(Hash, Ring, Middle + 1, High);
        false -> first(Hash, Ring, Low, Middle)
    end.

%% Adds those in these places of the ring who are not there yet, the last one first.
distinct(At, End, _, Count, Found) when At > End; length(Found) =:= Count -> Found;
distinct(At, End, Ring, Count, Found) ->
    {_, Number} = element(At, Ring),
    case lists:member(Number, Found) of
        true -> distinct(At + 1, End, Ring, Count, Found);
        false -> distinct(At + 1, End, Ring, Count, [Number | Found])
    end.
