//! Terms at every boundary between two encodings, and at the limits.

use beam_term::{Atom, DecodeErrorKind, Float, Limits, Map, Term};
use bytes::{BufMut, BytesMut};
use interop::{Error, Otp, unique_name};
use num_bigint::BigInt;

use crate::round_trip::{both_ways, make};

pub(crate) async fn integers_around_every_power_of_two_are_the_same(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    // The size of an integer has one byte up to 255 bytes, and four from there on.
    let bits = (0..=72).chain([2031, 2032, 2039, 2040, 2041, 2048, 16_384, 100_000]);
    let bits: Vec<u32> = bits.collect();
    let source = format!(
        "[Sign * ((1 bsl Bits) + Offset) || Bits <- {bits:?}, Offset <- [-1, 0, 1], Sign <- [1, -1]]"
    );
    let mut expected = Vec::new();
    for &bits in &bits {
        for offset in [-1, 0, 1] {
            let value: BigInt = (BigInt::from(1) << bits) + offset;
            expected.extend([Term::from(value.clone()), Term::from(-value)]);
        }
    }
    assert_eq!(both_ways(&beam, &source).await, expected);
}

pub(crate) async fn only_integers_within_the_limit_decode(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    let limit = Limits::default().integer_bytes;
    let largest = |bytes: usize| {
        let mut encoded = BytesMut::from([131, 111].as_slice());
        encoded.put_u32(bytes as u32);
        encoded.put_u8(0);
        encoded.put_bytes(0xFF, bytes);
        encoded.freeze()
    };
    let decode = async |encoded| {
        let source = "[Integer, -Integer]";
        beam.expression(source)
            .bind_external("Integer", encoded)
            .term()
            .await
    };
    let value: BigInt = (BigInt::from(1) << (8 * limit)) - 1;
    let expected = [Term::from(value.clone()), Term::from(-value)];
    assert_eq!(
        decode(largest(limit)).await.unwrap(),
        Term::list(expected.clone())
    );
    assert_eq!(expected[0].to_bytes().unwrap(), largest(limit));

    let error = Term::from_bytes(largest(limit + 1)).unwrap_err();
    assert!(
        matches!(error.kind(), DecodeErrorKind::IntegerTooLarge { .. }),
        "{error}"
    );
}

pub(crate) async fn floats_of_every_magnitude_are_the_same(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    let exponents: Vec<u64> = (1..2047).step_by(7).chain([0, 2, 2045, 2046]).collect();
    let mantissas = [0, 1, 0x9_1234_5678_9ABC, (1 << 52) - 1];
    let source = format!(
        "[F || E <- {exponents:?}, M <- {mantissas:?}, S <- [0, 1], <<F/float>> <= <<S:1, E:11, M:52>>]"
    );
    let mut expected = Vec::new();
    for exponent in exponents {
        for mantissa in mantissas {
            for sign in [0, 1] {
                let bits = (sign << 63) | (exponent << 52) | mantissa;
                expected.push(Term::try_from(f64::from_bits(bits)).unwrap());
            }
        }
    }
    assert_eq!(both_ways(&beam, &source).await, expected);
}

pub(crate) async fn the_two_zeros_hash_alike_and_differ_from_otp_27_on(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    let zeros = [0.0, -0.0].map(|zero| Term::from(Float::try_from(zero).unwrap()));
    assert_eq!(both_ways(&beam, "[0.0, -0.0]").await, zeros);
    assert_eq!(zeros[0].phash2_full(), zeros[1].phash2_full());

    let differ = otp.number() >= 27;
    let both: Map = zeros.map(|zero| (zero, Term::nil())).into_iter().collect();
    let size = beam.expression("map_size(binary_to_term(Encoded))");
    let size = size.bind_binary("Encoded", Term::from(both).to_bytes().unwrap());
    match size.term().await {
        Ok(size) => assert!(differ && size == Term::from(2), "{size}"),
        Err(Error::Raised(exception)) => assert!(!differ, "{exception}"),
        Err(error) => panic!("{error}"),
    }
    assert_eq!(beam.eval("0.0 =/= -0.0").await.unwrap(), Term::from(differ));
}

pub(crate) async fn atoms_of_every_length_and_script_are_the_same(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    let lengths = [0, 1, 63, 64, 85, 127, 128, 254, 255];
    let characters = ['a', 'é', 'Ω', '€', '😀'];
    let codes = characters.map(u32::from);
    let source = format!(
        "[list_to_atom(lists:duplicate(Length, Character)) || Length <- {lengths:?}, Character <- {codes:?}]"
    );
    let mut expected = Vec::new();
    for length in lengths {
        for character in characters {
            let text = character.to_string().repeat(length);
            expected.push(Term::from(Atom::try_from(text).unwrap()));
        }
    }
    assert_eq!(both_ways(&beam, &source).await, expected);

    // All of the forms were among these: Latin-1, long UTF-8, short UTF-8.
    let session = beam.session();
    let mut tags: Vec<_> = make(&session, &source, "[{minor_version, 1}]")
        .await
        .iter()
        .map(|atom| atom[1])
        .collect();
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags, [100, 118, 119]);
}

pub(crate) async fn strings_of_every_length_are_the_same(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    let lengths = [0, 1, 3, 4, 5, 255, 256, 65_534, 65_535, 65_536, 70_000];
    let source =
        format!("[lists:duplicate(Length, Byte) || Length <- {lengths:?}, Byte <- [0, 255]]");
    let list = |length, element| Term::list(std::iter::repeat_n(Term::from(element), length));
    let expected: Vec<_> = lengths
        .into_iter()
        .flat_map(|length| [list(length, 0), list(length, 255)])
        .collect();
    assert_eq!(both_ways(&beam, &source).await, expected);

    let source = "[[-1], [0, -200], [255, 256], [1, 2.0], [1, 2, a, 3], [[1], 2], lists:seq(1, 255) ++ [{}]]";
    assert_eq!(both_ways(&beam, source).await.len(), 7);
}

pub(crate) async fn improper_lists_are_the_same(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    let source = "[[a | b], [1 | 2], [1, 2, 3 | 4], \"abc\" ++ d, lists:seq(0, 70000) ++ <<>>, [[1 | 2] | [3 | 4]],
        [[] | x], [[a | b], [c | d] | e], #{[1 | 2] => [a | {[b | c]}]}]";
    let terms = both_ways(&beam, source).await;
    let expected = Term::list_with_tail([1, 2, 3].map(Term::from), Term::from(4));
    assert_eq!(terms[2], expected);
    assert_eq!(terms[5], "[[1 | 2], 3 | 4]".parse().unwrap());
}

pub(crate) async fn binaries_and_bit_strings_of_every_length_are_the_same(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    let lengths = "lists:seq(0, 70) ++ [8 * 64 - 1, 8 * 65535, 8 * 65536, 8 * 70000 + 3]";
    // A part of a binary need not start at a byte of it.
    let source = format!(
        "[Bits || Length <- {lengths}, Start <- [0, 3, 8], Fill <- [0, -1, 16#5A5A5A5A5A5A5A5A5A],
            <<_:Start, Bits:Length/bitstring>> <- [<<Fill:(Start + Length)>>]]"
    );
    let terms = both_ways(&beam, &source).await;
    assert_eq!(terms.len(), 75 * 3 * 3);
    assert!(matches!(&terms[9 * 8], Term::Binary(bytes) if bytes.len() == 1));
    assert!(matches!(&terms[9 * 9], Term::BitString(bits) if bits.bit_len() == 9));
}

pub(crate) async fn maps_of_every_size_are_the_same(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    // Up to 32 keys a map is a sorted tuple in OTP, beyond that a trie.
    let source = "[maps:from_list([{Key(N), N} || N <- lists:seq(1, Size)])
        || Size <- [0, 1, 2, 31, 32, 33, 34, 128, 129, 2000],
           Key <- [fun(N) -> N end, fun(N) -> N / 3 end, fun(N) -> list_to_atom(\"key\" ++ integer_to_list(N)) end,
                   fun(N) -> <<N:16>> end, fun(N) -> [N rem 7 | {N}] end, fun(N) -> #{N => N, -N => []} end]]";
    let terms = both_ways(&beam, source).await;
    let sizes: Vec<_> = terms
        .iter()
        .step_by(6)
        .map(|map| map.as_map().unwrap().len())
        .collect();
    assert_eq!(sizes, [0, 1, 2, 31, 32, 33, 34, 128, 129, 2000]);
    let source = "[#{1 => a, 1.0 => b}, #{#{} => #{#{} => #{}}}, #{[] => {}, {} => []}]";
    assert_eq!(both_ways(&beam, source).await[0].as_map().unwrap().len(), 2);
}

pub(crate) async fn identifiers_of_the_node_itself_are_the_same(otp: Otp) {
    let epmd = otp.epmd().start().await.unwrap();
    let name = unique_name("identified");
    let beam = otp.beam().name(name).epmd(&epmd).start().await.unwrap();
    let source = "[self(), make_ref(), monitor(process, whereis(init)), monitor(process, init, [{alias, demonitor}]), alias(),
            spawn_request(fun() -> ok end), erlang:start_timer(0, self(), x), atomics:new(1, []), ets:new(x, []),
            open_port({spawn_executable, \"/bin/true\"}, [])]
        ++ erlang:ports() ++ processes() ++ [make_ref() || _ <- lists:seq(1, 1000)]
        ++ [spawn(fun() -> ok end) || _ <- lists:seq(1, 1000)]";
    let terms = both_ways(&beam, source).await;
    let creation = beam.eval("erlang:system_info(creation)").await.unwrap();
    let pid = terms[0].as_pid().expect("a pid");
    assert_eq!(pid.node.as_str(), beam.name());
    assert_eq!(Term::from(pid.creation), creation);
    assert!(terms[1..9].iter().all(|term| term.as_reference().is_some()));
    assert!(matches!(terms[9], Term::Port(_)));
}

pub(crate) async fn containers_nest_up_to_the_limit(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    let limit = Limits::default().depth;
    let nested = |depth: usize| {
        format!(
            "[lists:foldl(fun(_, T) -> Wrap(T) end, a, lists:seq(1, {depth})) || Wrap <- [
                fun(T) -> {{T}} end, fun(T) -> {{1, T, 2}} end, fun(T) -> [T] end, fun(T) -> [1, T | 2] end,
                fun(T) -> #{{k => T}} end, fun(T) -> #{{T => v}} end]]"
        )
    };
    let terms = both_ways(&beam, &nested(limit)).await;
    assert_eq!(terms.len(), 6);

    for encoded in make(&beam.session(), &nested(limit + 1), "[]").await {
        assert_eq!(
            Term::from_bytes(encoded),
            Err(DecodeErrorKind::TooDeep { limit }.into())
        );
    }
    // A long list is not a deep one.
    let long = format!(
        "[lists:seq(1, {}), lists:seq(1, {})]",
        20 * limit,
        200 * limit
    );
    assert_eq!(
        both_ways(&beam, &long).await[1].as_list().unwrap().len(),
        200 * limit
    );
}
