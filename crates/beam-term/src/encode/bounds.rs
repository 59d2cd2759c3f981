//! How much belongs together at the most, for all of OTP 25 to 29.

use crate::EncodeError;

/// How many elements a tuple has at the most; more do not decode.
pub(crate) const MAX_ARITY: usize = (1 << 24) - 1;

/// How many values the environment of a closure has at the most; more do not decode.
pub(crate) const MAX_FREE: usize = 255;

/// How many bytes the magnitude of an integer has at the most. OTP 25 takes more, later releases do not.
pub(crate) const MAX_INTEGER_BYTES: usize = 524_280;

/// Refuses what has more bytes or elements than 32 bits can count.
pub(crate) fn countable(what: &'static str, len: usize) -> Result<(), EncodeError> {
    at_most(u32::MAX as usize, what, len)
}

/// Refuses a tuple that has too many elements.
pub(crate) fn check_arity(arity: usize) -> Result<(), EncodeError> {
    at_most(MAX_ARITY, "a tuple", arity)
}

/// Refuses an environment of a closure that has too many values.
pub(super) fn check_free(free: usize) -> Result<(), EncodeError> {
    at_most(MAX_FREE, "an environment", free)
}

pub(super) fn too_long(what: &'static str, len: usize) -> EncodeError {
    EncodeError::TooLong { what, len }
}

fn at_most(max: usize, what: &'static str, len: usize) -> Result<(), EncodeError> {
    if len > max {
        return Err(too_long(what, len));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_that_a_node_takes_is_allowed_and_no_more() {
        for (check, max) in [
            (check_arity as fn(usize) -> _, 16_777_215),
            (check_free, 255),
        ] {
            assert_eq!(check(max), Ok(()));
            assert!(
                matches!(check(max + 1), Err(EncodeError::TooLong { len, .. }) if len == max + 1)
            );
        }
    }
}
