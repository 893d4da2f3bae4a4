// SPDX-License-Identifier: MIT OR Apache-2.0
//! The warnings of the element.

use std::time::Duration;

use gst::subclass::prelude::*;

use super::{CAT, SoundClassify, lock};
use crate::signal::Complaint;
use crate::signal::input::InputError;
use crate::soundclassify::loader::Loaded;
use crate::soundclassify::rules::{group_problems, groups};
use crate::soundclassify::settings::Settings;
use soundclassify_core::{
    decision::{Ensemble, unknown_label_hint},
    model::Model,
    text,
};

/// Name of the details structure of warnings after which analysis continues.
const HINT: &str = "soundclassify-hint";

/// A problem that a step of the analysis found.
pub(super) enum Notice {
    /// Audio that is not analysed, and whether this is the first buffer of its format.
    Input(InputError, bool),
    Stream(Complaint),
}

impl SoundClassify {
    /// Warns of settings that the model cannot serve.
    pub(super) fn warn_of_settings(&self, settings: &Settings) {
        let Some(Loaded { model, .. }) = lock(&self.loaded).clone() else { return };
        self.warn_of_long_means(settings, &model);
        self.warn_of_unknown_labels(settings, &model);
    }

    /// Warns if means of so many windows can't be kept.
    pub(super) fn warn_of_ensemble(&self, settings: &Settings) {
        let loaded = lock(&self.loaded).clone();
        if let Some(Loaded { model, .. }) = loaded {
            self.warn_of_long_means(settings, &model);
        }
    }

    fn warn_of_long_means(&self, settings: &Settings, model: &Model) {
        let labels = settings.names(model.manifest()).all.len();
        let (wanted, max_length) = (settings.max_ensemble(), Ensemble::max_length(labels));
        if wanted > max_length {
            gst::element_imp_warning!(
                self,
                gst::LibraryError::Settings,
                ("ensembles and oversamples make means of {wanted} windows, which is too many for {labels} labels"),
                ["means of {max_length} windows are used instead"]
            );
        }
    }

    fn warn_of_unknown_labels(&self, settings: &Settings, model: &Model) {
        let labels = &model.manifest().labels;
        let known = settings.names(model.manifest()).all;
        let (thresholds, rules) = (settings.label_thresholds(), settings.label_rules());
        let names = |of: Vec<String>, property| of.into_iter().map(move |name| (property, name));
        let all = names(settings.allow_labels.get(), "allow-labels")
            .chain(names(settings.deny_labels.get(), "deny-labels"))
            .chain(names(settings.suppress_while.clone(), "suppress-while"))
            .chain(names(rules.keys().cloned().collect(), "label-rules"))
            .chain(names(thresholds.keys().cloned().collect(), "label-thresholds"));
        for (property, name) in all {
            if let Some(near) = unknown_label_hint(&name, &known) {
                self.warn_of_unknown_label(property, &name, &near);
            }
        }
        for (group, members) in settings.label_groups.as_ref().map(groups).unwrap_or_default() {
            if labels.contains(&group) {
                self.warn_of_value(&format!("label-groups: \"{group}\" is a label of this model; choose another name"));
            }
            for name in members {
                if let Some(near) = unknown_label_hint(&name, labels) {
                    self.warn_of_unknown_label("label-groups", &name, &near);
                }
            }
        }
        for (group, problem) in settings.label_groups.as_ref().map(group_problems).unwrap_or_default() {
            self.warn_of_value(&format!("label-groups: \"{group}\": {problem}"));
        }
        for (name, _) in thresholds.iter().filter(|(_, value)| value.is_none()) {
            self.warn_of_value(&format!("label-thresholds: \"{name}\": expected a number from 0 to 1"));
        }
        for (name, rule) in rules {
            for problem in rule.problems {
                self.warn_of_value(&format!("label-rules: \"{name}\": {problem}"));
            }
        }
    }

    fn warn_of_value(&self, text: &str) {
        let text = text::bus_message(text);
        gst::element_imp_warning!(self, gst::LibraryError::Settings, ("{text}"), ["the value has no effect"]);
    }

    fn warn_of_unknown_label(&self, property: &str, name: &str, near: &[&str]) {
        let name = text::bus_message(name);
        let near = near.join(", ");
        let hint = if near.is_empty() { "no label is similar".into() } else { format!("similar: {near}") };
        let hint = text::bus_message(&hint);
        gst::element_imp_warning!(
            self,
            gst::LibraryError::Settings,
            ("{property}: \"{name}\" is not a label of this model; {hint}"),
            ["the name has no effect"]
        );
    }

    #[cold]
    pub(super) fn warn_of(&self, notice: Notice) {
        match notice {
            Notice::Input(error @ InputError::Buffer(_), first) => self.warn_of_buffer(&error, first),
            Notice::Input(error, _) => gst::element_imp_warning!(
                self,
                gst::LibraryError::Settings,
                ("{error}"),
                ["audio continues without analysis"]
            ),
            Notice::Stream(complaint @ (Complaint::Timestamps(_) | Complaint::OddSize(..) | Complaint::Cancelling)) => {
                gst::element_imp_warning!(
                    self,
                    gst::StreamError::Format,
                    ("{complaint}"),
                    ["audio and its analysis continue; this is posted once"],
                    details: gst::Structure::new_empty(HINT)
                );
            }
            Notice::Stream(complaint) => gst::element_imp_warning!(
                self,
                gst::StreamError::Format,
                ("{complaint}"),
                ["audio continues; this is posted once"]
            ),
        }
    }

    #[cold]
    pub(super) fn warn_of_stall(&self, waited: Duration) {
        gst::element_imp_warning!(
            self,
            gst::LibraryError::Failed,
            ("the model gave no result within {waited:?}; the windows that waited for it are lost"),
            ["audio continues; the model is tried again later"]
        );
    }

    fn warn_of_buffer(&self, error: &InputError, first: bool) {
        gst::warning!(CAT, imp = self, "{error}; the buffer passes through without analysis");
        if first {
            gst::element_imp_warning!(
                self,
                gst::StreamError::Format,
                ("{error}; non-interleaved audio needs a GstAudioMeta on each buffer, interleaved audio whole frames"),
                ["such buffers pass through without analysis; this is posted once"]
            );
        }
    }
}
