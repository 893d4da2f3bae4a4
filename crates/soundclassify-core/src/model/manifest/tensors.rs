// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a network's tensors are beside the window: element types, further inputs, state.

use std::fmt;

use super::section::Section;
use crate::{
    error::Result,
    frontend::{ChannelAxis, FeatureSpec, Layout},
    model::tensor_name::is_same,
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

impl Scale {
    /// The integer that a network with inputs of this type gets for a value; `None` for types of floating point.
    #[must_use]
    pub fn integer(self, value: f32, element: Element) -> Option<i32> {
        let (min, max) = element.range()?;
        let step = (f64::from(value) / self.scale + f64::from(self.zero_point)).round_ties_even();
        Some(step.clamp(f64::from(min), f64::from(max)) as i32)
    }
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
        each_once(&tables, "name", "input")?;
        let constants = tables.into_iter().map(constant).collect::<Result<_>>()?;
        Ok(Self { element: section.choice("type", ELEMENTS)?, scale: scale(section)?, constants })
    }

    /// Refuses a state for an input that has a constant.
    fn refuse_constant(&self, state: &Section<'_>) -> Result<()> {
        let Some(name) = state.text("input") else { return Ok(()) };
        match self.constants.iter().position(|(constant, _)| is_same(constant, &name)) {
            Some(index) => {
                let expected = "an input without a constant; remove this [[state]] or that [[input.constant]]";
                Err(state.wrong("input", expected, format!("{name:?}, as in input.constant[{index}].name")))
            }
            None => Ok(()),
        }
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

/// The list `[[state]]`, of inputs that have no constant.
pub(super) fn states(root: &Section<'_>, input: &Input) -> Result<Vec<State>> {
    let state = |section: Section<'_>| {
        let state = State {
            input: section.required_string("input", "the name of the input that takes the state")?,
            output: section.required_string("output", "the name of the output that gives the next state")?,
        };
        section.finish()?;
        Ok(state)
    };
    let tables = root.tables("state")?;
    each_once(&tables, "input", "input")?;
    each_once(&tables, "output", "output")?;
    tables.iter().try_for_each(|table| input.refuse_constant(table))?;
    tables.into_iter().map(state).collect()
}

/// Refuses an input or an output that two tables of a list name.
fn each_once(tables: &[Section<'_>], key: &'static str, what: &str) -> Result<()> {
    let names: Vec<_> = tables.iter().map(|table| table.text(key)).collect();
    for (at, name) in names.iter().enumerate() {
        let Some(name) = name else { continue };
        let same = |other: &Option<String>| other.as_deref().is_some_and(|other| is_same(other, name));
        if let Some(first) = names[..at].iter().position(same) {
            let found = format!("{name:?} again, as in {}", tables[first].dotted(key));
            return Err(tables[at].wrong(key, format!("each {what} once; remove or correct one"), found));
        }
    }
    Ok(())
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
