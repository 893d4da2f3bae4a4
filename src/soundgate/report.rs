// SPDX-License-Identifier: MIT OR Apache-2.0
//! The gate's messages, and the warning that sources can never agree.

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::agreement::Obstacle;
use super::imp::{CAT, SoundGate};
use crate::panic::lock;
use crate::soundclassify::message::{GateEvent, SourceLabels};
use soundclassify_core::decision::EventKind;

/// So many labels of an element are named in a warning.
const NAMED: usize = 3;

impl SoundGate {
    /// Posts events, with `post-messages`: an end if its start was posted, whatever the property is by then.
    pub(super) fn post(&self, events: impl IntoIterator<Item = GateEvent>) {
        let posts = lock(&self.settings).post_messages;
        for event in events.into_iter().filter(|event| self.is_posted(event, posts)) {
            let message = gst::message::Element::builder(event.to_structure()).src(&*self.obj()).build();
            // Without a bus there is no receiver.
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

    /// Warns, once for each stream and each change of these properties, if the elements upstream can never agree.
    pub(super) fn check_agreement(&self) {
        let (agreement, labels, count) = {
            let settings = lock(&self.settings);
            (settings.agreement.clone(), settings.labels.clone(), settings.agree as usize)
        };
        if count <= 1 || std::mem::replace(&mut lock(&self.state).agreement_is_checked, true) {
            return;
        }
        let Some(sources) = SourceLabels::ask(&self.sink).filter(|sources| !sources.is_empty()) else { return };
        gst::debug!(CAT, imp = self, "{} soundclassify upstream report events", sources.len());
        let reason = match agreement.obstacle(&sources, &labels, count) {
            None => return,
            Some(Obstacle::Sources(1)) => "only 1 soundclassify upstream reports events".to_owned(),
            Some(Obstacle::Sources(found)) => format!("only {found} soundclassify upstream report events"),
            Some(Obstacle::Names) => format!("no label or group is the same in {count} soundclassify upstream"),
        };
        gst::element_imp_warning!(
            self,
            gst::LibraryError::Settings,
            ("agree={count} is never reached: {reason}"),
            [
                "{}; expected {count} with the same label or group: set label-groups, for example \
                 \"groups,dog=<Bark,Dog>\", or agree-by=any, or agree=1",
                summary(&sources)
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
