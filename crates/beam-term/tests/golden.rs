//! Terms whose hashes and texts OTP made: `golden/terms.tsv`, written by `golden/terms.escript`.

use beam_term::Term;

#[test]
fn terms_hash_as_in_otp() {
    for line in TABLE.lines().map(Line::read) {
        assert_eq!(line.term.phash2_full(), line.hash, "{}", line.term);
    }
}

#[test]
fn terms_print_as_in_otp() {
    for Line { term, text, .. } in TABLE.lines().map(Line::read) {
        if text != "-" {
            assert_eq!(term.to_string(), text);
        }
    }
}

#[test]
fn what_otp_prints_parses_to_the_term() {
    for Line { term, text, .. } in TABLE.lines().map(Line::read) {
        if text != "-" {
            assert_eq!(text.parse(), Ok(term));
        }
    }
}

const TABLE: &str = include_str!("golden/terms.tsv");

struct Line {
    hash: u32,
    term: Term,
    text: &'static str,
}

impl Line {
    fn read(line: &'static str) -> Self {
        let columns: Vec<_> = line.split('\t').collect();
        let [hash, hex, text] = columns[..] else {
            panic!("not three columns: {line}");
        };
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
        let bytes: Vec<_> = (0..hex.len()).step_by(2).map(byte).collect();
        Self {
            hash: hash.parse().expect("a hash"),
            term: Term::from_bytes(bytes).expect("a term"),
            text,
        }
    }
}
