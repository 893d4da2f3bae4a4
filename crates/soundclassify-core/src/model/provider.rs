// SPDX-License-Identifier: MIT OR Apache-2.0
//! ONNX Runtime's execution providers, in one table.

use std::{fmt, str::FromStr};

/// The execution providers: variant, name in properties and messages, product, type in `ort`, and how that type is built
/// (`cpu`: not at all; `device`: with the device index; `openvino`; `plain`). Calls `$then!` with all rows. The order is that
/// of the element's enumeration, whose numbers are public.
#[doc(hidden)]
#[macro_export]
macro_rules! execution_providers {
    ($then:ident) => {
        $then! {
            Cpu "cpu" "Processor" CPU cpu;
            Cuda "cuda" "NVIDIA CUDA" CUDA device;
            TensorRt "tensorrt" "NVIDIA TensorRT" TensorRT device;
            OpenVino "openvino" "Intel OpenVINO" OpenVINO openvino;
            CoreMl "coreml" "Apple Core ML" CoreML plain;
            DirectMl "directml" "Microsoft DirectML" DirectML device;
            Xnnpack "xnnpack" "XNNPACK" XNNPACK plain;
            Rocm "rocm" "AMD ROCm" ROCm device;
            MiGraphX "migraphx" "AMD MIGraphX" MIGraphX device;
            Qnn "qnn" "Qualcomm QNN" QNN device;
            Nnapi "nnapi" "Android NNAPI" NNAPI plain;
            Acl "acl" "Arm Compute Library" ACL plain;
            Cann "cann" "Huawei CANN" CANN device;
            OneDnn "onednn" "Intel oneDNN" OneDNN plain;
        }
    };
}

macro_rules! define {
    ($cpu:ident $cpu_name:tt $cpu_title:tt $cpu_type:ident $cpu_kind:ident;
     $($variant:ident $name:tt $title:tt $type:ident $kind:ident;)*) => {
        /// The hardware and library that runs a network.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub enum ExecutionProvider {
            #[doc = concat!($cpu_title, ".")]
            #[default]
            $cpu,
            $(#[doc = concat!($title, ".")] $variant,)*
        }

        impl ExecutionProvider {
            /// All providers, the default first.
            pub const ALL: [Self; 1 + [$($name),*].len()] = [Self::$cpu, $(Self::$variant),*];

            /// The name in properties and messages.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    Self::$cpu => $cpu_name,
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

execution_providers!(define);

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
            format!("expected an execution provider ({names}), found {name:?}")
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
