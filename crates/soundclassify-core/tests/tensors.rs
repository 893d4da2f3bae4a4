// SPDX-License-Identifier: MIT OR Apache-2.0
//! Networks whose tensors are not just a window and its scores in f32: further inputs, other element types, state.

mod common;

use std::{fs, path::Path, sync::mpsc, time::Duration};

use common::{DATA, MANIFEST};
use soundclassify_core::{
    Error,
    model::{Engine, EngineOptions, Model, Network, Stream, load_embedding, load_network},
};
use tempfile::TempDir;

/// The state of the recurrent networks.
const STATE: &str = "[[state]]\ninput = \"h\"\noutput = \"hn\"\n";

struct Tiny(TempDir);

impl Tiny {
    /// A network with these lines at the end of `[input]` and `[output]`.
    fn new(onnx: &str, input: &str, output: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(Path::new(DATA).join(format!("{onnx}.onnx")), folder.path().join("tiny.onnx")).unwrap();
        let manifest = MANIFEST
            .replace("[features]", &format!("name = \"input\"\n{input}\n[features]"))
            .replace("[labels]", &format!("name = \"logits\"\n{output}\n[labels]"));
        fs::write(folder.path().join("tiny.toml"), manifest).unwrap();
        Self(folder)
    }

    /// This network with `tables` at the end of the manifest.
    fn with(self, tables: &str) -> Self {
        let path = self.0.path().join("tiny.toml");
        fs::write(&path, fs::read_to_string(&path).unwrap() + tables).unwrap();
        self
    }

    fn model(&self) -> Result<Model, Error> {
        Model::load(self.0.path().join("tiny.toml").to_str().unwrap())
    }

    fn network(&self) -> Result<Box<dyn Network>, Error> {
        load_network(&self.model()?, EngineOptions::default())
    }

    #[track_caller]
    fn refused(&self, parts: &[&str]) {
        let Err(error) = self.network() else { panic!("expected an error that names {parts:?}") };
        let text = error.to_string();
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in: {text}");
        }
    }
}

fn window(seed: usize) -> Vec<f32> {
    (0..24).map(|i| ((i * 31 + seed * 17) % 23) as f32 / 23.0).collect()
}

fn scores(network: &mut dyn Network, window: &[f32]) -> Vec<f32> {
    let mut scores = vec![0.0; 3];
    network.run(&[window], &mut scores).unwrap();
    scores
}

fn linear(window: &[f32]) -> Vec<f32> {
    scores(&mut *Tiny::new("linear", "", "").network().unwrap(), window)
}

#[track_caller]
fn assert_close(a: &[f32], b: &[f32], tolerance: f32) {
    let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(a.len() == b.len() && worst <= tolerance, "differ by {worst}: {a:?} {b:?}");
}

#[test]
fn constants_are_the_same_for_every_window() {
    let number = "[[input.constant]]\nname = \"other\"\nvalue = 0.5";
    let mut network = Tiny::new("two-inputs", number, "").network().unwrap();
    let shifted: Vec<f32> = window(1).iter().map(|value| value + 0.5).collect();
    assert_close(&scores(&mut *network, &window(1)), &linear(&shifted), 1e-5);
    let mut both = vec![0.0; 6];
    network.run(&[&window(1), &window(2)], &mut both).unwrap();
    assert_close(&both[3..], &scores(&mut *network, &window(2)), 1e-5);

    for (value, factor) in [("\"frames\"", 6.0), ("\"sample-rate\"", 16_000.0), ("2", 2.0)] {
        let constant = format!("[[input.constant]]\nname = \"lengths\"\nvalue = {value}");
        let mut network = Tiny::new("lengths", &constant, "").network().unwrap();
        let expected: Vec<f32> = linear(&window(1)).iter().map(|score| score * factor).collect();
        assert_close(&scores(&mut *network, &window(1)), &expected, 1e-5 * factor);
    }
    Tiny::new("two-inputs", "", "").refused(&["[[input.constant]]", "\"other\" f32 [?, 1, 4, 6]"]);
    let constant = |text: &str| format!("[[input.constant]]\n{text}");
    let unknown = constant("name = \"more\"\nvalue = 1");
    Tiny::new("two-inputs", &unknown, "").refused(&["input.constant", "\"more\"", "\"other\" f32 [?, 1, 4, 6]"]);
    let half = constant("name = \"lengths\"\nvalue = 0.5");
    Tiny::new("lengths", &half, "").refused(&["whole number", "\"lengths\" i64 [?]", "0.5"]);
    let word = constant("name = \"lengths\"\nvalue = \"many\"");
    Tiny::new("lengths", &word, "").refused(&["tiny.toml: input.constant[0].value", "\"frames\"", "\"many\""]);
    Tiny::new("lengths", &constant("name = \"lengths\""), "").refused(&["input.constant[0].value", "nothing"]);
    let twice = format!("{0}\n{0}", constant("name = \"lengths\"\nvalue = 2"));
    Tiny::new("lengths", &twice, "").refused(&["input.constant[1].name", "each input once", "\"lengths\" again"]);
    let own = constant("name = \"input\"\nvalue = 2");
    Tiny::new("linear", &own, "").refused(&["input.name", "without [[input.constant]] and [[state]]", "\"input\" f32"]);
    Tiny::new("lengths", "constant = 3", "").refused(&["input.constant", "a list of tables [[input.constant]]", "3"]);
}

#[test]
fn sixteen_bits_are_floats() {
    let mut network = Tiny::new("half", "type = \"f16\"", "").network().unwrap();
    assert_close(&scores(&mut *network, &window(1)), &linear(&window(1)), 2e-2);
    Tiny::new("half", "type = \"f32\"", "").refused(&["input.type", "expected f16", "found f32", "change it"]);
    Tiny::new("half", "type = \"f15\"", "").refused(&[
        "tiny.toml: input.type (line",
        "one of f16, f32, i8, u8",
        "\"f15\"",
    ]);
    Tiny::new("half", "scale = 0.1\nzero-point = 0", "").refused(&["input.scale", "u8 and i8 only", "f16"]);
}

#[test]
fn eight_bits_have_scale_and_zero_point() {
    let (input, output) = ("scale = 0.01\nzero-point = 10", "scale = 0.1\nzero-point = 5");
    let mut network = Tiny::new("quantised", input, output).network().unwrap();
    // Half a step of each of 24 values, and of the score.
    assert_close(&scores(&mut *network, &window(1)), &linear(&window(1)), 0.005 * 24.0 + 0.05);
    let expected = [&["input.scale", "\"input\" u8 [?, 1, 4, 6]"][..], &["output.scale", "\"logits\" i8"]].concat();
    Tiny::new("quantised", "", "").refused(&expected);
    Tiny::new("quantised", "scale = 0.01", output).refused(&["tiny.toml: input.zero-point", "nothing"]);
    Tiny::new("quantised", "scale = 0.01\nzero-point = 0.5", output).refused(&["input.zero-point", "whole", "0.5"]);
}

/// A stream, and its scores one after the other.
fn stream(engine: &std::sync::Arc<Engine>) -> (Stream, impl Fn(u64, &[f32], &Stream) -> Vec<f32>) {
    let (sender, receiver) = mpsc::channel();
    let stream = engine.stream(move |reply| sender.send(reply.scores.unwrap().to_vec()).unwrap());
    let engine = std::sync::Arc::clone(engine);
    let run = move |ticket: u64, window: &[f32], stream: &Stream| {
        let mut tensor = engine.tensor();
        tensor.copy_from_slice(window);
        stream.push(ticket, tensor);
        receiver.recv_timeout(Duration::from_secs(20)).unwrap()
    };
    (stream, run)
}

#[test]
fn a_state_is_carried_within_a_stream_until_it_is_reset() {
    let tiny = Tiny::new("state", "", "").with(STATE);
    let model = tiny.model().unwrap();
    let engine = Engine::shared(&model, &EngineOptions::default()).unwrap();
    let sum = |windows: &[usize]| -> Vec<f32> {
        let scores: Vec<_> = windows.iter().map(|seed| linear(&window(*seed))).collect();
        (0..3).map(|class| scores.iter().map(|scores| scores[class]).sum()).collect()
    };
    let ((one, run_one), (other, run_other)) = (stream(&engine), stream(&engine));
    assert_close(&run_one(0, &window(1), &one), &sum(&[1]), 1e-5);
    assert_close(&run_other(0, &window(5), &other), &sum(&[5]), 1e-5);
    assert_close(&run_one(1, &window(2), &one), &sum(&[1, 2]), 1e-5);
    assert_close(&run_other(1, &window(6), &other), &sum(&[5, 6]), 1e-5);
    one.clear();
    assert_close(&run_one(2, &window(3), &one), &sum(&[3]), 1e-5);
    assert_close(&run_other(2, &window(7), &other), &sum(&[5, 6, 7]), 1e-5);
    one.restart();
    assert_close(&run_one(3, &window(4), &one), &sum(&[4]), 1e-5);
    // The next stream gets the number of the one that went.
    drop(one);
    let (next, run_next) = stream(&engine);
    assert_close(&run_next(0, &window(8), &next), &sum(&[8]), 1e-5);
    assert!(engine.has_state());
    assert_eq!(engine.networks(), 1, "all windows of a stream need the network with its state");

    let edit = |from: &str, to: &str| Tiny::new("state", "", "").with(&STATE.replace(from, to));
    Tiny::new("state", "", "").refused(&["[[state]]", "\"h\" f32 [1, 3]"]);
    edit("\"hn\"", "\"next\"").refused(&["state.output", "\"next\"", "\"hn\" f32 [1, 3]"]);
    edit("\"hn\"", "\"wide\"").refused(&["same shape", "\"h\" f32 [1, 3]", "\"wide\" f32 [1, 24]"]);
    let twice = format!("\"hn\"\n{STATE}");
    edit("\"hn\"\n", &twice).refused(&["state[1].input", "each input once", "\"h\" again"]);
    edit("output", "outptu").refused(&["state[0].output", "nothing, but \"outptu\""]);
}

#[test]
fn each_tensor_has_one_use() {
    let second = |input: &str, output: &str| {
        let state = format!("{STATE}[[state]]\ninput = \"{input}\"\noutput = \"{output}\"\n");
        Tiny::new("state", "", "").with(&state)
    };
    let expected = ["tiny.toml: state[1].output (line", "each output once", "again, as in state[0].output"];
    second("g", "hn").refused(&expected);
    second("g", "hn:0").refused(&expected);
    second("h:0", "gn").refused(&["state[1].input (line", "each input once", "\"h:0\" again, as in state[0].input"]);
    let constant = |name: &str| format!("[[input.constant]]\nname = \"{name}\"\nvalue = 0.5\n");
    for name in ["h", "h:0"] {
        let both = Tiny::new("state", &constant(name), "").with(STATE);
        both.refused(&["tiny.toml: state[0].input (line", "[[state]]", "[[input.constant]]", "input.constant[0].name"]);
    }
    let twice = constant("lengths") + &constant("lengths:0");
    Tiny::new("lengths", &twice, "").refused(&["input.constant[1].name (line", "\"lengths:0\" again"]);
}

#[test]
fn a_suffix_of_converters_makes_no_difference_to_names() {
    let of = |input: &str, constant: &str, output: &str| {
        let tiny = Tiny::new("suffixes", &format!("[[input.constant]]\nname = \"{constant}\"\nvalue = 2"), "");
        let path = tiny.0.path().join("tiny.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text.replacen("name = \"input\"\n", input, 1).replace("\"logits\"", output)).unwrap();
        tiny
    };
    let expected: Vec<f32> = linear(&window(1)).iter().map(|score| score * 2.0).collect();
    // Without a name, the window's input is the one that has no constant.
    for input in ["", "name = \"input\"\n", "name = \"input:0\"\n"] {
        for (constant, output) in [("lengths", "\"logits\""), ("lengths:0", "\"logits:0\"")] {
            let mut network = of(input, constant, output).network().unwrap();
            assert_close(&scores(&mut *network, &window(1)), &expected, 1e-5);
        }
    }
    let own = of("name = \"lengths:0\"\n", "lengths", "\"logits\"");
    own.refused(&["input.name", "without [[input.constant]] and [[state]]", "\"lengths:0\""]);
}

#[test]
fn a_state_that_the_next_run_cannot_take_is_refused_before_audio_flows() {
    let refused = |onnx: &str, parts: &[&str]| Tiny::new(onnx, "", "").with(STATE).refused(parts);
    let shapes = ["\"h\" f32 [1, 3]", "\"hn\" f32 [?, ?]", "found [2, 3]", "state.output", "tiny.toml"];
    refused("tall-state", &shapes);
    let shapes = ["[1, 3] at the input \"h\" f32 [?, 3]", "[2, 3] at the output \"hn\" f32 [?, 3]", "tiny.toml"];
    refused("outgrown-state", &shapes);

    let tiny = Tiny::new("growing-state", "", "").with(STATE);
    let mut network = tiny.network().unwrap();
    network.select(1, 0);
    let [first, second, third] = [1, 2, 3].map(|seed| scores(&mut *network, &window(seed)));
    let own: Vec<_> = [1, 2, 3].into_iter().map(|seed| linear(&window(seed))).collect();
    let plus = |own: &[f32], length: usize, before: f32| -> Vec<f32> {
        own.iter().map(|score| score + before / length as f32).collect()
    };
    let sums: Vec<f32> = own.iter().map(|scores| scores.iter().sum()).collect();
    // The state has one zero, then the scores of each run without those of the state.
    assert_close(&first, &own[0], 1e-5);
    assert_close(&second, &plus(&own[1], 4, sums[0]), 1e-5);
    assert_close(&third, &plus(&own[2], 7, sums[0] + sums[1]), 1e-5);
}

#[test]
fn a_state_and_an_embedding_may_have_16_bits() {
    let tiny = Tiny::new("half-state", "", "embedding = \"embedding\"").with(STATE);
    let model = tiny.model().unwrap();
    let engine = Engine::shared(&model, &EngineOptions::default()).unwrap();
    let (one, run) = stream(&engine);
    run(0, &window(1), &one);
    let sum: Vec<f32> = linear(&window(1)).iter().zip(linear(&window(2))).map(|(a, b)| a + b).collect();
    assert_close(&run(1, &window(2), &one), &sum, 1e-2);

    let mut network = load_embedding(&model, EngineOptions::default()).unwrap();
    assert_eq!(network.classes(), 24, "axes of length 1 behind the values are none");
    let mut embedding = vec![0.0; 24];
    network.run(&[&window(3)], &mut embedding).unwrap();
    assert_close(&embedding, &window(3), 1e-3);
}

#[test]
fn the_last_axis_of_an_output_is_that_of_the_classes() {
    Tiny::new("classes-first", "", "").refused(&["3 classes in the last axis", "[1, 3, 6]", "tiny"]);
    let attention = "reduce = \"attention\"\nattention = \"logits\"";
    Tiny::new("linear", "", attention).refused(&["output.attention", "another output than that of the scores"]);
}

#[test]
fn numbers_outside_of_the_range_of_a_type_are_refused() {
    let input = |zero: &str| format!("scale = 0.01\nzero-point = {zero}");
    let output = |zero: &str| format!("scale = 0.1\nzero-point = {zero}");
    Tiny::new("quantised", &input("10"), &output("5")).network().unwrap();
    Tiny::new("quantised", &input("-1"), &output("5")).refused(&["input.zero-point", "0 to 255", "found -1"]);
    Tiny::new("quantised", &input("10"), &output("200")).refused(&["output.zero-point", "-128 to 127", "found 200"]);
    let constant = "[[input.constant]]\nname = \"lengths\"\nvalue = 1e25";
    Tiny::new("lengths", constant, "").refused(&["input.constant", "\"lengths\" i64", "9007199254740992"]);
}

#[test]
fn the_reason_for_a_misfit_names_the_manifest_and_each_key_once() {
    let constant = "[[input.constant]]\nname = \"lengths\"\nvalue = 0.5";
    let Err(error) = Tiny::new("lengths", constant, "").network() else { panic!("0.5 is no length") };
    let text = error.to_string();
    assert!(text.contains("tiny.toml") && !text.contains("found none for"), "{text}");
}

#[test]
fn a_window_that_does_not_fit_comes_with_the_keys_that_decide_its_shape() {
    let misfit = |layout: &str, features: &str, keys: &str| {
        let tiny = Tiny::new("linear", "", "");
        let path = tiny.0.path().join("tiny.toml");
        let text = fs::read_to_string(&path).unwrap();
        let (head, tail) = text.split_once("window = 0.1\n").unwrap();
        let rest = &tail[tail.find("[output]").unwrap()..];
        let head = head.replace("\"mels-frames\"", &format!("\"{layout}\""));
        fs::write(path, format!("{head}window = 0.1\n{features}\n{rest}")).unwrap();
        tiny.refused(&["windows of shape", "\"input\" f32 [?, 1, 4, 6]", keys]);
    };
    let frames = "n-fft = 512\nhop-length = 160\nn-mels = 5\nframes = 6";
    misfit("mels-frames", frames, "check input.layout, input.channel-axis, features.n-mels and features.frames");
    let cepstra = format!("{frames}\nkind = \"mfcc\"\nn-mfcc = 3");
    misfit("mels-frames", &cepstra, "check input.layout, input.channel-axis, features.n-mfcc and features.frames");
    let keys = "check input.channel-axis, features.window and features.sample-rate";
    misfit("samples", "kind = \"waveform\"", keys);
}

#[test]
fn a_network_by_itself_carries_no_state() {
    let mut network = Tiny::new("state", "", "").with(STATE).network().unwrap();
    let alone = scores(&mut *network, &window(1));
    assert_eq!(scores(&mut *network, &window(1)), alone);
    network.select(3, 0);
    assert_eq!(scores(&mut *network, &window(1)), alone, "zeros before the first window");
    let doubled: Vec<f32> = alone.iter().map(|score| 2.0 * score).collect();
    assert_close(&scores(&mut *network, &window(1)), &doubled, 1e-5);
    network.select(3, 1);
    assert_eq!(scores(&mut *network, &window(1)), alone);
}
