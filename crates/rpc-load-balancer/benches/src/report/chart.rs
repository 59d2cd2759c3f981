//! The results as a picture: for each algorithm a dot for each number of members, by one thread on
//! the left and by two on the right, on a logarithmic scale.
//!
//! Written out by hand: a few shapes and words are less than what a library for charts would bring.

use std::fmt::Write;

use measurement::Machine;

use super::{algorithms, number, tables::number_of_members};
use crate::{
    contestants::Library,
    elixir,
    plan::MEMBERS,
    results::{Results, Through},
};

/// From few members to many.
const COLOURS: [&str; 5] = ["#9ecae1", "#6baed6", "#3182bd", "#08519c", "#08245c"];
const ELIXIR: &str = "#8e44ad";

/// The ends of the scale, in nanoseconds.
const LEAST: f64 = 5.0;
const MOST: f64 = 10_000.0;
const MARKS: [usize; 7] = [5, 10, 25, 50, 100, 1_000, 10_000];

const NAMES_WIDTH: f64 = 160.0;
const PANEL_WIDTH: f64 = 380.0;
const GAP: f64 = 50.0;
const TOP: f64 = 90.0;
const ROW: f64 = 26.0;

/// The picture.
pub(super) fn svg(results: &Results) -> String {
    let algorithms = algorithms(results);
    let bottom = TOP + ROW * algorithms.len() as f64;
    let (width, height) = (NAMES_WIDTH + 2.0 * (PANEL_WIDTH + GAP), bottom + 60.0);
    let mut picture = Picture(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    ));
    picture.text(
        10.0,
        24.0,
        "start",
        "Nanoseconds for a selection with lease and release",
    );
    picture.legend();
    for (row, (library, algorithm)) in algorithms.iter().enumerate() {
        let y = TOP + ROW * (row as f64 + 0.5);
        if row % 2 == 0 {
            picture.band(y, width);
        }
        picture.text(
            NAMES_WIDTH - 12.0,
            y + 4.0,
            "end",
            &library.title(algorithm),
        );
    }
    for threads in [1, 2] {
        let left = NAMES_WIDTH + (threads - 1) as f64 * (PANEL_WIDTH + GAP);
        let title = ["one thread", "two threads, both together"][threads - 1];
        picture.scale(left, bottom, title);
        for (row, &(library, algorithm)) in algorithms.iter().enumerate() {
            let y = TOP + ROW * (row as f64 + 0.5);
            for (members, colour) in MEMBERS.into_iter().zip(COLOURS) {
                let name = (library, algorithm, Through::Pool);
                if let Some(cell) = results.selection(name, (members, threads)) {
                    let nanos = cell.nanos.median;
                    let about = format!("{algorithm}, {members} members: {} ns", number(nanos));
                    picture.dot(left + place(nanos), y, colour, &about);
                }
            }
            if let (1, Library::Ours, Some([at_8, ..])) =
                (threads, library, elixir::micros(algorithm))
            {
                picture.square(left + place(at_8 * 1e3), y);
            }
        }
    }
    let Machine { cpu, date, .. } = &results.machine;
    picture.text(10.0, height - 12.0, "start", &format!("{cpu}, {date}"));
    picture.0 + "</svg>\n"
}

/// How far from the left end of the scale a cost lies.
fn place(nanos: f64) -> f64 {
    let part = (nanos / LEAST).ln() / (MOST / LEAST).ln();
    PANEL_WIDTH * part.clamp(0.0, 1.0)
}

struct Picture(String);

impl Picture {
    fn add(&mut self, shape: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{shape}");
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        self.add(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    fn band(&mut self, y: f64, width: f64) {
        let top = y - ROW / 2.0;
        self.add(format_args!(
            "<rect x=\"0\" y=\"{top:.1}\" width=\"{width}\" height=\"{ROW}\" fill=\"#f4f6f8\"/>"
        ));
    }

    fn dot(&mut self, x: f64, y: f64, colour: &str, about: &str) {
        self.add(format_args!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"{colour}\" fill-opacity=\"0.85\">\
             <title>{about}</title></circle>"
        ));
    }

    fn square(&mut self, x: f64, y: f64) {
        let (left, top) = (x - 4.0, y - 4.0);
        self.add(format_args!(
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"8\" height=\"8\" fill=\"none\" \
             stroke=\"{ELIXIR}\" stroke-width=\"2\"/>"
        ));
    }

    fn legend(&mut self) {
        let mut x = 16.0;
        for (members, colour) in MEMBERS.into_iter().zip(COLOURS) {
            self.dot(x, 46.0, colour, "");
            self.text(
                x + 10.0,
                50.0,
                "start",
                &format!("{} members", number_of_members(members)),
            );
            x += 124.0;
        }
        self.square(x, 46.0);
        self.text(
            x + 10.0,
            50.0,
            "start",
            "Elixir library, 8 members, measured elsewhere",
        );
    }

    fn scale(&mut self, left: f64, bottom: f64, title: &str) {
        self.text(left, TOP - 12.0, "start", title);
        for nanos in MARKS {
            let x = left + place(nanos as f64);
            self.add(format_args!(
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\" stroke=\"#c8ccd0\"/>"
            ));
            self.text(x, bottom + 16.0, "middle", &number_of_members(nanos));
        }
    }
}
