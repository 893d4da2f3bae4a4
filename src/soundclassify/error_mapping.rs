// SPDX-License-Identifier: MIT OR Apache-2.0
//! This crate's errors in GStreamer's domains and codes.

use soundclassify_core::Error;

/// The error message for the bus.
pub(crate) fn message(error: &Error) -> gst::ErrorMessage {
    match error {
        Error::NotFound { .. } => gst::error_msg!(gst::ResourceError::NotFound, ("{error}")),
        Error::Read { .. } => gst::error_msg!(gst::ResourceError::OpenRead, ("{error}")),
        Error::Manifest { .. } | Error::Provider { .. } => gst::error_msg!(gst::LibraryError::Settings, ("{error}")),
        Error::Runtime { .. } => gst::error_msg!(gst::LibraryError::Init, ("{error}")),
        Error::Model { .. } => gst::error_msg!(gst::StreamError::Format, ("{error}")),
        _ => gst::error_msg!(gst::LibraryError::Failed, ("{error}")),
    }
}
