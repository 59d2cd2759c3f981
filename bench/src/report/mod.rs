//! What is written: the numbers as JSON, tables as Markdown, and charts.

mod markdown;
mod svg;

use std::{fs, path::Path};

use crate::{failure::Failure, measure::Results};

/// Writes everything into a folder, and prints the tables.
pub(crate) fn write(results: &Results, folder: &Path) -> Result<(), Failure> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| Failure::Write { path, error }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let tables = markdown::tables(results);
    let numbers = serde_json::to_string_pretty(results).unwrap_or_default();
    let mut files = svg::charts(results)?;
    files.push(("results.md".to_owned(), tables.clone()));
    files.push(("results.json".to_owned(), numbers));
    for (name, content) in files {
        let path = folder.join(name);
        fs::write(&path, content).map_err(failed(&path))?;
    }
    println!("{tables}\nWritten to {}.", folder.display());
    Ok(())
}
