//! Integers of any size.

use std::cmp::Ordering;

use num_bigint::BigInt;

/// An integer of any size. What fits an `i64` is kept in place.
///
/// ```
/// use beam_term::Integer;
///
/// let big = Integer::from(u64::MAX);
/// assert!(big > Integer::from(i64::MAX));
/// assert_eq!(u64::try_from(&big), Ok(u64::MAX));
/// assert!(i64::try_from(&big).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Integer(Repr);

impl Integer {
    /// The value, if it fits.
    #[inline]
    pub fn as_i64(&self) -> Option<i64> {
        match &self.0 {
            Repr::Small(value) => Some(*value),
            Repr::Big(_) => None,
        }
    }

    /// The value as a big integer.
    pub fn to_bigint(&self) -> BigInt {
        match &self.0 {
            Repr::Small(value) => BigInt::from(*value),
            Repr::Big(value) => BigInt::clone(value),
        }
    }
}

impl From<BigInt> for Integer {
    fn from(value: BigInt) -> Self {
        match i64::try_from(&value) {
            Ok(small) => Self(Repr::Small(small)),
            Err(_) => Self(Repr::Big(Box::new(value))),
        }
    }
}

impl Ord for Integer {
    fn cmp(&self, other: &Self) -> Ordering {
        use num_bigint::Sign::Minus;

        let beyond = |big: &BigInt| match big.sign() {
            Minus => Ordering::Less,
            _ => Ordering::Greater,
        };
        match (&self.0, &other.0) {
            (Repr::Small(a), Repr::Small(b)) => a.cmp(b),
            (Repr::Big(a), Repr::Big(b)) => a.cmp(b),
            (Repr::Big(a), Repr::Small(_)) => beyond(a),
            (Repr::Small(_), Repr::Big(b)) => beyond(b).reverse(),
        }
    }
}

impl PartialOrd for Integer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

macro_rules! small {
    ($($type:ty),*) => {$(
        impl From<$type> for Integer {
            #[inline]
            fn from(value: $type) -> Self {
                Self(Repr::Small(i64::from(value)))
            }
        }

        try_into!($type);
    )*};
}

macro_rules! wide {
    ($($type:ty),*) => {$(
        impl From<$type> for Integer {
            #[inline]
            fn from(value: $type) -> Self {
                match i64::try_from(value) {
                    Ok(small) => Self(Repr::Small(small)),
                    Err(_) => Self(Repr::Big(Box::new(BigInt::from(value)))),
                }
            }
        }

        try_into!($type);
    )*};
}

macro_rules! try_into {
    ($type:ty) => {
        impl TryFrom<&Integer> for $type {
            type Error = IntegerOutOfRange;

            #[inline]
            fn try_from(integer: &Integer) -> Result<Self, IntegerOutOfRange> {
                match &integer.0 {
                    Repr::Small(value) => Self::try_from(*value).map_err(|_| IntegerOutOfRange),
                    Repr::Big(value) => {
                        Self::try_from(value.as_ref()).map_err(|_| IntegerOutOfRange)
                    }
                }
            }
        }

        impl TryFrom<Integer> for $type {
            type Error = IntegerOutOfRange;

            #[inline]
            fn try_from(integer: Integer) -> Result<Self, IntegerOutOfRange> {
                Self::try_from(&integer)
            }
        }
    };
}

small!(i8, i16, i32, i64, u8, u16, u32);
wide!(i128, isize, u64, u128, usize);

/// An integer that does not fit the type that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the integer does not fit the type asked for")]
pub struct IntegerOutOfRange;

/// `Big` never holds what fits `Small`, so that equality and hash can be derived.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Repr {
    Small(i64),
    Big(Box<BigInt>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_big_integer_that_fits_is_kept_small() {
        assert_eq!(
            Integer::from(BigInt::from(i64::MIN)).as_i64(),
            Some(i64::MIN)
        );
        assert_eq!(Integer::from(7_u128), Integer::from(7_i8));
        assert_eq!(Integer::from(u64::MAX).as_i64(), None);
    }

    #[test]
    fn integers_order_by_value_across_sizes() {
        let ordered = [
            Integer::from(i128::MIN),
            Integer::from(i128::from(i64::MIN) - 1),
            Integer::from(i64::MIN),
            Integer::from(-1),
            Integer::from(0),
            Integer::from(i64::MAX),
            Integer::from(u64::MAX),
            Integer::from(u128::MAX),
        ];
        assert!(ordered.is_sorted());
    }

    #[test]
    fn conversion_to_a_narrow_type_refuses_what_does_not_fit() {
        assert_eq!(u8::try_from(Integer::from(255)), Ok(255));
        assert_eq!(u8::try_from(Integer::from(256)), Err(IntegerOutOfRange));
        assert_eq!(u8::try_from(Integer::from(-1)), Err(IntegerOutOfRange));
        assert_eq!(u128::try_from(Integer::from(u128::MAX)), Ok(u128::MAX));
        assert_eq!(
            i128::try_from(Integer::from(u128::MAX)),
            Err(IntegerOutOfRange)
        );
    }
}
