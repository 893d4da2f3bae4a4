// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keeps the engine loaded from one pipeline to the next.

use gst::prelude::*;
use soundclassify_core::model::Model;

use crate::{
    exit::{Failure, Result},
    options::ElementOptions,
    output,
    session::{Listener, Session, Source},
};

/// An element in state READY, outside of any pipeline: as long as it lives, elements with the same options share
/// its engine and load nothing.
pub(crate) struct WarmEngine {
    options: ElementOptions,
    element: gst::Element,
    warnings: Vec<String>,
}

impl WarmEngine {
    /// Loads the model; all its errors come here, before any input is opened.
    pub(crate) fn new(options: ElementOptions) -> Result<Self> {
        let options = checked(options)?;
        let element = options.element()?;
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        if element.set_state(gst::State::Ready).is_err() {
            let error = bus.pop_filtered(&[gst::MessageType::Error]);
            let text = error.and_then(|message| match message.view() {
                gst::MessageView::Error(error) => Some(error.error().message().to_owned()),
                _ => None,
            });
            // Dropping an element in any other state is a bug that GStreamer complains about.
            let _ = element.set_state(gst::State::Null);
            let text = text.unwrap_or_else(|| "the element can't be started".to_owned());
            return Err(Failure::Failed(text));
        }
        let mut warnings = Vec::new();
        while let Some(warning) = bus.pop_filtered(&[gst::MessageType::Warning]) {
            if let gst::MessageView::Warning(warning) = warning.view() {
                output::note(format_args!("soundclassify: warning: {}", warning.error().message()));
                warnings.push(warning.error().message().to_owned());
            }
        }
        Ok(Self { options, element, warnings })
    }

    /// A pipeline from a source through an element with the same options. `name`: what the user calls the source.
    pub(crate) fn session(&self, name: &str, source: Source<'_>, listener: Option<Listener>) -> Result<Session> {
        Ok(Session::new(name, source, &self.options.element()?, listener)?.knows(&self.warnings))
    }

    /// Warnings of the element that were printed.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The element that keeps the engine; its properties are those in force, the manifest's defaults included.
    pub(crate) fn settings(&self) -> &gst::Element {
        &self.element
    }
}

/// The options with the labels that the model has. A model that can't be loaded is reported by the element.
fn checked(options: ElementOptions) -> Result<ElementOptions> {
    match Model::load(options.model()) {
        Ok(model) => options.with_labels_of(model.manifest()),
        Err(_) => Ok(options),
    }
}

impl Drop for WarmEngine {
    fn drop(&mut self) {
        // If going to NULL fails, no remedy exists.
        let _ = self.element.set_state(gst::State::Null);
    }
}
