//! Durations.

use std::{fmt, time::Duration};

/// A duration with three digits and the unit that suits it: `412 µs`, `1.03 ms`, `12.5 s`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Short(pub(crate) Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        let (value, unit) = match seconds {
            s if s < 999.5e-6 => (s * 1e6, "µs"),
            s if s < 999.5e-3 => (s * 1e3, "ms"),
            s => (s, "s"),
        };
        let decimals = match value {
            v if v >= 99.95 => 0,
            v if v >= 9.995 => 1,
            _ => 2,
        };
        // Clocks do not tell fractions of a microsecond.
        let decimals = if unit == "µs" { 0 } else { decimals };
        f.pad(&format!("{value:.decimals$} {unit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_three_digits_and_a_unit() {
        for (micros, expected) in [
            (0, "0 µs"),
            (7, "7 µs"),
            (999, "999 µs"),
            (1_000, "1.00 ms"),
            (1_034, "1.03 ms"),
            (12_345, "12.3 ms"),
            (123_456, "123 ms"),
            (999_600, "1.00 s"),
            (1_000_000, "1.00 s"),
            (72_900_000, "72.9 s"),
            (600_000_000, "600 s"),
        ] {
            assert_eq!(Short(Duration::from_micros(micros)).to_string(), expected);
        }
    }
}
