//! Floating-point numbers.

use std::{
    cmp::Ordering,
    hash::{Hash, Hasher},
};

/// A finite float; Erlang has no NaN and no infinity.
///
/// As in Erlang from OTP 27 on, `0.0` and `-0.0` are not equal.
///
/// ```
/// use beam_term::Float;
///
/// assert_eq!(Float::try_from(0.5)?.get(), 0.5);
/// assert!(Float::try_from(f64::NAN).is_err());
/// # Ok::<(), beam_term::NonFinite>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Float(f64);

impl Float {
    /// The value.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Float {
    type Error = NonFinite;

    fn try_from(value: f64) -> Result<Self, NonFinite> {
        if value.is_finite() {
            Ok(Self(value))
        } else {
            Err(NonFinite)
        }
    }
}

impl From<Float> for f64 {
    fn from(float: Float) -> Self {
        float.0
    }
}

impl PartialEq for Float {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Float {}

impl Ord for Float {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Float {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Float {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// NaN or an infinity, which no Erlang float can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a float is finite in Erlang")]
pub struct NonFinite;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finite_values_are_floats() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Float::try_from(value), Err(NonFinite));
        }
    }

    #[test]
    fn the_two_zeros_differ() {
        assert!(Float::try_from(-0.0).unwrap() < Float::try_from(0.0).unwrap());
    }
}
