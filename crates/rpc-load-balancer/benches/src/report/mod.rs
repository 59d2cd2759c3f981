//! The results as tables, as a chart, and as numbers for programs.

mod chart;
mod tables;
mod targets;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{contestants::Library, results::Results};

pub(crate) use tables::markdown;

/// Writes them, and returns where to.
pub(crate) fn write(results: &Results) -> io::Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/bench");
    fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    let json = serde_json::to_string_pretty(results)?;
    let files = [
        ("selection.md", markdown(results)),
        ("selection.svg", chart::svg(results)),
        ("selection.json", json),
    ];
    files
        .into_iter()
        .map(|(name, content)| {
            let path = folder.join(name);
            fs::write(&path, content)?;
            Ok(path)
        })
        .collect()
}

/// All algorithms, each once, in the order in which they were measured.
fn algorithms(results: &Results) -> Vec<(Library, &'static str)> {
    let mut algorithms = Vec::new();
    for cell in &results.selections {
        let algorithm = (cell.library, cell.algorithm);
        if !algorithms.contains(&algorithm) {
            algorithms.push(algorithm);
        }
    }
    algorithms
}

/// A number as people write it: three digits that matter.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    let plain = format!("{value:.decimals$}");
    let whole = plain.split('.').next().map_or(0, str::len);
    let mut written = String::new();
    for (at, digit) in plain.chars().enumerate() {
        if at > 0 && at < whole && (whole - at) % 3 == 0 {
            written.push(',');
        }
        written.push(digit);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_have_three_digits_that_matter() {
        let numbers = [1.234, 9.996, 21.26, 99.96, 123.4, 24_317.2, 3_059_000.0];
        let written = numbers.map(number);
        assert_eq!(
            written,
            ["1.23", "10.0", "21.3", "100", "123", "24,317", "3,059,000"]
        );
    }
}
