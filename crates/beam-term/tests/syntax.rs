//! Erlang's syntax, both ways.

use std::thread;

use beam_term::{
    Atom, BitString, Closure, Float, Fun, Map, Pid, Port, Reference, Term,
    syntax::{MAX_DEPTH, MAX_DIGITS, MAX_INPUT_BYTES, MAX_SEGMENT_BITS},
};
use proptest::prelude::*;

#[test]
fn people_may_write_terms_in_many_ways() {
    for (input, printed) in [
        (" \t\n 1 ", "1"),
        ("ok.", "ok"),
        ("[1, 2, % two\n 3]", "[1,2,3]"),
        ("{ }", "{}"),
        ("[ ]", "[]"),
        ("#{ }", "#{}"),
        ("<< >>", "<<>>"),
        ("''", "''"),
        ("'ok'", "ok"),
        ("'two words'", "'two words'"),
        ("maybe", "'maybe'"),
        ("1_000_000", "1000000"),
        ("+7", "7"),
        ("-7", "-7"),
        ("16#ff", "255"),
        ("16#FF_ff", "65535"),
        ("-2#101", "-5"),
        ("36#zZ", "1295"),
        ("007", "7"),
        ("$a", "97"),
        ("$\\n", "10"),
        ("$\\\\", "92"),
        ("$ ", "32"),
        ("$\\s", "32"),
        ("$\\x{1F600}", "128512"),
        ("$\\^C", "3"),
        ("$é", "233"),
        ("1.5e3", "1.5e3"),
        ("1.5E+3", "1.5e3"),
        ("1_0.2_5e-1_0", "1.025e-9"),
        ("-0.0", "-0.0"),
        ("1.0e-400", "0.0"),
        (
            r#""a" "b" % and
          "c""#,
            r#""abc""#,
        ),
        (r#""""#, "[]"),
        (r#""\101\x42\x{43}\e\"\q""#, r#""ABC\e\"q""#),
        ("\"two\nlines\"", r#""two\nlines""#),
        ("[$a, 98 | \"c\"]", r#""abc""#),
        ("[a | [b | [c]]]", "[a,b,c]"),
        ("[a | [b | c]]", "[a,b|c]"),
        ("#{b => 1, a => #{}}", "#{a => #{},b => 1}"),
        (r#"~"Ω""#, r#"<<"Ω"/utf8>>"#),
        (r#"<<"a" "b", 99>>"#, r#"<<"abc">>"#),
        (r#"<<"é">>"#, r#"<<"é">>"#),
        (r#"<<"é"/utf8>>"#, r#"<<"é"/utf8>>"#),
        ("<<233>>", r#"<<"é">>"#),
        ("<<16#3A9/utf8, $Ω/utf8>>", r#"<<"ΩΩ"/utf8>>"#),
        ("<<-1, -128>>", "<<255,128>>"),
        ("<<1:16, -2:16>>", "<<0,1,255,254>>"),
        ("<<1:1, 0:7>>", "<<128>>"),
        ("<<1:4, \"a\", 15:4>>", "<<22,31>>"),
        ("<<1:4, \"a\">>", "<<22,1:4>>"),
        ("<<0:0, 1 : 12>>", "<<0,1:4>>"),
        ("fun lists : map / 2", "fun lists:map/2"),
        ("fun 'Elixir.Map':new/0", "fun 'Elixir.Map':new/0"),
    ] {
        let term: Term = input
            .parse()
            .unwrap_or_else(|error| panic!("{input}: {error}"));
        assert_eq!(term.to_string(), printed, "{input}");
    }
}

#[test]
fn an_error_says_where_it_is_and_what_was_expected() {
    for (input, message) in [
        (
            "",
            "line 1, column 1: expected a term, found the end of the text",
        ),
        (
            "[1, 2",
            "line 1, column 6: expected `,`, `|` or `]` in the list that starts at line 1, column 1, found the end of the text",
        ),
        (
            "{\n  ok,\n  [é}",
            "line 3, column 5: expected `,`, `|` or `]` in the list that starts at line 3, column 3, found `}`",
        ),
        ("{ok, }", "line 1, column 6: expected a term, found `}`"),
        (
            "[a|b,c]",
            "line 1, column 5: expected `]` after the tail in the list that starts at line 1, column 1, found `,`",
        ),
        (
            "{a b}",
            "line 1, column 4: expected `,` or `}` in the tuple that starts at line 1, column 1, found `b`",
        ),
        (
            "a b",
            "line 1, column 3: expected the end after the term, found `b`",
        ),
        (
            "#{a}",
            "line 1, column 4: expected `=>` after a key in the map that starts at line 1, column 1, found `}`",
        ),
        (
            "#{a => 1, a => 2}",
            "line 1, column 1: a key is twice in the map",
        ),
        (
            "'abc",
            "line 1, column 1: the ' that starts here is never closed",
        ),
        (
            "[\"abc]",
            "line 1, column 2: the \" that starts here is never closed",
        ),
        (
            "$",
            "line 1, column 2: expected a character after `$`, found the end of the text",
        ),
        (
            "-a",
            "line 1, column 2: expected a digit of base 10, found `a`",
        ),
        (
            "1.0e400",
            "line 1, column 1: the float is too large: at most 1.7976931348623157e308",
        ),
        (
            "37#1",
            "line 1, column 1: the base of an integer is 2 to 36",
        ),
        (
            "<<1",
            "line 1, column 4: expected `,` or `>>` in the binary that starts at line 1, column 1, found the end of the text",
        ),
        (
            "<<a>>",
            "line 1, column 3: expected a string, an integer or a character, found `a`",
        ),
        (
            "fun a:b/256",
            "line 1, column 9: expected an arity of 0 to 255",
        ),
        (
            "\u{7f}",
            "line 1, column 1: expected a term, found the character 0x7f",
        ),
    ] {
        let error = input.parse::<Term>().unwrap_err();
        assert_eq!(error.to_string(), message, "{input}");
    }
}

#[test]
fn usual_mistakes_are_answered_with_what_to_write() {
    for (input, hint) in [
        ("Foo", "'Elixir.Module'"),
        ("_", "'Elixir.Module'"),
        (":ok", "without a colon"),
        ("[a: 1]", "[{key, value}]"),
        ("#{a: 1}", "#{key => value}"),
        ("#{a := 1}", "#{key => value}"),
        ("%{a: 1}", "#{key => value}"),
        ("f(x)", "a call is not a term"),
        ("end", "single quotes"),
        ("{if, 1}", "single quotes"),
        ("0xff", "16#ff"),
        ("1e5", "1.0e10"),
        ("fun", "fun module:function/arity"),
        ("fun(X) -> X end", "fun module:function/arity"),
        ("fun f/1", "fun module:function/arity"),
        ("<0.1.2>", "made by a node"),
        ("#Ref<0.1.2.3>", "made by a node"),
        ("#Port<0.6>", "made by a node"),
        ("#Fun<m.0.1>", "made by a node"),
        ("#point{x = 1}", "{name, Field, …}"),
        ("~w[a b]", "<<\"text\"/utf8>>"),
        ("\"\"\"\na\n\"\"\"", "\"line\\n\""),
        ("\"\\x{d800}\"", "\\x{H…}"),
        ("\"\\xz\"", "\\x{H…}"),
        ("<<\"Ω\">>", "/utf8"),
        ("<<256>>", "<<1000:16>>"),
        ("<<-129>>", "<<1000:16>>"),
        ("<<2:1>>", "<<1000:16>>"),
        ("<<1/little>>", "as integers"),
    ] {
        let error = input.parse::<Term>().unwrap_err();
        let given = error.hint().unwrap_or_else(|| panic!("{input}: {error}"));
        assert!(given.contains(hint), "{input}: {error}");
        assert_eq!(error.to_string().matches(given).count(), 1);
    }
}

#[test]
fn texts_beyond_a_limit_are_refused() {
    let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
    // The innermost pair of brackets is an empty list, which holds nothing.
    assert!(nested(MAX_DEPTH + 1).parse::<Term>().is_ok());
    assert!(nested(MAX_DEPTH + 2).parse::<Term>().is_err());
    assert!(nested(100_000).parse::<Term>().is_err());

    let blank = |length| " ".repeat(length - 1) + "a";
    assert!(blank(MAX_INPUT_BYTES).parse::<Term>().is_ok());
    assert!(blank(MAX_INPUT_BYTES + 1).parse::<Term>().is_err());

    assert!("9".repeat(MAX_DIGITS).parse::<Term>().is_ok());
    assert!("9".repeat(MAX_DIGITS + 1).parse::<Term>().is_err());
    let hexadecimal = format!("16#{}", "f".repeat(MAX_DIGITS + 1));
    assert_eq!(
        hexadecimal.parse::<Term>().unwrap().to_string().len(),
        hexadecimal.len()
    );

    assert!(format!("<<1:{MAX_SEGMENT_BITS}>>").parse::<Term>().is_ok());
    assert!(
        format!("<<1:{}>>", MAX_SEGMENT_BITS + 1)
            .parse::<Term>()
            .is_err()
    );

    assert!("x".repeat(255).parse::<Term>().is_ok());
    assert!("x".repeat(256).parse::<Term>().is_err());
}

#[test]
fn identifiers_show_the_name_of_their_node() {
    let node = Atom::from_static("app@host.example.com");
    let pid = |node| Pid {
        node,
        id: 112,
        serial: 3,
        creation: 7,
    };
    let port = Port {
        node: node.clone(),
        id: 6,
        creation: 7,
    };
    let reference = Reference::new(node.clone(), 7, &[1, 2, 3]).unwrap();
    let closure = Closure {
        module: Atom::from_static("Elixir.App"),
        arity: 2,
        uniq: [0; 16],
        index: 4,
        old_index: 4,
        old_uniq: 133_762_870,
        creator: pid(node.clone()),
        free: vec![],
    };
    assert_eq!(
        Term::from(pid(node)).to_string(),
        "<app@host.example.com.112.3>"
    );
    assert_eq!(
        Term::from(pid(Atom::from_static("odd>@host"))).to_string(),
        "<'odd>@host'.112.3>"
    );
    assert_eq!(
        Term::from(port).to_string(),
        "#Port<app@host.example.com.6>"
    );
    assert_eq!(
        Term::from(reference).to_string(),
        "#Ref<app@host.example.com.3.2.1>"
    );
    assert_eq!(
        Term::from(Fun::Closure(closure)).to_string(),
        "#Fun<'Elixir.App'.4.133762870>"
    );
}

#[test]
fn a_deep_term_prints_without_a_deep_stack() {
    let depth = 5_000;
    let deep = (0..depth).fold(Term::atom("a"), |inner, _| Term::tuple([inner]));
    let printed = thread::scope(|scope| {
        let small = thread::Builder::new().stack_size(64 * 1024);
        let printing = small.spawn_scoped(scope, || deep.to_string()).unwrap();
        printing.join().unwrap()
    });
    assert_eq!(printed, "{".repeat(depth) + "a" + &"}".repeat(depth));
}

#[test]
fn a_truncated_term_ends_in_dots_only_if_something_is_left_out() {
    let cut = |text: &str, length| {
        let term: Term = text.parse().unwrap();
        term.display_truncated(length).to_string()
    };
    assert_eq!(cut("{ok,[1,2]}", 10), "{ok,[1,2]}");
    assert_eq!(cut("{ok,[1,2]}", 9), "{ok,[1,2]...");
    assert_eq!(cut("\"Ω€😀\"", 3), "\"Ω€...");
    assert_eq!(cut("<<\"Ω€😀\"/utf8>>", 5), "<<\"Ω€...");
    assert_eq!(cut("ok", 0), "...");
}

proptest! {
    #[test]
    fn data_that_is_printed_parses_to_itself(term in data()) {
        let printed = term.to_string();
        let parsed: Term = printed.parse().map_err(|error| TestCaseError::fail(format!("{printed}: {error}")))?;
        prop_assert_eq!(parsed, term, "{}", printed);
    }

    #[test]
    fn a_truncated_term_is_a_prefix(term in data(), length in 0..80usize) {
        let whole = term.to_string();
        let cut = term.display_truncated(length).to_string();
        if whole.chars().count() <= length {
            prop_assert_eq!(cut, whole);
        } else {
            let kept = cut.strip_suffix("...").unwrap();
            prop_assert_eq!(kept.chars().count(), length);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,60}") {
        let _ = text.parse::<Term>();
    }

    #[test]
    fn no_text_of_signs_makes_the_parser_panic(text in "[\\[\\]{}<>#|,=>/:'\"\\\\$%~._0-9a-fxEu8 \n-]{0,40}") {
        if let Err(error) = text.parse::<Term>() {
            prop_assert!(error.line() <= text.lines().count() + 1);
        }
    }

    #[test]
    fn no_damage_to_a_term_makes_the_parser_panic(term in data(), at in any::<prop::sample::Index>(), with in any::<char>()) {
        let mut text: Vec<char> = term.to_string().chars().collect();
        let at = at.index(text.len());
        text[at] = with;
        let damaged: String = text.iter().collect();
        let _ = damaged.parse::<Term>();
        let _ = text[..at].iter().collect::<String>().parse::<Term>();
    }
}

fn data() -> impl Strategy<Value = Term> {
    scalar().prop_recursive(5, 60, 6, |inner| {
        let elements = || prop::collection::vec(inner.clone(), 0..6);
        let pairs = prop::collection::vec((inner.clone(), inner.clone()), 0..6);
        prop_oneof![
            elements().prop_map(Term::Tuple),
            elements().prop_map(Term::List),
            (elements(), inner.clone())
                .prop_map(|(elements, tail)| Term::list_with_tail(elements, tail)),
            pairs.prop_map(|pairs| pairs.into_iter().collect::<Map>().into()),
        ]
    })
}

fn scalar() -> impl Strategy<Value = Term> {
    let text = prop_oneof![".{0,8}", "[a-z][a-zA-Z0-9_@]{0,8}", "[\\x00-\\xff]{0,8}"];
    let atom = text
        .clone()
        .prop_map(|text| Atom::try_from(text).expect("short"));
    let fun = (atom.clone(), atom.clone(), any::<u8>());
    prop_oneof![
        any::<i64>().prop_map(Term::from),
        (-300..300).prop_map(Term::from),
        any::<i128>().prop_map(Term::from),
        any::<f64>().prop_filter_map("finite", |float| Float::try_from(float)
            .ok()
            .map(Term::from)),
        atom.prop_map(Term::from),
        fun.prop_map(|(module, function, arity)| Term::from(Fun::Export {
            module,
            function,
            arity
        })),
        text.clone().prop_map(|text| Term::charlist(&text)),
        text.prop_map(Term::binary),
        prop::collection::vec(any::<u8>(), 0..10).prop_map(Term::binary),
        prop::collection::vec(any::<u8>(), 0..10)
            .prop_map(|bytes| Term::list(bytes.into_iter().map(Term::from))),
        (prop::collection::vec(any::<u8>(), 1..6), 1..=7u8)
            .prop_map(|(bytes, bits)| BitString::new(bytes, bits).expect("1 to 7 bits").into()),
    ]
}
