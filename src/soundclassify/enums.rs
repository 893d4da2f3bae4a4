// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element's enumerations.

use gst::glib;

use soundclassify_core::model::ExecutionProvider;

/// Whether the streaming thread waits for results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstSoundClassifySync")]
#[repr(i32)]
pub enum Sync {
    /// Waits unless the source is live.
    #[default]
    #[enum_value(name = "Wait for results unless the source is live", nick = "auto")]
    Auto,
    /// Waits: every result is posted before the audio behind it goes on.
    #[enum_value(name = "Wait for results", nick = "always")]
    Always,
    /// Never waits: audio is never late, results come when they are ready.
    #[enum_value(name = "Never wait for results", nick = "never")]
    Never,
}

/// What is posted on the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstSoundClassifyReport")]
#[repr(i32)]
pub enum Report {
    /// A message `soundclassify` for each window.
    #[default]
    #[enum_value(name = "A message for each window", nick = "windows")]
    Windows,
    /// A message `soundclassify` when the best label changes, or comes back after none was posted.
    #[enum_value(name = "A message when the best label changes", nick = "changes")]
    Changes,
    /// Messages `soundclassify-event` when a sound begins and ends, and once a second between.
    #[enum_value(name = "Messages when a sound begins, goes on and ends", nick = "events")]
    Events,
    /// The messages of [`Report::Windows`] and those of [`Report::Events`].
    #[enum_value(name = "A message for each window, and those of events", nick = "all")]
    All,
}

impl Report {
    /// Whether there are messages `soundclassify-event`.
    pub(crate) fn has_events(self) -> bool {
        matches!(self, Self::Events | Self::All)
    }

    /// Whether there is a message `soundclassify` for a window; `changed`: its best label is another one.
    pub(crate) fn has_window(self, changed: bool) -> bool {
        match self {
            Self::Windows | Self::All => true,
            Self::Changes => changed,
            Self::Events => false,
        }
    }
}

/// Hardware and library that ONNX Runtime runs the network with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstSoundClassifyExecutionProvider")]
#[repr(i32)]
#[allow(missing_docs, reason = "the names say all there is to say")]
pub enum Provider {
    #[default]
    #[enum_value(name = "Processor", nick = "cpu")]
    Cpu,
    #[enum_value(name = "NVIDIA CUDA", nick = "cuda")]
    Cuda,
    #[enum_value(name = "NVIDIA TensorRT", nick = "tensorrt")]
    TensorRt,
    #[enum_value(name = "Intel OpenVINO", nick = "openvino")]
    OpenVino,
    #[enum_value(name = "Apple Core ML", nick = "coreml")]
    CoreMl,
    #[enum_value(name = "Microsoft DirectML", nick = "directml")]
    DirectMl,
    #[enum_value(name = "XNNPACK", nick = "xnnpack")]
    Xnnpack,
    #[enum_value(name = "AMD ROCm", nick = "rocm")]
    Rocm,
    #[enum_value(name = "AMD MIGraphX", nick = "migraphx")]
    MiGraphX,
    #[enum_value(name = "Qualcomm QNN", nick = "qnn")]
    Qnn,
    #[enum_value(name = "Android NNAPI", nick = "nnapi")]
    Nnapi,
    #[enum_value(name = "Arm Compute Library", nick = "acl")]
    Acl,
    #[enum_value(name = "Huawei CANN", nick = "cann")]
    Cann,
    #[enum_value(name = "Intel oneDNN", nick = "onednn")]
    OneDnn,
}

impl From<Provider> for ExecutionProvider {
    fn from(provider: Provider) -> Self {
        match provider {
            Provider::Cpu => Self::Cpu,
            Provider::Cuda => Self::Cuda,
            Provider::TensorRt => Self::TensorRt,
            Provider::OpenVino => Self::OpenVino,
            Provider::CoreMl => Self::CoreMl,
            Provider::DirectMl => Self::DirectMl,
            Provider::Xnnpack => Self::Xnnpack,
            Provider::Rocm => Self::Rocm,
            Provider::MiGraphX => Self::MiGraphX,
            Provider::Qnn => Self::Qnn,
            Provider::Nnapi => Self::Nnapi,
            Provider::Acl => Self::Acl,
            Provider::Cann => Self::Cann,
            Provider::OneDnn => Self::OneDnn,
        }
    }
}
