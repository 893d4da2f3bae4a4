// SPDX-License-Identifier: MIT OR Apache-2.0
//! Name, type and shape of an input or output of a network.

use std::fmt;

/// An input or an output of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Name of the input or output.
    pub name: String,
    /// Its element type, such as `f32`.
    pub element: String,
    /// Its axes; `None` for an axis of free length. Empty if the rank is unknown, too.
    pub dims: Vec<Option<usize>>,
}

impl fmt::Display for TensorInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} {}", self.name, self.element, Dims(&self.dims))
    }
}

/// Axes as text; a free one is `?`.
struct Dims<'a>(&'a [Option<usize>]);

impl fmt::Display for Dims<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let axes: Vec<_> = self.0.iter().map(|axis| axis.map_or_else(|| "?".into(), |n| n.to_string())).collect();
        write!(f, "[{}]", axes.join(", "))
    }
}
