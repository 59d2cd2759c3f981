use beam_term::Term;

use super::*;

/// A format, its arguments, and what `io_lib:format/2` makes of them on OTP 25, 27 and 29.
const PRINTED: &[(&str, &str, &str)] = &[
    ("plain", "[]", "plain"),
    ("x ~p~n", "[1]", "x 1\n"),
    ("~~ ~3~ ~n~2n|", "[]", "~ ~~~ \n\n\n|"),
    ("~i~p", "[a,b]", "b"),
    ("~c~c", "[97,353]", "aa"),
    ("~tc", "[353]", "š"),
    (
        "~3c|~5.2c|~-5.2c|~.3c",
        "[97,98,99,100]",
        "aaa|   bb|cc   |ddd",
    ),
    ("~5.2.*c|", "[$_, $a]", "___aa|"),
    ("~s ~s ~s", r#"["str", <<"bin">>, atom]"#, "str bin atom"),
    ("~s", r#"[["a",[<<"b">>],$c]]"#, "abc"),
    ("~s", r#"[<<"é"/utf8>>]"#, "Ã©"),
    ("~ts", r#"[<<"é"/utf8>>]"#, "é"),
    ("~ts", "[<<233>>]", "é"),
    ("~ts", "[[1024]]", "Ѐ"),
    ("~ts", "['žluť']", "žluť"),
    (
        "~5s|~-5s|~2s|~.2s|~.5s|",
        r#"["abc","abc","abc","abc","abc"]"#,
        "  abc|abc  |ab|ab|abc  |",
    ),
    (
        "~8.5s|~-8.5s|~8.2s|~-8.2s|~3.3s|",
        r#"["abc","abc","abc","abc","abc"]"#,
        "   abc  |abc     |      ab|ab      |abc|",
    ),
    (
        "~5..xs|~-5.._s|~6.4.*s|",
        r#"["abc","abc",$.,"abc"]"#,
        "xxabc|abc__|..abc.|",
    ),
    (
        "~*s|~*s|~.*s|",
        r#"[5,"abc",-5,"abc",2,"abc"]"#,
        "  abc|abc  |ab|",
    ),
    ("~10ts|", r#"["žluť"]"#, "      žluť|"),
    (
        "~w ~w ~w",
        r#"["hi", <<"hi">>, 'A b']"#,
        "[104,105] <<104,105>> 'A b'",
    ),
    (
        "~p ~p ~p",
        r#"["hi", <<"hi">>, 'A b']"#,
        r#""hi" <<"hi">> 'A b'"#,
    ),
    (
        "~w",
        r#"[[1,[2.0,{}],#{a => "x",1 => <<>>}|t]]"#,
        "[1,[2.0,{}],#{1 => <<>>,a => [120]}|t]",
    ),
    (
        "~p",
        r#"[[1,[2.0,{}],#{a => "x",1 => <<>>}|t]]"#,
        r#"[1,[2.0,{}],#{1 => <<>>,a => "x"}|t]"#,
    ),
    ("~w ~p ~tp", "[[1024],[1024],{}]", "[1024] [1024] {}"),
    (
        "~p ~w",
        "[<<195,169>>,<<195,169>>]",
        r#"<<"Ã©">> <<195,169>>"#,
    ),
    ("~tp", r#"[<<"é"/utf8>>]"#, r#"<<"é"/utf8>>"#),
    ("~p", "[[233,97]]", r#""éa""#),
    (
        "~p ~p ~p",
        "[<<5:3>>, <<1,5:3>>, <<0>>]",
        "<<5:3>> <<1,5:3>> <<0>>",
    ),
    ("~p ~p", r#"["a\n\t\"\\", [7]]"#, r#""a\n\t\"\\" [7]"#),
    ("~p", r#"[<<"a\n\"">>]"#, r#"<<"a\n\"">>"#),
    (
        "~lp ~lw ~ltp",
        r#"["hi", "hi", "hi"]"#,
        "[104,105] [104,105] [104,105]",
    ),
    (
        "~p ~p ~p ~p",
        "[1.0, -0.5, 1.0e22, 123456789012345678901234567890]",
        "1.0 -0.5 1.0e22 123456789012345678901234567890",
    ),
    (
        "~p ~w",
        "[fun lists:map/2, fun lists:map/2]",
        "fun lists:map/2 fun lists:map/2",
    ),
    ("~p", "[[]]", "[]"),
    ("~w~w", "['','']", "''''"),
    ("~p", r#"[{a,'B',"c",<<>>}]"#, r#"{a,'B',"c",<<>>}"#),
    (
        "~6w|~-6w|~2w|~.6w|~6.4w|~-8.5w|",
        "[abc,abc,abc,abc,abc,abcdefgh]",
        "   abc|abc   |**|   abc|   abc|*****   |",
    ),
    ("~0p ~0tp ~20p", r#"["a",b,c]"#, r#""a" b c"#),
    ("~W ~P", r#"[[1],5,"ab",5]"#, r#"[1] "ab""#),
    (
        "~f ~f ~f",
        "[3.14159265, -0.0, 1.0e10]",
        "3.141593 -0.000000 10000000000.000000",
    ),
    (
        "~.2f ~.3f ~.1f ~.1f ~.1f",
        "[0.125, 2.0005, 0.25, 0.35, 0.05]",
        "0.13 2.001 0.3 0.3 0.1",
    ),
    (
        "~10.2f|~-10.2f|~4.2f|~010.2f|~10.2.0f",
        "[3.14159,3.14159,12345.678,1.5,-1.5]",
        "      3.14|3.14      |****|      1.50|00000-1.50",
    ),
    (
        "~f",
        "[1.2345678901234567e30]",
        "1234567890123456708410000000000.000000",
    ),
    (
        "~.20f ~.25f",
        "[0.1, 1.0e-5]",
        "0.10000000000000000555 0.0000100000000000000008180",
    ),
    (
        "~f ~.1f ~.2f",
        "[0.00000001, 0.96, 99.999]",
        "0.000000 1.0 100.00",
    ),
    ("~.1f", "[9.95]", "9.9"),
    ("~.1f ~.3f", "[0.99, 1.0e-300]", "1.0 0.000"),
    (
        "~e ~e ~e",
        "[3.14159265, -0.0, 1.0e10]",
        "3.14159e+0 -0.00000e+0 1.00000e+10",
    ),
    (
        "~.3e ~.2e ~12.4e|~-12.4e|",
        "[9.999, 9.99e-7, 1.5, -1.5]",
        "1.00e+1 1.0e-6     1.500e+0|-1.500e+0   |",
    ),
    ("~.30e", "[0.1]", "1.00000000000000005551000000000e-1"),
    ("~6e|", "[1.0]", "******|"),
    (
        "~g ~g ~g ~g ~g ~g",
        "[0.01, 0.1, 1.0, 9999.0, 10000.0, 0.0]",
        "1.00000e-2 0.100000 1.00000 9999.00 1.00000e+4 0.00000e+0",
    ),
    (
        "~.3g ~.3g ~.2g ~.1g ~.1g ~.4g",
        "[123.456, 1234.5, 0.5, 0.5, 5.0, 12.0]",
        "1.23e+2 1.23e+3 0.50 0.5 5.0e+0 12.00",
    ),
    ("~10.3g|~-10.3g|", "[1.5, 1.5]", "      1.50|1.50      |"),
    ("~.1g ~.1g", "[0.05, 55.0]", "5.0e-2 5.5e+1"),
    ("~g ~g", "[-5.5, 99999.5]", "-5.50000 9.99995e+4"),
    (
        "~b ~B ~.16b ~.16B ~.2b ~.36B",
        "[31, -31, 255, -255, 5, 12345]",
        "31 -31 ff -FF 101 9IX",
    ),
    (
        "~5b|~-5b|~2b|~5.16.0B|~8.2.0b",
        "[31,31,1000,171,5]",
        "   31|31   |**|000AB|00000101",
    ),
    (
        "~.16# ~.16+ ~# ~8.16#|",
        "[-255, 255, 10, 255]",
        "-16#FF 16#ff 10#10    16#FF|",
    ),
    ("~.16x ~.10X", r#"[-31, "0x", 31, pre]"#, "-0x1f pre31"),
    (
        "~b",
        "[123456789012345678901234567890]",
        "123456789012345678901234567890",
    ),
    (
        "~.16b",
        "[-123456789012345678901234567890]",
        "-18ee90ff6c373e0ee4e3f0ad2",
    ),
    ("~5.p|", "[1]", "1|"),
    ("~p ~p", "[-0.0, 0.1]", "-0.0 0.1"),
    ("~p", "[[$a|b]]", "[97|b]"),
    ("~w ~p", "[[a|b],[1,2|c]]", "[a|b] [1,2|c]"),
    ("~s", "[[]]", ""),
    ("~3s|~-3w|", r#"["",""]"#, "   |[] |"),
    ("~12p|", "[{a}]", "{a}|"),
    ("~p", "[[27,8,127]]", "[27,8,127]"),
    ("~p", "[[27,8,126]]", r#""\e\b~""#),
    ("~p", r#"[<<"">>]"#, "<<>>"),
    ("~tp ~tw", "[ab, 'žluť']", "ab 'žluť'"),
    ("~p", "[#{}]", "#{}"),
    ("~p", "[[{a,1},{b,[]}]]", "[{a,1},{b,[]}]"),
];

/// Formats and arguments that OTP refuses.
const REFUSED: &[(&str, &str)] = &[
    ("~d", "[1]"),
    ("~p", "[]"),
    ("~p", "[1,2]"),
    ("~f", "[1]"),
    ("~s", "[1]"),
    ("~s", "[[1024]]"),
    ("~s", "['žluť']"),
    ("~b", "[1.0]"),
    ("~.37b", "[1]"),
    ("~.1b", "[1]"),
    ("~.0f", "[1.0]"),
    ("~.1e", "[1.0]"),
    ("~", "[]"),
    ("abc~", "[]"),
    ("~2.3s", r#"["a"]"#),
    ("~2.3c", "[97]"),
    ("~*s", r#"[a,"x"]"#),
    ("~-p", "[1]"),
    ("~.-2f", "[1.0]"),
    ("~ts", "[a|b]"),
    ("~c", "[a]"),
    ("~5", "[]"),
    ("~.", "[1]"),
    ("~..", "[1]"),
    ("~5..", "[]"),
    ("~k p", "[1]"),
];

fn formatted(format: &str, arguments: &str, limit: usize) -> (Result<(), Stop>, Text) {
    let arguments: Term = arguments.parse().unwrap();
    let arguments = arguments.as_list().unwrap_or_default();
    let raw = |term: &Term| RawTerm::serialize(term).unwrap();
    let arguments: Vec<_> = arguments.iter().map(raw).collect();
    let mut out = Text::new(limit);
    let result = super::format(&raw(&Term::charlist(format)), &arguments, &mut out);
    (result, out)
}

#[test]
fn formats_print_as_otp_prints_them() {
    for (format, arguments, expected) in PRINTED {
        let (result, text) = formatted(format, arguments, 10_000);
        assert_eq!(
            (result, text.as_str()),
            (Ok(()), *expected),
            "{format} with {arguments}"
        );
    }
}

#[test]
fn formats_that_do_not_fit_their_arguments_are_refused() {
    for (format, arguments) in REFUSED {
        let (result, _) = formatted(format, arguments, 10_000);
        assert_eq!(result, Err(Stop::Invalid), "{format} with {arguments}");
    }
}

#[test]
fn a_format_is_an_atom_a_binary_or_a_list() {
    for format in ["'a~p'", r#"<<"a~p">>"#, r#""a~p""#] {
        let format: Term = format.parse().unwrap();
        let raw = |term: &Term| RawTerm::serialize(term).unwrap();
        let mut out = Text::new(100);
        assert_eq!(
            super::format(&raw(&format), &[raw(&Term::from(1))], &mut out),
            Ok(())
        );
        assert_eq!(out.as_str(), "a1");
    }
}

#[test]
fn no_format_prints_more_than_the_bound() {
    for (format, arguments) in [
        ("~999999999999n", "[]"),
        ("~99999999999999999999c", "[97]"),
        ("~999999999s", "[a]"),
        ("~-999999999s", "[a]"),
        ("~.999999999s", "[a]"),
        ("~999999999w", "[a]"),
        ("~*b", "[999999999, 1]"),
        ("~.999999999f", "[1.0]"),
        ("~.999999999e", "[1.0]"),
        ("~.999999999g", "[1.0]"),
        (
            "~w",
            "[[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27]]",
        ),
    ] {
        let (result, text) = formatted(format, arguments, 50);
        assert_eq!(result, Err(Stop::Full), "{format}");
        assert!(text.is_cut() && text.as_str().len() <= 50, "{format}");
    }
}

#[test]
fn a_term_far_beyond_the_bound_is_not_even_decoded() {
    let term = Term::list(vec![Term::nil(); 10_000]);
    let mut out = Text::new(100);
    let raw = RawTerm::serialize(&term).unwrap();
    assert_eq!(write_term(&raw, Style::Plain, &mut out), Err(Stop::Full));
    assert_eq!(out.as_str(), "...");
}

#[test]
fn an_integer_too_long_to_convert_is_refused() {
    let long = format!("[16#1{}]", "0".repeat(5_000));
    assert_eq!(formatted("~b", &long, 10_000).0, Err(Stop::Invalid));
    assert_eq!(formatted("~.16b", &long, 10_000).0, Ok(()));
}
