// SPDX-License-Identifier: MIT OR Apache-2.0
//! The time of day at which events began.

use std::collections::BTreeMap;

use gst::glib;
use gstsoundclassify::{ClassificationEvent, EventKind};

use crate::record::Record;

/// The onsets of open events: each is computed once, from the first message of its event.
#[derive(Default)]
pub(super) struct Onsets(BTreeMap<u64, glib::DateTime>);

impl Onsets {
    /// The onset of the event of a record; none of a window.
    pub(super) fn of_record(&mut self, record: &Record, end: u64) -> Option<glib::DateTime> {
        match record {
            Record::Event(event) => self.of(event, end),
            Record::Window(_) => None,
        }
    }

    /// The local time of an event's onset: as the source says, or else by what came after it until `end`, nanoseconds.
    /// `None` if it is no time of a calendar.
    fn of(&mut self, event: &ClassificationEvent, end: u64) -> Option<glib::DateTime> {
        let known = (event.kind != EventKind::Start).then(|| self.0.get(&event.event_id).cloned()).flatten();
        let onset = known.or_else(|| computed(event, end).ok())?;
        match event.kind {
            EventKind::End => self.0.remove(&event.event_id),
            EventKind::Start | EventKind::Update => self.0.insert(event.event_id, onset.clone()),
        };
        Some(onset)
    }
}

fn computed(event: &ClassificationEvent, end: u64) -> Result<glib::DateTime, glib::BoolError> {
    let microseconds = |time: gst::ClockTime| i64::try_from(time.useconds()).unwrap_or(i64::MAX);
    let end = gst::ClockTime::from_nseconds(end);
    let (from, later) = match event.utc.map(microseconds) {
        Some(utc) => (glib::DateTime::from_unix_local(utc / 1_000_000)?, utc % 1_000_000),
        None => (glib::DateTime::now_local()?, -microseconds(end.saturating_sub(event.start()))),
    };
    from.add(glib::TimeSpan::from_microseconds(later))
}

/// A time as ISO 8601 with microseconds and the zone.
pub(super) fn with_zone(time: &glib::DateTime) -> String {
    time.format("%Y-%m-%dT%H:%M:%S.%f%:z").map_or_else(|_| String::new(), String::from)
}

/// A time as one word with milliseconds.
pub(super) fn word(time: &glib::DateTime) -> String {
    let seconds = time.format("%Y-%m-%dT%H:%M:%S").map_or_else(|_| String::new(), String::from);
    format!("{seconds}.{:03}", time.microsecond() / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::state::tests::event;

    #[test]
    fn an_event_has_one_onset_however_long_the_source_rests() {
        let mut onsets = Onsets::default();

        let start = onsets.of(&event(EventKind::Start, 1, "Bark"), 4_000_000_000).unwrap();
        let update = onsets.of(&event(EventKind::Update, 1, "Bark"), 60_000_000_000).unwrap();
        let end = onsets.of(&event(EventKind::End, 1, "Bark"), 90_000_000_000).unwrap();
        let other = onsets.of(&event(EventKind::Start, 1, "Bark"), 90_000_000_000).unwrap();

        assert_eq!((&update, &end), (&start, &start));
        assert!(start.difference(&other).as_seconds() > 80, "{start:?} {other:?}");
        assert!(onsets.0.len() == 1);
    }

    #[test]
    fn the_time_of_the_source_counts() {
        let utc = Some(gst::ClockTime::from_mseconds(1_700_000_000_250));
        let event = ClassificationEvent { utc, ..event(EventKind::Start, 1, "Bark") };

        let onset = Onsets::default().of(&event, 0).unwrap();

        assert!(word(&onset).ends_with(":20.250"), "{}", word(&onset));
        assert!(with_zone(&onset).contains(":20.250000"), "{}", with_zone(&onset));
    }
}
