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

use soundclassify_core::text;
use unicode_width::UnicodeWidthStr;

use super::state::{QUIET, State};
use crate::palette;

const KEYS: [&str; 6] = ["q quit", "space pause", "↑↓ threshold", "m picture", "r reset", "? help"];
const HELP: [(&str, &str); 7] = [
    ("q  Esc", "quit"),
    ("space  p", "pause and continue"),
    ("↑ ↓  + -", "lowest probability shown"),
    ("m", "show or hide the picture"),
    ("r", "clear windows and events"),
    ("?  h", "this help"),
    ("Ctrl-C", "interrupt"),
];
/// Cells of the keys in the help.
const HELP_KEYS: usize = 10;
const SHADES: [&str; 5] = [" ", "░", "▒", "▓", "█"];

/// Draws the state; `colour`: whether the terminal is to show any.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State, colour: bool) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    let picture = if state.picture && area.height >= 16 { Constraint::Percentage(45) } else { Constraint::Length(0) };
    let keys = key_lines(area.width);
    let foot = if area.height >= 10 { keys.len() as u16 } else { u16::from(area.height >= 4) };
    let note = u16::from(state.note.is_some() && area.height >= 5);
    let [head, notes, level, middle, mel, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(note),
        Constraint::Length(u16::from(area.height >= 3)),
        Constraint::Min(0),
        picture,
        Constraint::Length(foot),
    ])
    .areas(area);
    head_line(state, head.width).render(head, buffer);
    if let Some(note) = &state.note {
        let note = shortened(note, usize::from(notes.width).saturating_sub(2));
        Line::styled(format!(" {note}"), tint(colour, palette::LABELS[1])).render(notes, buffer);
    }
    level_line(state, level.width, colour).render(level, buffer);
    let [now, log] = if area.width >= 60 {
        let log = (u32::from(middle.width) * 46 / 100).max(36) as u16;
        Layout::horizontal([Constraint::Min(0), Constraint::Length(log)]).areas(middle)
    } else {
        let rows = if middle.height >= 7 { middle.height / 2 } else { 0 };
        Layout::vertical([Constraint::Min(0), Constraint::Length(rows)]).areas(middle)
    };
    bars(state, now, buffer, colour);
    event_log(state, log, buffer, colour);
    mel_picture(state, mel, buffer, colour);
    for (row, line) in foot.rows().zip(keys) {
        Line::styled(line, dim()).render(row, buffer);
    }
    if state.help {
        help(area, buffer);
    }
}

/// The keys in as many lines as they need.
fn key_lines(width: u16) -> Vec<String> {
    let mut lines = vec![String::new()];
    for key in KEYS {
        let last = lines.last().map_or(0, |line| line.width());
        let (between, room) = (if last == 0 { " " } else { " · " }, usize::from(width));
        match lines.last_mut() {
            Some(line) if last == 0 || last + between.width() + key.width() <= room => {
                line.push_str(between);
                line.push_str(key);
            }
            _ => lines.push(format!(" {key}")),
        }
    }
    lines
}

/// A text of at most `width` cells, with `…` at its end where some is left out.
fn shortened(text: &str, width: usize) -> String {
    let text = text::visible(text);
    if text.width() <= width {
        return text.into_owned();
    }
    if width == 0 {
        return String::new();
    }
    // Characters may combine, so the width is that of the text so far.
    let ends = text.char_indices().map(|(at, character)| at + character.len_utf8());
    let end = ends.take_while(|end| text[..*end].width() < width).last().unwrap_or(0);
    format!("{}…", &text[..end])
}

/// A text of `width` cells, or its own width if that is more.
fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
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

/// Clock, source and settings; in a narrow view the settings are left out first, then the source is shortened.
fn head_line(state: &State, width: u16) -> Line<'static> {
    let clock = format!(" {} ", clock(state.time));
    let paused = if state.paused { " PAUSED" } else { "" };
    let room = usize::from(width).saturating_sub(clock.len() + paused.len());
    let all = format!(" · {} · threshold {:.2}", state.model, state.threshold);
    let brief = format!(" ≥ {:.2}", state.threshold);
    let wanted = state.source.width().min(12);
    let settings = [all, brief, String::new()].into_iter().find(|it| it.width() + wanted <= room);
    let settings = settings.unwrap_or_default();
    let source = shortened(&state.source, room.saturating_sub(settings.width()));
    Line::from(vec![
        Span::styled(clock, bold()),
        Span::raw(source),
        Span::styled(settings, dim()),
        Span::styled(paused, bold().add_modifier(Modifier::REVERSED)),
    ])
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

/// Lowest value of a bar that is drawn: below, a row would say nothing but 0 %.
const MINIMUM_BAR: f64 = 0.005;

fn bars(state: &State, area: Rect, buffer: &mut Buffer, colour: bool) {
    let area = inside(" Now ", area, buffer);
    let shown = state.bars.iter().filter(|bar| bar.value >= MINIMUM_BAR).take(area.height.into());
    let names = shown.clone().map(|bar| bar.label.width()).max().unwrap_or(0).clamp(8, 28);
    let names = names.min((usize::from(area.width) / 2).max(usize::from(area.width).saturating_sub(7 + 10)));
    let room = usize::from(area.width).saturating_sub(names + 7);
    for (row, bar) in (area.top()..).zip(shown) {
        let style = tint(colour, palette::LABELS[bar.index % palette::LABELS.len()]);
        let name = shortened(&bar.label, names);
        let line = Line::from(vec![
            Span::styled(format!("{} ", padded(&name, names)), if bar.value >= 0.5 { bold() } else { Style::new() }),
            Span::styled(format!("{:<room$}", solid(bar.value, room)), style),
            Span::raw(format!(" {:>3.0} %", bar.value * 100.0)),
        ]);
        line.render(Rect { y: row, height: 1, ..area }, buffer);
    }
    if state.bars.iter().all(|bar| bar.value < MINIMUM_BAR) && area.height > 0 {
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
    for (row, line) in area.rows().zip(&state.log) {
        let mark = if line.open { Span::styled("●", tint(colour, [213, 60, 40])) } else { Span::raw(" ") };
        let (peak, seconds) = (line.peak * 100.0, line.duration as f64 / 1e9);
        let numbers = if area.width >= 28 { format!(" {peak:.0} % {seconds:.1} s") } else { format!(" {peak:.0} %") };
        let room = usize::from(area.width).saturating_sub(1 + line.time.width() + 1 + numbers.width());
        let label = shortened(&line.label, room);
        let line = Line::from(vec![
            mark,
            Span::styled(line.time.as_str(), dim()),
            Span::styled(format!(" {}", padded(&label, room)), if line.open { bold() } else { Style::new() }),
            Span::styled(numbers, dim()),
        ]);
        line.render(row, buffer);
    }
}

/// Newest at the right, lowest band at the bottom; with colour two bands a cell.
fn mel_picture(state: &State, area: Rect, buffer: &mut Buffer, colour: bool) {
    if area.height == 0 {
        return;
    }
    let area = inside(" Log-mel ", area, buffer);
    let area = axes(state, area, buffer);
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

/// At most eight characters: "50 Hz", "2.6 kHz", "15 kHz", "15.5 kHz".
fn frequency(hertz: f64) -> String {
    if hertz < 1000.0 { format!("{hertz:.0} Hz") } else { format!("{} kHz", (hertz / 100.0).round() / 10.0) }
}

/// Draws frequencies at the left and seconds below, where they find room; the rest of the area.
fn axes(state: &State, area: Rect, buffer: &mut Buffer) -> Rect {
    const LEFT: u16 = 8;
    if area.width < 4 * LEFT || area.height < 4 {
        return area;
    }
    let [body, foot] = Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(area);
    let [left, picture] = Layout::horizontal([Constraint::Length(LEFT), Constraint::Min(0)]).areas(body);
    let rows = [left.bottom() - 1, left.top() + left.height / 2, left.top()];
    for (y, hertz) in rows.into_iter().zip(state.bands) {
        let text = frequency(hertz);
        Line::styled(format!("{text:>8}"), dim()).render(Rect { y, height: 1, ..left }, buffer);
    }
    let length = f64::from(picture.width) / state.column_rate;
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|step| length / step <= f64::from(picture.width) / 12.0);
    let step = step.unwrap_or(20.0);
    for mark in 0..=(length / step) as u32 {
        let ago = f64::from(mark) * step;
        let text = if mark == 0 { "now".to_owned() } else { format!("−{ago:.0} s") };
        let back = (ago * state.column_rate) as u16;
        let Some(end) = picture.right().checked_sub(back).filter(|end| *end >= picture.left() + 6) else { break };
        let width = text.width() as u16;
        let place = Rect { x: end.saturating_sub(width), y: foot.y, width, height: 1 };
        Line::styled(text, dim()).render(place, buffer);
    }
    picture
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
    let widest = HELP.iter().map(|(_, what)| HELP_KEYS + what.width()).max().unwrap_or(0);
    // Between the borders, a blank at each side.
    let width = (widest as u16 + 4).min(area.width);
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    Clear.render(place, buffer);
    let lines = HELP.iter().map(|(key, what)| {
        Line::from(vec![Span::styled(format!(" {}", padded(key, HELP_KEYS)), bold()), Span::raw(*what)])
    });
    Paragraph::new(lines.collect::<Vec<_>>()).block(block(" Keys ")).render(place, buffer);
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, backend::TestBackend};

    use super::*;
    use gstsoundclassify::EventKind;

    use crate::live::state::tests::{event, window};

    fn busy() -> State {
        let mut state = State::new("Microphone", "test", 0.25, 0);
        state.window(&window(12, &[("Writing", 1, 0.81), ("Scissors", 2, 0.12), ("Bark", 3, 0.05)]));
        state.tick(std::time::Duration::from_secs(2));
        state.event(&event(EventKind::Start, 0, "A label that is long, very long"), "14:03:21");
        state.axes([50.0, 2000.0, 8000.0], 25.0);
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
    fn frequencies_fit_the_axis() {
        let texts = [50.0, 999.4, 1000.0, 2567.0, 8000.0, 15_000.0, 22_050.0].map(frequency);
        assert_eq!(texts, ["50 Hz", "999 Hz", "1 kHz", "2.6 kHz", "8 kHz", "15 kHz", "22.1 kHz"]);
    }

    #[test]
    fn a_usual_terminal_shows_level_bars_events_and_picture() {
        let screen = screen(&busy(), 100, 30, true);

        for wanted in [
            "Microphone",
            "threshold 0.25",
            "-20 dB",
            "Writing",
            "81 %",
            "Events",
            "14:03:21",
            "Log-mel",
            "▀",
            "q quit",
        ] {
            assert!(screen.contains(wanted), "{wanted} is missing in\n{screen}");
        }
    }

    #[test]
    fn labels_are_shortened_and_numbers_never() {
        let mut state = busy();
        state.note("a note".to_owned());
        state.source = "A microphone with quite a long name of its own".to_owned();
        for (width, height, wanted) in [
            (
                120,
                40,
                &["threshold 0.25", "A label that is long", "80 % 1.5 s", "8 kHz", "2 kHz", "50 Hz", "−2 s", "now"][..],
            ),
            (80, 24, &["threshold 0.25", "A label", "…", "80 % 1.5 s", "8 kHz", "50 Hz", "? help"]),
            (40, 12, &["≥ 0.25", "…", "81 %", "80 %", "14:03:21", "q quit", "? help", "a note"]),
        ] {
            let screen = screen(&state, width, height, true);
            for wanted in wanted {
                assert!(screen.contains(wanted), "{width}×{height}: {wanted} is missing in\n{screen}");
            }
        }
    }

    #[test]
    fn wide_labels_leave_numbers_whole() {
        let mut state = busy();
        let label = "中くらいの高さの音のとても長い名前のラベル";
        state.window(&window(13, &[(label, 1, 0.81), (label, 2, 1.0)]));
        for bar in &mut state.bars {
            bar.label = label.to_owned();
        }
        state.tick(std::time::Duration::from_secs(2));
        state.event(&event(EventKind::Start, 0, label), "14:03:21");
        state.source = label.to_owned();
        for line in &mut state.log {
            line.label = label.to_owned();
        }
        for (width, height, wanted) in
            [(100, 30, &["81 %", "80 % 1.5 s"][..]), (80, 24, &["81 %", "80 % 1.5 s"]), (40, 12, &["81 %", "80 %"])]
        {
            let screen = screen(&state, width, height, true);
            for wanted in [wanted, &["中"]].concat() {
                assert!(screen.contains(wanted), "{width}×{height}: {wanted} is missing in\n{screen}");
            }
        }
        assert_eq!(shortened(label, 7), "中くら…");
        assert_eq!(shortened("e\u{301}tude", 4), "e\u{301}tu…");
        assert_eq!((shortened(label, 1), shortened(label, 0)), ("…".to_owned(), String::new()));
    }

    #[test]
    fn the_help_is_shown_whole() {
        let mut state = busy();
        state.help = true;
        for (width, height) in [(120, 40), (80, 24), (40, 12)] {
            let screen = screen(&state, width, height, true);
            for (_, what) in HELP {
                assert!(screen.contains(&format!("{what} ")), "{width}×{height}: {what} is missing in\n{screen}");
            }
        }
    }

    #[test]
    fn numbers_of_events_are_whole_at_every_usual_width() {
        let state = busy();
        for width in 32..=120 {
            let screen = screen(&state, width, 24, true);
            assert!(screen.contains(" 80 % 1.5 s"), "{width}:\n{screen}");
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
