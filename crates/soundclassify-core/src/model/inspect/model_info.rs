// SPDX-License-Identifier: MIT OR Apache-2.0
//! GStreamer's `.modelinfo` beside a network: an INI file with a section for each tensor
//! (<https://gstreamer.freedesktop.org/documentation/analytics/GstAnalyticsModelInfo.html>).

use std::{ffi::OsString, path::Path};

use crate::model::{manifest::read_file, tensor_info::TensorInfo};

/// Largest file, bytes.
const MAX_BYTES: u64 = 1 << 20;

/// What the file says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct ModelInfo {
    /// Name of the kind of network.
    pub(super) group: Option<String>,
    tensors: Vec<Tensor>,
}

#[derive(Debug, PartialEq)]
struct Tensor {
    name: String,
    dims: Vec<Option<usize>>,
    ranges: Option<String>,
}

impl ModelInfo {
    /// The file beside this network: `NAME.onnx.modelinfo` or `NAME.modelinfo`. One that can't be read says nothing.
    pub(super) fn beside(onnx: &Path) -> Option<Self> {
        let mut whole = OsString::from(onnx);
        whole.push(".modelinfo");
        let paths = [whole.into(), onnx.with_extension("modelinfo")];
        let bytes = paths.iter().find_map(|path| read_file("modelinfo", path, MAX_BYTES, "").ok())?;
        Some(Self::parse(&String::from_utf8_lossy(&bytes)))
    }

    fn parse(text: &str) -> Self {
        let mut info = Self::default();
        let mut in_tensor = false;
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                in_tensor = name != "modelinfo";
                if in_tensor {
                    info.tensors.push(Tensor { name: name.to_owned(), dims: Vec::new(), ranges: None });
                }
            } else if let Some((key, value)) = line.split_once('=') {
                let tensor = if in_tensor { info.tensors.last_mut() } else { None };
                info.group = match (key.trim(), tensor) {
                    ("group-id", _) => Some(value.trim().to_owned()),
                    ("dims", Some(tensor)) => {
                        tensor.dims = value.split(',').map(|axis| axis.trim().parse().ok()).collect();
                        info.group
                    }
                    ("ranges", Some(tensor)) => {
                        tensor.ranges = Some(value.trim().to_owned());
                        info.group
                    }
                    _ => info.group,
                };
            }
        }
        info
    }

    /// The port with the axes that the file knows and the network leaves free.
    pub(super) fn filled(&self, port: &TensorInfo) -> TensorInfo {
        let known = self.tensors.iter().find(|tensor| tensor.name == port.name).map_or(&[][..], |tensor| &tensor.dims);
        let dims = match port.dims.len() {
            0 => known.to_vec(),
            rank if rank == known.len() => port.dims.iter().zip(known).map(|(axis, known)| axis.or(*known)).collect(),
            _ => port.dims.clone(),
        };
        TensorInfo { dims, ..port.clone() }
    }

    /// The range of the values of an input, as the file writes it.
    pub(super) fn range(&self, name: &str) -> Option<&str> {
        self.tensors.iter().find(|tensor| tensor.name == name)?.ranges.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[modelinfo]\nversion=1.0\ngroup-id=yamnet-out\n\n[waveform]\nid=a\ntype=float32\ndims=-1,15600\n\
                        dir=input\nranges=-1.0,1.0\n[scores]\ndims=-1,521\ndir=output\n";

    #[test]
    fn axes_that_the_network_leaves_free_are_filled_in() {
        let info = ModelInfo::parse(TEXT);
        let port = |name: &str, dims: &[Option<usize>]| TensorInfo {
            name: name.into(),
            element: "f32".into(),
            dims: dims.to_vec(),
        };

        assert_eq!(info.group.as_deref(), Some("yamnet-out"));
        assert_eq!(info.filled(&port("waveform", &[None, None])).dims, [None, Some(15_600)]);
        assert_eq!(info.filled(&port("waveform", &[])).dims, [None, Some(15_600)]);
        assert_eq!(info.filled(&port("other", &[None, Some(3)])).dims, [None, Some(3)]);
        assert_eq!((info.range("waveform"), info.range("scores")), (Some("-1.0,1.0"), None));
    }
}
