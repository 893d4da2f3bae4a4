// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the live view shows, without any terminal: results in, keys in, commands out.

use std::{collections::VecDeque, time::Duration};

use gstsoundclassify::{Classification, ClassificationEvent, EventKind};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// Lowest level of the display, dBFS.
pub(super) const QUIET: f32 = -60.0;
/// Loudness range of the log-mel picture, dB.
const PICTURE_RANGE: f32 = 80.0;
const COLUMNS: usize = 512;
const LOG_LINES: usize = 200;
/// Time in which a bar moves most of the way to its new value.
const EASE: Duration = Duration::from_millis(80);
/// Peak marks fall this much a second, dB.
const PEAK_FALL: f32 = 12.0;
/// How long a peak mark stays where it is.
const PEAK_HOLD: Duration = Duration::from_millis(1500);
/// Minimum time between changes of the order of bars, so they can be read.
const ORDER_INTERVAL: Duration = Duration::from_millis(600);
/// Neighbours whose order is wrong by more than this change places immediately.
const ORDER_MARGIN: f64 = 0.02;
/// A note is read by then.
const NOTE: Duration = Duration::from_secs(8);
/// How long after its end a window's labels stay, if no other window is reported, nanoseconds.
const STALE: u64 = 500_000_000;

/// The order of a key to the pipeline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Command {
    /// End the program.
    Quit,
    /// End the program as Ctrl-C does.
    Interrupt,
    /// Stop or continue listening.
    Pause(bool),
    /// A new value of the property `threshold`.
    Threshold(f64),
    /// Clear the results.
    Reset,
}

/// A label with its moving bar.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) index: usize,
    /// What is drawn, 0 to 1.
    pub(super) value: f64,
    target: f64,
}

/// One line of the event log.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LogLine {
    id: u64,
    /// Time of day of its onset.
    pub(super) time: String,
    pub(super) label: String,
    pub(super) peak: f64,
    /// Length so far, nanoseconds.
    pub(super) duration: u64,
    pub(super) open: bool,
}

/// All that the view shows.
pub(super) struct State {
    pub(super) source: String,
    pub(super) model: String,
    pub(super) threshold: f64,
    pub(super) paused: bool,
    pub(super) help: bool,
    pub(super) picture: bool,
    /// Time of the sound that plays, nanoseconds.
    pub(super) time: u64,
    /// End of the newest window, nanoseconds.
    last_end: u64,
    /// What may lie between the ends of two windows that are reported, nanoseconds.
    timeout: u64,
    /// Loudness now and its falling peak, dBFS.
    pub(super) level: f32,
    pub(super) peak: f32,
    pub(super) bars: Vec<Bar>,
    pub(super) log: VecDeque<LogLine>,
    /// Newest last; each value 0 to 1, lowest band first.
    pub(super) columns: VecDeque<Vec<f32>>,
    pub(super) note: Option<String>,
    /// What of a note's time is left; without one it stays.
    note_left: Option<Duration>,
    loudest: f32,
    /// Frequencies at the picture's bottom, middle and top, Hz.
    pub(super) bands: [f64; 3],
    /// Columns of the picture a second.
    pub(super) column_rate: f64,
    /// What is left of the time that the peak mark stays.
    hold: Duration,
    /// Time since the bars were put in order.
    ordered: Duration,
}

impl State {
    /// A view without results. `batch`: time from one report of windows to the next, nanoseconds.
    pub(super) fn new(source: &str, model: &str, threshold: f64, batch: u64) -> Self {
        Self {
            source: source.to_owned(),
            model: model.to_owned(),
            threshold,
            paused: false,
            help: false,
            picture: true,
            time: 0,
            last_end: 0,
            timeout: STALE + batch,
            level: QUIET,
            peak: QUIET,
            bars: Vec::new(),
            log: VecDeque::new(),
            columns: VecDeque::new(),
            note: None,
            note_left: None,
            loudest: QUIET,
            bands: [0.0; 3],
            column_rate: 25.0,
            hold: Duration::ZERO,
            ordered: ORDER_INTERVAL,
        }
    }

    /// Sets the picture's axes.
    pub(super) fn axes(&mut self, bands: [f64; 3], column_rate: f64) {
        (self.bands, self.column_rate) = (bands, column_rate);
    }

    /// The source was interrupted; its positions start at 0 again.
    pub(super) fn restart(&mut self) {
        (self.time, self.last_end) = (0, 0);
        for bar in &mut self.bars {
            bar.target = 0.0;
        }
        for line in &mut self.log {
            line.open = false;
        }
    }

    /// Adds a window: the bars of its labels move to their probabilities, all others to zero.
    pub(super) fn window(&mut self, window: &Classification) {
        self.last_end = (window.start() + window.duration).nseconds();
        self.time = self.time.max(self.last_end);
        for bar in &mut self.bars {
            bar.target = 0.0;
        }
        for prediction in &window.predictions {
            match self.bars.iter_mut().find(|bar| bar.index == prediction.index) {
                Some(bar) => bar.target = prediction.probability,
                None => self.bars.push(Bar {
                    label: prediction.label.clone(),
                    index: prediction.index,
                    value: 0.0,
                    target: prediction.probability,
                }),
            }
        }
    }

    /// Audio came up to here, nanoseconds. When no window is reported any more, since nothing passes the threshold or
    /// all is silent, all bars fall.
    pub(super) fn sounded(&mut self, until: u64) {
        self.time = self.time.max(until);
        if self.time > self.last_end + self.timeout {
            for bar in &mut self.bars {
                bar.target = 0.0;
            }
        }
    }

    /// Says something for a while.
    pub(super) fn note(&mut self, text: String) {
        (self.note, self.note_left) = (Some(text), Some(NOTE));
    }

    /// Says that the stream is over, from now on.
    pub(super) fn end(&mut self) {
        (self.note, self.note_left) = (Some("end of the stream".to_owned()), None);
    }

    /// Takes in an event message; `time`: time of day of its onset.
    pub(super) fn event(&mut self, event: &ClassificationEvent, time: &str) {
        if event.kind == EventKind::Start {
            self.log.push_front(LogLine {
                id: event.event_id,
                time: time.to_owned(),
                label: event.now.label.clone(),
                peak: event.peak,
                duration: event.duration.nseconds(),
                open: true,
            });
            self.log.truncate(LOG_LINES);
        } else if let Some(line) = self.log.iter_mut().find(|line| line.open && line.id == event.event_id) {
            line.peak = event.peak;
            line.duration = event.duration.nseconds();
            line.open = event.kind != EventKind::End;
        }
    }

    /// Takes in one column of the picture, dB of each band, lowest first.
    pub(super) fn column(&mut self, decibels: &[f32]) {
        let loudest = decibels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        // The brightest colour follows loud sounds immediately and returns slowly.
        self.loudest = if loudest > self.loudest { loudest } else { self.loudest * 0.995 + loudest.max(QUIET) * 0.005 };
        let floor = self.loudest - PICTURE_RANGE;
        self.columns
            .push_back(decibels.iter().map(|value| ((value - floor) / PICTURE_RANGE).clamp(0.0, 1.0)).collect());
        if self.columns.len() > COLUMNS {
            self.columns.pop_front();
        }
    }

    /// Takes in the loudness of the last few milliseconds, dBFS.
    pub(super) fn loudness(&mut self, level: f32, peak: f32) {
        self.level = level.clamp(QUIET, 0.0);
        let peak = peak.clamp(QUIET, 0.0);
        if peak >= self.peak {
            (self.peak, self.hold) = (peak, PEAK_HOLD);
        }
    }

    /// Updates the animations.
    pub(super) fn tick(&mut self, passed: Duration) {
        if let Some(left) = &mut self.note_left {
            *left = left.saturating_sub(passed);
            if left.is_zero() {
                (self.note, self.note_left) = (None, None);
            }
        }
        if self.paused {
            return;
        }
        let part = 1.0 - (-passed.as_secs_f64() / EASE.as_secs_f64()).exp();
        for bar in &mut self.bars {
            bar.value += (bar.target - bar.value) * part;
        }
        self.bars.retain(|bar| bar.target > 0.0 || bar.value > 0.005);
        self.ordered += passed;
        let mixed = self.bars.windows(2).any(|pair| pair[1].value > pair[0].value + ORDER_MARGIN);
        if mixed || self.ordered >= ORDER_INTERVAL {
            self.order();
        }
        self.hold = self.hold.saturating_sub(passed);
        if self.hold.is_zero() {
            self.peak = (self.peak - PEAK_FALL * passed.as_secs_f32()).max(self.level);
        }
    }

    /// Stops or continues the animations.
    pub(super) fn pause(&mut self, paused: bool) {
        self.paused = paused;
        self.order();
    }

    /// The highest bar first.
    fn order(&mut self) {
        self.ordered = Duration::ZERO;
        self.bars.sort_by(|a, b| b.value.total_cmp(&a.value));
    }

    /// Takes in a key.
    pub(super) fn key(&mut self, key: KeyEvent) -> Option<Command> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return (key.code == KeyCode::Char('c')).then_some(Command::Interrupt);
        }
        match key.code {
            KeyCode::Esc if self.help => self.help = false,
            KeyCode::Char('q') | KeyCode::Esc => return Some(Command::Quit),
            KeyCode::Char(' ' | 'p') => {
                self.pause(!self.paused);
                return Some(Command::Pause(self.paused));
            }
            KeyCode::Up | KeyCode::Char('+' | '=') => return Some(self.move_threshold(0.05)),
            KeyCode::Down | KeyCode::Char('-') => return Some(self.move_threshold(-0.05)),
            KeyCode::Char('m') => self.picture = !self.picture,
            KeyCode::Char('?' | 'h') => self.help = !self.help,
            KeyCode::Char('r') => {
                self.bars.clear();
                self.log.clear();
                self.columns.clear();
                return Some(Command::Reset);
            }
            _ => {}
        }
        None
    }

    fn move_threshold(&mut self, step: f64) -> Command {
        // Steps of whole hundredths, so rounding errors do not accumulate.
        self.threshold = ((self.threshold + step) * 100.0).round().clamp(0.0, 100.0) / 100.0;
        Command::Threshold(self.threshold)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use gst::ClockTime;
    use gstsoundclassify::Label;

    pub(in crate::live) fn window(number: u64, scores: &[(&str, usize, f64)]) -> Classification {
        let predictions =
            scores.iter().map(|&(label, index, probability)| Label { label: label.to_owned(), index, probability });
        Classification {
            timestamp: ClockTime::from_mseconds(number * 100),
            stream_time: None,
            running_time: Some(ClockTime::from_mseconds(number * 100)),
            duration: ClockTime::SECOND,
            utc: None,
            rms: -20.0,
            peak: -10.0,
            window: number,
            predictions: predictions.collect(),
            model: "test".to_owned(),
        }
    }

    pub(in crate::live) fn event(kind: EventKind, id: u64, label: &str) -> ClassificationEvent {
        ClassificationEvent {
            kind,
            event_id: id,
            timestamp: ClockTime::from_seconds(3),
            stream_time: None,
            running_time: None,
            duration: ClockTime::from_mseconds(1500),
            utc: None,
            now: Label { label: label.to_owned(), index: 1, probability: 0.7 },
            peak: 0.8,
        }
    }

    fn press(state: &mut State, code: KeyCode) -> Option<Command> {
        state.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn labels(state: &State) -> Vec<&str> {
        state.bars.iter().map(|bar| bar.label.as_str()).collect()
    }

    #[test]
    fn bars_move_to_the_newest_window_best_first() {
        let mut state = State::new("mic", "test", 0.0, 0);

        state.window(&window(0, &[("Bark", 1, 0.9), ("Meow", 2, 0.1)]));
        state.window(&window(1, &[("Meow", 2, 0.8), ("Knock", 3, 0.2)]));
        state.tick(Duration::from_secs(1));

        assert_eq!(labels(&state), ["Meow", "Knock"]);
        assert!((state.bars[0].value - 0.8).abs() < 1e-3);
    }

    #[test]
    fn bars_fall_when_no_window_is_reported_any_more() {
        let mut state = State::new("mic", "test", 0.0, 100_000_000);
        state.window(&window(0, &[("Bark", 1, 0.9)]));
        state.tick(Duration::from_secs(1));

        state.sounded(1_500_000_000);
        state.tick(Duration::from_secs(1));
        assert_eq!(labels(&state), ["Bark"]);
        state.sounded(1_700_000_000);
        state.tick(Duration::from_secs(1));

        assert_eq!((labels(&state), state.time), (vec![], 1_700_000_000));
    }

    #[test]
    fn a_note_goes_and_the_end_stays() {
        let mut state = State::new("mic", "test", 0.0, 0);

        state.note("too slow".to_owned());
        state.tick(NOTE / 2);
        assert_eq!(state.note.as_deref(), Some("too slow"));
        state.tick(NOTE / 2);
        assert_eq!(state.note, None);
        state.end();
        state.tick(2 * NOTE);

        assert_eq!(state.note.as_deref(), Some("end of the stream"));
    }

    #[test]
    fn the_threshold_moves_in_steps_and_stays_within_its_range() {
        let mut state = State::new("mic", "test", 0.97, 0);

        assert_eq!(press(&mut state, KeyCode::Up), Some(Command::Threshold(1.0)));
        assert_eq!(press(&mut state, KeyCode::Up), Some(Command::Threshold(1.0)));
        assert_eq!(press(&mut state, KeyCode::Char('-')), Some(Command::Threshold(0.95)));
    }

    /// Bars at these values, in this order, just after they were put in order.
    fn mixed(values: &[f64]) -> State {
        let mut state = State::new("mic", "test", 0.0, 0);
        let names = ["Bark", "Meow", "Knock"];
        let scores: Vec<_> = values.iter().enumerate().map(|(index, value)| (names[index], index, *value)).collect();
        state.window(&window(0, &scores));
        state.bars.iter_mut().for_each(|bar| bar.value = bar.target);
        state.ordered = Duration::ZERO;
        state
    }

    fn shown(state: &State) -> Vec<usize> {
        state.bars.iter().map(|bar| bar.index).collect()
    }

    #[test]
    fn neighbours_change_places_at_once_where_their_order_is_clearly_wrong() {
        for (values, order) in [([0.5, 0.51, 0.2], [0, 1, 2]), ([0.5, 0.2, 0.23], [0, 2, 1])] {
            let mut state = mixed(&values);

            state.tick(Duration::from_millis(33));
            assert_eq!(shown(&state), order, "{values:?}");
        }
    }

    #[test]
    fn a_paused_view_is_sorted() {
        let mut state = mixed(&[0.5, 0.51, 0.2]);

        press(&mut state, KeyCode::Char('p'));

        assert_eq!(shown(&state), [1, 0, 2]);
    }

    #[test]
    fn a_paused_view_stands_still() {
        let mut state = State::new("mic", "test", 0.0, 0);
        state.window(&window(0, &[("Bark", 1, 0.9)]));

        assert_eq!(press(&mut state, KeyCode::Char(' ')), Some(Command::Pause(true)));
        state.tick(Duration::from_secs(1));

        assert_eq!(state.bars[0].value, 0.0);
        assert_eq!(press(&mut state, KeyCode::Char('p')), Some(Command::Pause(false)));
    }

    #[test]
    fn events_open_and_close_their_line() {
        let mut state = State::new("mic", "test", 0.0, 0);

        state.event(&event(EventKind::Start, 0, "Bark"), "14:03:21");
        assert!(state.log[0].open);
        state.event(&event(EventKind::End, 0, "Bark"), "14:03:21");

        assert_eq!((state.log.len(), state.log[0].open), (1, false));
    }

    #[test]
    fn quitting_is_reported_from_interrupting() {
        let mut state = State::new("mic", "test", 0.0, 0);

        assert_eq!(press(&mut state, KeyCode::Char('q')), Some(Command::Quit));
        let key = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(state.key(key), Some(Command::Interrupt));
        assert_eq!(press(&mut state, KeyCode::Char('?')), None);
        assert_eq!(press(&mut state, KeyCode::Esc), None, "closes the help first");
        assert_eq!(press(&mut state, KeyCode::Esc), Some(Command::Quit));
    }

    #[test]
    fn memory_of_a_long_session_is_bounded() {
        let mut state = State::new("mic", "test", 0.0, 0);

        for number in 0..3000 {
            state.column(&[-20.0; 64]);
            state.event(&event(EventKind::Start, number, "Bark"), "14:03:21");
        }

        assert_eq!((state.columns.len(), state.log.len()), (COLUMNS, LOG_LINES));
    }
}
