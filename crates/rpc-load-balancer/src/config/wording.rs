//! What serde has against a value, in the words of whoever wrote it.

/// What was expected, and what was found.
pub(super) fn with_value(message: &str) -> String {
    match mismatch(message) {
        Some((found, expected)) => format!("expected {expected}, not {found}"),
        None => other(message),
    }
}

/// What was expected, where the value is shown beside it.
pub(super) fn beside_value(message: &str) -> String {
    match mismatch(message) {
        Some((_, expected)) => format!("expected {expected}"),
        None => other(message),
    }
}

/// An error of a text in TOML with its place, the line, and what is wrong there.
pub(super) fn of_toml(error: &toml::de::Error) -> String {
    let shown = error.to_string();
    let place = shown
        .trim_end()
        .strip_suffix(error.message())
        .unwrap_or_default();
    let place = place.replacen("TOML parse error at", "at", 1);
    format!("{place}{}", with_value(error.message()))
}

fn mismatch(message: &str) -> Option<(String, String)> {
    let mismatch = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))?;
    let (found, expected) = mismatch.rsplit_once(", expected ")?;
    Some((found_as(found), expected_as(expected).to_owned()))
}

fn expected_as(expected: &str) -> &str {
    match expected {
        "usize" | "u64" => "a number from 0",
        "u32" => "a number from 0 to 4294967295",
        "a nonzero usize" => "a number from 1",
        "a nonzero u32" => "a number from 1 to 4294967295",
        "a boolean" => "true or false",
        "a string" => "a text in quotes",
        "path string" => "a path in quotes",
        "a sequence" => "a list",
        "a map" => "a table",
        other => other,
    }
}

fn found_as(found: &str) -> String {
    match found {
        "map" => return "a table".to_owned(),
        "sequence" => return "a list".to_owned(),
        _ => {}
    }
    for kind in ["string ", "integer ", "floating point ", "boolean "] {
        if let Some(value) = found.strip_prefix(kind) {
            return value.trim_matches('`').to_owned();
        }
    }
    found.to_owned()
}

/// What is wrong with a key rather than with a value.
fn other(message: &str) -> String {
    let known = message
        .strip_prefix("unknown field ")
        .and_then(|rest| rest.split_once(", expected "));
    match known {
        Some((key, known)) => {
            let known = known.strip_prefix("one of ").unwrap_or(known);
            format!("there is no key {key}; there are {known}")
        }
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_rust_are_told_in_the_words_of_a_file() {
        for (message, with, beside) in [
            (
                "invalid type: string \"a, expected b\", expected usize",
                "expected a number from 0, not \"a, expected b\"",
                "expected a number from 0",
            ),
            (
                "invalid value: integer `0`, expected a nonzero u32",
                "expected a number from 1 to 4294967295, not 0",
                "expected a number from 1 to 4294967295",
            ),
            (
                "invalid type: sequence, expected a boolean",
                "expected true or false, not a list",
                "expected true or false",
            ),
            (
                "unknown field `x`, expected one of `a`, `b`",
                "there is no key `x`; there are `a`, `b`",
                "there is no key `x`; there are `a`, `b`",
            ),
            ("soon is over", "soon is over", "soon is over"),
        ] {
            assert_eq!(with_value(message), with);
            assert_eq!(beside_value(message), beside);
        }
    }
}
