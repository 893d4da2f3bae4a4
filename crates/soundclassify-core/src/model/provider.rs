// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of ONNX Runtime's execution providers.

use std::{fmt, str::FromStr};

/// What computes the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ExecutionProvider {
    /// ONNX Runtime's own CPU code.
    #[default]
    Cpu,
    /// NVIDIA CUDA.
    Cuda,
    /// NVIDIA TensorRT.
    TensorRt,
    /// Intel OpenVINO.
    OpenVino,
    /// Apple Core ML.
    CoreMl,
    /// DirectML on Windows.
    DirectMl,
    /// XNNPACK on CPUs.
    Xnnpack,
    /// AMD ROCm.
    Rocm,
    /// AMD MIGraphX.
    MiGraphX,
    /// Intel oneDNN.
    OneDnn,
    /// Arm Compute Library.
    Acl,
    /// Huawei CANN.
    Cann,
    /// Qualcomm AI Engine.
    Qnn,
    /// Android's neural networks API.
    Nnapi,
}

impl ExecutionProvider {
    /// Every provider, the default first.
    pub const ALL: [Self; 14] = [
        Self::Cpu,
        Self::Cuda,
        Self::TensorRt,
        Self::OpenVino,
        Self::CoreMl,
        Self::DirectMl,
        Self::Xnnpack,
        Self::Rocm,
        Self::MiGraphX,
        Self::OneDnn,
        Self::Acl,
        Self::Cann,
        Self::Qnn,
        Self::Nnapi,
    ];

    /// Its name in properties and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::TensorRt => "tensorrt",
            Self::OpenVino => "openvino",
            Self::CoreMl => "coreml",
            Self::DirectMl => "directml",
            Self::Xnnpack => "xnnpack",
            Self::Rocm => "rocm",
            Self::MiGraphX => "migraphx",
            Self::OneDnn => "onednn",
            Self::Acl => "acl",
            Self::Cann => "cann",
            Self::Qnn => "qnn",
            Self::Nnapi => "nnapi",
        }
    }
}

impl fmt::Display for ExecutionProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ExecutionProvider {
    type Err = String;

    /// The provider of that [`name`](Self::name); the error lists all names.
    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|provider| provider.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("no execution provider {name:?}; there are: {names}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_providers_match_one_to_one() {
        for provider in ExecutionProvider::ALL {
            assert_eq!(provider.name().parse(), Ok(provider));
        }
        assert!("gpu".parse::<ExecutionProvider>().unwrap_err().contains("cuda"));
    }
}
