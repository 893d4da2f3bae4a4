// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the element warns of.

use std::ops::Range;
use std::time::Duration;

use gst::subclass::prelude::*;

use super::{CAT, SoundClassify, lock};
use crate::soundclassify::loader::Loaded;
use crate::soundclassify::settings::Settings;
use crate::stream::input::InputError;
use soundclassify_core::decision::unknown_label_hint;

impl SoundClassify {
    pub(super) fn warn_of_unknown_labels(&self, settings: &Settings) {
        let Some(Loaded { model, .. }) = lock(&self.loaded).clone() else { return };
        let labels = &model.manifest().labels;
        let thresholds = settings.label_thresholds();
        let names = |of: Vec<String>, property| of.into_iter().map(move |name| (property, name));
        let all = names(settings.allow_labels.get(), "allow-labels")
            .chain(names(settings.deny_labels.get(), "deny-labels"))
            .chain(names(thresholds.keys().cloned().collect(), "label-thresholds"));
        for (property, name) in all {
            if let Some(near) = unknown_label_hint(&name, labels) {
                self.warn_of_unknown_label(property, &name, &near);
            }
        }
        for (name, _) in thresholds.iter().filter(|(_, value)| value.is_none()) {
            gst::element_imp_warning!(
                self,
                gst::LibraryError::Settings,
                ("label-thresholds: the value of \"{name}\" is no number of 0…1"),
                ["the value has no effect"]
            );
        }
    }

    fn warn_of_unknown_label(&self, property: &str, name: &str, near: &[&str]) {
        let hint =
            if near.is_empty() { "nothing like it is there".into() } else { format!("near: {}", near.join(", ")) };
        gst::element_imp_warning!(
            self,
            gst::LibraryError::Settings,
            ("{property}: \"{name}\" is no label of this model; {hint}"),
            ["the name has no effect"]
        );
    }

    pub(super) fn warn_of_input(&self, outcome: Result<(), InputError>) {
        if let Err(error) = outcome {
            gst::element_imp_warning!(
                self,
                gst::LibraryError::Settings,
                ("{error}"),
                ["audio goes on without analysis"]
            );
        }
    }

    pub(super) fn warn_of_stall(&self, waited: Duration) {
        gst::element_imp_warning!(
            self,
            gst::LibraryError::Failed,
            ("the model gave no result within {waited:?}; windows that waited for it are lost"),
            ["audio goes on; the model is tried again later"]
        );
    }

    pub(super) fn warn_of_buffer(&self, error: &InputError) -> Range<usize> {
        gst::warning!(CAT, imp = self, "{error}; the buffer goes on without analysis");
        if lock(&self.state).as_mut().is_some_and(|state| state.analysis.complains()) {
            gst::element_imp_warning!(
                self,
                gst::StreamError::Format,
                ("{error}; non-interleaved audio needs a GstAudioMeta on each buffer, interleaved whole frames"),
                ["such buffers go on without analysis; this is said once"]
            );
        }
        0..0
    }
}
