//! Which atoms need no quotes.

/// Whether an atom of this text is written without quotes.
pub(super) fn is_bare(text: &str) -> bool {
    text.starts_with(is_start) && text.chars().all(is_part) && !is_reserved(text)
}

/// Whether an atom without quotes can start with this character: a lower-case letter of Latin-1.
pub(super) fn is_start(c: char) -> bool {
    matches!(c, 'a'..='z' | 'ß'..='ö' | 'ø'..='ÿ')
}

/// Whether an atom without quotes, or the name of a variable, can go on with this character.
pub(super) fn is_part(c: char) -> bool {
    is_start(c) || is_upper(c) || matches!(c, '0'..='9' | '_' | '@')
}

/// Whether this character starts the name of a variable.
pub(super) fn is_variable_start(c: char) -> bool {
    is_upper(c) || c == '_'
}

/// Whether Erlang has another use for the word. `maybe` and `else` are reserved since OTP 27.
pub(super) fn is_reserved(text: &str) -> bool {
    RESERVED.binary_search(&text).is_ok()
}

fn is_upper(c: char) -> bool {
    matches!(c, 'A'..='Z' | 'À'..='Ö' | 'Ø'..='Þ')
}

/// In order.
const RESERVED: [&str; 29] = [
    "after", "and", "andalso", "band", "begin", "bnot", "bor", "bsl", "bsr", "bxor", "case",
    "catch", "cond", "div", "else", "end", "fun", "if", "let", "maybe", "not", "of", "or",
    "orelse", "receive", "rem", "try", "when", "xor",
];
