//! Stack traces.

use std::fmt;

use beam_term::Term;

/// A stack trace of Erlang, each frame on a line of its own that starts with a line break.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stack<'a>(pub(crate) &'a Term);

/// How many frames are shown; what is further out rarely says more.
const FRAMES: usize = 8;

/// How much of the arguments in a frame is shown.
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
    write!(f, "{module}:{function}")?;
    match arguments.as_list() {
        None => write!(f, "/{arguments}")?,
        Some(list) => {
            f.write_str("(")?;
            for (index, argument) in list.iter().enumerate() {
                let separator = if index == 0 { "" } else { ", " };
                write!(f, "{separator}{}", argument.display_truncated(CHARACTERS))?;
            }
            f.write_str(")")?;
        }
    }
    let place = |key| property(location.first()?, key);
    match (place("file"), place("line")) {
        (Some(file), Some(line)) => write!(f, " ({}, line {line})", text(file)),
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
    let characters = term.as_list().and_then(|list| {
        list.iter()
            .map(|c| char::from_u32(u32::try_from(c.as_i64()?).ok()?))
            .collect()
    });
    characters.unwrap_or_else(|| term.display_truncated(CHARACTERS).to_string())
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
    fn long_stacks_and_arguments_are_cut() {
        let frames = vec!["{m, f, 0, []}"; 20].join(",");
        let text = shown(&format!("[{frames}]"));
        assert!(text.ends_with("and 12 more"), "{text}");

        let long = "a".repeat(1000);
        assert!(shown(&format!("[{{m, f, [<<\"{long}\">>], []}}]")).len() < 200);
    }
}
