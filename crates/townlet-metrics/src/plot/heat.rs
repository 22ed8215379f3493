//! Where agents were.

use plotters::element::Rectangle;
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor};

use super::frame::{Area, Heading, draw, plain, write};
use super::style::{GRID, MARGIN, MUTED, TEXT, UNIT, WIDTH, ramp};
use super::{Plot, PlotError};
use crate::reader::HeatCell;

/// How often the agents of a run were where.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeatMap {
    /// The name of the run.
    pub run: String,
    /// Which episodes it is about, such as "the last 200 episodes".
    pub episodes: String,
    /// The cells in which somebody was.
    pub cells: Vec<HeatCell>,
    /// Columns and rows of the grid, where they are known; otherwise those that somebody was in.
    pub size: Option<(u64, u64)>,
}

/// A grid with more cells a row has no numbers in them.
const NUMBERED: i32 = 12;

/// The sides of the map, in the room that it has.
const SIDE: i32 = 300;

/// Numbers of columns and rows.
const LABELS: i32 = 26;

/// The largest grid that is drawn cell by cell.
const LARGEST: u64 = 128;

/// The share of steps that ended in each cell. None where nobody was anywhere.
///
/// # Errors
/// Where drawing fails, or where the grid has more than 128 columns or rows.
pub fn visit_heat_map(map: &HeatMap) -> Result<Option<Plot>, PlotError> {
    let total: u64 = map.cells.iter().map(|cell| cell.visit_count).sum();
    if total == 0 {
        return Ok(None);
    }
    let seen = map.cells.iter().fold((0, 0), |(x, y), cell| (cell.x.max(x), cell.y.max(y)));
    let (columns, rows) = map.size.unwrap_or((0, 0));
    let (columns, rows) = (columns.max(seen.0 + 1), rows.max(seen.1 + 1));
    if columns.max(rows) > LARGEST {
        return Err(PlotError::Draw(format!(
            "a grid of {columns} × {rows} cells, expected at most {LARGEST}"
        )));
    }
    let (columns, rows) = (columns as i32, rows as i32);
    let cell = SIDE / columns.max(rows);
    let mut shares = vec![0.0; (columns * rows) as usize];
    for HeatCell { x, y, visit_count, .. } in &map.cells {
        shares[*y as usize * columns as usize + *x as usize] += *visit_count as f64 / total as f64;
    }
    let most = shares.iter().fold(0.0, |most: f64, &share| most.max(share));
    let heading = Heading {
        name: format!("heat-map-{}", map.run),
        title: "Where agents were".to_owned(),
        description: format!(
            "The share of the steps of {} that ended in each cell of the grid, {}.",
            map.run, map.episodes
        ),
        measure: format!("% of steps, {}", map.run),
    };
    draw(heading, &[], LABELS + cell * rows + 12, |area| {
        let left = (WIDTH - cell * columns - 60) / 2;
        for column in (0..columns).filter(|&column| labelled(column, columns)) {
            let place = (left + cell * column + cell / 2, LABELS - 6);
            write(area, &column.to_string(), place, &plain(TEXT, MUTED), HPos::Center, VPos::Bottom)?;
        }
        for row in 0..rows {
            let y = LABELS + cell * row;
            if labelled(row, rows) {
                let place = (left - 6, y + cell / 2);
                write(area, &row.to_string(), place, &plain(TEXT, MUTED), HPos::Right, VPos::Center)?;
            }
            for column in 0..columns {
                draw_cell(
                    area,
                    (left + cell * column, y),
                    cell,
                    shares[(row * columns + column) as usize],
                    most,
                    columns.max(rows) <= NUMBERED,
                )?;
            }
        }
        draw_scale(area, (left + cell * columns + 14, LABELS), cell * rows, most)
    })
    .map(Some)
}

/// Whether a column or row has its number written beside it.
fn labelled(index: i32, count: i32) -> bool {
    index % ((count - 1) / 16 + 1) == 0
}

/// The square root shows differences among cells that are seldom visited beside one that always is.
fn shade(share: f64, most: f64) -> RGBColor {
    ramp((share / most).sqrt())
}

fn draw_cell(
    area: &Area<'_>,
    (x, y): (i32, i32),
    side: i32,
    share: f64,
    most: f64,
    numbered: bool,
) -> Result<(), PlotError> {
    // One unit between cells, so that no seam is seen at any size.
    let corners = [(x, y), (x + side - 1, y + side - 1)].map(|(x, y)| (x * UNIT, y * UNIT));
    let style = if share > 0.0 { shade(share, most).filled() } else { GRID.filled() };
    area.draw(&Rectangle::new(corners, style))?;
    if numbered && share > 0.0 {
        let percent = share * 100.0;
        let text = if percent >= 9.95 { format!("{percent:.0}") } else { format!("{percent:.1}") };
        let colour = if (share / most).sqrt() > 0.6 { RGBColor(0, 0, 0) } else { RGBColor(255, 255, 255) };
        let place = (x + side / 2, y + side / 2);
        write(area, &text, place, &plain(TEXT - 1, colour), HPos::Center, VPos::Center)?;
    }
    Ok(())
}

/// What the colours mean.
fn draw_scale(area: &Area<'_>, (x, y): (i32, i32), height: i32, most: f64) -> Result<(), PlotError> {
    const STEPS: i32 = 32;
    for step in 0..STEPS {
        let (from, to) = (height * UNIT * step / STEPS, height * UNIT * (step + 1) / STEPS);
        let share = 1.0 - (f64::from(step) + 0.5) / f64::from(STEPS);
        // One more, so that no seam is seen.
        let corners = [(x * UNIT, y * UNIT + from), ((x + 10) * UNIT, y * UNIT + to + 1)];
        area.draw(&Rectangle::new(corners, ramp(share).filled()))?;
    }
    let style = plain(TEXT, MUTED);
    // The middle of a scale by square roots is a quarter of its end.
    for (share, down, anchor) in
        [(most, 0, VPos::Top), (most / 4.0, height / 2, VPos::Center), (0.0, height, VPos::Bottom)]
    {
        let text = format!("{:.1}", share * 100.0);
        write(area, &text, (x + 15, y + down), &style, HPos::Left, anchor)?;
    }
    let edge = [(x * UNIT, y * UNIT), ((x + 10) * UNIT, (y + height) * UNIT)];
    Ok(area.draw(&Rectangle::new(edge, MUTED.stroke_width(UNIT as u32)))?)
}

const _: () = assert!(SIDE + 60 + 2 * MARGIN < WIDTH);
