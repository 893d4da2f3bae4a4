// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keeps the engine loaded from one pipeline to the next.

use gst::prelude::*;

use crate::{
    exit::{Failure, Result},
    options::ElementOptions,
};

/// An element in state READY, outside of any pipeline: as long as it lives, elements with the same options share
/// its engine and load nothing.
pub(crate) struct Keeper {
    options: ElementOptions,
    element: gst::Element,
}

impl Keeper {
    /// Loads the model; all its errors come here, before any input is opened.
    pub(crate) fn new(options: ElementOptions) -> Result<Self> {
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
        while let Some(warning) = bus.pop_filtered(&[gst::MessageType::Warning]) {
            if let gst::MessageView::Warning(warning) = warning.view() {
                eprintln!("soundclassify: warning: {}", warning.error().message());
            }
        }
        Ok(Self { options, element })
    }

    /// An element with the same options for a pipeline.
    pub(crate) fn element(&self) -> Result<gst::Element> {
        self.options.element()
    }

    /// Nanoseconds from one window to the next.
    pub(crate) fn stride(&self) -> u64 {
        1_000_000_000 / u64::from(self.element.property::<u32>("oversamples").max(1))
    }

    /// The element that keeps the engine; its properties are those in force, the manifest's defaults included.
    pub(crate) fn settings(&self) -> &gst::Element {
        &self.element
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // Going to NULL can't fail in a way that anything could be done about.
        let _ = self.element.set_state(gst::State::Null);
    }
}
