// SPDX-License-Identifier: MIT OR Apache-2.0
//! `inspect --verify`, `inspect --input`, and the arrays of `features` that they need.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use crate::cli::support::{LOW, TONES, melody, objects, run, small_manifest, stdout, text, tones};

/// The model of tones in a folder of its own, beside a recording and its own scores and features, which `[check]` names.
pub(crate) struct Checked(tempfile::TempDir);

impl Checked {
    pub(crate) fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::copy(Path::new(TONES).with_file_name("tones.onnx"), folder.path("tones.onnx")).unwrap();
        melody(folder.0.path());
        for (what, array) in [("--scores", "scores.npy"), ("--jobs=1", "features.npy")] {
            let [audio, array] =
                [folder.path("melody.wav"), folder.path(array)].map(|path| path.to_str().unwrap().to_owned());
            stdout(["features", "--model", TONES, what, &audio, "-o", &array]);
        }
        folder.check("scores = \"scores.npy\"\nfeatures = \"features.npy\"");
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn check(&self, lines: &str) {
        let manifest = fs::read_to_string(TONES).unwrap() + "\n[check]\naudio = \"melody.wav\"\n" + lines;
        fs::write(self.path("tones.toml"), manifest).unwrap();
    }

    /// Exit status and what was printed.
    fn verify(&self, more: &[&str]) -> (Option<i32>, String) {
        let manifest = self.path("tones.toml");
        let output = run([&["inspect", "--verify", manifest.to_str().unwrap()], more].concat());
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    }
}

fn array(path: &Path) -> (Vec<u64>, Vec<f32>) {
    let array = npyz::NpyFile::new(File::open(path).unwrap()).unwrap();
    (array.shape().to_vec(), array.into_vec().unwrap())
}

#[test]
fn a_check_passes_with_its_own_numbers_and_fails_with_others() {
    let model = Checked::new();
    let (code, right) = model.verify(&[]);
    assert_eq!(code, Some(0), "{right}");
    assert!(
        right.contains("features  expected [55, 1, 12, 50]") && right.contains("scores    expected [55, 4]"),
        "{right}"
    );
    assert!(right.contains("verified  yes"), "{right}");

    // The last score, of the last window and label.
    let scores = model.path("scores.npy");
    let mut bytes = fs::read(&scores).unwrap();
    let at = bytes.len() - 4;
    bytes[at..].copy_from_slice(&0.5f32.to_le_bytes());
    fs::write(&scores, &bytes).unwrap();
    let (code, wrong) = model.verify(&[]);
    assert_eq!(code, Some(1), "{wrong}");
    assert!(
        wrong.contains("window 54, High, very high: expected 0.5, found ") && wrong.contains("verified  no"),
        "{wrong}"
    );
    let json = &objects(&model.verify(&["--json"]).1)[0];
    assert_eq!(json["parts"][0]["passes"], true, "{json}");
    assert_eq!(
        (&json["parts"][1]["passes"], &json["parts"][1]["worst"]["window"]),
        (&false.into(), &54.into()),
        "{json}"
    );

    tones(&model.path("melody.wav"), &[(LOW, 0.3)]);
    let (code, other) = model.verify(&[]);
    assert_eq!(code, Some(1), "{other}");
    assert!(other.contains("expected [55, 4]") && other.contains("found [1, 4]: the windows differ"), "{other}");
}

#[test]
fn what_a_check_lacks_is_named() {
    let model = Checked::new();
    let reports = |parts: &[&str]| {
        let (code, text) = model.verify(&[]);
        assert_eq!(code, Some(1), "{text}");
        parts.iter().for_each(|part| assert!(text.contains(part), "{part:?} is not in: {text}"));
    };
    let line = |key: &str| {
        let manifest = fs::read_to_string(model.path("tones.toml")).unwrap();
        let number = manifest.lines().position(|line| line.starts_with(&format!("{key} = "))).unwrap() + 1;
        format!("tones.toml: check.{key} (line {number}): expected ")
    };
    let of_scores = |file: &str, parts: &[&str]| {
        model.check(&format!("scores = {file:?}"));
        reports(&[&[&*line("scores"), file], parts].concat());
    };
    let remedy = "copy it there, correct the name, or write it with `soundclassify features --scores`";
    of_scores("none.npy", &["an .npy file beside the manifest", remedy, "found no file "]);
    fs::create_dir(model.path("folder.npy")).unwrap();
    of_scores("folder.npy", &["an .npy file beside the manifest", remedy, "found the folder "]);
    let arrays = "a whole .npy file of float16, float32 or float64 values in C order, found ";
    fs::write(model.path("text.npy"), "no array").unwrap();
    of_scores("text.npy", &[arrays, "text.npy: no .npy file: "]);
    let bytes = fs::read(model.path("scores.npy")).unwrap();
    fs::write(model.path("short.npy"), &bytes[..bytes.len() - 8]).unwrap();
    of_scores("short.npy", &[arrays, "218 values for the shape [55, 4]: the file is incomplete", "copy it again"]);
    let mut of_integers = bytes.clone();
    let at = bytes.windows(3).position(|part| part == b"<f4").unwrap();
    of_integers[at..at + 3].copy_from_slice(b"<i4");
    fs::write(model.path("whole.npy"), of_integers).unwrap();
    of_scores("whole.npy", &[arrays, "values of int32; astype(\"float32\")"]);

    model.check("features = \"none.npy\"");
    reports(&[&line("features"), "or write it with `soundclassify features`,"]);
    model.check("scores = \"scores.npy\"");
    let audio = line("audio");
    fs::write(model.path("melody.wav"), "no recording").unwrap();
    reports(&[&audio, "a recording with audio that can be decoded; replace it", "found ", "melody.wav"]);
    fs::remove_file(model.path("melody.wav")).unwrap();
    reports(&[
        &audio,
        "a recording beside the manifest: copy it there or correct the name",
        "found no file ",
        "melody.wav",
    ]);
    fs::create_dir(model.path("melody.wav")).unwrap();
    reports(&[&audio, "a recording beside the manifest", "found the folder "]);
    let without = run(["inspect", "--verify", TONES]);
    assert_eq!(without.status.code(), Some(1));
    let without = text(&without.stderr);
    assert!(without.contains("expected a table [check]") && without.contains("features --scores"), "{without}");
}

#[test]
fn embeddings_are_an_output_of_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let [audio, embeddings, scores] = ["melody.wav", "embeddings.npy", "scores.npy"]
        .map(|name| folder.path().join(name).to_str().unwrap().to_owned());
    melody(folder.path());
    let features = |what: &str, output: &str| {
        stdout(["features", "--model", "default", "--oversamples", "2", what, &audio, "-o", output]);
        array(Path::new(output))
    };

    let (shape, values) = features("--embedding", &embeddings);
    let (score_shape, score_values) = features("--scores", &scores);

    assert_eq!((shape.len(), shape[0], score_shape[0]), (2, score_shape[0], 10));
    assert!(shape[1] > 100 && values.iter().all(|value| value.is_finite()), "{shape:?}");
    let sums = score_values.chunks_exact(score_shape[1] as usize).map(|row| row.iter().sum::<f32>());
    assert!(sums.into_iter().all(|sum| (sum - 1.0).abs() < 1e-4), "softmax of each window");
    let without = run(["features", "--model", TONES, "--embedding", &audio, "-o", &embeddings]);
    let without = (without.status.code(), text(&without.stderr));
    assert!(without.0 == Some(1) && without.1.contains("output.embedding"), "{without:?}");
    assert_eq!(run(["features", "--scores", "--logmel", &audio, "-o", &scores]).status.code(), Some(2));
}

#[test]
fn the_distribution_of_a_recording_shows_a_wrong_scale() {
    let folder = tempfile::tempdir().unwrap();
    let audio = melody(folder.path()).to_str().unwrap().to_owned();
    let default = stdout(["inspect", "default", "--input", &audio]);
    assert!(default.contains("windows of [1, 100, 128]") && default.contains("band      120–127"), "{default}");

    fs::copy(Path::new(TONES).with_file_name("tones.onnx"), folder.path().join("tones.onnx")).unwrap();
    let manifest = fs::read_to_string(TONES).unwrap().replace("\"minmax\"", "\"none\"");
    let manifest = manifest.replace("fmax = 8000", "fmax = 8000\nnormalize-mean = 100.0\nnormalize-std = 2.0");
    let path = folder.path().join("tones.toml");
    fs::write(&path, manifest).unwrap();
    let wrong = stdout(["inspect", path.to_str().unwrap(), "--input", &audio]);
    assert!(wrong.contains("warning   improbable scale") && wrong.contains("normalize-mean"), "{wrong}");
    let json = &objects(&stdout(["inspect", TONES, "--input", &audio, "--json"]))[0];
    assert_eq!(json["bands"].as_array().map(Vec::len), Some(12), "{json}");
    assert_eq!((&json["min"], &json["windows"]), (&0.0.into(), &55.into()), "{json}");
}

#[test]
fn the_scale_of_a_preset_is_checked_for_a_recording() {
    let folder = tempfile::tempdir().unwrap();
    let audio = melody(folder.path()).to_str().unwrap().to_owned();
    fs::copy(Path::new(TONES).with_file_name("tones.onnx"), folder.path().join("tones.onnx")).unwrap();
    let tones = fs::read_to_string(TONES).unwrap();
    let (head, rest) = tones.split_once("[features]").unwrap();
    let tail = &rest[rest.find("\n[").unwrap()..];
    let path = folder.path().join("tones.toml");
    // What is shown does not depend on the network, which has different axes.
    let shown = |scale: &str, more: &[&str]| {
        let head = head.replace("\"minmax\"", "\"none\"");
        fs::write(&path, format!("{head}[features]\npreset = \"yamnet\"\n{scale}\n{tail}")).unwrap();
        stdout([&["inspect", path.to_str().unwrap(), "--input", &audio], more].concat())
    };

    let right = shown("", &[]);
    let wrong = shown("waveform-scale = 32768", &[]);
    let json = &objects(&shown("waveform-scale = 32768", &["--json"]))[0];

    assert!(right.contains("scale     probable: features.waveform-scale is 1, as in the preset yamnet"), "{right}");
    let expected =
        "warning   improbable scale: features.waveform-scale: found 32768, expected 1, as in the preset yamnet";
    assert!(wrong.contains(expected) && !wrong.contains("scale     "), "{wrong}");
    assert_eq!(json["scale"]["verdict"], "improbable", "{json}");
}

#[test]
fn integers_are_shown_as_the_network_gets_them() {
    let folder = tempfile::tempdir().unwrap();
    let audio = melody(folder.path()).to_str().unwrap().to_owned();
    let network = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/models/quantised.onnx");
    fs::copy(network, folder.path().join("quantised.onnx")).unwrap();
    let path = folder.path().join("quantised.toml");
    let shown = |scale: &str, more: &[&str]| {
        let output = "[output]\nactivation = \"none\"\nscale = 0.1\nzero-point = 5";
        let input = format!("scale = {scale}\nzero-point = 200\n\n[features]");
        fs::write(&path, small_manifest("quantised", output).replace("[features]", &input)).unwrap();
        stdout([&["inspect", path.to_str().unwrap(), "--input", &audio], more].concat())
    };

    let fine = shown("0.6", &[]);
    let coarse = shown("1000", &[]);
    let json = &objects(&shown("1000", &["--json"]))[0]["integers"];

    assert!(fine.contains("integers  u8, ") && !fine.contains("of the 256 integers"), "{fine}");
    assert!(coarse.contains("integers  u8, 200 … 200: 1 in use, 99 % of the values in 1"), "{coarse}");
    assert!(coarse.contains("become 1 of the 256 integers of u8: input.scale is 1000"), "{coarse}");
    assert_eq!((&json["type"], &json["distinct"], &json["max"]), (&"u8".into(), &1.into(), &200.into()), "{json}");
}

#[test]
fn the_range_of_integers_is_that_of_the_networks_own_type() {
    let folder = tempfile::tempdir().unwrap();
    let audio = melody(folder.path()).to_str().unwrap().to_owned();
    let network = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/models/quantised.onnx");
    fs::copy(network, folder.path().join("quantised.onnx")).unwrap();
    let path = folder.path().join("quantised.toml");
    let shown = |input: &str, labels: &str| {
        let output = "[output]\nactivation = \"none\"\nscale = 0.1\nzero-point = 5";
        let manifest = small_manifest("quantised", output).replace("\n[features]", &format!("{input}\n[features]"));
        fs::write(&path, manifest.replace("\"c\"]", labels)).unwrap();
        objects(&stdout(["inspect", path.to_str().unwrap(), "--input", &audio, "--json"])).remove(0)
    };
    let scale = "scale = 1.0\nzero-point = 0";

    // Decibels below 0 of silence: an u8 has none of them, an i8 most.
    let own = shown(scale, "\"c\"]");
    let stated = shown(&format!("type = \"u8\"\n{scale}"), "\"c\"]");
    let misfit = shown(scale, "\"c\", \"d\"]");

    let share = own["clipped"].as_f64().unwrap();
    assert!(share > 0.3, "{own}");
    assert_eq!(own["clipped"], stated["clipped"], "{stated}");
    let warned = |line: &serde_json::Value, part: &str| line["warnings"].to_string().contains(part);
    assert!(warned(&own, "outside of the range of the input's integers"), "{own}");
    assert!(misfit["clipped"].is_null() && warned(&misfit, "4 labels"), "{misfit}");
}
