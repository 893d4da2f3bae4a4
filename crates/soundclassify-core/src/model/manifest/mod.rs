// SPDX-License-Identifier: MIT OR Apache-2.0
//! The manifest: a TOML file beside the ONNX file that describes the model.
//!
//! All keys with their values. Keys without the mark "optional" are required, and unknown keys are errors.
//!
//! ```toml
//! name = "fsd41"                       # [a-z0-9-]+
//! description = "41 everyday sounds"
//! licence = "CC-BY-4.0"                # SPDX
//! version = "1"
//! onnx = "fsd41.onnx"                  # beside this file or below it
//! # sha256 = "…"                       # optional: of the ONNX file, 64 hexadecimal digits
//!
//! [input]
//! name = "input"                       # optional: the network's only input
//! layout = "mels-frames"               # axes of a window: mels-frames, frames-mels; samples (waveform only)
//! channel-axis = "first"               # axis of length 1 for the channel: first, last, none
//! normalize = "minmax"                 # of each window: none, minmax, minmax-eps, standard, meanvar, max, peak
//! # type = "f32"                       # optional: what the network has: f32, f16, u8, i8
//! # scale = 0.1                        # u8 and i8 only: what one step of the integers stands for
//! # zero-point = 128                   # u8 and i8 only: the integer that stands for 0
//!
//! # [[input.constant]]                 # optional, one for each further input that is the same for every window
//! # name = "lengths"
//! # value = "frames"                   # a number, "frames" of a window (samples of a waveform), or "sample-rate"
//!
//! # [[state]]                          # optional, one for each state that is carried from window to window of a stream
//! # input = "h"                        # the input that takes it, zeros at first
//! # output = "hn"                      # the output that gives the next one
//!
//! [features]                           # a preset, and any value over it; without a preset all but the optional
//! preset = "fsdkaggle2018"             # optional: ast, beats, birdnet, ced, efficientat, fsdkaggle2018, fsdkaggle2018-small, openl3,
//!                                      # panns, panns-16k, passt, perch, vggish, yamnet, zipformer
//! kind = "logmel"                      # optional: logmel; fbank (Kaldi's) and mfcc, below; waveform, which has only sample-rate, window,
//!                                      # waveform-scale, normalize-mean and normalize-std
//! sample-rate = 44100                  # Hz
//! window = 1.0                         # s, at most 60
//! n-fft = 2560                         # samples
//! win-length = 2560                    # optional: samples, at most n-fft; n-fft
//! hop-length = 347                     # samples
//! n-mels = 128                         # at most 4096
//! frames = 128                         # of one window, at most 65 536
//! fmin = 20                            # optional: Hz; 0
//! fmax = 22050                         # optional: Hz, at most half the sample rate, which it is without
//! mel-scale = "slaney"                 # optional: slaney, htk, kaldi
//! mel-norm = "slaney"                  # optional, area of the bands: slaney, none
//! power = 2                            # optional: 1 magnitude, 2 energy
//! center = true                        # optional: frame f is centred on sample f · hop-length, else it starts there
//! log = "db"                           # optional: db, ln, log10
//! amin = 1e-10                         # optional, db only: floor of the mel values
//! top-db = 80                          # optional, db only: range below the window's maximum, dB; without it, or with "none", no
//!                                      # limit, unless the preset has one (librosa's default is 80)
//! # offset = 0.001                     # ln and log10 only: added before the logarithm
//! # preemphasis = 0.97                 # optional, 0–1, over the signal: x[n + 1] − 0.97 · x[n]
//! window-function = "hann"             # optional: hann (periodic), hann-symmetric, hamming (periodic)
//! pad-mode = "reflect"                 # optional, center only, before the stream's first sample: reflect, constant (zeros)
//! # waveform-scale = 1                 # optional: factor of the samples, which lie in [-1, 1)
//! # normalize-mean = 0.0               # optional, before input.normalize: (x − mean) / std; a number, or a list of one per band
//! # normalize-std = 1.0
//!
//! [output]
//! name = "probabilities"               # optional: the network's only output
//! activation = "none"                  # how it becomes probabilities: none, softmax, sigmoid
//! reduce = "mean"                      # optional: how a time axis of it becomes one value: mean, max, last, attention
//! # attention = "weights"              # with reduce = "attention": the output with the weights, one per frame and class
//! # scale = 0.004                      # outputs of u8 and i8 only, with zero-point, as of the input
//! # embedding = "embedding"            # optional: name of the output with an embedding of the window
//!
//! [labels]                             # one of file; names; csv and column
//! names = ["Bark", "Rain", "Background"]
//! # file = "fsd41.labels.txt"          # one per line
//! # csv = "map.csv"                    # with a head line
//! # column = "display_name"
//!
//! [labels.groups]                      # optional: labels that are reported as one
//! weather = ["Rain"]
//!
//! [rules.Bark]                         # optional, as all of its keys: events of one label or group
//! on = 0.6                             # an event starts at or above, 0–1
//! off = 0.4                            # an event ends below, 0–1, at most on
//! min-duration = "200ms"               # ns, us, ms, s, min or h; a number counts ns
//! hold = "500ms"
//! cooldown = "60s"                     # time after an event without a new one
//!
//! # [check]                            # optional: a check of features and network against known scores
//! # audio = "check.flac"               # a recording beside the manifest
//! # scores = "check.npy"               # of its windows, windows × classes; it or features, or both
//! # features = "features.npy"          # the windows, windows × the shape of a window: f32, before they become f16, u8 or i8
//! # tolerance = 1e-3                   # optional: greatest difference that passes
//!
//! [defaults]                           # optional, as all of its keys: property defaults that suit this model
//! oversamples = 10                     # windows per second, 1–100
//! process-count = 1                    # windows per run, 1–64
//! ensembles = 10                       # windows in the mean, 1–256
//! top-k = 3                            # 1–1000
//! threshold = 0.1                      # 0–1
//! thresholds = { Bark = 0.4 }          # 0–1 a label
//! allow-labels = ["Bark", "Rain"]
//! deny-labels = ["Background"]
//! silence-threshold = -60.0            # dBFS
//! event-on = 0.5                       # 0–1
//! event-off = 0.35                     # 0–1, at most event-on
//! event-min-duration = 200_000_000     # ns
//! event-hold = 500_000_000             # ns
//! ```
//!
//! The triangles of `mel-scale = "kaldi"` have sides that are straight in mel, as in Kaldi and TensorFlow; those of the other scales are
//! straight in Hz.
//!
//! `kind = "fbank"` is Kaldi's filter bank as torchaudio and kaldi-native-fbank compute it, without dither. It requires `sample-rate`,
//! `window`, `n-mels` and `frames`; optional are `win-length` (25 ms), `hop-length` (10 ms), `n-fft` (the next power of two), `fmin`
//! (20 Hz), `fmax`, `power`, `remove-dc` (true), `preemphasis` (0.97, each frame by itself), `window-function` (povey, hanning or
//! hamming, symmetric; povey), `snip-edges` (true), `energy-floor` (1.19e-7), `waveform-scale` (1, or 32768 for networks
//! trained on 16-bit values), `normalize-mean` and `normalize-std`. A mean subtracted from the whole window before (AST) makes no
//! difference where `remove-dc` is true.
//!
//! `kind = "mfcc"` computes the DCT-II of each frame of a preset, or of the kind `of = "logmel"` or `"fbank"` with its keys. It requires
//! `n-mfcc`, the number of coefficients; optional are `dct-norm` (ortho, none; ortho) and `lifter` (0, none; librosa's for
//! `logmel`, Kaldi's for `fbank`).
//!
//! Limits: manifest 1 MiB, 100 000 labels, ONNX and its weights 2 GiB, windows of 60 s and 4 194 304 values. Loading may take
//! 60 s and 4 GiB of memory; the environment variables `SOUNDCLASSIFY_MODEL_TIMEOUT` (seconds) and
//! `SOUNDCLASSIFY_MODEL_MEMORY` (MiB) change that.

mod check;
mod defaults;
mod features;
mod labels;
mod output;
mod rules;
pub(crate) mod section;
mod tensors;

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::{Component, Path, PathBuf},
};

pub use self::{
    check::Check,
    defaults::Defaults,
    output::Reduce,
    rules::Rule,
    tensors::{Constant, Element, Scale, State},
};
use self::{
    labels::LabelFile,
    section::{Section, Source},
};
use super::{
    activation::Activation,
    limits::{MAX_LABEL_FILE, MAX_MANIFEST, MAX_VALUES},
};
use crate::{
    error::{Error, Result},
    frontend::{FeatureSpec, Features},
};

/// The manifest of a model, with all values checked. The [module](self) lists all keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Path of the manifest itself.
    pub path: PathBuf,
    /// Name for messages.
    pub name: String,
    /// Description of the sounds that it detects.
    pub description: String,
    /// SPDX expression.
    pub licence: String,
    /// Version of the model.
    pub version: String,
    /// Path of the ONNX file.
    pub onnx: PathBuf,
    /// SHA-256 of the ONNX file, if the author gives it.
    pub sha256: Option<[u8; 32]>,
    /// Name of the network's input, if the author gives it.
    pub input_name: Option<String>,
    /// Element type of that input, if the author gives it.
    pub input_element: Option<Element>,
    /// What the integers of that input stand for.
    pub input_scale: Option<Scale>,
    /// Further inputs, the same for every window.
    pub constants: Vec<Constant>,
    /// What the network carries from window to window of one stream.
    pub states: Vec<State>,
    /// How samples become the network's input.
    pub features: FeatureSpec,
    /// Name of the network's output, if the author gives it.
    pub output_name: Option<String>,
    /// What the integers of that output stand for.
    pub output_scale: Option<Scale>,
    /// How the network's output becomes probabilities.
    pub activation: Activation,
    /// How a time axis of the output becomes one score per class.
    pub reduce: Reduce,
    /// Name of the output with the weights of [`Reduce::Attention`]; there if and only if `reduce` is that.
    pub attention_name: Option<String>,
    /// Name of the output with an embedding of the window, if the network has one.
    pub embedding_name: Option<String>,
    /// One label per class, each once, in the order of the output.
    pub labels: Vec<String>,
    /// Groups of labels by name. The name is not a label, and no group is empty.
    pub groups: BTreeMap<String, Vec<String>>,
    /// Rules for events, by label or group.
    pub rules: BTreeMap<String, Rule>,
    /// A check of features and network against known scores.
    pub check: Option<Check>,
    /// Property defaults that suit the model.
    pub defaults: Defaults,
}

/// Where the files beside a manifest come from.
pub(crate) trait Files {
    /// The file of labels that `key` names.
    fn labels(&self, section: &Section<'_>, key: &'static str, name: &str) -> Result<LabelFile>;
}

/// Files on disk.
struct Folder<'a>(&'a Path);

impl Files for Folder<'_> {
    fn labels(&self, section: &Section<'_>, key: &'static str, name: &str) -> Result<LabelFile> {
        let path = beside(section, key, self.0, name)?;
        match read_text("labels", &path, MAX_LABEL_FILE, "") {
            Ok(text) => Ok(LabelFile { path, text }),
            Err(error) => {
                let found = match &error {
                    Error::NotFound { .. } => format!("no file {}; copy it there, or correct the name", path.display()),
                    Error::Read { source, .. } => format!("{}: {source}", path.display()),
                    _ => error.to_string(),
                };
                let expected = format!("the name of a file of labels, text of at most {} MiB", MAX_LABEL_FILE >> 20);
                Err(section.wrong(key, expected, found))
            }
        }
    }
}

/// Files that are part of the program.
struct Embedded<'a>(&'a str);

impl Files for Embedded<'_> {
    fn labels(&self, _: &Section<'_>, _: &'static str, name: &str) -> Result<LabelFile> {
        Ok(LabelFile { path: PathBuf::from(name), text: self.0.to_owned() })
    }
}

impl Manifest {
    /// Reads and checks a manifest and its labels.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Read`] and [`Error::Manifest`], which names file, key, expected and found.
    pub fn load(path: &Path) -> Result<Self> {
        let text = read_text("manifest", path, MAX_MANIFEST, "check the path of the model")?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(Source { path, text: &text }, folder, &Folder(folder))
    }

    /// The error of a key of this manifest, such as `check.audio`, that shows only when what it names is used. It names the key's
    /// line, if the file still has the key.
    #[must_use]
    pub fn error(&self, key: &str, expected: impl Into<String>, found: impl Into<String>) -> Error {
        let text = read_text("manifest", &self.path, MAX_MANIFEST, "").unwrap_or_default();
        let source = Source { path: &self.path, text: &text };
        source.error(key, source.span_of(key), expected, found)
    }

    /// A manifest whose text and labels are part of the program.
    pub(crate) fn embedded(path: &Path, text: &str, labels: &str) -> Result<Self> {
        Self::parse(Source { path, text }, Path::new(""), &Embedded(labels))
    }

    fn parse(source: Source<'_>, folder: &Path, files: &dyn Files) -> Result<Self> {
        let document = source.parse()?;
        let root = Section::root(source, document.get_ref());
        let onnx = root.required_string("onnx", "the name of the ONNX file")?;
        let onnx = beside(&root, "onnx", folder, &onnx)?;
        let name = root.required_string("name", "the model's name")?;
        if !name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
            return Err(root.wrong("name", "lower-case letters, digits and hyphens", format!("{name:?}")));
        }
        let input = root.required_table("input")?;
        let tensors = tensors::Input::read(&input)?;
        let (input_name, features) = features::read(input, root.required_table("features")?)?;
        check_size(source, &features)?;
        let output = output::read(root.required_table("output")?)?;
        let (labels, groups) = labels::read(root.required_table("labels")?, files)?;
        let names: Vec<_> = labels.iter().chain(groups.keys()).cloned().collect();
        let rules = root.table("rules")?.map(|table| rules::read(&table, &names)).transpose()?;
        let check = root.table("check")?.map(|table| check::read(table, folder)).transpose()?;
        let defaults = root.table("defaults")?.map(|table| defaults::read(table, &names)).transpose()?;
        let manifest = Self {
            path: source.path.to_path_buf(),
            name,
            description: root.required_string("description", "what the model detects")?,
            licence: root.required_string("licence", "the model's licence, as an SPDX expression")?,
            version: root.required_string("version", "the model's version")?,
            onnx,
            sha256: sha256(&root)?,
            input_name,
            input_element: tensors.element,
            input_scale: tensors.scale,
            states: tensors::states(&root, &tensors)?,
            constants: tensors.constants(&features),
            features,
            output_name: output.name,
            output_scale: output.scale,
            activation: output.activation,
            reduce: output.reduce,
            attention_name: output.attention,
            embedding_name: output.embedding,
            labels,
            groups,
            rules: rules.unwrap_or_default(),
            check,
            defaults: defaults.unwrap_or_default(),
        };
        root.finish()?;
        Ok(manifest)
    }
}

fn check_size(source: Source<'_>, features: &FeatureSpec) -> Result<()> {
    if features.len() <= MAX_VALUES {
        return Ok(());
    }
    let found = format!("{:?}, {} values", features.shape(), features.len());
    let remedy = match features.features {
        Features::Waveform => "a shorter features.window or a lower features.sample-rate",
        Features::LogMel(_) => "fewer features.frames or features.n-mels",
        Features::Mfcc(_) => "fewer features.frames or features.n-mfcc",
    };
    let expected = format!("windows of at most {MAX_VALUES} values: {remedy}");
    Err(source.error("features", None, expected, found))
}

fn sha256(root: &Section<'_>) -> Result<Option<[u8; 32]>> {
    let Some(text) = root.string("sha256")? else {
        return Ok(None);
    };
    let wrong = || root.wrong("sha256", "64 hexadecimal digits", format!("{text:?}"));
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut digest = [0; 32];
    for (index, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).map_err(|_| wrong())?;
    }
    Ok(Some(digest))
}

/// The path of a file beside the manifest or below it; a link there may lead anywhere.
fn beside(section: &Section<'_>, key: &'static str, folder: &Path, name: &str) -> Result<PathBuf> {
    let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !inside || Path::new(name).file_name().is_none() {
        let expected = "a file beside the manifest (copy or link it there)";
        return Err(section.wrong(key, expected, format!("{name:?}")));
    }
    Ok(folder.join(name))
}

/// Opens a regular file of at most `limit` bytes.
pub(crate) fn read_file(what: &'static str, path: &Path, limit: u64, remedy: &str) -> Result<Vec<u8>> {
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound { what, path: path.to_path_buf(), remedy: remedy.to_owned() },
        _ => Error::Read { what, path: path.to_path_buf(), source: source.into() },
    };
    let metadata = path.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(failed(std::io::Error::other("it is not a regular file")));
    }
    let too_large = || failed(std::io::Error::other(format!("it is larger than {limit} bytes")));
    if metadata.len() > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let no_memory = |_| failed(std::io::ErrorKind::OutOfMemory.into());
    bytes.try_reserve_exact(metadata.len() as usize).map_err(no_memory)?;
    // It may grow meanwhile.
    File::open(path).map_err(failed)?.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(too_large());
    }
    Ok(bytes)
}

fn read_text(what: &'static str, path: &Path, limit: u64, remedy: &str) -> Result<String> {
    let bytes = read_file(what, path, limit, remedy)?;
    let text = String::from_utf8(bytes).map_err(|error| Error::Read {
        what,
        path: path.to_path_buf(),
        source: std::io::Error::other(format!("it is not UTF-8 text: {error}")).into(),
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
