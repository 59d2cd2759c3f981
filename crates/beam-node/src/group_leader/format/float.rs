//! Floats with so many digits.
//!
//! OTP rounds a float twice: to 21 significant digits, and from there half up. Both steps are taken
//! here, so that the last digit is the same.

/// A float as `~f`, `~e` or `~g` prints it, with `precision` decimals or significant digits; `None`
/// for a precision that OTP refuses. Has no more than `limit` decimals.
pub(super) fn format(
    value: f64,
    letter: char,
    precision: Option<usize>,
    limit: usize,
) -> Option<String> {
    let precision = precision.unwrap_or(DEFAULT_PRECISION).min(limit);
    match letter {
        'f' => fixed(value, precision),
        'e' => scientific(value, precision),
        'g' => general(value, precision),
        _ => None,
    }
}

const DEFAULT_PRECISION: usize = 6;

/// `3.140000`
fn fixed(value: f64, decimals: usize) -> Option<String> {
    if decimals == 0 {
        return None;
    }
    let Digits {
        mut digits,
        mut before_point,
    } = Digits::of(value);
    if before_point <= 0 {
        let zeros = 1 + before_point.unsigned_abs() as usize;
        digits.splice(..0, std::iter::repeat_n(0, zeros));
        before_point = 1;
    }
    let before_point = before_point as usize;
    let (mut digits, carried) = rounded(&digits, before_point + decimals);
    if carried {
        digits.insert(0, '1');
    }
    let point = digits.len() - decimals;
    digits.insert(point, '.');
    Some(sign(value) + &digits)
}

/// `3.14000e+0`
fn scientific(value: f64, significant: usize) -> Option<String> {
    if significant < 2 {
        return None;
    }
    let Digits {
        digits,
        before_point,
    } = Digits::of(value);
    let (mut digits, carried) = rounded(&digits, significant);
    let mut exponent = before_point - 1;
    if carried {
        digits.insert(0, '1');
        digits.pop();
        exponent += 1;
    }
    digits.insert(1, '.');
    Some(format!("{}{digits}e{exponent:+}", sign(value)))
}

/// As `~f` from 0.1 to 10,000, if that shows all significant digits, else as `~e`.
fn general(value: f64, significant: usize) -> Option<String> {
    let magnitude = value.abs();
    let before_point = [0.1, 1.0, 10.0, 100.0, 1_000.0, 10_000.0]
        .into_iter()
        .position(|bound| magnitude < bound);
    match before_point {
        // Below 0.1.
        Some(0) | None => scientific(value, significant.max(2)),
        // A zero stands before the point.
        Some(1) if significant >= 1 => fixed(value, significant),
        Some(digits) if significant > digits - 1 => fixed(value, significant + 1 - digits),
        Some(_) if significant >= 1 => scientific(value, significant.max(2)),
        Some(_) => None,
    }
}

/// The 21 leading decimal digits of a float.
struct Digits {
    digits: Vec<u8>,
    /// How many of them stand before the point; negative for zeros after it.
    before_point: i32,
}

impl Digits {
    fn of(value: f64) -> Self {
        let text = format!("{:.20e}", value.abs());
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        Self {
            digits: mantissa
                .bytes()
                .filter(u8::is_ascii_digit)
                .map(|digit| digit - b'0')
                .collect(),
            before_point: 1 + exponent.parse::<i32>().unwrap_or(0),
        }
    }
}

/// The first `count` digits, rounded half up by the next one and filled up with zeros; and whether
/// a one is to stand before them.
fn rounded(digits: &[u8], count: usize) -> (String, bool) {
    let mut kept: Vec<u8> = digits.iter().copied().take(count).collect();
    let mut carry = digits.get(count).is_some_and(|digit| *digit >= 5);
    for digit in kept.iter_mut().rev() {
        if !carry {
            break;
        }
        carry = *digit == 9;
        *digit = if carry { 0 } else { *digit + 1 };
    }
    kept.resize(count, 0);
    let text = kept.into_iter().map(|digit| char::from(b'0' + digit));
    (text.collect(), carry)
}

fn sign(value: f64) -> String {
    if value.is_sign_negative() { "-" } else { "" }.to_owned()
}
