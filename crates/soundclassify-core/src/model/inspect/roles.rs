// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which input takes the window, which output has the scores, and which ports carry a state from window to window.

use super::guess::{Confidence, Guess};
use crate::model::tensor_info::TensorInfo;

/// Words that say which end of a state a port is.
const ENDS: [&str; 14] = [
    "in", "input", "out", "output", "next", "new", "n", "prev", "previous", "old", "last", "init", "initial", "current",
];
/// Words of states.
const STATES: [&str; 10] = ["state", "states", "h", "c", "hidden", "cell", "cache", "memory", "mem", "carry"];

/// What the ports of a network are for.
#[derive(Debug, PartialEq)]
pub(super) struct Roles {
    /// Index of the input that most probably takes the window.
    pub(super) window: usize,
    /// Index of the output that most probably has the scores.
    pub(super) scores: usize,
    pub(super) states: Vec<StatePair>,
}

/// An input and the output that gives its next value: indices.
#[derive(Debug, PartialEq)]
pub(super) struct StatePair {
    pub(super) input: usize,
    pub(super) output: usize,
    /// The confidence and its reason; no value.
    pub(super) guess: Guess,
}

impl Roles {
    pub(super) fn of(inputs: &[TensorInfo], outputs: &[TensorInfo]) -> Self {
        let mut pairs = Pairs { inputs, outputs, found: Vec::new() };
        pairs.by_name();
        let scores = scores_output(outputs, &pairs.found);
        pairs.by_shape(scores);
        let mut states = pairs.found;
        states.sort_by_key(|pair| pair.input);
        Self { window: window_input(inputs, &states), scores, states }
    }
}

struct Pairs<'a> {
    inputs: &'a [TensorInfo],
    outputs: &'a [TensorInfo],
    found: Vec<StatePair>,
}

impl Pairs<'_> {
    /// Ports of the same shape with the same name but for the words that say which end they are.
    fn by_name(&mut self) {
        let reason = "an output has its shape and name";
        for same in [same_stem, same_letters] {
            for input in 0..self.inputs.len() {
                let same = |_: usize, from: &TensorInfo, to: &TensorInfo| same(&from.name, &to.name);
                self.pair(input, same, Confidence::Medium, reason);
            }
        }
    }

    /// Ports of the same shape: of an input with the name of a state, or of one that comes after the first.
    fn by_shape(&mut self, scores: usize) {
        let first = self.inputs.iter().position(is_window);
        let is_other = |output: usize, _: &TensorInfo, _: &TensorInfo| output != scores;
        for input in 0..self.inputs.len() {
            if words(&self.inputs[input].name).iter().any(|word| STATES.contains(&word.as_str())) {
                self.pair(input, is_other, Confidence::Medium, "it has the name of a state, and an output its shape");
            }
        }
        let is_plain = |output: usize, _: &TensorInfo, to: &TensorInfo| output != scores && !is_embedding(to);
        for input in (0..self.inputs.len()).filter(|input| Some(*input) != first) {
            self.pair(input, is_plain, Confidence::Low, "an output has its shape");
        }
    }

    /// Pairs an input with the first free output of its shape that is its next value, unless no input would be left for the
    /// window.
    fn pair(
        &mut self,
        input: usize,
        is_next: impl Fn(usize, &TensorInfo, &TensorInfo) -> bool,
        confidence: Confidence,
        reason: &str,
    ) {
        let from = &self.inputs[input];
        let is_taken = |input: usize| self.found.iter().any(|pair| pair.input == input);
        let has_window =
            self.inputs.iter().enumerate().any(|(other, port)| other != input && !is_taken(other) && is_window(port));
        // One output at least has the scores.
        let has_scores = self.found.len() + 1 < self.outputs.len();
        let is_float = ["f32", "f16"].contains(&from.element.as_str());
        if is_taken(input) || !has_window || !has_scores || !is_float {
            return;
        }
        let is_free = |output: usize| self.found.iter().all(|pair| pair.output != output);
        let next = |(output, to): &(usize, &TensorInfo)| {
            is_free(*output) && same_shape(from, to) && is_next(*output, from, to)
        };
        if let Some((output, _)) = self.outputs.iter().enumerate().find(next) {
            self.found.push(StatePair { input, output, guess: Guess::new("", confidence, reason) });
        }
    }
}

/// Whether two ports may hold the same values.
fn same_shape(from: &TensorInfo, to: &TensorInfo) -> bool {
    let same = |(a, b): (&Option<usize>, &Option<usize>)| a.is_none() || b.is_none() || a == b;
    let ranks = (from.dims.len(), to.dims.len());
    from.element == to.element && ranks.0 == ranks.1 && ranks.0 > 0 && from.dims.iter().zip(&to.dims).all(same)
}

/// Whether the names are the same without the words for their ends: `state` and `stateN`, `h_in` and `h_out`.
fn same_stem(from: &str, to: &str) -> bool {
    let stem = |name| words(name).into_iter().filter(|word| !ENDS.contains(&word.as_str())).collect::<Vec<_>>();
    let stem_of_input = stem(from);
    !stem_of_input.is_empty() && stem_of_input == stem(to)
}

/// Whether short names differ only in a number or an n at the end: `h0` and `hn`.
fn same_letters(from: &str, to: &str) -> bool {
    let stem = |name: &str| {
        let letters = words(name).into_iter().filter(|word| !ENDS.contains(&word.as_str())).collect::<String>();
        let letters = letters.trim_end_matches(|c: char| c.is_ascii_digit());
        letters.strip_suffix('n').filter(|stem| !stem.is_empty()).unwrap_or(letters).to_owned()
    };
    let stem_of_input = stem(from);
    !stem_of_input.is_empty() && stem_of_input == stem(to)
}

/// The words of a name, lower case: `stateN` has two, `new_cache_0` three.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        if !c.is_alphanumeric() || before.is_lowercase() && c.is_uppercase() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether an output has the name of one that describes a window.
pub(super) fn is_embedding(port: &TensorInfo) -> bool {
    ["embed", "feature", "hidden"].iter().any(|part| port.name.to_lowercase().contains(part))
}

/// Whether a window may be of this element type.
fn is_window(port: &TensorInfo) -> bool {
    ["f32", "f16", "u8", "i8"].contains(&&*port.element)
}

/// The input that most probably takes the window: no state, of floats or bytes, with the most axes.
fn window_input(inputs: &[TensorInfo], states: &[StatePair]) -> usize {
    let is_state = |input: usize| states.iter().any(|pair| pair.input == input);
    let rank = |(input, port): &(usize, &TensorInfo)| (!is_state(*input), is_window(port), port.dims.len());
    inputs.iter().enumerate().rev().max_by_key(rank).map_or(0, |(index, _)| index)
}

/// The output that most probably has the scores: by its name, or the first one that is no state.
fn scores_output(outputs: &[TensorInfo], states: &[StatePair]) -> usize {
    let is_state = |output: usize| states.iter().any(|pair| pair.output == output);
    let is_scores = |port: &TensorInfo| {
        let name = port.name.to_lowercase();
        ["prob", "score", "logit", "clipwise", "pred", "class"].iter().any(|part| name.contains(part))
    };
    let mut others = outputs.iter().enumerate().filter(|(output, _)| !is_state(*output));
    let first = others.clone().next().map_or(0, |(output, _)| output);
    others.find(|(_, port)| is_scores(port)).map_or(first, |(output, _)| output)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port((name, dims): &(&str, &[usize])) -> TensorInfo {
        // A free axis is 0 here.
        let dims = dims.iter().map(|axis| Some(*axis).filter(|axis| *axis > 0)).collect();
        TensorInfo { name: (*name).into(), element: "f32".into(), dims }
    }

    type NameAndShape<'a> = (&'a str, &'a [usize]);

    #[track_caller]
    fn assert_roles(
        inputs: &[NameAndShape<'_>],
        outputs: &[NameAndShape<'_>],
        window: &str,
        scores: &str,
        states: &[(&str, &str)],
    ) {
        let [inputs, outputs] = [inputs, outputs].map(|ports| ports.iter().map(port).collect::<Vec<_>>());
        let roles = Roles::of(&inputs, &outputs);
        let found = roles.states.iter().map(|pair| (&*inputs[pair.input].name, &*outputs[pair.output].name));
        assert_eq!(found.collect::<Vec<_>>(), states);
        assert_eq!((&*inputs[roles.window].name, &*outputs[roles.scores].name), (window, scores));
    }

    #[test]
    fn a_state_is_no_window() {
        // As Silero's.
        let state: &[usize] = &[2, 0, 128];
        assert_roles(
            &[("input", &[0, 512]), ("state", state)],
            &[("output", &[0, 1]), ("stateN", state)],
            "input",
            "output",
            &[("state", "stateN")],
        );
        let lstm: &[usize] = &[2, 0, 64];
        assert_roles(
            &[("h0", lstm), ("c0", lstm), ("x", &[0, 512])],
            &[("hn", lstm), ("cn", lstm), ("y", &[0, 3])],
            "x",
            "y",
            &[("h0", "hn"), ("c0", "cn")],
        );
        assert_roles(
            &[("mel", &[0, 40]), ("cache_0", &[1, 8, 16]), ("cache_1", &[1, 8, 16])],
            &[("scores", &[0, 3]), ("new_cache_1", &[1, 8, 16]), ("new_cache_0", &[1, 8, 16])],
            "mel",
            "scores",
            &[("cache_0", "new_cache_0"), ("cache_1", "new_cache_1")],
        );
    }

    #[test]
    fn names_without_a_meaning_leave_the_shape() {
        let state: &[usize] = &[2, 1, 128];
        assert_roles(&[("a", &[0, 512]), ("b", state)], &[("c1", &[0, 3]), ("d", state)], "a", "c1", &[("b", "d")]);
        assert_roles(
            &[("hidden", &[1, 8, 8]), ("wave", &[0, 512])],
            &[("123", &[0, 3]), ("124", &[1, 8, 8])],
            "wave",
            "123",
            &[("hidden", "124")],
        );
    }

    #[test]
    fn one_input_is_the_window_whatever_its_name() {
        assert_roles(&[("state", &[0, 3])], &[("y", &[0, 3]), ("state_out", &[0, 3])], "state", "y", &[]);
        // Neither the scores nor the first input are a state by their shape alone.
        assert_roles(&[("x", &[0, 3]), ("g", &[0, 3])], &[("y", &[0, 3])], "x", "y", &[]);
        assert_roles(&[("x", &[0, 3]), ("g", &[1])], &[("y", &[0, 3]), ("e", &[0, 3])], "x", "y", &[]);
    }
}
