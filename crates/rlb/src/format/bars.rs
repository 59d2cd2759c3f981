//! A bar chart of shares, for terminals and files alike.

use std::fmt;

/// How wide the longest bar is, in characters.
const WIDTH: f64 = 40.0;

/// Shares of a whole as bars, one a line; the last line has no end.
pub(crate) struct Bars<'a> {
    rows: Vec<(&'a str, u32)>,
}

impl<'a> Bars<'a> {
    pub(crate) fn new(rows: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        Self {
            rows: rows.into_iter().collect(),
        }
    }
}

impl fmt::Display for Bars<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name_width = self.rows.iter().map(|(name, _)| name.chars().count()).max();
        let most = self.rows.iter().map(|(_, count)| *count).max().unwrap_or(0);
        let total: u64 = self.rows.iter().map(|(_, count)| u64::from(*count)).sum();
        let count_width = most.to_string().len();
        for (at, (name, count)) in self.rows.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            let count_of = |whole: f64| f64::from(*count) / whole.max(1.0);
            write!(
                f,
                "{name:name_width$}  {count:>count_width$}  {:>5.1} %  {}",
                100.0 * count_of(total as f64),
                bar(WIDTH * count_of(f64::from(most))),
                name_width = name_width.unwrap_or(0),
            )?;
        }
        Ok(())
    }
}

/// A bar of so many characters; the last one in eighths.
fn bar(length: f64) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

    let eighths = (length * 8.0).round() as usize;
    "█".repeat(eighths / 8) + PARTS[eighths % 8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_is_that_of_the_greatest_share() {
        let bars = Bars::new([("a@h", 600), ("long@host", 300), ("c@h", 0)]).to_string();
        let lines: Vec<&str> = bars.lines().collect();
        assert_eq!(
            lines[0],
            format!("a@h        600   66.7 %  {}", "█".repeat(40))
        );
        assert_eq!(
            lines[1],
            format!("long@host  300   33.3 %  {}", "█".repeat(20))
        );
        assert_eq!(lines[2], "c@h          0    0.0 %  ");
    }

    #[test]
    fn nothing_at_all_has_no_lines() {
        assert_eq!(Bars::new([]).to_string(), "");
        assert!(Bars::new([("a", 0)]).to_string().contains("0.0 %"));
    }
}
