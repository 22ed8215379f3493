//! For whoever plays: the place that they stand on, why a step did nothing, and the panel after a life.

use std::collections::BTreeMap;

use ratatui::layout::Alignment;
use ratatui::style::Stylize;
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph};

use crate::Session;
use crate::frame::{Certificate, LaneFrame, PlaceFacts, Refusal, Scene};

/// What the place under the agent costs and does, after why the last step did nothing.
pub(super) fn here(scene: &Scene, lane: &LaneFrame) -> Vec<Line<'static>> {
    let place = lane.progress.map(|progress| &scene.level.places[progress.place]);
    let mut lines = Vec::new();
    if let Some(refusal) = lane.taken.as_ref().and_then(|taken| taken.refused) {
        lines.push(Line::from(refused(refusal, scene, lane, place)).red().bold());
    }
    let Some(place) = place else {
        lines.push(Line::from("nothing stands here").dim());
        return lines;
    };
    let each = if place.ticks > 1 { " a step" } else { "" };
    let mut about = vec![if place.price > 0.0 {
        format!("costs {}{each}", hundredths(place.price))
    } else {
        "free".to_owned()
    }];
    if place.ticks > 1 {
        about.push(format!("{} steps in a row", place.ticks));
    }
    if let Some([opens, closes]) = place.hours {
        about.push(format!("open {opens} to {closes} h"));
    }
    lines.push(Line::from(vec![place.name.clone().cyan().bold(), format!(": {}", about.join(", ")).into()]));
    let (mut now, mut done) = (place.effects.clone(), place.completion_effects.clone());
    if place.ticks == 1 {
        for (meter, amount) in std::mem::take(&mut done) {
            *now.entry(meter).or_default() += amount;
        }
    }
    for (amounts, when) in [(now, each), (done, " when done")] {
        let effects = effects(&amounts);
        if !effects.is_empty() {
            lines.push(Line::from(format!("{effects}{when}")));
        }
    }
    lines
}

fn refused(refusal: Refusal, scene: &Scene, lane: &LaneFrame, place: Option<&PlaceFacts>) -> String {
    match refusal {
        Refusal::Wall => "the edge of the town".to_owned(),
        Refusal::NothingHere => "nothing to use here".to_owned(),
        Refusal::Closed => "closed at this hour".to_owned(),
        Refusal::TooExpensive => {
            let money = scene.level.meters.iter().position(|meter| meter.money);
            let money = money.map_or(0.0, |money| lane.meters[money].value);
            let price = place.map_or(0.0, |place| place.price);
            format!("too expensive: {}, and you have {}", hundredths(price), hundredths(money))
        }
    }
}

fn effects(amounts: &BTreeMap<String, f32>) -> String {
    let some = amounts.iter().filter(|&(_, &amount)| amount != 0.0);
    let each = some.map(|(meter, &amount)| {
        let sign = if amount < 0.0 { '-' } else { '+' };
        format!("{meter} {sign}{}", hundredths(amount.abs()))
    });
    each.collect::<Vec<_>>().join(", ")
}

/// In the numbers of the needs, with no decimals that say nothing.
fn hundredths(value: f32) -> String {
    let text = format!("{:.2}", 100.0 * value);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What is said of a life that is over, and how to go on.
pub(super) fn ending(session: &Session, end: &Certificate) -> Paragraph<'static> {
    let what = if end.died {
        format!("You died of {}", end.causes.join(" and "))
    } else {
        "You lived to the limit".to_owned()
    };
    let (limit, longest) = (session.scene().level.step_limit, session.status().longest);
    let others = session.catalogue().run.baselines.iter();
    let others: Vec<_> = others.map(|it| format!("{} {:.0}", it.name, it.survival)).collect();
    let mut lines = vec![
        if end.died { Line::from(what).red().bold() } else { Line::from(what).green().bold() },
        Line::from(format!("after {} of {limit} steps, with rewards of {:.1}", end.steps, end.total_reward)),
        Line::from(format!("your best so far: {longest} steps")),
    ];
    if !others.is_empty() {
        lines.push(Line::from(format!("others live: {}", others.join(", "))).dim());
    }
    lines.push(Line::default());
    lines.push(Line::from("press Enter or space to begin again").bold());
    Paragraph::new(lines).alignment(Alignment::Center).block(Block::bordered())
}
