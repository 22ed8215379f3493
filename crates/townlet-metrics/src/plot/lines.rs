//! Lines over time.

use std::ops::Range;

use plotters::element::Polygon;
use plotters::series::LineSeries;
use plotters::style::{Color, RGBColor};

use super::axes::{CHART_HEIGHT, STEPS, axes};
use super::frame::{Area, Entry, FAINT, Heading, Swatch, draw};
use super::series::{Group, Series, averaged, means};
use super::style::{UNIT, colour, short};
use super::{Plot, PlotError};

/// What a learning curve is drawn over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Environment steps.
    Steps,
    /// Seconds of training.
    TrainingSeconds,
}

/// How many points a line has at most.
const MOST_POINTS: usize = 150;

struct Line {
    colour: RGBColor,
    faint: bool,
    points: Vec<(f64, f64)>,
    /// Lowest and highest value by x.
    band: Vec<(f64, f64, f64)>,
}

/// What the axes show.
struct Scale {
    /// The name of the horizontal one.
    x: String,
    /// From 0, and not from the lowest value.
    y_from_zero: bool,
    /// The y of the lines are logarithms to the base 10.
    logarithms: bool,
}

/// How long agents lived in evaluations, over steps or over the time that training took. A group of one run is
/// its line; one of several is their mean, with its 95 % interval by Student's t. None where there is no point.
///
/// # Errors
/// Where drawing fails. This holds for every picture.
pub fn learning_curves(groups: &[Group], over: Over) -> Result<Option<Plot>, PlotError> {
    let mut lines: Vec<Line> = Vec::new();
    let mut legend = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        let means = means(&group.runs);
        if means.is_empty() {
            continue;
        }
        let several = group.runs.len() > 1;
        legend.push(Entry {
            name: if several {
                format!("{} (mean of {})", group.name, group.runs.len())
            } else {
                group.name.clone()
            },
            colour: colour(index),
            swatch: Swatch::Line,
        });
        lines.push(Line {
            colour: colour(index),
            faint: false,
            points: means.iter().map(|mean| (mean.x, mean.mean)).collect(),
            band: means
                .iter()
                .filter(|_| several)
                .map(|mean| (mean.x, mean.mean - mean.half_width, mean.mean + mean.half_width))
                .collect(),
        });
    }
    let intervals = if lines.iter().any(|line| !line.band.is_empty()) {
        " Shaded: 95 % interval of the mean over runs."
    } else {
        ""
    };
    let (name, of, x) = match over {
        Over::Steps => ("learning-curve-steps", "environment steps", STEPS.to_owned()),
        Over::TrainingSeconds => ("learning-curve-time", "training time", in_unit_of_time(&mut lines)),
    };
    let heading = Heading {
        name: name.to_owned(),
        title: format!("Survival over {of}"),
        description: format!("Mean survival in greedy evaluations over {of}.{intervals}"),
        measure: "mean survival in evaluations (steps)".to_owned(),
    };
    draw_lines(heading, &legend, &lines, &Scale { x, y_from_zero: true, logarithms: false })
}

/// Turns seconds into the unit in which the longest time is easiest to read, and names it.
fn in_unit_of_time(lines: &mut [Line]) -> String {
    let longest = lines.iter().flat_map(|line| &line.points).fold(0.0, |most: f64, point| most.max(point.0));
    let (unit, seconds) = match longest {
        longest if longest >= 3.0 * 3600.0 => ("hours", 3600.0),
        longest if longest >= 180.0 => ("minutes", 60.0),
        _ => ("seconds", 1.0),
    };
    for line in lines {
        line.points.iter_mut().for_each(|point| point.0 /= seconds);
        line.band.iter_mut().for_each(|point| point.0 /= seconds);
    }
    format!("training time ({unit})")
}

/// How long agents lived while they trained, over steps.
///
/// # Errors
/// As [`learning_curves`].
pub fn training_survival(runs: &[Series]) -> Result<Option<Plot>, PlotError> {
    let heading = Heading {
        name: "training-survival".to_owned(),
        title: "Survival while training".to_owned(),
        description: "How long episodes of training lasted, with exploration.".to_owned(),
        measure: "survival (steps)".to_owned(),
    };
    simple(heading, runs, "episodes", true)
}

/// The loss of updates, over steps; on a logarithmic axis where it falls by much.
///
/// # Errors
/// As [`learning_curves`].
pub fn loss(runs: &[Series]) -> Result<Option<Plot>, PlotError> {
    let heading = Heading {
        name: "loss".to_owned(),
        title: "Loss".to_owned(),
        description: "The loss of updates.".to_owned(),
        measure: "loss".to_owned(),
    };
    simple(heading, runs, "updates", true)
}

/// Epsilon as a mean over agents, over steps.
///
/// # Errors
/// As [`learning_curves`].
pub fn epsilon(runs: &[Series]) -> Result<Option<Plot>, PlotError> {
    let heading = Heading {
        name: "epsilon".to_owned(),
        title: "Exploration".to_owned(),
        description: "How often agents took a random action.".to_owned(),
        measure: "epsilon (share of random actions)".to_owned(),
    };
    simple(heading, runs, "updates", true)
}

/// What the network says an action is worth, beside what episodes paid: the first of each pair is the mean
/// value by steps, the second the sum of rewards of episodes by steps, in the same unit.
///
/// # Errors
/// As [`learning_curves`].
pub fn value_against_return(runs: &[(Series, Series)]) -> Result<Option<Plot>, PlotError> {
    let (mut lines, mut legend) = (Vec::new(), Vec::new());
    for (index, (values, returns)) in runs.iter().enumerate() {
        for (series, what, faint) in [(values, "mean Q", false), (returns, "return", true)] {
            let (points, _) = averaged(&series.points, MOST_POINTS);
            if points.is_empty() {
                continue;
            }
            let swatch = if faint { Swatch::Faint } else { Swatch::Line };
            legend.push(Entry { name: format!("{what}, {}", series.name), colour: colour(index), swatch });
            lines.push(Line { colour: colour(index), faint, points, band: Vec::new() });
        }
    }
    let heading = Heading {
        name: "value-against-return".to_owned(),
        title: "Mean Q against return".to_owned(),
        description:
            "The mean value of the actions in updates, which is discounted, beside the sum of rewards of \
                      episodes, which is not; both in the unit of the world's rewards. Values that leave \
                      returns behind are a sign of divergence."
                .to_owned(),
        measure: "rewards of the world".to_owned(),
    };
    draw_lines(heading, &legend, &lines, &Scale { x: STEPS.to_owned(), y_from_zero: true, logarithms: false })
}

/// One line a run, thinned.
fn simple(
    mut heading: Heading,
    runs: &[Series],
    of: &str,
    y_from_zero: bool,
) -> Result<Option<Plot>, PlotError> {
    let (mut lines, mut legend) = (Vec::new(), Vec::new());
    let mut most = 1;
    for (index, run) in runs.iter().enumerate() {
        let (points, each) = averaged(&run.points, MOST_POINTS);
        if points.is_empty() {
            continue;
        }
        most = most.max(each);
        legend.push(Entry { name: run.name.clone(), colour: colour(index), swatch: Swatch::Line });
        lines.push(Line { colour: colour(index), faint: false, points, band: Vec::new() });
    }
    if most > 1 {
        heading.description = format!("{} Each point is a mean of up to {most} {of}.", heading.description);
    }
    let values = || lines.iter().flat_map(|line| &line.points).map(|point| point.1);
    let (low, high) =
        values().fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), y| (low.min(y), high.max(y)));
    let logarithms = low > 0.0 && high / low > LOGARITHMIC_FROM;
    if logarithms {
        heading.measure.push_str(", logarithmic");
        lines.iter_mut().flat_map(|line| &mut line.points).for_each(|point| point.1 = point.1.log10());
    }
    let scale = Scale { x: STEPS.to_owned(), y_from_zero: y_from_zero && !logarithms, logarithms };
    draw_lines(heading, &legend, &lines, &scale)
}

/// How many times the lowest value the highest one is where differences at the bottom would not be seen.
const LOGARITHMIC_FROM: f64 = 50.0;

fn draw_lines(
    heading: Heading,
    legend: &[Entry],
    lines: &[Line],
    scale: &Scale,
) -> Result<Option<Plot>, PlotError> {
    if lines.is_empty() {
        return Ok(None);
    }
    let xs = lines.iter().flat_map(|line| &line.points).map(|point| point.0);
    let ys = lines.iter().flat_map(|line| {
        line.points
            .iter()
            .map(|point| point.1)
            .chain(line.band.iter().flat_map(|&(_, low, high)| [low, high]))
    });
    let x = range(xs, true, 0.0);
    let y = range(ys, scale.y_from_zero, 0.05);
    draw(heading, legend, CHART_HEIGHT, |area| draw_chart(area, lines, scale, x, y)).map(Some)
}

/// From the lowest value, or 0, to the highest one, and some more.
fn range(values: impl Iterator<Item = f64>, from_zero: bool, more: f64) -> Range<f64> {
    let start = if from_zero { (0.0, 0.0) } else { (f64::INFINITY, f64::NEG_INFINITY) };
    let (low, high) = values.fold(start, |(low, high), value| (low.min(value), high.max(value)));
    // A range of nothing cannot be drawn on.
    let size = if high > low { high - low } else { 1.0 };
    let low = if from_zero && low == 0.0 { 0.0 } else { low - size * more };
    low..if high > low { high + size * more } else { low + 1.0 }
}

fn draw_chart(
    area: &Area<'_>,
    lines: &[Line],
    scale: &Scale,
    x: Range<f64>,
    y: Range<f64>,
) -> Result<(), PlotError> {
    let y_label = |value: &f64| {
        if scale.logarithms { short(10_f64.powf(*value)) } else { short(*value) }
    };
    let mut chart = axes(area, x, y, &scale.x, &y_label)?;
    for line in lines {
        let upper = line.band.iter().map(|&(x, _, high)| (x, high));
        let lower = line.band.iter().rev().map(|&(x, low, _)| (x, low));
        let outline: Vec<_> = upper.chain(lower).collect();
        if !outline.is_empty() {
            chart.draw_series([Polygon::new(outline, line.colour.mix(0.2).filled())])?;
        }
    }
    // What stands back is drawn first.
    let (faint, plain): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.faint);
    for line in faint.into_iter().chain(plain) {
        let colour = line.colour.mix(if line.faint { FAINT } else { 1.0 });
        let style = colour.filled().stroke_width(2 * UNIT as u32);
        let points = line.points.iter().copied();
        // A line of one point is not seen.
        let size = if line.points.len() == 1 { 3 * UNIT as u32 } else { 0 };
        chart.draw_series(LineSeries::new(points, style).point_size(size))?;
    }
    Ok(())
}
