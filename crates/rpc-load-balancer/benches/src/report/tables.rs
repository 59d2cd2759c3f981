//! The results in Markdown.

use std::fmt::Write;

use measurement::Machine;

use super::{algorithms, number, targets};
use crate::{
    contestants::{Change, Library},
    elixir,
    plan::{MEMBERS, NODES},
    results::{Results, Selections, Through},
};

/// Everything.
pub(crate) fn markdown(results: &Results) -> String {
    let mut text = String::new();
    text += &head(&results.machine, results.is_quick);
    text += &one_thread(results);
    text += &two_threads(results);
    text += &balancers(results);
    text += &changes(results);
    text += &targets::table(results);
    text
}

fn head(machine: &Machine, is_quick: bool) -> String {
    let versions = machine.versions.iter();
    let versions: Vec<String> = versions
        .map(|v| format!("{} {}", v.program, v.version))
        .collect();
    let quick = if is_quick {
        ", in a hurry (`--quick`)"
    } else {
        ""
    };
    format!(
        "Measured on {} at {}{quick}: {} processors {}, {}; {}. Load averages {} before and {} after; \
         {:.1} % of the processors' time went to other virtual machines.\n",
        machine.date,
        machine.commit,
        machine.processors,
        machine.cpu,
        machine.kernel,
        versions.join(", "),
        machine.load_before,
        machine.load_after,
        machine.stolen_percent,
    )
}

/// The lines of a table, with the first column to the left and numbers to the right.
pub(super) fn table(columns: &[String], lines: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = String::new();
    let mut line = |cells: &[String]| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    };
    line(columns);
    let mut rule = vec!["---:".to_owned(); columns.len()];
    rule[0] = "---".to_owned();
    line(&rule);
    for cells in lines {
        line(&cells);
    }
    text
}

fn counts(of: &[usize]) -> impl Iterator<Item = String> {
    of.iter().map(|&count| number_of_members(count))
}

/// With a comma, as people write it.
pub(super) fn number_of_members(count: usize) -> String {
    match count {
        ..1_000 => count.to_string(),
        _ => format!("{},{:03}", count / 1_000, count % 1_000),
    }
}

fn titles(first: &str, others: impl Iterator<Item = String>) -> Vec<String> {
    std::iter::once(first.to_owned()).chain(others).collect()
}

fn cell(cell: Option<&Selections>) -> String {
    cell.map_or_else(String::new, |cell| {
        let nanos = &cell.nanos;
        format!("{} ±{:.0} %", number(nanos.median), nanos.percent())
    })
}

fn one_thread(results: &Results) -> String {
    let elixir_columns =
        elixir::MEMBERS.map(|count| format!("Elixir {}", number_of_members(count)));
    let columns = titles("ns, members:", counts(&MEMBERS).chain(elixir_columns));
    let lines = algorithms(results).into_iter().map(|(library, algorithm)| {
        let name = (library, algorithm, Through::Pool);
        let mut line = vec![library.title(algorithm)];
        line.extend(MEMBERS.map(|members| cell(results.selection(name, (members, 1)))));
        let elixir = (library == Library::Ours).then(|| elixir::micros(algorithm));
        line.extend(match elixir.flatten() {
            Some(micros) => micros.map(|micros| number(micros * 1e3)),
            None => [const { String::new() }; 3],
        });
        line
    });
    format!(
        "\n**One thread**: nanoseconds for a selection, its lease and the release, by `Pool::select`. \
         The median of chunks of 0.1 ms, and half the distance of the outer tenths. The Elixir library's \
         were measured elsewhere (0.4.0, OTP 25, 2 processors).\n\n{}",
        table(&columns, lines)
    )
}

fn two_threads(results: &Results) -> String {
    let columns = titles("ns, members:", counts(&MEMBERS));
    let lines = algorithms(results).into_iter().map(|(library, algorithm)| {
        let name = (library, algorithm, Through::Pool);
        let both = MEMBERS.map(|members| {
            let two = results.selection(name, (members, 2));
            let ratio = ratio(results.selection(name, (members, 1)), two);
            format!("{}{ratio}", cell(two))
        });
        titles(&library.title(algorithm), both.into_iter())
    });
    format!(
        "\n**Two threads on two processors, one pool**: nanoseconds for each selection of the two together, \
         and the throughput in proportion to that of one thread.\n\n{}",
        table(&columns, lines)
    )
}

fn ratio(one: Option<&Selections>, two: Option<&Selections>) -> String {
    match (one, two) {
        (Some(one), Some(two)) => format!(", {:.2}×", one.nanos.median / two.nanos.median),
        _ => String::new(),
    }
}

fn balancers(results: &Results) -> String {
    let two = NODES.map(|members| format!("{members}, two threads"));
    let columns = titles("ns, nodes:", counts(&NODES).chain(two));
    let ours = algorithms(results).into_iter();
    let ours = ours.filter(|(library, _)| *library == Library::Ours);
    let lines = ours.map(|(library, algorithm)| {
        let name = (library, algorithm, Through::Balancer);
        let one = NODES.map(|members| cell(results.selection(name, (members, 1))));
        let two = NODES.map(|members| {
            let two = results.selection(name, (members, 2));
            let ratio = ratio(results.selection(name, (members, 1)), two);
            format!("{}{ratio}", cell(two))
        });
        titles(algorithm, one.into_iter().chain(two))
    });
    format!(
        "\n**Through a balancer**: the same by `Balancer::select`, where the members are nodes that are \
         connected.\n\n{}",
        table(&columns, lines)
    )
}

fn changes(results: &Results) -> String {
    let columns = titles("µs, members:", counts(&MEMBERS));
    let changing = algorithms(results).into_iter();
    let changing = changing.filter(|(library, _)| *library != Library::None);
    let lines = changing.map(|(library, algorithm)| {
        let both = MEMBERS.map(|members| {
            let [join, leave] = [Change::Join, Change::Leave].map(|change| {
                let cell = results.change((library, algorithm), members, change);
                cell.map_or_else(String::new, |cell| number(cell.micros.median))
            });
            format!("{join} / {leave}")
        });
        titles(&library.title(algorithm), both.into_iter())
    });
    format!(
        "\n**A join / a leave**: microseconds from the list of the members to selections that see it; \
         selections go on meanwhile.\n\n{}",
        table(&columns, lines)
    )
}
