//! The whole screen.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Stylize;
use ratatui::text::Line;
use ratatui::widgets::{Clear, Paragraph};

use super::here::ending;
use super::lane_view::LaneView;
use super::{View, keys};
use crate::Session;
use crate::frame::{Certificate, Mode};

/// The smallest screen that everything fits on.
const SMALLEST: (u16, u16) = (80, 24);

impl View {
    /// Draws a session.
    pub(super) fn draw(&self, frame: &mut Frame<'_>, session: &Session) {
        let area = frame.area();
        if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
            let text = format!(
                "{} x {} is too small;\nexpected {} x {} or larger\n\nq quits",
                area.width, area.height, SMALLEST.0, SMALLEST.1
            );
            frame.render_widget(Paragraph::new(text), area);
            return;
        }
        let [head, body, news, foot] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Min(20),
            Constraint::Length(1),
            Constraint::Length(1),
        ])
        .areas(area);
        let shown = session.frame();
        let scene = session.scene();
        frame.render_widget(headline(session), head);
        let areas: Vec<Rect> =
            Layout::horizontal(vec![Constraint::Fill(1); shown.lanes.len()]).spacing(1).split(body).to_vec();
        for (index, (lane, area)) in shown.lanes.iter().zip(areas).enumerate() {
            let empty = std::collections::VecDeque::new();
            let view = LaneView {
                scene,
                index,
                lane,
                memory: self.memory.get(index).unwrap_or(&empty),
                masked: self.masked,
            };
            view.draw(frame, area);
        }
        if let (Mode::Play, Some(end)) = (scene.mode, &shown.lanes[0].ended) {
            let panel = body.centered(Constraint::Length(52), Constraint::Length(8));
            frame.render_widget(Clear, panel);
            frame.render_widget(ending(session, end), panel);
        }
        frame.render_widget(self.news(session), news);
        frame.render_widget(Line::from(keys::help(scene.mode)).dim(), foot);
    }

    /// A complaint, or how the last episode ended, or whom to be compared with.
    fn news(&self, session: &Session) -> Line<'static> {
        if !self.message.is_empty() {
            return Line::from(self.message.clone()).red();
        }
        if session.episode_is_over() {
            let frame = session.frame();
            let ends: Vec<String> =
                frame.lanes.iter().filter_map(|it| it.ended.as_ref().map(obituary)).collect();
            if !ends.is_empty() {
                return Line::from(ends.join(" \u{2502} ")).yellow().bold();
            }
        }
        let mut text = String::new();
        if let Some(last) = session.certificates().last() {
            text = format!("before: {}", obituary(last));
        }
        if session.status().mode == Mode::Play {
            let others = session.catalogue().run.baselines.iter();
            let others: Vec<_> = others.map(|it| format!("{} {:.0}", it.name, it.survival)).collect();
            if !others.is_empty() {
                let others = others.join(", ");
                let separator = if text.is_empty() { "" } else { "; " };
                text = format!("{text}{separator}others live, in steps: {others}");
            }
        }
        Line::from(text).dim()
    }
}

fn headline(session: &Session) -> Line<'static> {
    let status = session.status();
    let frame = session.frame();
    let mut parts = vec![
        "townlet".bold(),
        format!("  {}  seed {}  episode {}", status.level, status.seed, frame.episode + 1).into(),
    ];
    if let Some(checkpoint) = &status.checkpoint {
        parts.push(format!("  {checkpoint}{}", if status.follow { " (follows)" } else { "" }).into());
    }
    if status.mode != Mode::Play {
        parts.push(format!("  {}/s", status.speed).into());
        if status.paused {
            parts.push("  paused".yellow().bold());
        }
    }
    if let Some(replay) = status.replay {
        parts.push(format!("  step {} of {}", frame.lanes[0].step, replay.steps).into());
    }
    if status.recording {
        parts.push("  recording".red());
    }
    Line::from(parts)
}

/// A certificate in a line.
fn obituary(certificate: &Certificate) -> String {
    let Certificate { title, steps, causes, died, total_reward, .. } = certificate;
    let end =
        if *died { format!("died of {}", causes.join(" and ")) } else { "reached the limit".to_owned() };
    format!("{title} {end} after {steps} steps, rewards {total_reward:.1}")
}
