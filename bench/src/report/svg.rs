//! Charts: for each workload the calls per second of every pair, over how many are under way at a time.

use plotters::prelude::*;

use crate::{
    failure::Failure,
    measure::Results,
    pair::Pair,
    workload::{Route, Workload},
};

const SIZE: (u32, u32) = (900, 540);

/// The files, by name.
pub(super) fn charts(results: &Results) -> Result<Vec<(String, String)>, Failure> {
    let mut charts = Vec::new();
    for workload in Workload::ALL {
        let workload = workload.to_string();
        let lines: Vec<Line> = Pair::ALL
            .into_iter()
            .map(|pair| Line::of(results, &workload, pair))
            .filter(|line| !line.points.is_empty())
            .collect();
        if !lines.is_empty() {
            let chart = chart(&workload, &lines);
            let chart = chart.map_err(|error| {
                Failure::Other(format!("drawing the chart of {workload} failed: {error}"))
            })?;
            charts.push((format!("{workload}.svg"), chart));
        }
    }
    Ok(charts)
}

/// A pair's calls per second over its concurrency.
struct Line {
    pair: Pair,
    points: Vec<(f64, f64)>,
}

impl Line {
    fn of(results: &Results, workload: &str, pair: Pair) -> Self {
        let (direct, name) = (Route::Direct.to_string(), pair.to_string());
        let points = results
            .calls
            .iter()
            .filter(|measured| measured.workload == workload && measured.route == direct)
            .filter(|measured| measured.pair == name)
            .filter_map(|measured| {
                let concurrency: f64 = measured.pressure.parse().ok()?;
                Some((concurrency, measured.calls_per_second.median))
            })
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

fn chart(workload: &str, lines: &[Line]) -> Result<String, Box<dyn std::error::Error>> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let least = points().map(|point| point.1).fold(f64::MAX, f64::min);
    let most = points().map(|point| point.1).fold(1.0, f64::max);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(
                format!("{workload}: calls per second, by how many at a time"),
                ("sans-serif", 20),
            )
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(80)
            .build_cartesian_2d(
                (0.8..1_400.0).log_scale(),
                (least / 1.5..most * 1.5).log_scale(),
            )?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_label_formatter(&|calls| format!("{calls:.0}"))
            .y_label_formatter(&|calls| format!("{calls:.0}"))
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
