//! Numbers as they are given.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

/// What reads a whole number of a range.
pub(super) fn number<T: FromStr + PartialOrd + Display + Clone>(
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        let (first, last) = (range.start(), range.end());
        number.ok_or_else(|| format!("expected a whole number from {first} to {last}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_of_the_range_is_refused_with_it() {
        let port = number(1_u16..=65_535);
        assert_eq!((port("1"), port("65535")), (Ok(1), Ok(65_535)));
        for text in ["", "0", "-1", "65536", "1.5", "x"] {
            let error = port(text).unwrap_err();
            assert!(error.contains("from 1 to 65535"), "{error}");
        }
    }
}
