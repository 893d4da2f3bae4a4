// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a network's files say beside its shapes: names, metadata, the operator that its output comes from.

use std::path::Path;

use super::model_info::ModelInfo;
use crate::model::{onnx::Network, tensor_info::TensorInfo};

/// Maximum length of a text of metadata, bytes; longer ones are not read.
const MAX_METADATA: usize = 1 << 20;

/// Sample rates as names have them.
const RATES: [(&str, u32); 6] =
    [("8k", 8000), ("16k", 16_000), ("22k", 22_050), ("32k", 32_000), ("44k", 44_100), ("48k", 48_000)];

/// Texts from the network's files.
#[derive(Debug, Default)]
pub(super) struct Clues {
    /// Words of names: of the file, the graph, its ports, metadata and `.modelinfo`; lower case.
    words: Vec<String>,
    metadata: Vec<(String, String)>,
    /// By output: the operator that it comes from.
    operators: Vec<(String, String)>,
    pub(super) info: ModelInfo,
}

impl Clues {
    /// Of the network in `bytes`, which are at `onnx`.
    pub(super) fn of(bytes: &[u8], onnx: &Path, ports: &[&TensorInfo]) -> Self {
        let mut clues = Self { info: ModelInfo::beside(onnx).unwrap_or_default(), ..Self::default() };
        clues.add_words(&onnx.file_stem().unwrap_or_default().to_string_lossy());
        if let Ok(network) = Network::read(bytes, onnx) {
            clues.add_network(&network);
        }
        if let Some(group) = clues.info.group.clone() {
            clues.add_words(&group);
        }
        ports.iter().for_each(|port| clues.add_words(&port.name));
        clues
    }

    fn add_network(&mut self, network: &Network) {
        for entry in network.metadata.iter().filter(|entry| entry.value.len() <= MAX_METADATA) {
            let [key, value] = [&entry.key, &entry.value].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            if value.len() < 200 {
                self.add_words(&value);
            }
            self.metadata.push((key.to_lowercase(), value));
        }
        let Some(graph) = &network.graph else { return };
        self.add_words(&String::from_utf8_lossy(&graph.name));
        for node in &graph.nodes {
            let operator = String::from_utf8_lossy(&node.operator).into_owned();
            let outputs =
                node.outputs.iter().map(|name| (String::from_utf8_lossy(name).into_owned(), operator.clone()));
            self.operators.extend(outputs);
        }
    }

    fn add_words(&mut self, text: &str) {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        self.words.extend(words.map(str::to_lowercase));
    }

    /// Which of these words the names have: as a whole, or at the beginning of a longer one if it has five letters.
    pub(super) fn word<'w>(&self, wanted: &[&'w str]) -> Option<&'w str> {
        let has = |wanted: &str| {
            self.words.iter().any(|word| word == wanted || wanted.len() >= 5 && word.starts_with(wanted))
        };
        wanted.iter().copied().find(|wanted| has(wanted))
    }

    /// The metadata of one of these keys, and the key.
    pub(super) fn metadata(&self, keys: &[&str]) -> Option<(&str, &str)> {
        let found = self.metadata.iter().find(|(key, _)| keys.contains(&key.as_str()));
        found.map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The operator that an output comes from.
    pub(super) fn operator(&self, output: &str) -> Option<&str> {
        self.operators.iter().find(|(name, _)| name == output).map(|(_, operator)| operator.as_str())
    }

    /// Hz, and whether metadata state it or a name such as `32k`.
    pub(super) fn sample_rate(&self) -> Option<(u32, bool)> {
        let stated = self.metadata(&["sample_rate", "samplerate", "sampling_rate", "sample-rate", "sr", "fs"]);
        let stated = stated.and_then(|(_, value)| rate(value));
        let is_named = |name: &str| self.words.iter().any(|word| word.strip_suffix("hz").unwrap_or(word) == name);
        let named = || RATES.iter().find(|(name, _)| is_named(name));
        stated.map(|rate| (rate, true)).or_else(|| named().map(|(_, rate)| (*rate, false)))
    }
}

/// Hz in texts such as `44100`, `44100.0`, `44100 Hz` and `44.1kHz`.
fn rate(text: &str) -> Option<u32> {
    let text = text.trim().to_lowercase();
    let number = text.strip_suffix("hz").unwrap_or(&text).trim_end();
    let (number, unit) = number.strip_suffix('k').map_or((number, 1.0), |number| (number.trim_end(), 1000.0));
    let hertz = number.parse::<f64>().ok()? * unit;
    let rounded = hertz.round();
    let is_rate = (hertz - rounded).abs() < 1e-3 && (1000.0..=768_000.0).contains(&rounded);
    is_rate.then_some(rounded as u32)
}

#[cfg(test)]
mod tests {
    use super::rate;

    #[test]
    fn rates_are_read_however_they_are_written() {
        for text in ["44100", " 44100.0 ", "44100 Hz", "44100hz", "44.1kHz", "44.1 khz", "44.1k", "4.41e4"] {
            assert_eq!(rate(text), Some(44_100), "{text}");
        }
        for text in ["", "Hz", "k", "fast", "-16000", "16", "16000.5", "NaN", "inf", "1e99", "16 MHz"] {
            assert_eq!(rate(text), None, "{text}");
        }
    }
}
