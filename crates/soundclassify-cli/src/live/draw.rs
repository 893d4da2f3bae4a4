// SPDX-License-Identifier: MIT OR Apache-2.0
//! The live view's state on a terminal of any size.

use ratatui::{
    Frame,
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, BorderType, Clear, Paragraph, Widget},
};

use super::state::{QUIET, State};
use crate::palette;

const KEYS: &str = " q quit · space pause · ↑↓ threshold · m picture · r reset · ? help";
const HELP: [(&str, &str); 7] = [
    ("q  Esc", "quit"),
    ("space  p", "pause and go on"),
    ("↑ ↓  + -", "least probability that is shown"),
    ("m", "log-mel picture on and off"),
    ("r", "forget what was heard"),
    ("?  h", "this help"),
    ("Ctrl-C", "interrupt"),
];
const SHADES: [&str; 5] = [" ", "░", "▒", "▓", "█"];

/// Draws the state; `colour`: whether the terminal is to show any.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State, colour: bool) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    let picture = if state.picture && area.height >= 16 { Constraint::Percentage(45) } else { Constraint::Length(0) };
    let foot = u16::from(area.height >= 4);
    let [head, level, middle, mel, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(u16::from(area.height >= 3)),
        Constraint::Min(0),
        picture,
        Constraint::Length(foot),
    ])
    .areas(area);
    head_line(state, colour).render(head, buffer);
    level_line(state, level.width, colour).render(level, buffer);
    let events = if area.width >= 60 { Constraint::Percentage(38) } else { Constraint::Length(0) };
    let [now, log] = Layout::horizontal([Constraint::Min(0), events]).areas(middle);
    bars(state, now, buffer, colour);
    event_log(state, log, buffer, colour);
    mel_picture(state, mel, buffer, colour);
    Line::from(KEYS).style(dim()).render(keys, buffer);
    if state.help {
        help(area, buffer);
    }
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn tint(colour: bool, rgb: [u8; 3]) -> Style {
    if colour { Style::new().fg(Color::Rgb(rgb[0], rgb[1], rgb[2])) } else { Style::new() }
}

fn head_line(state: &State, colour: bool) -> Line<'_> {
    let mut spans = vec![
        Span::styled(format!(" {} ", clock(state.time)), bold()),
        Span::raw(state.source.as_str()),
        Span::styled(format!(" · {} · threshold {:.2}", state.model, state.threshold), dim()),
    ];
    if state.paused {
        spans.push(Span::styled(" PAUSED", bold().add_modifier(Modifier::REVERSED)));
    }
    if let Some(note) = &state.note {
        spans.push(Span::styled(format!("  {note}"), tint(colour, palette::LABELS[1])));
    }
    Line::from(spans)
}

/// `mm:ss.t`
fn clock(nanoseconds: u64) -> String {
    let tenths = nanoseconds / 100_000_000;
    format!("{:02}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
}

fn level_line(state: &State, width: u16, colour: bool) -> Line<'static> {
    let cells = width.saturating_sub(10);
    let position = |decibels: f32| ((decibels - QUIET) / -QUIET * f32::from(cells)).round() as u16;
    let (level, peak) = (position(state.level), position(state.peak));
    let mut spans = vec![Span::raw(" ")];
    spans.extend((0..cells).map(|cell| {
        let part = f32::from(cell) / f32::from(cells);
        let rgb = match part {
            0.9.. => [213, 60, 40],
            0.75.. => [230, 159, 0],
            _ => [0, 158, 115],
        };
        let symbol = match cell {
            _ if cell < level => "━",
            _ if cell + 1 == peak => "╸",
            _ => return Span::styled("─", dim()),
        };
        Span::styled(symbol, tint(colour, rgb))
    }));
    spans.push(Span::raw(format!(" {:>4.0} dB", state.level)));
    Line::from(spans)
}

fn block(title: &str) -> Block<'_> {
    Block::bordered().border_type(BorderType::Rounded).border_style(dim()).title(Span::styled(title, bold()))
}

/// The inside of a block, or all of an area that is too small for one.
fn inside(title: &str, area: Rect, buffer: &mut Buffer) -> Rect {
    if area.height < 4 || area.width < 12 {
        return area;
    }
    let block = block(title);
    let inner = block.inner(area);
    block.render(area, buffer);
    inner
}

fn bars(state: &State, area: Rect, buffer: &mut Buffer, colour: bool) {
    let area = inside(" Now ", area, buffer);
    let shown = state.bars.iter().take(area.height.into());
    let names = shown.clone().map(|bar| bar.label.chars().count()).max().unwrap_or(0).clamp(8, 24);
    let names = names.min(usize::from(area.width) / 2);
    let room = usize::from(area.width).saturating_sub(names + 7);
    for (row, bar) in (area.top()..).zip(shown) {
        let style = tint(colour, palette::LABELS[bar.index.unsigned_abs() as usize % palette::LABELS.len()]);
        let name: String = bar.label.chars().take(names).collect();
        let line = Line::from(vec![
            Span::styled(format!("{name:<names$} "), if bar.value >= 0.5 { bold() } else { Style::new() }),
            Span::styled(format!("{:<room$}", solid(bar.value, room)), style),
            Span::raw(format!(" {:>3.0} %", bar.value * 100.0)),
        ]);
        line.render(Rect { y: row, height: 1, ..area }, buffer);
    }
    if state.bars.is_empty() && area.height > 0 {
        Line::from("listening …").style(dim()).render(Rect { height: 1, ..area }, buffer);
    }
}

/// A bar in eighths of a cell.
fn solid(value: f64, cells: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (value.clamp(0.0, 1.0) * cells as f64 * 8.0).round() as usize;
    "█".repeat(eighths / 8) + PARTS[eighths % 8]
}

fn event_log(state: &State, area: Rect, buffer: &mut Buffer, colour: bool) {
    if area.width == 0 {
        return;
    }
    let area = inside(" Events ", area, buffer);
    for (row, line) in (area.top()..area.bottom()).zip(&state.log) {
        let mark = if line.open { Span::styled("● ", tint(colour, [213, 60, 40])) } else { Span::raw("  ") };
        let line = Line::from(vec![
            mark,
            Span::styled(clock(line.start), dim()),
            Span::styled(format!(" {} ", line.label), if line.open { bold() } else { Style::new() }),
            Span::styled(format!("{:.0} % {:.1} s", line.peak * 100.0, line.duration as f64 / 1e9), dim()),
        ]);
        line.render(Rect { y: row, height: 1, ..area }, buffer);
    }
}

/// Newest at the right, lowest band at the bottom; with colour two bands a cell.
fn mel_picture(state: &State, area: Rect, buffer: &mut Buffer, colour: bool) {
    if area.height == 0 {
        return;
    }
    let area = inside(" Log-mel ", area, buffer);
    let rows = usize::from(area.height) * if colour { 2 } else { 1 };
    let columns = state.columns.iter().rev().take(area.width.into());
    for (x, column) in (area.left()..area.right()).rev().zip(columns) {
        let value = |row: usize| pooled(column, rows - 1 - row, rows);
        for (row, y) in (area.top()..area.bottom()).enumerate() {
            let Some(cell) = buffer.cell_mut((x, y)) else { continue };
            if colour {
                let [upper, lower] = [value(2 * row), value(2 * row + 1)].map(palette::magma);
                cell.set_symbol("▀").set_fg(rgb(upper)).set_bg(rgb(lower));
            } else {
                let shade = (value(row) * (SHADES.len() - 1) as f32).round() as usize;
                cell.set_symbol(SHADES[shade.min(SHADES.len() - 1)]);
            }
        }
    }
}

fn rgb([red, green, blue]: [u8; 3]) -> Color {
    Color::Rgb(red, green, blue)
}

/// The loudest of the bands that share row `row` of `rows`.
fn pooled(column: &[f32], row: usize, rows: usize) -> f32 {
    let from = row * column.len() / rows;
    let to = ((row + 1) * column.len() / rows).max(from + 1).min(column.len());
    column.get(from..to).unwrap_or_default().iter().copied().fold(0.0, f32::max)
}

fn help(area: Rect, buffer: &mut Buffer) {
    let height = (HELP.len() as u16 + 2).min(area.height);
    let width = 46.min(area.width);
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    Clear.render(place, buffer);
    let lines =
        HELP.iter().map(|(key, what)| Line::from(vec![Span::styled(format!(" {key:<10}"), bold()), Span::raw(*what)]));
    Paragraph::new(lines.collect::<Vec<_>>()).block(block(" Keys ")).render(place, buffer);
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, backend::TestBackend};

    use super::*;
    use crate::{
        live::state::tests::{event, window},
        record::EventKind,
    };

    fn busy() -> State {
        let mut state = State::new("Microphone", "test", 0.25, 0);
        state.window(&window(12, &[("Writing", 1, 0.81), ("Scissors", 2, 0.12), ("Bark", 3, 0.05)]));
        state.tick(std::time::Duration::from_secs(2));
        state.event(&event(EventKind::Start, 0, "Writing"));
        state.loudness(-20.0, -6.0);
        for step in 0..600 {
            let column: Vec<f32> = (0..64).map(|band| -80.0 + ((step + band) % 64) as f32).collect();
            state.column(&column);
        }
        state
    }

    fn screen(state: &State, width: u16, height: u16, colour: bool) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, state, colour)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn a_usual_terminal_shows_level_bars_events_and_picture() {
        let screen = screen(&busy(), 100, 30, true);

        for wanted in
            ["Microphone", "threshold 0.25", "-20 dB", "Writing", "81 %", "Events", "00:03.0", "Log-mel", "▀", "q quit"]
        {
            assert!(screen.contains(wanted), "{wanted} is missing in\n{screen}");
        }
    }

    #[test]
    fn every_size_is_drawn_without_a_panic() {
        let mut state = busy();
        for help in [false, true] {
            state.help = help;
            let widths = (1..=14).chain([40, 59, 60, 64]);
            for (width, height) in widths.flat_map(|width| (1..=18).map(move |height| (width, height))) {
                screen(&state, width, height, true);
            }
        }
    }

    #[test]
    fn without_colour_there_is_none() {
        let mut terminal = Terminal::new(TestBackend::new(100, 30)).unwrap();
        terminal.draw(|frame| draw(frame, &busy(), false)).unwrap();

        let cells = &terminal.backend().buffer().content;
        assert!(cells.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
        assert!(cells.iter().any(|cell| cell.symbol() == "▓"));
    }

    #[test]
    fn bars_are_as_long_as_the_probability() {
        assert_eq!(solid(0.5, 10), "█████");
        assert_eq!(solid(0.55, 10), "█████▌");
        assert_eq!(solid(2.0, 3), "███");
    }
}
