//! The results as Markdown tables.

use std::fmt::Write;

use measurement::Machine;

use crate::{
    measure::{Measured, Promise, Results, Spread, Table},
    pair::Pair,
    workload::{Route, Workload},
};

/// All tables, under a paragraph that says where they are from.
pub(super) fn tables(results: &Results) -> String {
    let mut text = preface(&results.machine);
    for workload in Workload::ALL {
        calls(&mut text, results, &workload.to_string());
    }
    let filled = |table: &&Table| !table.rows.is_empty();
    for table in results.tables.iter().filter(filled) {
        other(&mut text, table);
    }
    promises(&mut text, &results.promises);
    if !results.failures.is_empty() {
        text.push_str("\n## Not measured\n\n");
        for failure in &results.failures {
            line(&mut text, format_args!("- {}", failure.replace('\n', " ")));
        }
    }
    text
}

fn preface(machine: &Machine) -> String {
    let versions: Vec<String> = machine
        .versions
        .iter()
        .map(|version| format!("{} {}", version.program, version.version))
        .collect();
    format!(
        "Measured on {}: {} × {}, {}; {}; commit {}. Load averages {} before and {} after, {:.1} % of the \
         processors' time taken by the host. By\n\n```sh\n{}\n```\n",
        machine.date,
        machine.processors,
        machine.cpu,
        machine.kernel,
        versions.join(", "),
        machine.commit,
        machine.load_before,
        machine.load_after,
        machine.stolen_percent,
        machine.command,
    )
}

const CALL_COLUMNS: [&str; 19] = [
    "at a time",
    "pair",
    "calls/s",
    "min – max",
    "× beam-beam",
    "× tarpc",
    "× tonic",
    "× direct",
    "p50 µs",
    "p99 µs",
    "p99.9 µs",
    "caller CPU s/100k",
    "callee CPU s/100k",
    "caller busy %",
    "callee busy %",
    "rounds",
    "others %",
    "caller MB",
    "callee MB",
];

fn calls(text: &mut String, results: &Results, workload: &str) {
    let mut rows: Vec<&Measured> = results
        .calls
        .iter()
        .filter(|measured| measured.workload == workload)
        .collect();
    if rows.is_empty() {
        return;
    }
    // In the order of the pairs, whichever was measured first; the loads keep theirs.
    let loads: Vec<&str> = rows.iter().map(|row| row.pressure.as_str()).collect();
    let load = |row: &Measured| loads.iter().position(|&load| load == row.pressure);
    let pair = |row: &Measured| row.pair.parse::<Pair>().ok();
    rows.sort_by_key(|row| (load(row), pair(row), row.route.clone()));
    line(text, format_args!("\n## {workload}\n"));
    header(text, &CALL_COLUMNS, 2);
    for row in rows {
        let cells = call_cells(results, row);
        line(text, format_args!("| {} |", cells.join(" | ")));
    }
    if let Some(rate) = results.open_rate.filter(|_| workload == "add") {
        line(
            text,
            format_args!(
                "\nopen: {rate} calls are due each second; a latency counts from when the call was due."
            ),
        );
    }
}

fn call_cells(results: &Results, row: &Measured) -> Vec<String> {
    let rate = row.calls_per_second;
    let than = |route, pair| {
        let other = results.find(&row.workload, &row.pressure, route, pair)?;
        Some(format!(
            "{:.2}",
            rate.median / other.calls_per_second.median
        ))
    };
    let directly = Route::Direct.to_string();
    let routed = row.route != directly;
    let itself = row.pair.parse().ok().filter(|_| routed);
    let latency =
        |spread: Option<Spread>| spread.map_or_else(String::new, |spread| number(spread.median));
    let against = |pair| than(Route::Direct, pair).unwrap_or_default();
    vec![
        row.pressure.clone(),
        match routed {
            true => format!("{}, {}", row.pair, row.route),
            false => row.pair.clone(),
        },
        number(rate.median),
        format!("{} – {}", number(rate.min), number(rate.max)),
        against(Pair::BeamBeam),
        against(Pair::Tarpc),
        against(Pair::Tonic),
        itself.map(against).unwrap_or_default(),
        latency(row.p50_us),
        latency(row.p99_us),
        latency(row.p999_us),
        format!("{:.3}", row.caller_cpu.median),
        format!("{:.3}", row.callee_cpu.median),
        format!("{:.0}", row.caller_busy_percent.median),
        format!("{:.0}", row.callee_busy_percent.median),
        row.rounds.to_string(),
        format!("{:.0}", row.others_percent.median),
        number(row.caller_peak_mb.median),
        number(row.callee_peak_mb.median),
    ]
}

fn other(text: &mut String, table: &Table) {
    line(text, format_args!("\n## {}\n", table.title));
    if !table.note.is_empty() {
        line(text, format_args!("{}\n", table.note));
    }
    let columns: Vec<&str> = table.columns.iter().map(String::as_str).collect();
    header(text, &columns, 1);
    for row in &table.rows {
        let figures: Vec<String> = row.figures.iter().map(|&figure| spread(figure)).collect();
        line(
            text,
            format_args!("| {} | {} |", row.name, figures.join(" | ")),
        );
    }
}

/// What was to be shown, those first that were not.
fn promises(text: &mut String, promises: &[Promise]) {
    if promises.is_empty() {
        return;
    }
    text.push_str("\n## Promises\n\n");
    header(text, &["of", "promised", "found", "kept"], 4);
    let mut sorted: Vec<&Promise> = promises.iter().collect();
    // The sort is stable.
    sorted.sort_by_key(|promise| promise.kept);
    for promise in sorted {
        let kept = if promise.kept { "yes" } else { "**no**" };
        line(
            text,
            format_args!(
                "| {} | {} | {} | {kept} |",
                promise.subject, promise.promised, promise.found
            ),
        );
    }
}

/// The first columns are words, the others numbers.
fn header(text: &mut String, columns: &[&str], words: usize) {
    line(text, format_args!("| {} |", columns.join(" | ")));
    let rules: Vec<&str> = (0..columns.len())
        .map(|column| if column < words { "---" } else { "---:" })
        .collect();
    line(text, format_args!("| {} |", rules.join(" | ")));
}

/// `12.3 (11.9 – 12.8)`, or the median alone where there is no other.
fn spread(figure: Option<Spread>) -> String {
    match figure {
        None => String::new(),
        Some(Spread { median, min, max }) if min == max => number(median),
        Some(Spread { median, min, max }) => {
            format!("{} ({} – {})", number(median), number(min), number(max))
        }
    }
}

/// Three digits that count, and thousands apart.
pub(super) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        ..0.1 => 4,
        ..1.0 => 3,
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if !fraction.is_empty() {
        grouped.push('.');
        grouped.push_str(fraction);
    }
    grouped
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{content}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_count() {
        assert_eq!(number(1_234_567.8), "1,234,568");
        assert_eq!(number(999.4), "999");
        assert_eq!(number(12.345), "12.3");
        assert_eq!(number(0.05), "0.0500");
        assert_eq!(number(-1_500.0), "-1,500");
        assert_eq!(number(0.0), "0");
    }

    #[test]
    fn a_table_has_a_rule_under_its_columns_and_a_line_for_each_row() {
        let mut table = Table::new("Start", "", &["program", "ms", "MB"]);
        table.row("rlb", vec![Spread::of([12.0, 14.0, 13.0]), None]);
        let mut text = String::new();
        other(&mut text, &table);
        assert_eq!(
            text,
            "\n## Start\n\n| program | ms | MB |\n| --- | ---: | ---: |\n\
             | rlb | 13.0 (12.0 – 14.0) |  |\n"
        );
    }
}
