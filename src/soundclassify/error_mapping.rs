// SPDX-License-Identifier: MIT OR Apache-2.0
//! Maps errors to GStreamer's domains and codes.

use soundclassify_core::{Error, text};

/// The error message for the bus.
pub(crate) fn message(error: &Error) -> gst::ErrorMessage {
    let text = error.to_string();
    let text = text::bus_message(&text);
    match error {
        Error::NotFound { .. } => gst::error_msg!(gst::ResourceError::NotFound, ("{text}")),
        Error::Read { .. } => gst::error_msg!(gst::ResourceError::OpenRead, ("{text}")),
        Error::Manifest { .. } | Error::Provider { .. } => gst::error_msg!(gst::LibraryError::Settings, ("{text}")),
        Error::Runtime { .. } => gst::error_msg!(gst::LibraryError::Init, ("{text}")),
        Error::Model { .. } => gst::error_msg!(gst::StreamError::Format, ("{text}")),
        _ => gst::error_msg!(gst::LibraryError::Failed, ("{text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_file_reaches_a_terminal_raw() {
        gst::init().unwrap();
        let error = Error::Model { path: "a\u{1b}[2J.onnx".into(), reason: "node \u{9b}31m".into() };

        let message = format!("{:?}", message(&error));

        assert!(message.contains("u{1b}[2J.onnx") && !message.contains('\u{1b}'), "{message}");
        assert!(message.contains("u{9b}31m") && !message.contains('\u{9b}'), "{message}");
    }
}
