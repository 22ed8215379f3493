//! What agents died of over time, as shares that add up to one.

use std::collections::BTreeMap;

use plotters::element::Polygon;
use plotters::style::{Color, RGBColor};

use super::axes::{CHART_HEIGHT, STEPS, axes};
use super::frame::{Entry, Heading, Swatch, draw};
use super::style::{colour, short};
use super::{Plot, PlotError};

/// How the episodes of a run ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deaths {
    /// The name of the run.
    pub run: String,
    /// Environment steps at the end of each episode, in order, and what the agent died of; empty where it lived.
    pub episodes: Vec<(u64, String)>,
}

/// Into how many parts of equally many episodes a run is cut at most.
const PARTS: usize = 40;

/// So many episodes make a part at least, so that shares mean something.
const SMALLEST: usize = 10;

/// Those who lived.
const ALIVE: RGBColor = RGBColor(0xb4, 0xbc, 0xc6);

/// The share of each cause of death over steps, and of the episodes that ended without one. None where no
/// episode finished.
///
/// # Errors
/// Where drawing fails.
pub fn deaths_by_cause(deaths: &Deaths) -> Result<Option<Plot>, PlotError> {
    let Some(&(end, _)) = deaths.episodes.last() else { return Ok(None) };
    let mut totals = BTreeMap::<&str, usize>::new();
    for (_, cause) in &deaths.episodes {
        *totals.entry(cause).or_default() += 1;
    }
    // Those who lived are at the bottom, then the causes from the most to the least frequent.
    let mut causes: Vec<_> = totals.into_iter().collect();
    causes.sort_by_key(|&(cause, count)| (!cause.is_empty(), usize::MAX - count));
    let paint = |index: usize, cause: &str| match cause {
        "" => ALIVE,
        _ => colour(index - usize::from(causes[0].0.is_empty())),
    };
    let legend: Vec<_> = causes
        .iter()
        .enumerate()
        .map(|(index, &(cause, count))| Entry {
            name: format!(
                "{} ({})",
                if cause.is_empty() { "lived to the limit" } else { cause },
                short(count as f64)
            ),
            colour: paint(index, cause),
            swatch: Swatch::Area,
        })
        .collect();

    let each = deaths.episodes.len().div_ceil(PARTS).max(SMALLEST);
    let mut start = 0.0;
    let parts: Vec<_> = deaths
        .episodes
        .chunks(each)
        .map(|part| {
            let end = part[part.len() - 1].0 as f64;
            let part_of = |cause: &str| {
                part.iter().filter(|(_, other)| other == cause).count() as f64 / part.len() as f64
            };
            let shares: Vec<f64> = causes.iter().map(|(cause, _)| part_of(cause)).collect();
            (std::mem::replace(&mut start, end), end, shares)
        })
        .collect();

    let heading = Heading {
        name: format!("deaths-{}", deaths.run),
        title: "How episodes ended".to_owned(),
        description: format!(
            "Shares of the causes of death of {} over environment steps, of {each} episodes each.",
            deaths.run
        ),
        measure: format!("share of episodes, {}", deaths.run),
    };
    draw(heading, &legend, CHART_HEIGHT, |area| {
        let percent = |share: &f64| format!("{:.0} %", share * 100.0);
        let mut chart = axes(area, 0.0..(end as f64).max(1.0), 0.0..1.0, STEPS, &percent)?;
        for (index, &(cause, _)) in causes.iter().enumerate() {
            let up_to = |shares: &[f64], count: usize| shares[..count].iter().sum::<f64>();
            let edge = |count: usize| {
                parts.iter().flat_map(move |(start, end, shares)| {
                    [(*start, up_to(shares, count)), (*end, up_to(shares, count))]
                })
            };
            let below: Vec<_> = edge(index).collect();
            let outline: Vec<_> = edge(index + 1).chain(below.into_iter().rev()).collect();
            chart.draw_series([Polygon::new(outline, paint(index, cause).filled())])?;
        }
        Ok(())
    })
    .map(Some)
}
