//! Durations as text.

use std::{fmt, num::IntErrorKind, time::Duration};

use beam_node::Error;
use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};

/// Reads a duration: a number with a unit, such as `500ms`, `10s` or `2m`, or a number alone, which is
/// of milliseconds. Everything that takes a duration as text reads it so.
///
/// ```
/// use std::time::Duration;
/// use rpc_load_balancer::config::duration;
///
/// assert_eq!(duration("2s")?, duration("2000")?);
/// # Ok::<(), rpc_load_balancer::Error>(())
/// ```
///
/// # Errors
///
/// `bad_request` for anything else, and for more than 366 days: clocks cannot tell when more than they
/// can count is over.
pub fn duration(text: &str) -> Result<Duration, Error> {
    read_duration(text).map_err(|why| Error::bad_request(format!("{:?}: {why}", text.trim())))
}

/// Reads a duration; an error does not show the text.
pub(super) fn read_duration(text: &str) -> Result<Duration, &'static str> {
    let text = text.trim();
    let duration = match text.parse() {
        Ok(ms) => Duration::from_millis(ms),
        // So many nanoseconds are too long already.
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => return Err(TOO_LONG),
        Err(_) => humantime::parse_duration(text).map_err(|error| match error {
            // Of fractions it says so too where they are too fine.
            humantime::DurationError::NumberOverflow if !text.contains('.') => TOO_LONG,
            _ => "expected a duration, as 500ms, 10s or 2m; a number alone is milliseconds",
        })?,
    };
    match duration <= LONGEST {
        true => Ok(duration),
        false => Err(TOO_LONG),
    }
}

const TOO_LONG: &str = "longer than 366 days, the most that can be";

const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A duration, as a text or a number of milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span(pub(super) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"5s\", or a number of milliseconds")
            }

            fn visit_i64<E: de::Error>(self, ms: i64) -> Result<Span, E> {
                self.visit_str(&ms.to_string())
            }

            // Of more than 64 bits.
            fn visit_i128<E: de::Error>(self, ms: i128) -> Result<Span, E> {
                self.visit_str(&ms.to_string())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                read_duration(text).map(Span).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit_or_is_in_milliseconds() {
        for (text, ms) in [
            ("500ms", 500),
            ("500", 500),
            (" 1.5s ", 1500),
            ("2m", 120_000),
            ("0", 0),
            ("0s", 0),
            ("366days", 31_622_400_000),
        ] {
            assert_eq!(duration(text).unwrap(), Duration::from_millis(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_how_one_is_written() {
        for text in [
            "",
            "soon",
            "5 parsecs",
            "-1s",
            "-1",
            "1.5",
            "1e3",
            "0.0000000000000000000001s",
        ] {
            let error = duration(text).unwrap_err().message;
            assert!(
                error.contains("as 500ms, 10s or 2m; a number alone"),
                "{error}"
            );
        }
        let long = "9".repeat(400);
        for text in [
            "367days",
            "1000y",
            "18446744073709551615",
            "18446744073709551616",
            "18446744073709551616s",
            "1d 18446744073709551615s",
            &long,
            &format!("{long}ms"),
        ] {
            let error = duration(text).unwrap_err().message;
            assert!(error.contains("longer than 366 days"), "{error}");
        }
    }
}
