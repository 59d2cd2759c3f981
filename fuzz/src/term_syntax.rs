use beam_term::Term;

const CUT: usize = 16;

/// Takes the input for a term as people write it.
///
/// What was parsed must print to text that parses to the same term, and errors must point into the
/// text.
pub fn term_syntax(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    match text.parse::<Term>() {
        Ok(term) => {
            let printed = term.to_string();
            assert_eq!(printed.parse::<Term>().as_ref(), Ok(&term), "{printed}");
            // Whether a long term is text is judged by its beginning, so the two may differ there.
            let shortened = term.display_truncated(CUT).to_string();
            if printed.chars().count() <= CUT {
                assert_eq!(shortened, printed);
            } else {
                assert_eq!(shortened.chars().count(), CUT + "...".len(), "{shortened}");
            }
        }
        Err(error) => {
            assert!(
                (1..=text.split('\n').count()).contains(&error.line()),
                "{error}"
            );
            assert!(
                (1..=text.chars().count() + 1).contains(&error.column()),
                "{error}"
            );
            assert!(!error.message().is_empty());
        }
    }
}
