//! One agent on the screen.

use std::collections::VecDeque;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Wrap};

use super::glyphs::{bar, decimals, letters, unit};
use super::here::here;
use crate::frame::{LaneFrame, Mode, Scene};

/// From how many columns on, panels stand beside each other.
const WIDE: u16 = 76;

/// An agent, and what is drawn of it.
pub(super) struct LaneView<'a> {
    pub(super) scene: &'a Scene,
    pub(super) index: usize,
    pub(super) lane: &'a LaneFrame,
    pub(super) memory: &'a VecDeque<Vec<f32>>,
    pub(super) masked: bool,
}

impl LaneView<'_> {
    pub(super) fn draw(&self, frame: &mut Frame<'_>, area: Rect) {
        let (level, lane) = (&self.scene.level, self.lane);
        let (width, height) = (u16::from(level.width) * 3, u16::from(level.height));
        let (meters, actions) = (level.meters.len() as u16, level.actions.len() as u16);
        if area.width >= WIDE {
            let tall = area.height.saturating_sub(actions + 2 + 4).max(6);
            let [top, middle, bottom] = Layout::vertical([
                Constraint::Length((height.max(meters) + 2).min(tall)),
                Constraint::Min(actions + 2),
                Constraint::Length(4),
            ])
            .areas(area);
            let [town, needs] = Layout::horizontal([
                Constraint::Length((width + 2).min(area.width / 2)),
                Constraint::Min(30),
            ])
            .areas(top);
            let [values, memory] =
                Layout::horizontal([Constraint::Length(36), Constraint::Min(30)]).areas(middle);
            let title = self.title();
            boxed(frame, town, "Town", |inner| self.town(inner));
            boxed(frame, needs, &title, |inner| self.needs(inner));
            if self.scene.mode == Mode::Play {
                boxed(frame, values, "Allowed now", |inner| self.values(inner));
                boxed(frame, memory, "Here", |_| here(self.scene, lane));
            } else {
                boxed(frame, values, "Action values", |inner| self.values(inner));
                boxed(frame, memory, &self.memory_title(), |inner| self.memory(inner));
            }
            frame.render_widget(Paragraph::new(self.places(bottom.width)), bottom);
        } else {
            let [title, town, needs, values, memory] = Layout::vertical([
                Constraint::Length(1),
                Constraint::Length(height.min(8)),
                Constraint::Length(meters),
                Constraint::Length(actions),
                Constraint::Fill(1),
            ])
            .areas(area);
            frame.render_widget(Line::from(self.title()).bold(), title);
            frame.render_widget(Paragraph::new(self.town(town)), town);
            frame.render_widget(Paragraph::new(self.needs(needs)), needs);
            frame.render_widget(Paragraph::new(self.values(values)), values);
            if memory.height > 2 {
                boxed(frame, memory, &self.memory_title(), |inner| self.memory(inner));
            }
        }
    }

    fn title(&self) -> String {
        let (lane, level) = (self.lane, &self.scene.level);
        let clock = if level.clock { format!(", {:02}:00", lane.hour) } else { String::new() };
        let title = &self.scene.lanes[self.index].title;
        format!("{title}, step {} of {}{clock}", lane.step, level.step_limit)
    }

    /// The town, as much of it around the agent as fits.
    fn town(&self, area: Rect) -> Vec<Line<'static>> {
        let (lane, level) = (self.lane, &self.scene.level);
        let letters = letters(level.places.iter().map(|place| place.name.as_str()));
        let [x, y] = lane.cell;
        let columns = first_shown(x, level.width, area.width / 3);
        let rows = first_shown(y, level.height, area.height);
        rows.map(|row| {
            let cells = columns.clone().map(|column| {
                let cell = [column, row];
                let seen = level
                    .vision_range
                    .is_none_or(|range| column.abs_diff(x) <= range && row.abs_diff(y) <= range);
                let place = lane.places.iter().position(|place| place.cell == cell);
                // What stands there is known only where the agent stands, and to one that sees the grid not even
                // where something stands.
                let hidden = self.masked && cell != lane.cell;
                let place = place.filter(|_| !hidden || level.vision_range.is_some());
                let letter = place.map(|place| if hidden { '?' } else { letters[place] });
                let open = hidden || place.is_none_or(|place| lane.places[place].open);
                let mut style = Style::new();
                if seen {
                    style = style.bg(Color::Indexed(236));
                }
                if cell == lane.cell {
                    let died = lane.ended.as_ref().is_some_and(|end| end.died);
                    let agent = if died { '\u{2020}' } else { '@' };
                    let text = format!("{agent}{} ", letter.unwrap_or(' '));
                    return Span::styled(text, style.fg(Color::Black).bg(Color::Yellow).bold());
                }
                if self.masked && !seen {
                    return Span::raw("   ");
                }
                match letter {
                    Some(letter) if open => Span::styled(format!(" {letter} "), style.fg(Color::Cyan).bold()),
                    Some(letter) => Span::styled(format!("({letter})"), style.fg(Color::DarkGray)),
                    None if lane.trail.contains(&cell) => Span::styled(" \u{2022} ", style.fg(Color::Yellow)),
                    None => Span::styled(" \u{00b7} ", style.fg(Color::DarkGray)),
                }
            });
            Line::from(cells.collect::<Vec<_>>())
        })
        .collect()
    }

    /// The meters: bar, value, the change of the last step, and cascades that bite.
    fn needs(&self, area: Rect) -> Vec<Line<'static>> {
        let level = &self.scene.level;
        let width = usize::from(area.width);
        let bar_width = width.saturating_sub(24).clamp(4, 24);
        let meters = level.meters.iter().zip(&self.lane.meters).enumerate();
        meters
            .map(|(index, (facts, meter))| {
                let change =
                    meter.moving + meter.interaction + meter.depletion + meter.modulation + meter.cascades;
                let biting = self
                    .lane
                    .bites
                    .iter()
                    .filter(|bite| level.cascades[bite.cascade].target == index && bite.amount < 0.0);
                let biting: Vec<_> = biting
                    .map(|bite| level.meters[level.cascades[bite.cascade].source].name.as_str())
                    .collect();
                let colour = match meter.value {
                    ..0.2 => Color::Red,
                    ..0.4 => Color::Yellow,
                    _ => Color::Green,
                };
                let name = format!("{:<10}", clip(&facts.name, 9));
                let mut spans = vec![if facts.terminal { name.bold() } else { name.into() }];
                spans.extend(bar(meter.value, bar_width, colour));
                spans.push(format!("{:>6.1}", 100.0 * meter.value).into());
                spans.push(format!("{:>+6.1}", 100.0 * change).dim());
                if !biting.is_empty() {
                    spans.push(format!(" \u{2190} {}", biting.join(", ")).red());
                }
                Line::from(spans)
            })
            .collect()
    }

    fn values(&self, _area: Rect) -> Vec<Line<'static>> {
        let thought = self.lane.thought.as_ref();
        let values = thought.map_or(&[][..], |thought| &thought.values);
        let finite = || values.iter().copied().filter(|value| value.is_finite());
        let (least, most) = (finite().fold(f32::MAX, f32::min), finite().fold(f32::MIN, f32::max));
        let digits = decimals(most - least);
        let actions = self.scene.level.actions.iter().enumerate();
        actions
            .map(|(index, action)| {
                let allowed = self.lane.mask.get(index).copied().unwrap_or(false);
                let chosen = thought.is_some_and(|thought| usize::from(thought.action) == index);
                let note = match (allowed, chosen, thought.is_some_and(|it| it.explored)) {
                    (false, ..) => "x masked",
                    (true, true, true) => "< random",
                    (true, true, false) => "< chosen",
                    (true, false, _) => "",
                };
                let share = values.get(index).map_or(0.0, |value| (value - least) / (most - least));
                let colour = if !allowed {
                    Color::DarkGray
                } else if chosen {
                    Color::Green
                } else {
                    Color::Blue
                };
                let value = values.get(index).map_or_else(String::new, |value| format!("{value:.digits$}"));
                let name = format!("{:<9}", clip(action, 8));
                let mut name = if allowed { Span::raw(name) } else { name.crossed_out().dim() };
                if chosen {
                    name = name.bold();
                }
                let mut spans = vec![name];
                spans.extend(bar(share, 8, colour));
                spans.push(format!("{value:>8} ").into());
                spans.push(if chosen { note.green().bold() } else { note.dim() });
                Line::from(spans)
            })
            .collect()
    }

    fn memory_title(&self) -> String {
        let kept = if self.scene.lanes[self.index].keeps_memory { "Memory" } else { "Memory, wiped" };
        match &self.lane.thought {
            Some(thought) if !thought.memory.is_empty() => {
                let jump = thought.memory_jump.map_or_else(String::new, |step| format!(", jumped at {step}"));
                format!("{kept} ±{:.2}: changed {:.2}{jump}", self.strongest(), thought.memory_change)
            }
            _ => kept.to_owned(),
        }
    }

    /// The largest magnitude of a hidden unit that is kept to be shown.
    fn strongest(&self) -> f32 {
        self.memory.iter().flatten().fold(0.0, |most: f32, unit| most.max(unit.abs()))
    }

    /// Hidden units downwards, steps to the right, the newest last. Where there are more units than lines, a
    /// line shows the strongest of several. The fullest shade is that of the strongest of all.
    fn memory(&self, area: Rect) -> Vec<Line<'static>> {
        let Some(units) = self.memory.back().map(Vec::len) else {
            return vec![
                Line::from(match self.scene.mode {
                    Mode::Watch => "none",
                    Mode::Play => "yours",
                    Mode::Replay => "not in a trace",
                })
                .dim(),
            ];
        };
        let lines = usize::from(area.height).min(units).max(1);
        let shown = self.memory.len().min(usize::from(area.width));
        // Not nothing, where all units are nothing.
        let strongest = self.strongest().max(f32::MIN_POSITIVE);
        (0..lines)
            .map(|line| {
                let range = line * units / lines..(line + 1) * units / lines;
                let columns = self.memory.iter().skip(self.memory.len() - shown);
                let spans = columns.map(|memory| {
                    let group = memory.get(range.clone()).unwrap_or_default().iter().copied();
                    unit(group.max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(0.0) / strongest)
                });
                Line::from(spans.collect::<Vec<_>>())
            })
            .collect()
    }

    /// Rewards, the interaction under way, and what the letters mean, with uses.
    fn places(&self, width: u16) -> Vec<Line<'static>> {
        let (lane, level) = (self.lane, &self.scene.level);
        let reward = lane.taken.as_ref().map_or(0.0, |taken| taken.reward);
        let mut first = vec![format!("rewards {:.1}, last {reward:.1}  ", lane.total_reward).into()];
        if let Some(progress) = lane.progress {
            let completed = lane.taken.as_ref().is_some_and(|taken| taken.completed);
            let done = if completed { progress.required } else { progress.done };
            let place = &level.places[progress.place].name;
            first.push(format!("on {place}, {done} of {} ticks", progress.required).cyan());
        }
        let letters = letters(level.places.iter().map(|place| place.name.as_str()));
        let mut lines = vec![Line::from(first)];
        let mut line: Vec<Span<'static>> = Vec::new();
        let mut used = 0;
        for ((place, letter), uses) in level.places.iter().zip(letters).zip(&lane.uses) {
            let uses = if *uses > 0 { format!("\u{00d7}{uses}") } else { String::new() };
            let text = format!(" {}{uses}  ", place.name);
            let wide = text.chars().count() + 1;
            if used + wide > usize::from(width) {
                lines.push(Line::from(std::mem::take(&mut line)));
                used = 0;
            }
            used += wide;
            line.push(letter.to_string().cyan().bold());
            line.push(text.into());
        }
        lines.push(Line::from(line));
        lines
    }
}

fn boxed(frame: &mut Frame<'_>, area: Rect, title: &str, content: impl FnOnce(Rect) -> Vec<Line<'static>>) {
    let block = Block::bordered().title(format!(" {title} "));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    frame.render_widget(Paragraph::new(content(inner)).wrap(Wrap { trim: false }), inner);
}

/// Which of `all` columns or rows to show where there is room for `room`, around `centre`.
fn first_shown(centre: u8, all: u8, room: u16) -> std::ops::Range<u8> {
    let room = room.min(u16::from(all)) as u8;
    let first = centre.saturating_sub(room / 2).min(all - room);
    first..first + room
}

fn clip(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
