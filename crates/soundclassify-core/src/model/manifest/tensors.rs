// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a network's tensors are beside the window: element types, further inputs, state.

use std::fmt;

use super::section::Section;
use crate::{
    error::Result,
    frontend::{ChannelAxis, FeatureSpec, Layout},
};

/// Element type of the window or of the scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// 32 bits, floating point.
    F32,
    /// 16 bits, floating point.
    F16,
    /// 8 bits, without sign.
    U8,
    /// 8 bits, with sign.
    I8,
}

const ELEMENTS: &[(&str, Element)] =
    &[("f32", Element::F32), ("f16", Element::F16), ("u8", Element::U8), ("i8", Element::I8)];

impl Element {
    /// The type of that name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        ELEMENTS.iter().find(|(known, _)| *known == name).map(|(_, element)| *element)
    }

    fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::U8 => "u8",
            Self::I8 => "i8",
        }
    }

    /// The minimum and the maximum of integers, which need a [`Scale`].
    pub(crate) fn range(self) -> Option<(i32, i32)> {
        match self {
            Self::U8 => Some((0, 255)),
            Self::I8 => Some((-128, 127)),
            Self::F32 | Self::F16 => None,
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What integers stand for: `scale · (integer − zero_point)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Above 0.
    pub scale: f64,
    /// −128 to 255.
    pub zero_point: i32,
}

/// An input that is the same for every window.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant {
    /// Name of the input.
    pub name: String,
    /// Value of all of its elements.
    pub value: f64,
}

/// A state that a network carries from window to window of one stream; zeros before the first one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// Name of the input that takes it.
    pub input: String,
    /// Name of the output that gives the next one.
    pub output: String,
}

/// A constant's value as the manifest has it.
enum Value {
    Number(f64),
    Frames,
    SampleRate,
}

/// What `[input]` says beside the window's axes.
pub(super) struct Input {
    pub(super) element: Option<Element>,
    pub(super) scale: Option<Scale>,
    constants: Vec<(String, Value)>,
}

impl Input {
    /// Reads its keys of the section and leaves the others.
    pub(super) fn read(section: &Section<'_>) -> Result<Self> {
        let tables = section.tables("constant")?;
        each_once(&tables, "name")?;
        let constants = tables.into_iter().map(constant).collect::<Result<_>>()?;
        Ok(Self { element: section.choice("type", ELEMENTS)?, scale: scale(section)?, constants })
    }

    /// The constants of windows with these features.
    pub(super) fn constants(self, features: &FeatureSpec) -> Vec<Constant> {
        let number = |value| match value {
            Value::Number(number) => number,
            Value::Frames => frames(features) as f64,
            Value::SampleRate => f64::from(features.sample_rate),
        };
        self.constants.into_iter().map(|(name, value)| Constant { name, value: number(value) }).collect()
    }
}

/// `scale` and `zero-point` of a section, which stand together.
pub(super) fn scale(section: &Section<'_>) -> Result<Option<Scale>> {
    let scale = section.float("scale", f64::MIN_POSITIVE..=1e30)?;
    let zero_point = section.float("zero-point", -128.0..=255.0)?;
    match (scale, zero_point) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(section.missing("scale", "the value of one integer step, together with zero-point")),
        (Some(_), None) => Err(section.missing("zero-point", "the integer that represents 0, together with scale")),
        (Some(scale), Some(zero_point)) if zero_point.fract() == 0.0 => {
            Ok(Some(Scale { scale, zero_point: zero_point as i32 }))
        }
        (Some(_), Some(other)) => {
            Err(section.wrong("zero-point", "a whole number from -128 to 255", other.to_string()))
        }
    }
}

fn constant(section: Section<'_>) -> Result<(String, Value)> {
    let name = section.required_string("name", "the name of the network's input")?;
    let expected = "a number, \"frames\" or \"sample-rate\"";
    let value = match section.text("value").as_deref() {
        Some("frames") => Value::Frames,
        Some("sample-rate") => Value::SampleRate,
        Some(other) => return Err(section.wrong("value", expected, format!("{other:?}"))),
        None => match section.float_or("value", -1e30..=1e30, ", \"frames\" or \"sample-rate\"")? {
            Some(number) => Value::Number(number),
            None => return Err(section.missing("value", expected)),
        },
    };
    section.finish()?;
    Ok((name, value))
}

/// The list `[[state]]`.
pub(super) fn states(root: &Section<'_>) -> Result<Vec<State>> {
    let state = |section: Section<'_>| {
        let state = State {
            input: section.required_string("input", "the name of the input that takes the state")?,
            output: section.required_string("output", "the name of the output that gives the next state")?,
        };
        section.finish()?;
        Ok(state)
    };
    let tables = root.tables("state")?;
    each_once(&tables, "input")?;
    tables.into_iter().map(state).collect()
}

/// Refuses an input that two tables of a list give a value.
fn each_once(tables: &[Section<'_>], key: &'static str) -> Result<()> {
    let names: Vec<_> = tables.iter().map(|table| table.text(key)).collect();
    let repeated = |(at, name): &(usize, &Option<String>)| name.is_some() && names[..*at].contains(name);
    match names.iter().enumerate().find(repeated) {
        Some((at, Some(name))) => Err(tables[at].wrong(key, "each input once", format!("{name:?} again"))),
        _ => Ok(()),
    }
}

/// Frames of a window, or its samples when it has none.
fn frames(features: &FeatureSpec) -> usize {
    let shape = features.shape();
    let axes = match features.channel_axis {
        ChannelAxis::First => &shape[1..],
        ChannelAxis::Last => &shape[..shape.len() - 1],
        ChannelAxis::None => &shape[..],
    };
    match features.layout {
        Layout::MelsFrames => axes[1],
        Layout::FramesMels | Layout::Samples => axes[0],
    }
}
