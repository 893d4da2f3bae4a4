// SPDX-License-Identifier: MIT OR Apache-2.0
//! The gate's messages, and its warnings of names without effect and of sources that can never agree.

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::agreement::Obstacle;
use super::imp::{CAT, SoundGate};
use crate::panic::lock;
use crate::soundclassify::message::{GateEvent, SourceLabels};
use crate::soundclassify::rules::group_problems;
use soundclassify_core::{decision::EventKind, text};

/// Maximum number of an element's labels that a warning names.
const NAMED: usize = 3;

impl SoundGate {
    /// Posts events, with `post-messages`: an end if its start was posted, whatever the property is by then.
    pub(super) fn post(&self, events: impl IntoIterator<Item = GateEvent>) {
        let posts = lock(&self.settings).post_messages;
        for event in events.into_iter().filter(|event| self.is_posted(event, posts)) {
            let message = gst::message::Element::builder(event.to_structure()).src(&*self.obj()).build();
            // It fails only without a bus.
            let _ = self.obj().post_message(message);
        }
    }

    fn is_posted(&self, event: &GateEvent, posts: bool) -> bool {
        let mut posted = lock(&self.posted);
        match event.kind {
            EventKind::Start => posts && posted.insert(event.event_id),
            EventKind::End => posted.remove(&event.event_id),
            _ => posted.contains(&event.event_id),
        }
    }

    /// Warns, once for each change of these properties, of what in them has no effect: groups that can't be
    /// read, names that no element upstream reports, and a number of sources that can never agree.
    pub(super) fn check_names(&self) {
        let settings = lock(&self.settings).clone();
        let count = settings.agree as usize;
        let names_none = settings.labels.is_empty() && settings.agreement.groups.is_empty();
        if names_none && count <= 1 {
            return;
        }
        for (group, problem) in settings.label_groups.as_ref().map(group_problems).unwrap_or_default() {
            self.warn_of_name(&format!("label-groups: \"{group}\": {problem}"));
        }
        let Some(sources) = SourceLabels::ask(&self.sink).filter(|sources| !sources.is_empty()) else { return };
        gst::debug!(CAT, imp = self, "{} soundclassify upstream report events", sources.len());
        for unknown in settings.agreement.unknown(&sources, &settings.labels) {
            self.warn_of_name(&unknown);
        }
        if let Some(obstacle) = settings.agreement.obstacle(&sources, &settings.labels, count).filter(|_| count > 1) {
            self.warn_of_obstacle(obstacle, count, &sources);
        }
    }

    fn is_new_warning(&self, text: &str) -> bool {
        lock(&self.state).warned_of.insert(text.to_owned())
    }

    fn warn_of_name(&self, text: &str) {
        let text = text::bus_message(text);
        if self.is_new_warning(&text) {
            gst::element_imp_warning!(self, gst::LibraryError::Settings, ("{text}"), ["the name has no effect"]);
        }
    }

    fn warn_of_obstacle(&self, obstacle: Obstacle, count: usize, sources: &[SourceLabels]) {
        let reason = match obstacle {
            Obstacle::Sources(1) => "only 1 soundclassify upstream reports events".to_owned(),
            Obstacle::Sources(found) => format!("only {found} soundclassify upstream report events"),
            Obstacle::Names => format!("no label or group is the same in {count} soundclassify upstream"),
        };
        let text = format!("agree={count} is never reached: {reason}");
        if !self.is_new_warning(&text) {
            return;
        }
        gst::element_imp_warning!(
            self,
            gst::LibraryError::Settings,
            ("{text}"),
            [
                "{}; expected {count} with the same label or group: set label-groups, for example \
                 \"groups,dog=<Bark,Dog>\", or agree-by=any, or agree=1",
                summary(sources)
            ]
        );
    }
}

/// The first labels of each element.
fn summary(sources: &[SourceLabels]) -> String {
    let of_source = |source: &SourceLabels| {
        let mut labels: Vec<&str> = source.labels.iter().take(NAMED).map(|it| &*it.label).collect();
        if source.labels.len() > NAMED {
            labels.push("…");
        }
        format!("{} reports {}", source.element, labels.join(", "))
    };
    sources.iter().map(of_source).collect::<Vec<_>>().join("; ")
}
