//! Charts: for each workload what every pair did, over how many calls are under way at a time.

use plotters::prelude::*;

use super::markdown::number;
use crate::{
    failure::Failure,
    measure::{Measured, Results},
    pair::Pair,
    workload::{Route, Workload},
};

const SIZE: (u32, u32) = (900, 540);

/// What is drawn of each workload: in which file, under which title.
const CHARTS: [(&str, &str, Figure); 2] = [
    ("", "calls per second", |measured| {
        Some(measured.calls_per_second.median)
    }),
    ("-p99", "99 % are answered within µs", |measured| {
        measured.p99_us.map(|spread| spread.median)
    }),
];

/// What of the results a chart is of.
type Figure = fn(&Measured) -> Option<f64>;

/// The files, by name.
pub(super) fn charts(results: &Results) -> Result<Vec<(String, String)>, Failure> {
    let mut charts = Vec::new();
    for workload in Workload::ALL.map(|workload| workload.to_string()) {
        for (suffix, title, figure) in CHARTS {
            let lines: Vec<Line> = Pair::ALL
                .into_iter()
                .map(|pair| Line::of(results, &workload, pair, figure))
                .filter(|line| !line.points.is_empty())
                .collect();
            if lines.is_empty() {
                continue;
            }
            let chart = chart(
                &format!("{workload}: {title}, by how many at a time"),
                &lines,
            );
            let chart = chart.map_err(|error| {
                Failure::Other(format!("drawing the chart of {workload} failed: {error}"))
            })?;
            charts.push((format!("{workload}{suffix}.svg"), chart));
        }
    }
    Ok(charts)
}

/// A figure of a pair over its concurrency.
struct Line {
    pair: Pair,
    points: Vec<(f64, f64)>,
}

impl Line {
    fn of(results: &Results, workload: &str, pair: Pair, figure: Figure) -> Self {
        let (direct, name) = (Route::Direct.to_string(), pair.to_string());
        let points = results
            .calls
            .iter()
            .filter(|measured| measured.workload == workload && measured.route == direct)
            .filter(|measured| measured.pair == name)
            .filter_map(|measured| Some((measured.pressure.parse().ok()?, figure(measured)?)))
            .collect();
        Self { pair, points }
    }

    fn colour(&self) -> RGBColor {
        match self.pair {
            Pair::BeamBeam => RGBColor(166, 30, 77),
            Pair::RustBeam => RGBColor(232, 119, 34),
            Pair::BeamRust => RGBColor(200, 160, 20),
            Pair::RustRust => RGBColor(25, 90, 200),
            Pair::Tarpc => RGBColor(40, 140, 70),
            Pair::Tonic => RGBColor(120, 120, 120),
        }
    }
}

fn chart(title: &str, lines: &[Line]) -> Result<String, Box<dyn std::error::Error>> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let least = points().map(|point| point.1).fold(f64::MAX, f64::min);
    // So that there is a label below the least.
    let bottom = 10_f64.powf(least.log10().floor());
    let most = points().map(|point| point.1).fold(1.0, f64::max);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 20))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(80)
            .build_cartesian_2d((0.8..1_400.0).log_scale(), (bottom..most * 1.3).log_scale())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_label_formatter(&|calls| format!("{calls:.0}"))
            .y_label_formatter(&|figure| number(*figure))
            .draw()?;
        for line in lines {
            let colour = line.colour();
            chart
                .draw_series(LineSeries::new(
                    line.points.iter().copied(),
                    colour.stroke_width(2),
                ))?
                .label(line.pair.to_string())
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2))
                });
            chart.draw_series(
                line.points
                    .iter()
                    .map(|&point| Circle::new(point, 4, colour.filled())),
            )?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.3))
            .draw()?;
        area.present()?;
    }
    Ok(svg)
}
