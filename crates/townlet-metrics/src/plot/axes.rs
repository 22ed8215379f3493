//! The axes that charts over steps and time have in common.

use std::ops::Range;

use plotters::chart::{ChartBuilder, ChartContext, LabelAreaPosition};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::{Cartesian2d, SVGBackend};
use plotters::style::{Color, TRANSPARENT};

use super::PlotError;
use super::frame::{Area, plain};
use super::style::{GRID, MARGIN, MUTED, TEXT, UNIT, short};

/// How high a chart is, with the labels below it.
pub(crate) const CHART_HEIGHT: i32 = 248;

/// The axis of environment steps.
pub(crate) const STEPS: &str = "environment steps, all agents";

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws the axes of a chart, with lines across it, and returns what to draw on.
pub(crate) fn axes<'a, 'b>(
    area: &'a Area<'b>,
    x: Range<f64>,
    y: Range<f64>,
    x_name: &str,
    y_label: &dyn Fn(&f64) -> String,
) -> Result<Chart<'a, 'b>, PlotError> {
    let mut chart = ChartBuilder::on(area)
        .margin_right((MARGIN + 8) * UNIT)
        .margin_top(6 * UNIT)
        .margin_left(4 * UNIT)
        .set_label_area_size(LabelAreaPosition::Left, 44 * UNIT)
        .set_label_area_size(LabelAreaPosition::Bottom, 42 * UNIT)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID.stroke_width(UNIT as u32))
        .light_line_style(TRANSPARENT)
        .axis_style(MUTED.stroke_width(UNIT as u32))
        .set_all_tick_mark_size(4 * UNIT)
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&|value| short(*value))
        .y_label_formatter(y_label)
        .label_style(plain(TEXT, MUTED))
        .axis_desc_style(plain(TEXT, MUTED))
        .x_desc(x_name)
        .draw()?;
    Ok(chart)
}
