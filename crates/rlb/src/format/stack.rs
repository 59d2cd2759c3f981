//! Stack traces.

use std::fmt;

use beam_term::Term;

/// A stack trace of Erlang, each frame on a line of its own that starts with a line break.
///
/// It is what a peer makes of it: whatever stands in it, a frame is one line of a bounded length, without characters that
/// control a terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stack<'a>(pub(crate) &'a Term);

/// How many frames are shown; what is further out rarely says more.
const FRAMES: usize = 8;

/// How many arguments of a frame are shown.
const ARGUMENTS: usize = 8;

/// How much of each part of a frame is shown.
const CHARACTERS: usize = 120;

impl fmt::Display for Stack<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frames = self.0.as_list().unwrap_or_default();
        for frame in frames.iter().take(FRAMES) {
            f.write_str("\n  in ")?;
            write_frame(f, frame)?;
        }
        match frames.len().saturating_sub(FRAMES) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

fn write_frame(f: &mut fmt::Formatter<'_>, frame: &Term) -> fmt::Result {
    let Some([module, function, arguments, location @ ..]) = frame.as_tuple() else {
        return write!(f, "{}", frame.display_truncated(CHARACTERS));
    };
    let part = |term: &Term| term.display_truncated(CHARACTERS).to_string();
    write!(f, "{}:{}", part(module), part(function))?;
    match arguments.as_list() {
        None => write!(f, "/{}", part(arguments))?,
        Some(list) => {
            f.write_str("(")?;
            for (index, argument) in list.iter().take(ARGUMENTS).enumerate() {
                let separator = if index == 0 { "" } else { ", " };
                write!(f, "{separator}{}", part(argument))?;
            }
            f.write_str(if list.len() > ARGUMENTS {
                ", ...)"
            } else {
                ")"
            })?;
        }
    }
    let place = |key| property(location.first()?, key);
    match (place("file"), place("line")) {
        (Some(file), Some(line)) => write!(f, " ({}, line {})", text(file), part(line)),
        _ => Ok(()),
    }
}

/// The value of a key in a property list.
fn property<'a>(list: &'a Term, key: &str) -> Option<&'a Term> {
    list.as_list()?
        .iter()
        .find_map(|pair| match pair.as_tuple()? {
            [Term::Atom(name), value] if name.as_str() == key => Some(value),
            _ => None,
        })
}

/// A string of Erlang, or whatever stands in its place, without quotes.
fn text(term: &Term) -> String {
    let character = |c: &Term| char::from_u32(u32::try_from(c.as_i64()?).ok()?);
    let characters = term.as_list().and_then(|list| {
        let start = list.iter().take(CHARACTERS).map(character);
        let mut text = start.collect::<Option<String>>()?;
        if list.len() > CHARACTERS {
            text.push_str("...");
        }
        Some(text)
    });
    match characters {
        Some(text) if !text.contains(char::is_control) => text,
        _ => term.display_truncated(CHARACTERS).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(syntax: &str) -> String {
        Stack(&syntax.parse().unwrap()).to_string()
    }

    #[test]
    fn a_frame_names_function_and_place() {
        assert_eq!(
            shown(concat!(
                r#"[{lists, nth, 2, [{file, "lists.erl"}, {line, 170}]}, "#,
                r#"{'Elixir.A', run, [1, <<"x">>], []}]"#
            )),
            "\n  in lists:nth/2 (lists.erl, line 170)\n  in 'Elixir.A':run(1, <<\"x\">>)"
        );
    }

    #[test]
    fn what_is_no_stack_is_left_out_and_what_is_no_frame_is_shown_as_it_is() {
        assert_eq!(shown("none"), "");
        assert_eq!(shown("[]"), "");
        assert_eq!(shown("[frame]"), "\n  in frame");
    }

    #[test]
    fn nothing_in_a_frame_controls_the_terminal() {
        for place in [
            r#"{m, f, 0, [{file, "\e]0;owned\^G\e[31m\n"}, {line, 1}]}"#,
            r#"{m, f, 0, [{file, [16#9b, $3, $1, $m]}, {line, 1}]}"#,
            r#"{'\e[31m', '\x{9b}', '\r', [{file, <<"\e">>}, {line, '\n'}]}"#,
            r#"{m, f, ["\e", <<"\x{9b}31m"/utf8>>, '\x{9b}'], []}"#,
            r#"'\e\n\x{9b}'"#,
        ] {
            let text = shown(&format!("[{place}]"));
            assert!(!text[1..].contains(char::is_control), "{text:?}");
        }
    }

    #[test]
    fn every_part_of_a_frame_is_cut() {
        let long = format!("<<\"{}\">>", "a".repeat(10_000));
        let file = "a".repeat(10_000);
        let arguments = vec![long.as_str(); 100].join(",");
        for frame in [
            format!("{{{long}, {long}, {long}, [{{file, \"{file}\"}}, {{line, {long}}}]}}"),
            format!("{{m, f, [{arguments}], []}}"),
        ] {
            assert!(shown(&format!("[{frame}]")).len() < 1_200);
        }
        let text = shown("[{m, f, [1, 2, 3, 4, 5, 6, 7, 8, 9], []}]");
        assert!(text.ends_with("7, 8, ...)"), "{text}");
    }

    #[test]
    fn long_stacks_and_arguments_are_cut() {
        let frames = vec!["{m, f, 0, []}"; 20].join(",");
        let text = shown(&format!("[{frames}]"));
        assert!(text.ends_with("and 12 more"), "{text}");

        let long = "a".repeat(1000);
        assert!(shown(&format!("[{{m, f, [<<\"{long}\">>], []}}]")).len() < 200);
    }
}
