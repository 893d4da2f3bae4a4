// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a network is, what its manifest says of it, and whether both fit.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use super::{
    check, engine,
    fit::{Fit, TensorInfo},
    limits::MAX_ONNX,
    manifest::{Manifest, read_file},
    onnx::Network,
    source::Model,
    weights::Weights,
};
use crate::{
    error::{Error, Result},
    frontend::Features,
};

/// Numbers of mel bands that are often used: what distinguishes bands from frames.
const USUAL_MELS: [usize; 5] = [40, 64, 80, 128, 256];

/// Most labels that a template lists; more belong into a file of their own.
const MOST_NAMES: usize = 1000;

/// A network and its manifest.
#[derive(Debug)]
pub struct Report {
    /// The ONNX file.
    pub onnx: PathBuf,
    /// What the network takes.
    pub inputs: Vec<TensorInfo>,
    /// What it gives.
    pub outputs: Vec<TensorInfo>,
    /// What its author says, if there is a manifest that can be read.
    pub manifest: Option<Manifest>,
    /// What doesn't fit, or is wrong with the manifest; `None` when everything fits or there is no manifest.
    pub misfit: Option<String>,
}

/// Looks at a model by the names that [`Model::load`] takes, and at an ONNX file without a manifest, or with a wrong one,
/// too. Runs nothing.
///
/// # Errors
/// Those of [`Model::load`], and [`Error::Runtime`](crate::Error::Runtime) and [`Error::Model`](crate::Error::Model)
/// when the network can't be loaded.
pub fn inspect(name: &str) -> Result<Report> {
    let path = Path::new(name);
    if path.extension().is_some_and(|extension| extension == "onnx") && !path.with_extension("toml").exists() {
        return bare(path, None);
    }
    let model = match Model::load(name) {
        Err(error @ Error::Manifest { .. }) => {
            return bare(&network_of(path), Some(error.to_string())).map_err(|_| error);
        }
        model => model?,
    };
    if !model.is_built_in() {
        check::file(model.onnx_path())?;
    }
    let (inputs, outputs) = model.with_bytes(|bytes| engine::ports(bytes, model.onnx_path(), model.folder()))??;
    let manifest = model.manifest().clone();
    let misfit = Fit::of(&manifest, &inputs, &outputs).err();
    Ok(Report { onnx: manifest.onnx.clone(), inputs, outputs, manifest: Some(manifest), misfit })
}

/// What a network is by itself, and why its manifest says nothing.
fn bare(onnx: &Path, misfit: Option<String>) -> Result<Report> {
    let bytes = read_file("model", onnx, MAX_ONNX, "check the path")?;
    check_weights(&bytes, onnx)?;
    check::file(onnx)?;
    let (inputs, outputs) = engine::ports(&bytes, onnx, onnx.parent())?;
    Ok(Report { onnx: onnx.to_path_buf(), inputs, outputs, manifest: None, misfit })
}

/// Whether the network can be read, and its weights are where they may be.
pub(super) fn check_weights(bytes: &[u8], onnx: &Path) -> Result<()> {
    let network = Network::read(bytes, onnx)?;
    Weights::find(&network, onnx, bytes.len() as u64, MAX_ONNX).map(drop)
}

/// The network of a manifest that is wrong: the one that it names, or that of the same stem beside it.
fn network_of(manifest: &Path) -> PathBuf {
    let table: Option<toml::Table> = fs::read_to_string(manifest).ok().and_then(|text| text.parse().ok());
    let named = table.as_ref().and_then(|table| table.get("onnx")?.as_str());
    named.map_or_else(|| manifest.with_extension("onnx"), |onnx| manifest.with_file_name(onnx))
}

impl Report {
    /// A manifest to begin with, whose values are guesses from the network's shapes; comments say which ones to
    /// check.
    #[must_use]
    pub fn template(&self) -> String {
        let guess = Guess::of(self.inputs.first().map_or(&[], |port| &port.dims));
        let classes = self.outputs.first().and_then(|port| port.dims.last().copied().flatten());
        let stem = self.onnx.file_stem().unwrap_or_default().to_string_lossy();
        let several = |ports: &[TensorInfo], what: &str| match ports {
            [_, _, ..] => format!("name = {}                     # check: the {what} to use\n", quoted(&ports[0].name)),
            _ => String::new(),
        };
        format!(
            "name = \"{name}\"                       # in messages: lower-case letters, digits, hyphens\n\
             description = \"What it detects\"\n\
             licence = \"unknown\"                 # SPDX\n\
             version = \"1\"\n\
             onnx = {onnx}\n\n\
             [input]                             # {inputs}\n{input_name}\
             layout = \"{layout}\"               # check\n\
             channel-axis = \"{channel_axis}\"\n\
             normalize = \"none\"                  # check: as in training\n\n\
             [features]                          # check all: as in training\n{features}\n\
             [output]                            # {outputs}\n{output_name}\
             activation = \"none\"                 # check: softmax or sigmoid when the network gives logits\n\n\
             [labels]                            # in the order of the output\n{labels}\n",
            name = plain_name(&stem),
            onnx = quoted(&self.onnx.file_name().unwrap_or_default().to_string_lossy()),
            inputs = one_line(&self.inputs),
            input_name = several(&self.inputs, "input"),
            layout = guess.layout,
            channel_axis = guess.channel_axis,
            features = guess.features,
            outputs = one_line(&self.outputs),
            output_name = several(&self.outputs, "output"),
            labels = labels(&stem, classes.unwrap_or(1)),
        )
    }
}

/// The key that says the labels, of `count` classes.
fn labels(stem: &str, count: usize) -> String {
    if count > MOST_NAMES {
        return format!("file = {}   # {count} labels, one a line", quoted(&format!("{stem}.labels.txt")));
    }
    let names: Vec<_> = (0..count).map(|class| format!("\"label-{class}\"")).collect();
    format!("names = [{}]   # or file = \"labels.txt\", one a line", names.join(", "))
}

/// As TOML writes a text.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A file's stem as a manifest's name.
fn plain_name(stem: &str) -> String {
    let lower = stem.to_lowercase();
    let plain: String =
        lower.chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' }).collect();
    if plain.is_empty() { "model".into() } else { plain }
}

/// Ports on one line, without what could end a comment.
fn one_line(ports: &[TensorInfo]) -> String {
    ports.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ").replace(char::is_control, " ")
}

/// What an input's shape lets one guess.
struct Guess {
    layout: &'static str,
    channel_axis: &'static str,
    features: String,
}

impl Guess {
    fn of(dims: &[Option<usize>]) -> Self {
        // The batch is the first axis: of four, or if it is free or 1, or if no other axis could be the channel.
        let window = match dims {
            [_, rest @ ..] if rest.len() == 3 => rest,
            [None | Some(1), rest @ ..] if !rest.is_empty() => rest,
            [_, rest @ ..] if rest.len() == 2 && rest[1] != Some(1) => rest,
            all => all,
        };
        match window {
            [Some(1), rows, columns] => Self::plane("first", *rows, *columns),
            [rows, columns, Some(1)] => Self::plane("last", *rows, *columns),
            [Some(1), samples] => Self::samples("first", *samples),
            [samples @ Some(2..), Some(1)] => Self::samples("last", *samples),
            [rows, columns] => Self::plane("none", *rows, *columns),
            [samples] => Self::samples("none", *samples),
            [_, rows, columns] => Self::plane("first", *rows, *columns),
            _ => Self::plane("none", None, None),
        }
    }

    fn samples(channel_axis: &'static str, samples: Option<usize>) -> Self {
        let window = samples.unwrap_or(16_000) as f64 / 16_000.0;
        let features =
            format!("kind = \"waveform\"\nsample-rate = 16000\nwindow = {window:?}                        # s\n");
        Self { layout: "samples", channel_axis, features }
    }

    fn plane(channel_axis: &'static str, rows: Option<usize>, columns: Option<usize>) -> Self {
        let (rows, columns) = (rows.unwrap_or(64), columns.unwrap_or(96));
        let usual = |count| USUAL_MELS.contains(&count);
        let (layout, mels, frames) = match usual(columns) && !usual(rows) {
            true => ("frames-mels", columns, rows),
            false => ("mels-frames", rows, columns),
        };
        let features = match (mels, frames) {
            (128, 128) => "preset = \"fsdkaggle2018\"\n".into(),
            (64, 64) => "preset = \"fsdkaggle2018-small\"\n".into(),
            (64, 96) if layout == "frames-mels" => "preset = \"yamnet\"\n".into(),
            // One second.
            _ => format!(
                "sample-rate = 16000\nwindow = 1.0\nn-fft = 1024\nhop-length = {}\nn-mels = {mels}\nframes = {frames}\n",
                (16_000 / frames.max(1)).max(1)
            ),
        };
        Self { layout, channel_axis, features }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "network   {}", self.onnx.display())?;
        self.inputs.iter().try_for_each(|port| writeln!(f, "input     {port}"))?;
        self.outputs.iter().try_for_each(|port| writeln!(f, "output    {port}"))?;
        let Some(manifest) = &self.manifest else {
            return match &self.misfit {
                Some(reason) => writeln!(f, "fits      no: {reason}"),
                None => writeln!(f, "manifest  none; a template to begin with:\n\n{}", self.template()),
            };
        };
        writeln!(f, "manifest  {}", manifest.path.display())?;
        writeln!(
            f,
            "          {} {}, {}: {}",
            manifest.name, manifest.version, manifest.licence, manifest.description
        )?;
        let spec = &manifest.features;
        let kind = match spec.features {
            Features::LogMel(_) => "log-mel",
            Features::Mfcc(_) => "MFCC",
            Features::Waveform => "waveform",
        };
        let seconds = spec.window as f64 / f64::from(spec.sample_rate);
        writeln!(f, "features  {kind} {:?}, {} Hz, windows of {seconds} s", spec.shape(), spec.sample_rate)?;
        writeln!(f, "labels    {}", manifest.labels.len())?;
        match &self.misfit {
            None => writeln!(f, "fits      yes"),
            Some(reason) => writeln!(f, "fits      no: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(input: &[Option<usize>], classes: usize) -> Report {
        let port = |name: &str, dims| TensorInfo { name: name.into(), element: "f32".into(), dims };
        Report {
            onnx: "My Net.onnx".into(),
            inputs: vec![port("in", input.to_vec())],
            outputs: vec![port("out", vec![None, Some(classes)])],
            manifest: None,
            misfit: None,
        }
    }

    #[track_caller]
    fn assert_template_fits(input: &[Option<usize>]) {
        let report = report(input, 3);
        let manifest = Manifest::embedded(Path::new("t.toml"), &report.template(), "").unwrap();
        assert_eq!(Fit::of(&manifest, &report.inputs, &report.outputs).map(|_| ()), Ok(()), "{}", report.template());
    }

    #[test]
    fn templates_are_manifests_that_fit() {
        let some = |dims: &[usize]| dims.iter().map(|&dim| Some(dim)).collect::<Vec<_>>();
        for dims in
            [&[1, 1, 64, 96][..], &[1, 64, 64, 1], &[1, 96, 64], &[4, 128, 128], &[15_600], &[1, 15_600], &[1, 1, 100]]
        {
            assert_template_fits(&some(dims));
        }
        assert_template_fits(&[None, Some(1), Some(128), Some(301)]);
        assert_template_fits(&[None, None, None]);
        assert_template_fits(&[None, Some(1), None]);
        assert_template_fits(&[None; 4]);
        assert_template_fits(&[None, Some(15_600), Some(1)]);
    }

    #[test]
    fn a_template_takes_any_file_name() {
        for name in ["cafe\u{301}.onnx", "a \"b\" \\ c.onnx", "it's ü.onnx"] {
            let report = Report { onnx: name.into(), ..report(&[None, Some(96), Some(64)], 3) };
            let manifest = Manifest::embedded(Path::new("t.toml"), &report.template(), "").unwrap();
            assert_eq!(manifest.onnx, Path::new(name));
        }
    }

    #[test]
    fn labels_of_many_classes_go_to_a_file() {
        let report = report(&[None, Some(96), Some(64)], 1500);
        let names = (0..1500).map(|class| format!("l{class}\n")).collect::<String>();
        let manifest = Manifest::embedded(Path::new("t.toml"), &report.template(), &names).unwrap();
        assert_eq!(manifest.labels.len(), 1500);
        assert!(report.template().contains("\"My Net.labels.txt\"   # 1500 labels"), "{}", report.template());
    }

    #[test]
    fn all_that_does_not_fit_is_reported() {
        let report = report(&[None, Some(96), Some(64)], 3);
        let text =
            report.template().replace("\"label-2\"", "\"label-2\", \"one more\"").replace("frames-mels", "mels-frames");
        let manifest = Manifest::embedded(Path::new("t.toml"), &text, "").unwrap();
        let misfit = Fit::of(&manifest, &report.inputs, &report.outputs).unwrap_err();
        assert!(misfit.contains("[64, 96]") && misfit.contains("4 labels"), "{misfit}");
    }

    #[test]
    fn a_report_shows_both_sides() {
        let report = report(&[None, Some(96), Some(64)], 3);
        let text = report.to_string();
        assert!(text.contains("input     \"in\" f32 [?, 96, 64]"), "{text}");
        assert!(text.contains("name = \"my-net\"") && text.contains("preset = \"yamnet\""), "{text}");
    }
}
