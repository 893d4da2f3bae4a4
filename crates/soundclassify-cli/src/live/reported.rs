// SPDX-License-Identifier: MIT OR Apache-2.0
//! The labels and groups whose events the element reports.

use gst::prelude::*;
use gstsoundclassify::soundclassify::groups as groups_of;
use soundclassify_core::decision::Names;

use super::model;
use crate::{exit::Result, labels, warm_engine::WarmEngine};

/// All names of a model with its options, and which of them are reported.
pub(super) struct Reported {
    /// Of the model.
    model: String,
    names: Names,
    reported: Vec<bool>,
}

impl Reported {
    /// The names that follow from the properties `label-groups`, `allow-labels` and `deny-labels`.
    ///
    /// # Errors
    /// The model can't be loaded.
    pub(super) fn of(warm_engine: &WarmEngine) -> Result<Self> {
        let (model, settings) = (model(warm_engine)?, warm_engine.settings());
        let list = |property: &str| -> Vec<String> {
            settings.property::<gst::Array>(property).iter().filter_map(|value| value.get().ok()).collect()
        };
        let groups = settings.property::<Option<gst::Structure>>("label-groups");
        let groups = groups.map(|groups| groups_of(&groups)).unwrap_or_default();
        let names = Names::new(&model.manifest().labels, &model.manifest().groups, &groups);
        let reported = names.reported(&list("allow-labels"), &list("deny-labels"));
        Ok(Self { model: model.manifest().name.clone(), names, reported })
    }

    /// Name of the model.
    pub(super) fn model(&self) -> &str {
        &self.model
    }

    /// All labels and groups.
    pub(super) fn all(&self) -> &[String] {
        &self.names.all
    }

    /// The labels and groups that are reported.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.names.all.iter().zip(&self.reported).filter(|(_, reported)| **reported).map(|(name, _)| name)
    }

    /// That events of `name` can occur.
    ///
    /// # Errors
    /// A sentence that names similar labels, or the options that exclude it.
    pub(super) fn check(&self, name: &str) -> std::result::Result<(), String> {
        labels::check(name, &self.names.all)?;
        if self.names().any(|reported| reported == name) {
            return Ok(());
        }
        Err(format!(
            "{name:?} is not reported; check --allow-labels, --deny-labels and --label-groups (a group replaces its \
            labels, and --allow-labels selects a group of the model)"
        ))
    }
}
