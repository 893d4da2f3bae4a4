// SPDX-License-Identifier: MIT OR Apache-2.0
//! Discontinuities: how a buffer joins the audio before it, by its timestamp, DISCONT and the count of samples.
//!
//! The rule is that of `GstAudioStreamAlign`: a difference of more than 40 ms has to last for a second before it is
//! a discontinuity. Timestamps are compared with a line that starts at the first one, counts samples and follows slow
//! drift, so a packet that is late or in a burst has no effect. If timestamps were exact so far, a step of up to
//! 200 ms is a hole; if they contradict the samples for a second, they are ignored from then on.

use std::fmt;

/// Differences up to this are jitter, ns.
pub(super) const JUMP: i64 = 40 * MS;
/// A difference has to last this long, of audio.
const SETTLED: i64 = SECOND;
/// Maximum hole that is filled with silence: one or a few packets. Networks are trained with as much erased.
const MAX_HOLE: i64 = 200 * MS;
/// Minimum hole with DISCONT; a smaller one is rounding, because no packet is so short.
const MIN_HOLE: i64 = MS / 2;
/// A step without DISCONT is rounding or drift up to this.
const ROUNDING: i64 = 5 * MS;
/// A lost packet without DISCONT is at least this long.
const MIN_STEP: i64 = 10 * MS;
/// After this duration of exact timestamps, a step is a hole without further proof.
const EXACT_AFTER: i64 = 400 * MS;
/// Maximum jitter from one buffer to the next.
const IMPLAUSIBLE: i64 = 500 * MS;
/// Movement within half a second of timestamps that run at a different rate than the samples.
const SENSELESS: i64 = 100 * MS;
/// Tolerance for audio that continues where it ended before a gap.
const OVERTAKEN: i64 = 10 * MS;
/// Jitter, steps back and shifts are remembered for this long, of audio.
const MEMORY: i64 = 10 * SECOND;
/// Steps back or shifts of one kind within [`MEMORY`] of each other until timestamps are ignored.
const TOO_OFTEN: u32 = 3;

const SECOND: i64 = 1_000_000_000;
const MS: i64 = 1_000_000;
/// Later timestamps, after 283 years, count as missing: sums of others can't overflow.
const MAX_TIMESTAMP: u64 = i64::MAX as u64 - (1 << 58);

/// How audio joins what came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The audio continues.
    Join,
    /// This many nanoseconds are missing and are filled with silence.
    Hole(u64),
    /// A discontinuity.
    Break,
}

/// Why timestamps are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nonsense {
    /// They step back repeatedly.
    StepsBack,
    /// They run at a different rate than the samples.
    OtherRate,
    /// Buffers are repeatedly marked DISCONT and have no timestamps.
    Missing,
}

impl fmt::Display for Nonsense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StepsBack => "timestamps step back repeatedly",
            Self::OtherRate => "timestamps run at a different rate than the samples",
            Self::Missing => "buffers are repeatedly marked DISCONT and have no timestamps",
        })
    }
}

/// Compares timestamps with the count of samples. Times are nanoseconds.
#[derive(Debug, Clone)]
pub(super) struct Aligner {
    rate: u64,
    /// Played backwards: each buffer lies before the one that came before it.
    reverse: bool,
    /// Frames since the last break.
    frames: u64,
    /// Nanoseconds of audio since the stream began.
    audio: i64,
    /// Timestamp of the last buffer.
    last: Option<i64>,
    /// Where the last buffer ended by its own timestamp.
    end: Option<i64>,
    /// Where audio ended before the silence that came last instead of what is missing. What an element before still
    /// held may come behind it.
    gap: Option<i64>,
    line: Option<Line>,
    /// Part of the difference that steps of exact timestamps made, each too short to be certain of.
    missing: i64,
    /// How long timestamps have been exact.
    exact: i64,
    /// When jitter was last seen.
    jitter: Option<i64>,
    /// The last hole that only timestamps proved.
    hole: Option<Hole>,
    watch: Option<Watch>,
    steps_back: Count,
    shifts: [Count; 2],
    /// How far rounded steps lead behind the count of samples.
    behind: i64,
    /// Marked DISCONT, in a stream without timestamps.
    unstamped: Count,
    /// Breaks with no joined buffer between them.
    run: Option<(i64, u32)>,
    /// What comes next does not join, whatever its timestamp.
    rest_is_lost: bool,
    ignored: Option<Nonsense>,
}

/// Where timestamps lie by the count of samples.
#[derive(Debug, Clone, Copy)]
struct Line {
    frame: u64,
    pts: i64,
}

#[derive(Debug, Clone, Copy)]
struct Hole {
    at: i64,
    size: i64,
}

/// Things that happened within [`MEMORY`] of each other.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    first: i64,
    last: Option<i64>,
    number: u32,
}

impl Count {
    fn add(&mut self, now: i64) -> u32 {
        let goes_on = self.last.is_some_and(|last| now - last <= MEMORY);
        if !goes_on {
            (self.first, self.number) = (now, 0);
        }
        self.number += 1;
        self.last = Some(now);
        self.number
    }
}

/// Timestamps beside the line, all on the same side.
#[derive(Debug, Clone)]
struct Watch {
    since: i64,
    late: bool,
    /// One of them was before that of the buffer before.
    steps_back: bool,
    smallest: i64,
    largest: i64,
    /// Sum and number of the differences in the first and in the second half of the time.
    halves: [(i128, i64); 2],
}

impl Watch {
    fn new(since: i64, difference: i64) -> Self {
        let late = difference > 0;
        Self { since, late, steps_back: false, smallest: i64::MAX, largest: 0, halves: [(0, 0); 2] }
    }

    fn add(&mut self, now: i64, difference: i64) {
        self.smallest = self.smallest.min(difference.abs());
        self.largest = self.largest.max(difference.abs());
        let (sum, number) = &mut self.halves[usize::from(now - self.since > SETTLED / 2)];
        *sum += i128::from(difference);
        *number += 1;
    }

    fn means(&self) -> [i64; 2] {
        self.halves.map(|(sum, number)| (sum / i128::from(number.max(1))) as i64)
    }
}

impl Aligner {
    pub(super) fn new(rate: u32) -> Self {
        Self {
            rate: rate.max(1).into(),
            reverse: false,
            frames: 0,
            audio: 0,
            last: None,
            end: None,
            gap: None,
            line: None,
            missing: 0,
            exact: 0,
            jitter: None,
            hole: None,
            watch: None,
            steps_back: Count::default(),
            shifts: [Count::default(); 2],
            behind: 0,
            unstamped: Count::default(),
            run: None,
            rest_is_lost: false,
            ignored: None,
        }
    }

    /// A new stretch of audio: what is known about the source stays.
    pub(super) fn restart(&mut self) {
        self.frames = 0;
        (self.last, self.end, self.gap, self.line) = (None, None, None, None);
        (self.hole, self.watch) = (None, None);
        (self.exact, self.missing, self.behind) = (0, 0, 0);
        self.rest_is_lost = false;
    }

    /// Another segment: whatever its timestamps are, they are believed again.
    pub(super) fn begin_segment(&mut self, reverse: bool) {
        self.reverse = reverse;
        self.last = None;
        self.steps_back = Count::default();
        self.shifts = [Count::default(); 2];
        self.unstamped = Count::default();
        self.run = None;
        if self.ignored.take().is_some() {
            (self.last, self.end, self.gap, self.line, self.watch) = (None, None, None, None, None);
        }
    }

    /// Why timestamps are ignored, if they are.
    pub(super) fn ignored(&self) -> Option<Nonsense> {
        self.ignored
    }

    /// The rest of the last buffer was left out.
    pub(super) fn lose_rest(&mut self) {
        self.rest_is_lost = true;
    }

    /// Where the last buffer ended by its own timestamp, and whether a gap continues from there.
    pub(super) fn end(&self) -> Option<(i64, bool)> {
        self.end.map(|end| (end, self.gap.is_some()))
    }

    /// How a gap joins what came before.
    pub(super) fn judge_gap(&mut self, start: u64) -> Verdict {
        let Some(pts) = time(start) else { return Verdict::Join };
        let (Some(end), Some(difference)) = (self.end, self.difference(pts)) else { return Verdict::Join };
        if self.ignored.is_some() || self.is_overtaken(pts) || (pts - end).abs() <= JUMP || difference.abs() <= JUMP {
            return Verdict::Join;
        }
        match pts - end {
            step if step > 0 && step <= MAX_HOLE => Verdict::Hole(step as u64),
            step if step.abs() <= IMPLAUSIBLE && self.is_jittery() => Verdict::Join,
            step => self.cut(step),
        }
    }

    /// How `frames` that start at `pts` join what came before. `discont`: something between them is said to be missing.
    pub(super) fn judge(&mut self, pts: Option<u64>, frames: u64, discont: bool) -> Verdict {
        if std::mem::take(&mut self.rest_is_lost) {
            return Verdict::Break;
        }
        if self.ignored.is_some() {
            return Verdict::Join;
        }
        let (pts, length) = (pts.and_then(time), self.nanoseconds(frames));
        let verdict =
            if self.goes_on(pts, length, discont) { Verdict::Join } else { self.verdict(pts, length, discont) };
        if verdict != Verdict::Break {
            self.run = None;
        }
        verdict
    }

    // Whether audio continues where it ended, as that of nearly every buffer does: what `verdict` comes to then, in less code.
    fn goes_on(&mut self, pts: Option<i64>, length: i64, discont: bool) -> bool {
        let is_special = discont | self.reverse | self.gap.is_some() | self.hole.is_some() | self.watch.is_some();
        let (Some(pts), Some(end), Some(expected), false) = (pts, self.end, self.expected(), is_special) else {
            return false;
        };
        let (step, difference) = (pts - end, pts - expected);
        if step.abs() > 1 || (difference - self.missing).abs() > 1 || difference.abs() > JUMP {
            return false;
        }
        self.exact += length;
        self.behind = (self.behind - step).clamp(0, ROUNDING);
        true
    }

    #[cold]
    fn verdict(&mut self, pts: Option<i64>, length: i64, discont: bool) -> Verdict {
        let (Some(pts), Some(end)) = (pts, self.end) else { return self.without_time(discont) };
        let Some(difference) = self.difference(pts) else { return Verdict::Join };
        let step = pts - end;
        if self.is_overtaken(pts) || (discont && self.gap.is_some() && step.abs() <= JUMP) {
            return Verdict::Join;
        }
        if self.reverse {
            return if step.abs() > JUMP || (discont && step.abs() > MIN_HOLE) {
                Verdict::Break
            } else {
                Verdict::Join
            };
        }
        if self.hole_was_none(difference, length) {
            return Verdict::Join;
        }
        if discont && !self.is_jittery() {
            return self.announced(step, length);
        }
        // Equal timestamps are a burst, or no timestamps at all; and where audio comes in large pieces, each stamped when it
        // arrived, the first of a piece is where the count of samples says.
        let plausible = if self.is_jittery() { IMPLAUSIBLE } else { JUMP };
        if step.abs() > IMPLAUSIBLE && self.last != Some(pts) && difference.abs() > plausible {
            return self.cut(step);
        }
        self.note(step, length);
        if difference.abs() <= JUMP {
            self.watch = None;
            if step >= MIN_STEP && self.is_exact() {
                self.missing += step;
            }
            self.follow(difference - self.missing, length);
            return Verdict::Join;
        }
        if difference > 0 && step >= MIN_STEP && (discont || self.is_exact()) {
            return self.proven(step, difference);
        }
        self.watch(pts, difference)
    }

    // A hole that DISCONT announces is as long as the timestamps say. Rounded ones step on as far as they stepped back.
    #[cold]
    fn announced(&mut self, step: i64, length: i64) -> Verdict {
        let ahead = step - self.behind;
        match ahead {
            _ if step < -ROUNDING => self.cut(step),
            ..MIN_HOLE => {
                self.behind = (-ahead).clamp(0, ROUNDING);
                self.exact += length;
                Verdict::Join
            }
            MIN_HOLE..=MAX_HOLE => {
                self.behind = 0;
                Verdict::Hole(ahead as u64)
            }
            _ => self.cut(step),
        }
    }

    // The step is what is missing, but for what was missing before and too short to be certain of.
    #[cold]
    fn proven(&mut self, step: i64, difference: i64) -> Verdict {
        let size = if (difference - step).abs() <= ROUNDING { step } else { difference };
        if size > MAX_HOLE {
            return self.cut(step);
        }
        self.hole = Some(Hole { at: self.audio, size });
        self.missing = 0;
        Verdict::Hole(size as u64)
    }

    // A packet that was only late looks like a hole until the next one comes at its time.
    fn hole_was_none(&mut self, difference: i64, length: i64) -> bool {
        let Some(hole) = self.hole else { return false };
        let recent = self.audio - hole.at <= SETTLED.max(2 * length);
        if !recent {
            self.hole = None;
        }
        let back = recent && difference < -hole.size / 2 && (difference + hole.size).abs() <= JUMP;
        if back {
            self.hole = None;
            self.see_jitter();
            if let Some(line) = &mut self.line {
                line.pts -= hole.size;
            }
        }
        back
    }

    // The next timestamp shows what DISCONT means, unless buffers have none.
    #[cold]
    fn without_time(&mut self, discont: bool) -> Verdict {
        if !discont || self.frames == 0 || self.line.is_some() {
            return Verdict::Join;
        }
        if self.unstamped.add(self.audio) >= TOO_OFTEN && self.audio - self.unstamped.first >= SETTLED {
            return self.ignore(Nonsense::Missing);
        }
        Verdict::Break
    }

    // A new stretch of audio begins, unless that happens again and again.
    #[cold]
    fn cut(&mut self, step: i64) -> Verdict {
        if step < 0 && self.steps_back.add(self.audio) >= TOO_OFTEN {
            return self.ignore(Nonsense::StepsBack);
        }
        let (since, number) = self.run.map_or((self.audio, 1), |(since, number)| (since, number + 1));
        self.run = Some((since, number));
        if number >= TOO_OFTEN && self.audio - since >= SETTLED {
            return self.ignore(Nonsense::OtherRate);
        }
        Verdict::Break
    }

    #[cold]
    fn ignore(&mut self, why: Nonsense) -> Verdict {
        self.ignored = Some(why);
        self.watch = None;
        Verdict::Join
    }

    // Steps back are jitter; behind a gap an element's delay may have changed.
    fn note(&mut self, step: i64, length: i64) {
        if step.abs() <= ROUNDING {
            self.exact += length;
            self.behind = (self.behind - step).clamp(0, ROUNDING);
        } else if step < 0 && self.gap.is_none() {
            self.see_jitter();
        }
    }

    #[cold]
    fn see_jitter(&mut self) {
        self.jitter = Some(self.audio);
        (self.exact, self.missing) = (0, 0);
    }

    // Drift of up to 4 % moves the line.
    fn follow(&mut self, difference: i64, length: i64) {
        // One nanosecond is rounding, and no division of 128 bits.
        if let Some(line) = self.line.as_mut().filter(|_| difference.abs() > 1) {
            line.pts += (i128::from(difference) * i128::from(length) / i128::from(length + SECOND)) as i64;
        }
    }

    #[cold]
    fn watch(&mut self, pts: i64, difference: i64) -> Verdict {
        let (now, stepped_back) = (self.audio, self.last.is_some_and(|last| pts < last));
        if self.watch.as_ref().is_none_or(|watch| watch.late != (difference > 0)) {
            self.watch = Some(Watch::new(now, difference));
        }
        let Some(watch) = &mut self.watch else { return Verdict::Join };
        watch.add(now, difference);
        watch.steps_back |= stepped_back;
        if now - watch.since < SETTLED {
            return Verdict::Join;
        }
        let Some(watch) = self.watch.take() else { return Verdict::Join };
        self.settle(&watch, difference)
    }

    // The difference has lasted.
    #[cold]
    fn settle(&mut self, watch: &Watch, difference: i64) -> Verdict {
        let [first, second] = watch.means();
        if (second - first).abs() > SENSELESS {
            return self.ignore(if watch.steps_back { Nonsense::StepsBack } else { Nonsense::OtherRate });
        }
        // Jitter that is as wide proves nothing, and samples that come faster than their timestamps lack none.
        let proven = watch.smallest > watch.largest - watch.smallest && (watch.late || watch.steps_back);
        if proven && (watch.smallest > MAX_HOLE || !watch.late) {
            return self.cut(difference);
        }
        if self.shifts[usize::from(watch.late)].add(self.audio) >= TOO_OFTEN {
            return self.ignore(Nonsense::OtherRate);
        }
        let silence = if proven { watch.smallest } else { 0 };
        if let Some(line) = &mut self.line {
            line.pts += second - silence;
        }
        if proven { Verdict::Hole(silence as u64) } else { Verdict::Join }
    }

    /// Counts `frames` that start at `pts`. Gives their time, if they say one: where timestamps jitter, that of the line.
    pub(super) fn advance(&mut self, pts: Option<u64>, frames: u64) -> Option<u64> {
        // What was overtaken takes its place behind the silence, and moves no time.
        let pts = pts.and_then(time).filter(|&pts| self.ignored.is_none() && !self.is_overtaken(pts));
        let gap = self.gap.filter(|_| pts.is_none());
        let length = self.nanoseconds(frames);
        let time = pts.map(|pts| if self.is_jittery() { self.expected().unwrap_or(pts) } else { pts });
        if let Some(pts) = pts.filter(|_| self.line.is_none()) {
            self.line = Some(Line { frame: self.frames, pts });
            self.exact = length;
        }
        self.last = pts.or(self.last);
        self.end = pts.or(self.end).map(|start| start + length);
        self.gap = gap;
        self.frames += frames;
        self.audio += length;
        time.map(|time| u64::try_from(time).unwrap_or(0))
    }

    /// Counts `frames` of silence instead of audio that is missing.
    pub(super) fn advance_gap(&mut self, pts: Option<u64>, frames: u64) -> Option<u64> {
        let gap = self.gap.or(self.end).or(pts.and_then(time));
        let time = self.advance(pts, frames);
        self.gap = gap;
        time
    }

    // Audio that continues where it ended before a gap, and comes after that.
    fn is_overtaken(&self, pts: i64) -> bool {
        self.gap.is_some_and(|gap| (gap - pts).abs() <= OVERTAKEN)
    }

    fn is_jittery(&self) -> bool {
        self.jitter.is_some_and(|seen| self.audio - seen <= MEMORY)
    }

    fn is_exact(&self) -> bool {
        self.exact >= EXACT_AFTER && !self.is_jittery()
    }

    fn expected(&self) -> Option<i64> {
        self.line.map(|line| line.pts + self.nanoseconds(self.frames - line.frame))
    }

    fn difference(&self, pts: i64) -> Option<i64> {
        self.expected().map(|expected| pts - expected)
    }

    fn nanoseconds(&self, frames: u64) -> i64 {
        let seconds = frames / self.rate;
        (seconds * SECOND as u64 + (frames - seconds * self.rate) * SECOND as u64 / self.rate) as i64
    }
}

fn time(nanoseconds: u64) -> Option<i64> {
    (nanoseconds <= MAX_TIMESTAMP).then_some(nanoseconds as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: u32 = 16_000;

    /// What became of a stream.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Outcome {
        breaks: usize,
        /// Silence that was filled in, ms.
        silence: u64,
        ignored: Option<Nonsense>,
    }

    /// Plays packets of `length` ms with these timestamps, ms, and flags.
    fn play_flagged(length: u64, packets: impl IntoIterator<Item = (f64, bool)>) -> Outcome {
        let mut aligner = Aligner::new(RATE);
        let mut outcome = Outcome::default();
        let frames = length * u64::from(RATE) / 1000;
        for (pts, discont) in packets {
            let pts = (pts * 1e6).round() as u64;
            match aligner.judge(Some(pts), frames, discont) {
                Verdict::Join => {}
                Verdict::Hole(size) => {
                    outcome.silence += (size + 500_000) / 1_000_000;
                    aligner.advance_gap(Some(pts - size), size * u64::from(RATE) / 1_000_000_000);
                }
                Verdict::Break => {
                    outcome.breaks += 1;
                    aligner.restart();
                }
            }
            aligner.advance(Some(pts), frames);
        }
        outcome.ignored = aligner.ignored();
        outcome
    }

    fn play(length: u64, stamps: impl IntoIterator<Item = f64>) -> Outcome {
        play_flagged(length, stamps.into_iter().map(|pts| (pts, false)))
    }

    fn joined() -> Outcome {
        Outcome::default()
    }

    fn holes(silence: u64) -> Outcome {
        Outcome { silence, ..joined() }
    }

    fn breaks(breaks: usize) -> Outcome {
        Outcome { breaks, ..joined() }
    }

    /// Numbers in 0…1, the same for the same seed.
    fn random(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        }
    }

    /// Packets that are sent every `length` ms, arrive after `delay` and are stamped then; none overtakes another.
    fn arrivals(length: u64, number: u64, mut delay: impl FnMut(u64) -> f64) -> Vec<f64> {
        let mut last = f64::MIN;
        let arrival = |packet: u64| {
            last = last.max((packet * length) as f64 + delay(packet));
            last
        };
        (0..number).map(arrival).collect()
    }

    #[test]
    fn jitter_breaks_nothing() {
        for seed in 0..40 {
            for (length, largest) in
                [(20, 20.), (20, 60.), (20, 120.), (20, 200.), (100, 100.), (100, 150.), (10, 200.)]
            {
                let mut next = random(seed);
                let outcome = play(length, arrivals(length, 30_000 / length, |_| next() * largest));
                assert_eq!(
                    (outcome.breaks, outcome.ignored),
                    (0, None),
                    "{length} ms, 0…{largest} ms, seed {seed}: {outcome:?}"
                );
                assert!(outcome.silence <= 250, "{length} ms, 0…{largest} ms, seed {seed}: {outcome:?}");
            }
            for mean in [20., 40.] {
                let mut next = random(seed);
                let outcome = play(20, arrivals(20, 1500, |_| -mean * next().max(1e-9).ln()));
                assert_eq!((outcome.breaks, outcome.ignored), (0, None), "mean {mean} ms, seed {seed}: {outcome:?}");
            }
        }
    }

    #[test]
    fn bursts_break_nothing() {
        for every in [1000, 2000, 5000] {
            let stalls = |packet: u64| 150u64.saturating_sub(packet * 20 % every) as f64;
            assert_eq!(play(20, arrivals(20, 1500, stalls)).breaks, 0, "{every}");
        }
        let outcome = play(10, (0..3000u64).map(|packet| (packet / 10 * 100) as f64));
        assert_eq!(outcome, joined());
    }

    #[test]
    fn every_second_packet_may_be_late() {
        for late in [30., 50., 90.] {
            assert_eq!(
                play(100, (0..300u32).map(|n| f64::from(n) * 100. + f64::from(n % 2) * late)),
                joined(),
                "{late}"
            );
        }
    }

    #[test]
    fn one_late_packet_is_no_hole_for_long() {
        let late = |n: u32| if n == 100 { 60. } else { 0. };
        assert_eq!(play(20, (0..1000u32).map(|n| f64::from(n) * 20. + late(n))), holes(60));
        let often = |n: u32| if n % 40 == 39 { 60. } else { 0. };
        assert_eq!(play(20, (0..1000u32).map(|n| f64::from(n) * 20. + often(n))), holes(60));
    }

    #[test]
    fn a_hole_is_silence_with_and_without_a_flag() {
        for hole in [41., 60., 120., 200.] {
            let at = |n: u32| f64::from(n) * 100. + f64::from(n / 10) * hole;
            let lost = |n: u32| n > 0 && n.is_multiple_of(10);
            let silence = 9 * hole as u64;
            assert_eq!(play(100, (0..100).map(at)), holes(silence), "{hole}");
            assert_eq!(play_flagged(100, (0..100).map(|n| (at(n), lost(n)))), holes(silence), "{hole}");
        }
        let small = |n: u32| (f64::from(n) * 100. + f64::from(n / 10) * 5., n > 0 && n.is_multiple_of(10));
        assert_eq!(play_flagged(100, (0..100).map(small)), holes(45));
    }

    #[test]
    fn lost_packets_without_a_flag_are_silence() {
        let mut next = random(7);
        let stamps: Vec<f64> = (0..1500u32).filter(|n| *n < 50 || next() > 0.1).map(|n| f64::from(n) * 20.).collect();
        let missing = (1500 - stamps.len() as u64) * 20;
        let outcome = play(20, stamps);
        assert_eq!((outcome.breaks, outcome.ignored), (0, None));
        assert!(outcome.silence.abs_diff(missing) <= 60, "{outcome:?}, {missing} ms are missing");
    }

    #[test]
    fn long_holes_and_steps_back_are_breaks() {
        let jump =
            |by: f64| play(100, (0..100u32).map(|n| 200_000. + f64::from(n) * 100. + if n < 50 { 0. } else { by }));
        for by in [201., 490., 600., 70_000., -600., -100_000.] {
            assert_eq!(jump(by), breaks(1), "{by}");
        }
        let flagged = |by: f64| {
            play_flagged(
                100,
                (0..100u32).map(|n| (5000. + f64::from(n) * 100. + if n < 50 { 0. } else { by }, n == 50)),
            )
        };
        for by in [201., 600., -6., -100.] {
            assert_eq!(flagged(by), breaks(1), "{by}");
        }
        assert_eq!(flagged(0.), joined());
    }

    #[test]
    fn a_flag_on_each_buffer_says_nothing() {
        assert_eq!(play_flagged(100, (0..100u32).map(|n| (f64::from(n) * 100., true))), joined());
        // Milliseconds, as in Matroska and FLV.
        assert_eq!(play_flagged(64, (0..100u32).map(|n| ((f64::from(n) * 64.).floor(), true))), joined());
    }

    #[test]
    fn senseless_timestamps_are_ignored() {
        let ignored = |why| Outcome { ignored: Some(why), ..joined() };
        assert_eq!(play(100, (0..50).map(|_| 0.)), ignored(Nonsense::OtherRate));
        assert_eq!(play(1000, (0..10).map(|_| 0.)), ignored(Nonsense::OtherRate));
        // 16 kHz under the name of 48 kHz, and the other way round.
        assert_eq!(play(20, (0..500u32).map(|n| f64::from(n) * 60.)), ignored(Nonsense::OtherRate));
        assert_eq!(play(60, (0..500u32).map(|n| f64::from(n) * 20.)), ignored(Nonsense::OtherRate));
        assert_eq!(play(20, (0..1000u32).map(|n| f64::from(n) * 20. * 48. / 44.1)).ignored, Some(Nonsense::OtherRate));
        assert_eq!(play(20, (0..1000u32).map(|n| f64::from(n) * 20. * 44.1 / 48.)).ignored, Some(Nonsense::OtherRate));
        // Four blocks of each piece, which is stamped as if it held two.
        let pieces = (0..100u32).map(|n| f64::from(n / 4) * 85. + f64::from(n % 4) * 42.5);
        assert_eq!(play(42, pieces).breaks, 0);
        let pieces = (0..100u32).map(|n| f64::from(n / 4) * 200. + f64::from(n % 4) * 100.);
        assert_eq!(play(100, pieces), ignored(Nonsense::StepsBack));
    }

    #[test]
    fn a_source_that_starts_anew_all_the_time_is_not_believed() {
        let outcome = play(100, (0..300u32).map(|n| f64::from(n % 30) * 100.));
        assert_eq!((outcome.breaks, outcome.ignored), (2, Some(Nonsense::StepsBack)));
        // Once a minute is no nonsense.
        assert_eq!(play(100, (0..3000u32).map(|n| f64::from(n % 600) * 100.)), breaks(4));
    }

    #[test]
    fn pieces_with_holes_between_them_stand_alone() {
        assert_eq!(play(300, (0..30u32).map(|n| f64::from(n / 10) * 20_000. + f64::from(n % 10) * 300.)), breaks(2));
        assert_eq!(play(112, (0..9u32).map(|n| f64::from(n) * 1000.)), breaks(8));
    }

    #[test]
    fn slow_drift_is_followed() {
        for rate in [0.98, 0.99, 0.995, 1.005, 1.01, 1.02] {
            for length in [20, 100] {
                assert_eq!(
                    play(length, (0..3000u32).map(|n| 500. + f64::from(n) * length as f64 * rate)),
                    joined(),
                    "{rate}"
                );
            }
        }
    }

    /// Audio that arrives `piece` ms at a time, in packets that are stamped then.
    fn pieces(length: u64, piece: u64, seconds: u64, mut delay: impl FnMut(u64) -> f64) -> Vec<f64> {
        (0..seconds * 1000 / length)
            .map(|packet| packet * length / piece)
            .map(|n| (n * piece) as f64 + delay(n))
            .collect()
    }

    #[test]
    fn audio_that_arrives_in_large_pieces_is_continuous() {
        for piece in [300, 520, 640, 800, 960, 1000, 1024] {
            for length in [10, 20, 50, 128] {
                let outcome = play(length, pieces(length, piece, 60, |_| 0.0));
                assert_eq!((outcome.breaks, outcome.silence), (0, 0), "{piece} {length}: {outcome:?}");
            }
            let mut next = random(piece);
            let outcome = play(20, pieces(20, piece, 60, |_| 200.0 * next()));
            assert_eq!((outcome.breaks, outcome.silence), (0, 0), "{piece}, late: {outcome:?}");
        }
        // A second and more without a timestamp that fits: they are given up.
        for piece in [1100, 1500, 3000] {
            let outcome = play(20, pieces(20, piece, 60, |_| 0.0));
            assert!(outcome.breaks <= 1 && outcome.silence == 0, "{piece}: {outcome:?}");
        }
    }

    #[test]
    fn rounded_timestamps_with_discont_add_no_silence() {
        for (length, grid) in [(64.0 / 3.0, 1.0), (1024.0 / 44.1, 1.0), (6.25, 1.0), (1024.0 / 44.1, 4.0)] {
            for every in [1, 10, 50] {
                let (mut aligner, mut silence) = (Aligner::new(RATE), 0.0);
                for packet in 0..3000 {
                    let pts = ((f64::from(packet) * length / grid).floor() * grid * 1e6) as u64;
                    let frames =
                        (f64::from(packet + 1) * length * 16.0) as u64 - (f64::from(packet) * length * 16.0) as u64;
                    match aligner.judge(Some(pts), frames, packet % every == 0) {
                        Verdict::Join => {}
                        Verdict::Hole(size) => {
                            silence += size as f64 / 1e6;
                            aligner.advance_gap(Some(pts - size), size * 16 / 1_000_000);
                        }
                        Verdict::Break => panic!("{length} {grid} {every}: a break at {packet}"),
                    }
                    aligner.advance(Some(pts), frames);
                }
                assert!(silence <= 4.0 * grid, "{length} {grid} {every}: {silence} ms");
            }
        }
    }

    #[test]
    fn flags_without_a_timestamp_prove_nothing() {
        // Every 20th and 60th packet of a stream, the others with exact timestamps or with none.
        for (every, stamped, max_breaks) in [(20, true, 0), (60, true, 0), (20, false, 3), (60, false, 3)] {
            let (mut aligner, mut breaks) = (Aligner::new(RATE), 0);
            for packet in 0..3000u64 {
                let discont = packet % every == 0 && packet > 0;
                let pts = (stamped && !discont).then_some(packet * 20_000_000);
                if aligner.judge(pts, 320, discont) == Verdict::Break {
                    breaks += 1;
                    aligner.restart();
                }
                aligner.advance(pts, 320);
            }
            assert!(breaks <= max_breaks, "{every} {stamped}: {breaks}");
        }
    }

    #[test]
    fn flags_without_timestamps_are_ignored_after_a_second() {
        let mut aligner = Aligner::new(RATE);
        let verdicts: Vec<_> = (0..20)
            .map(|_| {
                let verdict = aligner.judge(None, 1600, true);
                if verdict == Verdict::Break {
                    aligner.restart();
                }
                aligner.advance(None, 1600);
                verdict
            })
            .collect();
        assert!(verdicts[13..].iter().all(|verdict| *verdict == Verdict::Join), "{verdicts:?}");
        assert_eq!(aligner.ignored(), Some(Nonsense::Missing));
    }

    #[test]
    fn a_new_segment_is_believed() {
        let mut aligner = Aligner::new(RATE);
        for _ in 0..20 {
            aligner.judge(Some(0), 1600, false);
            aligner.advance(Some(0), 1600);
        }
        assert!(aligner.ignored().is_some());
        aligner.begin_segment(false);
        assert_eq!((aligner.ignored(), aligner.judge(Some(7), 1600, false)), (None, Verdict::Join));
        assert_eq!(aligner.advance(Some(7), 1600), Some(7));
        assert_eq!(aligner.judge(Some(70_000_000_000), 1600, false), Verdict::Break);
    }

    #[test]
    fn backwards_each_step_is_a_break() {
        let mut aligner = Aligner::new(RATE);
        aligner.begin_segment(true);
        for second in (0..20u64).rev() {
            let verdict = aligner.judge(Some(second * 1_000_000_000), 16_000, false);
            assert_eq!(verdict == Verdict::Break, second < 19);
            if verdict == Verdict::Break {
                aligner.restart();
            }
            aligner.advance(Some(second * 1_000_000_000), 16_000);
        }
    }

    #[test]
    fn what_a_gap_overtook_joins_and_moves_no_time() {
        let mut aligner = Aligner::new(RATE);
        let ms = |value: u64| value * 1_000_000;
        aligner.advance(Some(0), 16_000);
        aligner.advance_gap(Some(ms(1005)), 960);
        for pts in [990, 1000, 1010, 1064] {
            assert_eq!(aligner.judge(Some(ms(pts)), 80, false), Verdict::Join, "{pts}");
        }
        assert_eq!(aligner.advance(Some(ms(1000)), 80), None);
        assert_eq!(aligner.judge(Some(ms(1065)), 80, true), Verdict::Join);
    }

    proptest! {
        #[test]
        fn any_timestamps_and_lengths_are_judged(
            buffers in prop::collection::vec((prop::option::of(any::<u64>()), 0u64..100_000, any::<bool>(), any::<bool>()), 0..100)
        ) {
            let mut aligner = Aligner::new(RATE);
            for (pts, frames, discont, gap) in buffers {
                let verdict = match pts {
                    Some(pts) if gap => aligner.judge_gap(pts),
                    pts => aligner.judge(pts, frames, discont),
                };
                match verdict {
                    Verdict::Join => {}
                    Verdict::Hole(size) => prop_assert!(size <= MAX_HOLE as u64),
                    Verdict::Break => aligner.restart(),
                }
                if gap { aligner.advance_gap(pts, frames) } else { aligner.advance(pts, frames) };
            }
        }

        #[test]
        fn where_a_stream_begins_does_not_matter(start in 0u64..1 << 60, seed in any::<u64>()) {
            let mut next = random(seed);
            let stamps: Vec<u64> = (0..300u64).map(|n| n * 20_000_000 + (next() * 9e7) as u64).collect();
            let verdicts = |from: u64| {
                let mut aligner = Aligner::new(RATE);
                stamps.iter().map(|stamp| {
                    let verdict = aligner.judge(Some(from + stamp), 320, false);
                    if let Verdict::Hole(size) = verdict {
                        aligner.advance_gap(Some(from + stamp - size), size * 16 / 1_000_000);
                    }
                    aligner.advance(Some(from + stamp), 320);
                    verdict
                }).collect::<Vec<_>>()
            };
            prop_assert_eq!(verdicts(0), verdicts(start));
        }
    }

    #[test]
    fn exact_audio_goes_on() {
        let mut aligner = Aligner::new(RATE);
        for buffer in 0..10 {
            let pts = buffer * 10 * MS as u64;
            assert_eq!(aligner.clone().goes_on(time(pts), 10 * MS, false), buffer > 0);
            assert_eq!(aligner.judge(Some(pts), 160, false), Verdict::Join);
            aligner.advance(Some(pts), 160);
        }
    }

    proptest! {
        #[test]
        fn what_goes_on_is_judged_alike(
            steps in prop::collection::vec(
                (
                    prop_oneof![
                        80 => Just(0),
                        6 => -1i64..=1,
                        4 => prop::sample::select(vec![3 * MS, -4 * MS, 15 * MS, 60 * MS]),
                    ],
                    any::<u16>(),
                ),
                1..800,
            ),
        ) {
            let (mut aligner, mut pts) = (Aligner::new(RATE), 0i64);
            for (step, kind) in steps {
                pts = (pts + step).max(0);
                let (mut one, mut other) = (aligner.clone(), aligner.clone());
                if one.goes_on(Some(pts), 10 * MS, kind == 0) {
                    prop_assert_eq!(other.verdict(Some(pts), 10 * MS, kind == 0), Verdict::Join);
                    prop_assert_eq!(format!("{one:?}"), format!("{other:?}"));
                }
                match aligner.judge(Some(pts as u64), 160, kind == 0) {
                    Verdict::Break => aligner.restart(),
                    Verdict::Hole(_) => drop(aligner.advance_gap(None, 160)),
                    Verdict::Join => {}
                }
                aligner.advance(Some(pts as u64), 160);
                pts += 10 * MS;
            }
        }
    }
}
