// SPDX-License-Identifier: MIT OR Apache-2.0
//! When the buffers of a live source were, by a clock on the wall.

use std::sync::atomic::Ordering;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::SoundClassify;
use crate::signal::Signal;
use crate::signal::clock::WallClock;

/// Reference clocks in UTC, and the seconds from their zero to 1970.
const REFERENCES: [(&str, i128); 2] = [("timestamp/x-unix", 0), ("timestamp/x-ntp", 2_208_988_800)];

impl SoundClassify {
    /// Reads the buffer's `GstReferenceTimestampMeta`, or else this machine's clock at the current running time: once
    /// in ten seconds, and when the element goes to PLAYING, because running time may differ then.
    #[inline(never)]
    pub(super) fn read_wall_clock(&self, buffer: &gst::BufferRef, signal: &mut Signal) {
        if let Some(wall) = reference(buffer) {
            signal.set_wall_clock(wall);
        } else if self.running_time_is_new.swap(false, Ordering::Relaxed) || signal.wants_wall_clock() {
            signal.set_wall_clock(self.of_this_machine().unwrap_or_default());
        }
    }

    fn of_this_machine(&self) -> Option<WallClock> {
        let element = self.obj();
        let (clock, base) = (element.clock()?, element.base_time()?);
        let now = i128::from(clock.time().nseconds()) - i128::from(base.nseconds());
        Some(WallClock::RunningTime(i128::from(glib::real_time()) * 1000 - now))
    }
}

fn reference(buffer: &gst::BufferRef) -> Option<WallClock> {
    let pts = buffer.pts()?;
    buffer.iter_meta::<gst::ReferenceTimestampMeta>().find_map(|meta| {
        let kind = meta.reference().structure(0)?.name();
        let (_, before) = REFERENCES.into_iter().find(|(name, _)| *name == kind.as_str())?;
        let utc = i128::from(meta.timestamp().nseconds()) - before * 1_000_000_000;
        Some(WallClock::Timestamp(utc - i128::from(pts.nseconds())))
    })
}
