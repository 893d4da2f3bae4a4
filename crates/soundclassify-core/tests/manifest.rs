// SPDX-License-Identifier: MIT OR Apache-2.0
//! Manifests: what every key gives, and what every mistake says.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use soundclassify_core::{
    Error,
    frontend::{
        ChannelAxis, FeatureSpec, Features, FixedNormalize, Layout, Lifter, Log, LogMel, MelNorm, MelScale, Mfcc,
        Normalize, PadMode, Placement, Power, Preemphasis, WindowFunction, preset,
    },
    model::{Activation, Manifest, Model, Reduce},
};
use tempfile::TempDir;

const PLAIN: &str = r#"name = "tiny"
description = "A test"
licence = "MIT"
version = "1"
onnx = "tiny.onnx"
[input]
layout = "mels-frames"
channel-axis = "first"
normalize = "none"
[features]
preset = "fsdkaggle2018-small"
[output]
activation = "none"
[labels]
names = ["Bark", "Rain", "Background"]
"#;

fn folder(manifest: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiny.toml"), manifest).unwrap();
    folder
}

fn load(manifest: &str) -> Result<Manifest, Error> {
    Manifest::load(&folder(manifest).path().join("tiny.toml"))
}

/// `PLAIN` with `from` changed into `to`.
#[track_caller]
fn edited(from: &str, to: &str) -> String {
    assert!(PLAIN.contains(from), "{from}");
    PLAIN.replace(from, to)
}

/// Expects an error of the manifest whose text has every part.
#[track_caller]
fn refuses(manifest: &str, parts: &[&str]) {
    let text = load(manifest).expect_err("a mistake").to_string();
    for part in [&["tiny.toml"], parts].concat() {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

#[test]
fn the_example_of_the_documentation_is_a_manifest() {
    let source = include_str!("../src/model/manifest/mod.rs");
    let example = source.split("//! ```toml\n").nth(1).unwrap().split("//! ```\n").next().unwrap();
    let example: String = example.lines().map(|line| line.strip_prefix("//!").unwrap().to_owned() + "\n").collect();
    let manifest = load(&example).unwrap();
    let preset = load(&edited("fsdkaggle2018-small", "fsdkaggle2018")).unwrap();
    assert_eq!(manifest.features.features, preset.features.features, "the example spells the preset out");
    assert_eq!(manifest.defaults.thresholds["Bark"], 0.4);
    assert_eq!(manifest.defaults.deny_labels, ["Background"]);
    // Commented keys are keys, too.
    let other = example.replace("# sha256 = \"…\"", &format!("sha256 = \"{}\"", "0a".repeat(32)));
    let other = other.replace("# offset", "offset").replace("log = \"db\"", "log = \"ln\"");
    let other = other.replace("amin = ", "# amin = ").replace("top-db = ", "# top-db = ");
    let other = other.replace("reduce = \"mean\"", "reduce = \"attention\"").replace("# attention", "attention");
    let other = ["[check]", "audio", "scores", "tolerance", "embedding"]
        .iter()
        .fold(other, |text, key| text.replace(&format!("# {key}"), key));
    let all = load(&other).unwrap();
    assert_eq!(all.check.as_ref().map(|check| check.tolerance), Some(1e-3));
    assert_eq!((all.attention_name.as_deref(), all.embedding_name.as_deref()), (Some("weights"), Some("embedding")));
    assert_eq!(load(&other).unwrap().sha256, Some([10; 32]));
}

#[test]
fn presets_are_those_of_the_design() {
    let preset = |name: &str| load(&edited("fsdkaggle2018-small", name)).unwrap().features;
    let values = |name: &str| {
        let spec = preset(name);
        let Features::LogMel(mel) = spec.features else { panic!("no log-mel") };
        let sizes = [mel.n_fft, mel.win_length, mel.hop_length, mel.n_mels, mel.frames];
        (
            spec.sample_rate,
            spec.window,
            sizes,
            (mel.fmin, mel.fmax),
            mel.scale,
            mel.norm,
            mel.power,
            mel.log,
            mel.placement,
        )
    };
    let db = Log::Db { amin: 1e-10, top_db: Some(80.0) };
    let (slaney, htk) = (MelScale::Slaney, MelScale::Htk);
    let centred = Placement::Center(PadMode::Reflect);
    let big = [2560, 2560, 347, 128, 128];
    assert_eq!(
        values("fsdkaggle2018"),
        (44_100, 44_100, big, (20.0, 22_050.0), slaney, MelNorm::Slaney, Power::Two, db, centred)
    );
    let small = [1280, 1280, 253, 64, 64];
    assert_eq!(
        values("fsdkaggle2018-small"),
        (16_000, 16_000, small, (20.0, 8_000.0), slaney, MelNorm::Slaney, Power::Two, db, centred)
    );
    let yamnet = [512, 400, 160, 64, 96];
    let ln = Log::Ln { offset: 0.001 };
    assert_eq!(
        values("yamnet"),
        (16_000, 15_600, yamnet, (125.0, 7_500.0), htk, MelNorm::None, Power::One, ln, Placement::Start)
    );
}

#[test]
fn own_values_go_over_those_of_the_preset() {
    let manifest =
        load(&edited("\"fsdkaggle2018-small\"", "\"yamnet\"\nn-mels = 32\nlog = \"db\"\ncenter = true")).unwrap();
    let Features::LogMel(mel) = &manifest.features.features else { panic!("no log-mel") };
    assert_eq!((mel.n_mels, mel.n_fft), (32, 512));
    assert_eq!(mel.placement, Placement::Center(PadMode::Reflect));
    assert_eq!(mel.log, Log::Db { amin: 1e-10, top_db: None });
    let manifest =
        load(&edited("\"fsdkaggle2018-small\"", "\"fsdkaggle2018\"\ntop-db = \"none\"\nsample-rate = 16000"));
    let Features::LogMel(mel) = manifest.unwrap().features.features else { panic!("no log-mel") };
    assert_eq!(mel.log, Log::Db { amin: 1e-10, top_db: None });
    assert_eq!(mel.fmax, 8_000.0, "a preset's band ends at half the sample rate");
}

#[test]
fn a_waveform_needs_rate_and_window() {
    let manifest = edited("\"mels-frames\"", "\"samples\"");
    let manifest =
        manifest.replace("preset = \"fsdkaggle2018-small\"", "kind = \"waveform\"\nsample-rate = 32000\nwindow = 0.5");
    let spec = load(&manifest).unwrap().features;
    assert_eq!((spec.features, spec.layout), (Features::Waveform, Layout::Samples));
    assert_eq!((spec.sample_rate, spec.window, spec.channel_axis), (32_000, 16_000, ChannelAxis::First));
    refuses(&manifest.replace("window = 0.5", ""), &["features.window", "seconds", "nothing"]);
    refuses(&manifest.replace("window", "n-mels = 3\nwindow"), &["features.n-mels (line 13)", "logmel", "waveform"]);
    refuses(&manifest.replace("\"samples\"", "\"mels-frames\""), &["input.layout (line 7)", "samples", "waveform"]);
}

/// The features of a manifest with these lines instead of the preset.
#[track_caller]
fn features(lines: &str) -> FeatureSpec {
    load(&edited("preset = \"fsdkaggle2018-small\"", lines)).unwrap().features
}

const FBANK: &str = "kind = \"fbank\"\nsample-rate = 16000\nwindow = 1.0\nn-mels = 80\nframes = 98";

#[test]
fn kaldis_filter_bank_needs_four_numbers() {
    let spec = features(FBANK);
    assert_eq!(spec.log_mel(), Some(&LogMel::kaldi(16_000, 80, 98)));
    let spec = features(&format!(
        "{FBANK}\nwindow-function = \"hamming\"\nsnip-edges = false\nremove-dc = false\npreemphasis = 0.5\n\
         energy-floor = 1.0\nwaveform-scale = 32768\nwin-length = 800\nfmax = 7600\npower = 1"
    ));
    let expected = LogMel {
        window_function: WindowFunction::HammingSymmetric,
        placement: Placement::HopCenter,
        remove_dc: false,
        preemphasis: Preemphasis::Frame(0.5),
        log: Log::LnFloor { floor: 1.0 },
        waveform_scale: 32_768.0,
        win_length: 800,
        n_fft: 1024,
        fmax: 7600.0,
        power: Power::One,
        ..LogMel::kaldi(16_000, 80, 98)
    };
    assert_eq!(spec.log_mel(), Some(&expected));
}

#[test]
fn presets_bring_their_kind_and_fixed_normalisation() {
    for (name, make) in preset::ALL {
        let expected = make();
        let manifest = edited("fsdkaggle2018-small", name);
        let waveform = expected.features == Features::Waveform;
        let spec =
            load(&if waveform { manifest.replace("mels-frames", "samples") } else { manifest }).unwrap().features;
        assert_eq!((spec.sample_rate, spec.window), (expected.sample_rate, expected.window), "{name}");
        assert_eq!((spec.features, spec.fixed), (expected.features, expected.fixed), "{name}");
    }
}

#[test]
fn log_mel_takes_pre_emphasis_window_functions_and_pads() {
    let lines = "preset = \"yamnet\"\ncenter = true\npad-mode = \"constant\"\npreemphasis = 0.97\nmel-scale = \"kaldi\"\n\
                 window-function = \"hann-symmetric\"\nnormalize-mean = -4.5\nnormalize-std = 5";
    let spec = features(lines);
    let mel = spec.log_mel().unwrap();
    assert_eq!((mel.placement, mel.preemphasis), (Placement::Center(PadMode::Constant), Preemphasis::Signal(0.97)));
    assert_eq!((mel.window_function, mel.scale), (WindowFunction::HannSymmetric, MelScale::Kaldi));
    assert_eq!(spec.fixed, FixedNormalize::Scalar { mean: -4.5, std: 5.0 });
    let spec = features("preset = \"yamnet\"\nn-mels = 2\nnormalize-mean = [1, 2]\nnormalize-std = [3, 4.5]");
    assert_eq!(spec.fixed, FixedNormalize::PerBand { mean: vec![1.0, 2.0], std: vec![3.0, 4.5] });
}

#[test]
fn cepstra_are_of_either_kind() {
    let spec = features("kind = \"mfcc\"\npreset = \"yamnet\"\nn-mfcc = 13\nlifter = 22\ndct-norm = \"none\"");
    let mel = preset::yamnet().log_mel().unwrap().clone();
    let expected = Mfcc { mel, coefficients: 13, orthonormal: false, lifter: Lifter::Librosa(22.0) };
    assert_eq!((spec.shape(), spec.features), (vec![1, 13, 96], Features::Mfcc(expected)));
    let spec = features(&FBANK.replace("fbank\"", "mfcc\"\nof = \"fbank\"\nn-mfcc = 20\nlifter = 22"));
    let Features::Mfcc(mfcc) = spec.features else { panic!("no MFCC") };
    assert_eq!((mfcc.lifter, mfcc.orthonormal), (Lifter::Kaldi(22.0), true));
    assert_eq!(mfcc.mel, LogMel::kaldi(16_000, 80, 98));
}

#[test]
fn a_waveforms_scale_comes_before_its_normalisation() {
    let manifest =
        edited("\"mels-frames\"", "\"samples\"").replace("-small\"", "\"\nkind = \"waveform\"\nwaveform-scale = 32768");
    assert_eq!(load(&manifest).unwrap().features.fixed, FixedNormalize::Scalar { mean: 0.0, std: 1.0 / 32_768.0 });
    let manifest = manifest.replace("32768", "2\nnormalize-mean = 1\nnormalize-std = 4");
    assert_eq!(load(&manifest).unwrap().features.fixed, FixedNormalize::Scalar { mean: 0.5, std: 2.0 });
}

#[test]
fn mistakes_in_new_keys_name_both_sides() {
    let own = |lines: &str| edited("preset = \"fsdkaggle2018-small\"", lines);
    let small = |lines: &str| own(&format!("preset = \"fsdkaggle2018-small\"\n{lines}"));
    refuses(&small("preemphasis = 1.5"), &["features.preemphasis (line 12)", "0 to 1", "found 1.5"]);
    refuses(&small("window-function = \"povey\""), &["features.window-function", "hann-symmetric", "found \"povey\""]);
    refuses(&small("pad-mode = \"edge\""), &["features.pad-mode", "one of constant, reflect", "found \"edge\""]);
    refuses(
        &small("center = false\npad-mode = \"reflect\""),
        &["features.pad-mode", "center = true", "center = false"],
    );
    refuses(&small("mel-scale = \"bark\""), &["features.mel-scale", "htk, kaldi, slaney", "found \"bark\""]);
    refuses(&small("snip-edges = true"), &["features.snip-edges", "kind = \"fbank\"", "kind = \"logmel\""]);
    refuses(&small("n-mfcc = 13"), &["features.n-mfcc", "kind = \"mfcc\"", "kind = \"logmel\""]);
    refuses(&small("normalize-mean = 1"), &["features.normalize-std", "features.normalize-mean is set", "nothing"]);
    refuses(&small("normalize-std = 1"), &["features.normalize-mean", "features.normalize-std is set", "nothing"]);
    refuses(&small("normalize-mean = 1\nnormalize-std = 0"), &["features.normalize-std", "a list of such", "found 0"]);
    refuses(&small("normalize-mean = []\nnormalize-std = 1"), &["features.normalize-mean", "an empty list"]);
    refuses(&small("normalize-mean = [1, \"2\"]\nnormalize-std = 1"), &["features.normalize-mean", "found \"2\""]);
    refuses(
        &small("normalize-mean = [1, 2]\nnormalize-std = [1, 2]"),
        &["features.normalize-mean", "or 64, one per band", "found 2"],
    );
    refuses(&small("kind = \"fbank\""), &["features.kind", "logmel, as in features.preset", "found fbank"]);
    refuses(&small("waveform-scale = 0"), &["features.waveform-scale", "found 0"]);
    refuses(&small("kind = \"mfcc\""), &["features.n-mfcc", "at most n-mels, 64", "nothing"]);
    refuses(
        &small("kind = \"mfcc\"\nn-mels = 1024\nframes = 1000\nn-mfcc = 1000"),
        &["features.n-mfcc", "at most 67108864 multiplications", "found 1000 × 1024 × 1000"],
    );
    refuses(&small("kind = \"mfcc\"\nn-mfcc = 65"), &["features.n-mfcc", "1 to 64", "found 65"]);
    refuses(&small("kind = \"mfcc\"\nn-mfcc = 13\nof = \"fbank\""), &["features.of", "logmel, as in features.preset"]);
    refuses(
        &small("kind = \"mfcc\"\nn-mfcc = 13\ndct-norm = \"slaney\""),
        &["features.dct-norm", "one of none, ortho"],
    );
    refuses(&own(&format!("{FBANK}\nlog = \"ln\"")), &["features.log", "kind = \"logmel\"", "kind = \"fbank\""]);
    refuses(
        &own(&format!("{FBANK}\nwindow-function = \"hann\"")),
        &["features.window-function", "hamming, hanning, povey"],
    );
    refuses(&own(&format!("{FBANK}\nenergy-floor = 0")), &["features.energy-floor", "found 0"]);
    refuses(&own(&format!("{FBANK}\nsnip-edges = 1")), &["features.snip-edges", "true or false", "found 1"]);
    refuses(&own(&FBANK.replace("frames = 98", "")), &["features.frames", "a whole number", "nothing"]);
}

#[test]
fn words_choose_their_values() {
    let manifest = edited("\"first\"", "\"last\"").replace("\"none\"\n[features]", "\"meanvar\"\n[features]");
    let manifest = manifest.replace("activation = \"none\"", "activation = \"sigmoid\"\nname = \"out\"");
    let manifest = load(&manifest).unwrap();
    assert_eq!(manifest.features.channel_axis, ChannelAxis::Last);
    assert_eq!(manifest.features.normalize, Normalize::MeanVar);
    assert_eq!((manifest.activation, manifest.output_name.as_deref()), (Activation::Sigmoid, Some("out")));
}

#[test]
fn what_is_no_toml_says_its_line() {
    refuses(&edited("version = \"1\"", "version = 1 2"), &["line 4", "expected TOML"]);
    refuses(&edited("[output]", "[input]"), &["line 12", "the key input again"]);
    refuses(&edited("version", "name"), &["line 4", "the key name again"]);
}

#[test]
fn unknown_keys_are_refused_with_near_ones() {
    refuses(&edited("licence", "license"), &["licence", "nothing, but \"license\""]);
    refuses(&format!("licens = 1\n{PLAIN}"), &["licens (line 1)", "did you mean \"licence\"", "unknown key"]);
    refuses(&edited("[output]", "n-ftt = 512\n[output]"), &["features.n-ftt (line 12)", "did you mean \"n-fft\""]);
    refuses(
        &edited("[output]", "[output]\nzzz = 1"),
        &["output.zzz", "one of activation, attention, embedding, name, reduce, scale, zero-point", "unknown key"],
    );
    refuses(&edited("layout", "lay_out"), &["input.layout", "one of frames-mels, mels-frames, samples", "nothing"]);
    refuses(&format!("{PLAIN}[defaults]\nvolume = 1"), &["defaults.volume (line 17)", "unknown key"]);
    refuses(&format!("{PLAIN}more = 1"), &["labels.more", "unknown key"]);
}

#[test]
fn missing_parts_are_named() {
    for key in ["name", "description", "licence", "version", "onnx"] {
        let manifest: String =
            PLAIN.lines().filter(|line| !line.starts_with(key)).map(|line| line.to_owned() + "\n").collect();
        let text = load(&manifest).unwrap_err().to_string();
        assert!(text.contains(&format!("{key}: expected")) && text.contains("found nothing"), "{text}");
    }
    for table in ["input", "features", "output", "labels"] {
        let manifest = PLAIN.replace(&format!("[{table}]"), "[defaults.thresholds]");
        refuses(&manifest, &[table, "nothing"]);
    }
    refuses(&edited("preset = \"fsdkaggle2018-small\"", ""), &["features.sample-rate", "preset", "nothing"]);
    refuses(&edited("activation = \"none\"", ""), &["output.activation", "one of none, sigmoid, softmax"]);
}

#[test]
fn wrong_types_and_words_are_named() {
    refuses(&edited("\"MIT\"", "3"), &["licence (line 3)", "a text", "found 3"]);
    refuses(&edited("\"MIT\"", "\"\""), &["licence (line 3)", "not empty", "found \"\""]);
    refuses(&edited("\"MIT\"", "\"a\\u0000b\""), &["licence (line 3)", "control characters"]);
    refuses(&edited("\"tiny\"", "\"Tiny Model\""), &["name (line 1)", "lower-case", "\"Tiny Model\""]);
    refuses(&edited("\"mels-frames\"", "\"mel-frames\""), &["input.layout (line 7)", "did you mean \"mels-frames\""]);
    refuses(&edited("-small\"", "-smal\""), &["features.preset", "did you mean \"fsdkaggle2018-small\""]);
    refuses(&edited("[output]\n", "[output]\nname = true\n"), &["output.name", "true"]);
    refuses(&edited("[\"Bark\", \"Rain\", \"Background\"]", "\"Bark\""), &["labels.names", "a list", "\"Bark\""]);
    refuses(&edited("\"Rain\"", "7"), &["labels.names (line 15)", "found 7"]);
    let manifest = PLAIN.replace("[output]\nactivation = \"none\"\n", "");
    refuses(&format!("output = 1\n{manifest}"), &["output (line 1)", "a table", "found 1"]);
}

#[test]
fn numbers_outside_their_limits_are_named() {
    let with = |line: &str| edited("[output]", &format!("{line}\n[output]"));
    refuses(&with("sample-rate = 0"), &["features.sample-rate (line 12)", "1000 to 768000", "found 0"]);
    refuses(&with("sample-rate = -1"), &["features.sample-rate", "found -1"]);
    refuses(&with("sample-rate = 16000.5"), &["features.sample-rate", "whole number", "found 16000.5"]);
    refuses(&with("window = 61"), &["features.window", "above 0, at most 60", "found 61"]);
    refuses(&with("window = nan"), &["features.window", "found nan"]);
    refuses(&with("window = 0"), &["features.window", "above 0, at most 60", "found 0"]);
    refuses(&with("window = -1"), &["features.window", "above 0, at most 60", "found -1"]);
    refuses(&with("window = 1e-9"), &["features.window", "at least one sample"]);
    refuses(&with("n-fft = 1"), &["features.n-fft", "found 1"]);
    refuses(&with("win-length = 1281"), &["features.win-length", "at most n-fft, 1280", "found 1281"]);
    refuses(&with("hop-length = 0"), &["features.hop-length", "found 0"]);
    refuses(
        &with("sample-rate = 768000\nn-fft = 1048576\nhop-length = 1\nframes = 1600"),
        &["features.hop-length", "at most 134217728", "found 1, which makes 805699584000"],
    );
    refuses(
        &with("n-mels = 4096\nframes = 2000\nhop-length = 100"),
        &["features.frames", "at most 4194304 values", "found 2000 × 4096, 8192000 values"],
    );
    refuses(&with("n-mels = 4097"), &["features.n-mels", "1 to 4096", "found 4097"]);
    refuses(&with("frames = 65537"), &["features.frames", "1 to 65536", "found 65537"]);
    refuses(&with("frames = 65536"), &["features.frames", "60 s, 960000 samples", "65536, which span"]);
    refuses(&with("fmax = 8001"), &["features.fmax", "above 0, at most 8000", "found 8001"]);
    refuses(&with("fmin = 8000"), &["features.fmin (line 12)", "fmin below fmax", "fmin 8000, fmax 8000"]);
    refuses(&with("fmax = 20"), &["features.fmax (line 12)", "fmin 20, fmax 20"]);
    refuses(&with("power = 1.5"), &["features.power", "1 or 2", "found 1.5"]);
    refuses(&with("amin = 0"), &["features.amin", "found 0"]);
    refuses(&with("offset = 0.1"), &["features.offset", "only with log"]);
    refuses(&with("log = \"ln\"\namin = 0.1"), &["features.amin", "only with log = \"db\""]);
    refuses(&with("log = \"ln\"\noffset = 0.1\ntop-db = 3"), &["features.top-db", "only with log = \"db\""]);
    refuses(&with("log = \"ln\""), &["features.offset", "nothing"]);
    refuses(&with("center = 1"), &["features.center", "true or false", "found 1"]);
    refuses(&edited("\"mels-frames\"", "\"samples\""), &["input.layout", "logmel", "samples"]);
}

#[test]
fn ranges_are_in_words_and_what_was_found_is_shown() {
    let with = |line: &str| edited("[output]", &format!("{line}\n[output]"));
    let check = |line: &str| format!("{PLAIN}[check]\naudio = \"a\"\nscores = \"s\"\n{line}");
    refuses(&with("amin = 0"), &["features.amin (line 12)", "a number above 0, at most 1,", "found 0"]);
    refuses(&with("waveform-scale = \"16-bit\""), &["above 0, at most 1000000000,", "found \"16-bit\""]);
    refuses(
        &edited("\"none\"\n[features]", "\"none\"\nscale = -0.1\nzero-point = 0\n[features]"),
        &["input.scale (line 10)", "a number above 0, at most 1e30,", "found -0.1"],
    );
    refuses(&check("tolerance = 2"), &["check.tolerance (line 19)", "a number above 0, at most 1,", "found 2"]);
    refuses(&with("top-db = true"), &["a number from 0 to 1000, or \"none\"", "found true"]);
    refuses(&format!("{PLAIN}[defaults]\nsilence-threshold = 3"), &["a number of at most 0,"]);
    for (value, found) in [("true", "true"), ("[1]", "the list [1]"), ("[1, 2, 3, 4, 5]", "[1, 2, 3, 4, …]")] {
        let constant = format!("[[input.constant]]\nname = \"c\"\nvalue = {value}\n[features]");
        refuses(
            &edited("[features]", &constant),
            &["input.constant[0].value (line 12)", "from -1e30 to 1e30, \"frames\" or \"sample-rate\"", found],
        );
    }
    refuses(&with("log = \"ln\"\noffset = 1\namin = 0.1"), &["features.amin", "found log = \"ln\""]);
    refuses(&with("log = \"log10\"\noffset = 1\ntop-db = 3"), &["features.top-db", "found log = \"log10\""]);
    refuses(&with("offset = 1"), &["features.offset", "found log = \"db\" of the preset"]);
    let waveform = edited("preset = \"fsdkaggle2018-small\"", "kind = \"waveform\"\nsample-rate = 16000\nwindow = 1");
    refuses(&waveform, &["input.layout (line 7)", "expected samples", "found mels-frames"]);
    refuses(&format!("{PLAIN}[labels.groups]\n\" \" = [\"Bark\"]"), &["a name, not empty", "found \" \""]);
}

#[test]
fn a_file_of_labels_that_cannot_be_read_is_named_with_its_key() {
    let manifest = edited("names = [\"Bark\", \"Rain\", \"Background\"]", "file = \"x.txt\"");
    refuses(&manifest, &["tiny.toml: labels.file (line 15)", "a file of labels", "found no file", "x.txt"]);
    let folder = folder(&manifest);
    fs::create_dir(folder.path().join("x.txt")).unwrap();
    let reported = Manifest::load(&folder.path().join("tiny.toml")).unwrap_err().to_string();
    assert!(reported.contains("labels.file (line 15)") && reported.contains("not a regular file"), "{reported}");
}

#[test]
fn thresholds_of_many_labels_are_read_at_once() {
    let thresholds: String = (0..70_000).rev().map(|label| format!("{label} = 0\n")).collect();
    let manifest = edited("names = [\"Bark\", \"Rain\", \"Background\"]\n", "file = \"tiny.txt\"\n");
    let folder = folder(&format!("{manifest}[defaults.thresholds]\n{thresholds}"));
    let labels: String = (0..100_000).map(|label| format!("{label}\n")).collect();
    fs::write(folder.path().join("tiny.txt"), labels).unwrap();
    let start = Instant::now();

    let manifest = Manifest::load(&folder.path().join("tiny.toml")).unwrap();

    assert_eq!(manifest.defaults.thresholds.len(), 70_000);
    // Each compared with each takes many minutes.
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

#[test]
fn files_outside_the_folder_are_refused() {
    for name in ["../tiny.onnx", "/tmp/tiny.onnx", "a/../../tiny.onnx", "..", "."] {
        refuses(&edited("tiny.onnx", name), &["onnx (line 5)", "beside the manifest", name]);
    }
    refuses(&edited("names = [\"Bark\", \"Rain\", \"Background\"]", "file = \"../x\""), &["labels.file", "../x"]);
    assert!(load(&edited("tiny.onnx", "below/tiny.onnx")).unwrap().onnx.ends_with("below/tiny.onnx"));
}

#[test]
fn checksums_are_64_hexadecimal_digits() {
    for text in ["0a", &"0g".repeat(32), &"é".repeat(32)] {
        refuses(&format!("sha256 = \"{text}\"\n{PLAIN}"), &["sha256 (line 1)", "64 hexadecimal digits"]);
    }
}

const NAMES: &str = "names = [\"Bark\", \"Rain\", \"Background\"]";

/// The labels of a manifest with this line in `[labels]` and this file beside it.
fn labels(line: &str, content: &[u8]) -> Result<Vec<String>, String> {
    let folder = folder(&edited(NAMES, line));
    fs::write(folder.path().join("labels"), content).unwrap();
    let manifest = Manifest::load(&folder.path().join("tiny.toml"));
    manifest.map(|manifest| manifest.labels).map_err(|error| error.to_string())
}

#[track_caller]
fn refuses_labels(line: &str, content: &[u8], parts: &[&str]) {
    let text = labels(line, content).unwrap_err();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

#[test]
fn labels_come_from_lines() {
    let lines = |content: &str| labels("file = \"labels\"", content.as_bytes());
    assert_eq!(lines("a\nb c\n"), Ok(vec!["a".into(), "b c".into()]));
    assert_eq!(lines("\u{feff}a\r\nb\r\n\r\n"), Ok(vec!["a".into(), "b".into()]));
    let refuses = |content: &[u8], parts: &[&str]| refuses_labels("file = \"labels\"", content, parts);
    refuses(b"", &["labels: label (line 1)", "at least one label", "none"]);
    refuses(b"a\n\nb\n", &["labels: label (line 2)", "not empty"]);
    refuses(b"a\nb\na\n", &["labels: label (line 3)", "every label once", "\"a\", as in line 1"]);
    refuses(b"a\n\x1b[2J\n", &["line 2", "control characters"]);
    refuses("a\nb\u{202e}c\n".as_bytes(), &["line 2", "control characters"]);
    refuses(b"\xff\xfe", &["labels", "UTF-8"]);
    let many: String = (0..100_001).map(|i| format!("{i}\n")).collect();
    refuses(many.as_bytes(), &["at most 100000 labels", "100001"]);
}

#[test]
fn labels_come_from_a_csv_column() {
    let line = "csv = \"labels\"\ncolumn = \"display_name\"";
    assert_eq!(
        labels(line, b"index,display_name\n0,Speech\n1,\"Child speech, kid speaking\"\n"),
        Ok(vec!["Speech".into(), "Child speech, kid speaking".into()])
    );
    refuses_labels(line, b"index,name\n0,Speech\n", &["head line", "\"display_name\"", "index, name"]);
    refuses_labels(line, b"index,display_name\n0,a\n1\n", &["line 3", "CSV"]);
    refuses_labels(line, b"index,display_name\n0,a\n1,a\n", &["line 3", "as in line 2"]);
    refuses_labels("csv = \"labels\"", b"", &["labels.column", "nothing"]);
}

#[test]
fn labels_come_from_one_place() {
    refuses_labels("", b"", &["labels", "one of file", "none or several"]);
    refuses_labels(&format!("{NAMES}\nfile = \"labels\""), b"a", &["none or several"]);
    refuses_labels("file = \"other\"", b"", &["labels.file (line 15)", "found no file", "other"]);
    refuses(&edited("\"Rain\"", "\"Bark\""), &["labels.names (line 15)", "every label once"]);
    refuses(&edited("\"Bark\", \"Rain\", \"Background\"", ""), &["labels.names", "at least one label"]);
}

#[test]
fn defaults_are_those_of_properties() {
    let with = |line: &str| format!("{PLAIN}[defaults]\n{line}\n");
    let defaults = load(&with("top-k = 5\nthresholds = { Bark = 1 }\nallow-labels = [\"Rain\"]")).unwrap().defaults;
    assert_eq!((defaults.top_k, defaults.oversamples), (Some(5), None));
    assert_eq!((defaults.thresholds["Bark"], &*defaults.allow_labels), (1.0, &["Rain".to_owned()][..]));
    let silence = load(&with("silence-threshold = -inf")).unwrap().defaults.silence_threshold;
    assert_eq!(silence, Some(f64::NEG_INFINITY));
    refuses(&with("oversamples = 101"), &["defaults.oversamples (line 17)", "1 to 100", "found 101"]);
    refuses(&with("threshold = 1.1"), &["defaults.threshold", "0 to 1", "found 1.1"]);
    refuses(&with("thresholds = { Bark = 2 }"), &["defaults.thresholds.Bark (line 17)", "0 to 1", "found 2"]);
    refuses(&with("thresholds = { Barq = 0.2 }"), &["defaults.thresholds (line 17)", "mean \"Bark\"", "\"Barq\""]);
    refuses(&with("deny-labels = [\"Rain\", \"Wind\"]"), &["defaults.deny-labels (line 17)", "\"Wind\""]);
    refuses(&with("event-on = 0.3\nevent-off = 0.4"), &["defaults.event-off", "at most event-on, 0.3", "0.4"]);
    refuses(&with("silence-threshold = 3"), &["defaults.silence-threshold", "found 3"]);
}

#[test]
fn files_that_are_not_there_or_too_large_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.toml");
    assert!(matches!(Manifest::load(&path), Err(Error::NotFound { what: "manifest", .. })));
    fs::write(&path, " ".repeat((1 << 20) + 1)).unwrap();
    assert!(Manifest::load(&path).unwrap_err().to_string().contains("larger than 1048576 bytes"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(Manifest::load(&path).unwrap_err().to_string().contains("not a regular file"));
}

#[track_caller]
fn model_error(name: &str) -> String {
    Model::load(name).expect_err(name).to_string()
}

#[test]
fn models_are_found_by_name_or_path() {
    let folder = folder(PLAIN);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    assert_eq!(Model::load("default").unwrap().manifest().name, "default");
    let text = model_error("defualt");
    assert!(
        text.contains("defualt not found") && text.contains("built-in model (default, sure, audioset, small)"),
        "{text}"
    );
    let text = model_error(&path("tiny.toml"));
    assert!(text.contains("tiny.onnx not found") && text.contains("copy or link the file there"), "{text}");
    assert!(model_error(&path("tiny.onnx")).contains("tiny.onnx not found"));
    let network = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/models/linear.onnx");
    fs::copy(network, path("tiny.onnx")).unwrap();
    fs::copy(network, path("other.onnx")).unwrap();
    assert_eq!(Model::load(&path("tiny.onnx")).unwrap().manifest().name, "tiny");
    let text = model_error(&path("other.onnx"));
    assert!(text.contains("other.toml not found") && text.contains("needs a manifest"), "{text}");
    fs::copy(path("tiny.toml"), path("other.toml")).unwrap();
    let text = model_error(&path("other.onnx"));
    assert!(text.contains("other.toml: onnx: expected") && text.contains("tiny.onnx"), "{text}");
}

#[test]
fn a_checksum_of_another_file_is_refused() {
    let folder = folder(&format!("sha256 = \"{}\"\n{PLAIN}", "0a".repeat(32)));
    fs::write(folder.path().join("tiny.onnx"), "").unwrap();
    let path = folder.path().join("tiny.toml");
    assert!(model_error(path.to_str().unwrap()).contains("empty file"));
    fs::write(folder.path().join("tiny.onnx"), "abc").unwrap();
    let text = model_error(path.to_str().unwrap());
    // SHA-256 of "abc", FIPS 180-2.
    let expected = ["tiny.toml: sha256 (line 1): ", "tiny.onnx with the SHA-256 0a0a0a", "correct the key"];
    for part in [&expected[..], &["found a file with ba7816bf8f01cfea"]].concat() {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

#[test]
fn a_key_that_stands_twice_is_named() {
    refuses(&format!("{PLAIN}names = [\"a\"]"), &["line 16: expected each key once", "found the key names again"]);
    refuses(&edited("[output]", "[features]\n[output]"), &["line 12", "found the key features again"]);
    refuses(&edited("\"none\"\n[labels]", "\"none"), &["line 13: expected TOML"]);
}

#[test]
fn a_key_of_a_different_kind_comes_with_a_remedy_that_is_accepted() {
    const SIZES: &str = "sample-rate = 16000\nwindow = 1\nn-fft = 512\nhop-length = 160\nn-mels = 40\nframes = 90";
    let of = |lines: &str| edited("preset = \"fsdkaggle2018-small\"", &format!("{SIZES}\n{lines}"));
    let cepstra = |lines: &str| of(&format!("kind = \"mfcc\"\nn-mfcc = 13\n{lines}"));
    let remedy = ["features.snip-edges (line", "expected of = \"fbank\" with this key", "found of = \"logmel\""];
    refuses(&cepstra("of = \"logmel\"\nsnip-edges = true"), &remedy);
    refuses(&cepstra("snip-edges = true"), &[&remedy[..], &["which it is without this key"]].concat());
    load(&cepstra("of = \"fbank\"\nsnip-edges = true")).unwrap();
    let remedy = ["features.center (line", "expected of = \"logmel\" with this key", "found of = \"fbank\""];
    refuses(&cepstra("of = \"fbank\"\ncenter = true"), &remedy);
    refuses(&of("snip-edges = true"), &["expected kind = \"fbank\" with this key", "found kind = \"logmel\", which"]);
    let preset = edited("small\"", "small\"\nsnip-edges = true");
    refuses(&preset, &["kind = \"fbank\" and no preset of kind \"logmel\"", "found kind = \"logmel\" of the preset"]);
    let cepstrum = edited("small\"", "small\"\nn-mfcc = 2");
    refuses(&cepstrum, &["features.n-mfcc (line 12): expected kind = \"mfcc\" with this key"]);
    let samples = "layout = \"samples\"";
    let waveform = of("kind = \"waveform\"").replace("layout = \"mels-frames\"", samples);
    refuses(&waveform, &["features.n-fft", "kind = \"logmel\" or kind = \"fbank\" or kind = \"mfcc\" with this key"]);
}

#[test]
fn the_documentation_has_every_word_that_a_key_may_have() {
    let documentation = include_str!("../src/model/manifest/mod.rs");
    let keys = [
        ("input", "layout"),
        ("input", "channel-axis"),
        ("input", "normalize"),
        ("input", "type"),
        ("features", "preset"),
        ("features", "kind"),
        ("features", "mel-scale"),
        ("features", "mel-norm"),
        ("features", "log"),
        ("features", "window-function"),
        ("features", "pad-mode"),
        ("output", "activation"),
        ("output", "reduce"),
    ];
    for (section, key) in keys {
        let own = format!("{key} = ");
        let others: String =
            PLAIN.lines().filter(|line| !line.starts_with(&own)).map(|line| format!("{line}\n")).collect();
        let wrong = others.replace(&format!("[{section}]\n"), &format!("[{section}]\n{key} = \"?\"\n"));
        let error = load(&wrong).unwrap_err().to_string();
        let words = error.split_once("expected one of ").unwrap_or_else(|| panic!("{error}")).1;
        let words = words.split_once(", found \"?\"").unwrap_or_else(|| panic!("{error}")).0;
        let section = documentation.split_once(&format!("//! [{section}]")).unwrap().1;
        let is_of_key =
            |line: &&str| line.starts_with(&format!("//! {own}")) || line.starts_with(&format!("//! # {own}"));
        let mut lines = section.lines().skip_while(|line| !is_of_key(line));
        let first = lines.next().unwrap_or_default();
        let more = lines.take_while(|line| line.starts_with("//!        "));
        let text = more.fold(first.split_once('#').unwrap().1.to_owned(), |text, line| text + line);
        for word in words.split(", ") {
            let has = text.split(|c: char| !c.is_alphanumeric() && c != '-').any(|known| known == word);
            assert!(has, "{key} = {word:?} is not in: {text}");
        }
    }
    let without = load(&edited("\"fsdkaggle2018-small\"", "\"fsdkaggle2018-small\"\nlog = \"db\"")).unwrap();
    let plain = "sample-rate = 16000\nwindow = 1\nn-fft = 512\nhop-length = 160\nn-mels = 40\nframes = 90";
    let of = |manifest: &Manifest| manifest.features.log_mel().unwrap().log;
    let plain = load(&edited("preset = \"fsdkaggle2018-small\"", plain)).unwrap();
    assert!(matches!(of(&plain), Log::Db { top_db: None, .. }), "as the documentation says");
    assert!(matches!(of(&without), Log::Db { top_db: Some(80.0), .. }), "that of the preset");
}

/// Those of published networks name files that are not here; in their place lie labels of any kind.
#[test]
fn every_preset_has_a_manifest() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    for (name, make) in preset::ALL {
        let file = match *name {
            "fsdkaggle2018" => continue, // the built-in models
            "fsdkaggle2018-small" => "laser-machine-listener.toml".to_owned(),
            name => format!("{name}.toml"),
        };
        let text = fs::read_to_string(models.join(&file)).expect("a manifest under models/");
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(&file), &text).unwrap();
        for (key, head) in [("csv = ", "display_name,inat2024_fsd50k\n"), ("file = ", "")] {
            if let Some(labels) = text.lines().find_map(|line| line.strip_prefix(key)) {
                fs::write(folder.path().join(labels.trim_matches('"')), format!("{head}Bark,Bark\nRain,Rain\n"))
                    .unwrap();
            }
        }

        let manifest = Manifest::load(&folder.path().join(&file)).unwrap();

        let expected = make();
        assert_eq!(
            manifest.features.shape(),
            if *name == "fsdkaggle2018-small" { vec![64, 64, 1] } else { expected.shape() }
        );
        assert_eq!(
            (manifest.features.features, manifest.features.fixed),
            (expected.features, expected.fixed),
            "{name}"
        );
        assert_eq!(manifest.features.normalize, expected.normalize, "{name}");
    }
}

#[test]
fn groups_are_labels_under_one_name() {
    let with = |text: &str| format!("{PLAIN}[labels.groups]\n{text}");
    let manifest =
        load(&(with("outside = [\"Bark\", \"Rain\"]") + "\n[defaults]\nallow-labels = [\"outside\"]")).unwrap();
    assert_eq!(manifest.groups["outside"], ["Bark", "Rain"]);
    assert_eq!(manifest.defaults.allow_labels, ["outside"]);
    refuses(&with("Bark = [\"Rain\"]"), &["labels.groups.Bark (line 17)", "a name that is not a label", "choose"]);
    refuses(&with("outside = []"), &["labels.groups.outside (line 17)", "at least one label", "empty"]);
    refuses(&with("outside = \"Bark\""), &["labels.groups.outside (line 17)", "a list", "\"Bark\""]);
    refuses(&with("outside = [\"Barc\"]"), &["labels.groups.outside (line 17)", "\"Barc\"", "did you mean \"Bark\""]);
    refuses(&with("outside = [\"Bark\", \"Bark\"]"), &["labels.groups.outside", "once", "twice"]);
}

#[test]
fn rules_are_of_a_label_or_a_group() {
    let with = |text: &str| format!("{PLAIN}[labels.groups]\noutside = [\"Rain\"]\n{text}");
    let text = "[rules.Bark]\non = 0.6\noff = 0.5\nmin-duration = \"0.2s\"\nhold = 7\ncooldown = \"60s\"\n[rules.outside]\ncooldown = \"5min\"";
    let rules = load(&with(text)).unwrap().rules;
    let bark = rules["Bark"];
    assert_eq!((bark.on, bark.off), (Some(0.6), Some(0.5)));
    assert_eq!((bark.min_duration, bark.hold, bark.cooldown), (Some(200_000_000), Some(7), Some(60_000_000_000)));
    assert_eq!((rules["outside"].on, rules["outside"].cooldown), (None, Some(300_000_000_000)));
    refuses(&with("[rules.Barc]\non = 0.5"), &["rules.Barc (line 18)", "did you mean \"Bark\"", "\"Barc\""]);
    refuses(&with("[rules.Bark]\nonn = 0.5"), &["rules.Bark.onn (line 19)", "did you mean \"on\"", "unknown"]);
    refuses(&with("[rules.Bark]\non = 0.3\noff = 0.4"), &["rules.Bark.off (line 20)", "at most on, 0.3", "0.4"]);
    refuses(&with("[rules.Bark]\ncooldown = \"60\""), &["rules.Bark.cooldown (line 19)", "\"60s\"", "\"60\""]);
    refuses(&with("[rules.Bark]\ncooldown = -1"), &["rules.Bark.cooldown (line 19)", "ns", "-1"]);
    refuses(&with("[rules]\nBark = 0.5"), &["rules.Bark (line 19)", "a table", "0.5"]);
}

#[test]
fn a_check_is_a_recording_and_its_scores_beside_the_manifest() {
    let with = |text: &str| format!("{PLAIN}[check]\n{text}");
    let folder = folder(&with("audio = \"a.flac\"\nscores = \"s.npy\"\ntolerance = 0.01"));
    let check = Manifest::load(&folder.path().join("tiny.toml")).unwrap().check.unwrap();
    assert_eq!((check.audio, check.scores), (folder.path().join("a.flac"), Some(folder.path().join("s.npy"))));
    assert_eq!(check.tolerance, 0.01);
    let features = self::folder(&with("audio = \"a.flac\"\nfeatures = \"f.npy\""));
    let check = Manifest::load(&features.path().join("tiny.toml")).unwrap().check.unwrap();
    assert_eq!((check.features, check.scores), (Some(features.path().join("f.npy")), None));
    refuses(&with("audio = \"a.flac\""), &["check.scores", ".npy", "nothing"]);
    refuses(&with("audio = \"a\"\nfeatures = \"../f\""), &["check.features (line 18)", "beside", "../f"]);
    refuses(&with("audio = \"../a.flac\"\nscores = \"s.npy\""), &["check.audio (line 17)", "beside", "../a.flac"]);
    refuses(&with("audio = \"a\"\nscores = \"s\"\ntolerance = 2"), &["check.tolerance (line 19)", "2"]);
}

#[test]
fn an_output_says_how_it_is_reduced() {
    let with = |text: &str| edited("[labels]", &format!("{text}\n[labels]"));
    assert_eq!(load(PLAIN).unwrap().reduce, Reduce::Mean);
    assert_eq!(load(&with("reduce = \"max\"")).unwrap().reduce, Reduce::Max);
    refuses(
        &with("reduce = \"maximum\""),
        &["output.reduce (line 14)", "attention", "\"maximum\"", "did you mean \"max\""],
    );
    refuses(&with("reduce = \"attention\""), &["output.attention", "weights", "nothing"]);
    refuses(&with("attention = \"w\""), &["output.attention (line 14)", "reduce = \"attention\"", "\"w\""]);
}
