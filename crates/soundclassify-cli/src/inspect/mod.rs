// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify inspect`: shows a network and its manifest, whether they fit, and whether they give the known values.

mod distribution;
mod scale;

use serde::Serialize;
use soundclassify_core::{
    frontend::{FeatureSpec, Features},
    model::{self, Inspection, Manifest, Model, TensorInfo, builtin},
};

use crate::{
    args::InspectArgs,
    exit::{Exit, Failure, Result},
    interrupt,
    output::{Form, Printer, json},
    verify,
};

#[derive(Serialize)]
struct Line<'a> {
    onnx: String,
    inputs: Vec<String>,
    outputs: Vec<String>,
    manifest: Option<Said<'a>>,
    misfit: Option<&'a str>,
    /// Why the network can't be run.
    failure: Option<&'a str>,
}

#[derive(Serialize)]
struct Said<'a> {
    path: String,
    name: &'a str,
    version: &'a str,
    licence: &'a str,
    description: &'a str,
    /// Hz.
    sample_rate: u32,
    /// Seconds.
    window: f64,
    input: Vec<usize>,
    labels: &'a [String],
}

/// Prints what was found; exit status 1 if network and manifest do not fit, if the network can't be run, or if both
/// give values that differ from those of `[check]`.
pub(crate) fn run(args: &InspectArgs) -> Result<Exit> {
    if args.verify {
        return run_check(args);
    }
    if let Some(recording) = &args.input {
        return show_input(args, recording);
    }
    if args.template && builtin::find(&args.model).is_some() {
        let why = format!(
            "{0} is built in and has a manifest; `soundclassify inspect {0}` shows it. A template needs a network: the path of an .onnx file",
            args.model
        );
        return Err(Failure::Usage(why));
    }
    let inspection = model::inspect(&args.model)?;
    let mut printer = Printer::stdout(Form::Plain, false);
    if args.template {
        printer.block(inspection.template().trim_end())?;
        return Ok(Exit::Success);
    }
    if args.json {
        printer.line(&json(&Line {
            onnx: inspection.onnx.display().to_string(),
            inputs: texts(&inspection.inputs),
            outputs: texts(&inspection.outputs),
            manifest: inspection.manifest.as_ref().map(said),
            misfit: inspection.misfit.as_deref(),
            failure: inspection.failure.as_deref(),
        }))?;
    } else {
        lines(&inspection, &args.model).iter().try_for_each(|line| printer.line(line))?;
    }
    Ok(if inspection.misfit.is_some() || inspection.failure.is_some() { Exit::Failed } else { Exit::Success })
}

fn texts(ports: &[TensorInfo]) -> Vec<String> {
    ports.iter().map(ToString::to_string).collect()
}

/// The result as lines; the text of each begins in column 10.
fn lines(inspection: &Inspection, name: &str) -> Vec<String> {
    let Inspection { onnx, inputs, outputs, manifest, misfit, failure, .. } = inspection;
    let mut lines = vec![
        format!("network   {}", onnx.display()),
        format!("inputs    {}", texts(inputs).join(", ")),
        format!("outputs   {}", texts(outputs).join(", ")),
    ];
    match manifest {
        Some(manifest) => lines.extend(manifest_lines(manifest)),
        None if misfit.is_some() => {}
        None => {
            lines.push(format!("manifest  none; `soundclassify inspect {name} --template` prints one to start from"));
        }
    }
    match (misfit, failure) {
        (Some(misfit), _) => lines.push(format!("misfit    {misfit}")),
        (None, _) if manifest.is_none() => {}
        (None, None) => {
            lines.push("fit       network and manifest fit".into());
            lines.push("run       the network was run once".into());
        }
        (None, Some(failure)) => {
            lines.push("fit       inputs and outputs fit the manifest".into());
            lines.push(format!("failure   {failure}"));
        }
    }
    lines
}

fn run_check(args: &InspectArgs) -> Result<Exit> {
    interrupt::install()?;
    let verification = verify::run(&Model::load(&args.model)?)?;
    let mut printer = Printer::stdout(Form::Plain, false);
    if args.json {
        printer.line(&json(&verification))?;
    } else {
        printer.block(&verification.to_string())?;
    }
    Ok(if verification.passes() { Exit::Success } else { Exit::Failed })
}

fn show_input(args: &InspectArgs, recording: &str) -> Result<Exit> {
    interrupt::install()?;
    let distribution = distribution::of(&Model::load(&args.model)?, recording)?;
    let mut printer = Printer::stdout(Form::Plain, false);
    if args.json {
        printer.line(&json(&distribution))?;
    } else {
        printer.block(&distribution.to_string())?;
    }
    Ok(Exit::Success)
}

fn said(manifest: &Manifest) -> Said<'_> {
    Said {
        path: manifest.path.display().to_string(),
        name: &manifest.name,
        version: &manifest.version,
        licence: &manifest.licence,
        description: &manifest.description,
        sample_rate: manifest.features.sample_rate,
        window: manifest.features.window as f64 / f64::from(manifest.features.sample_rate),
        input: manifest.features.shape(),
        labels: &manifest.labels,
    }
}

fn manifest_lines(manifest: &Manifest) -> Vec<String> {
    let Manifest { name, version, licence, description, .. } = manifest;
    let mut lines = vec![
        format!("manifest  {}", manifest.path.display()),
        format!("          {name} {version}, {licence}: {description}"),
        format!("features  {}", features(&manifest.features)),
        format!("labels    {}: {}", manifest.labels.len(), manifest.labels.join(", ")),
    ];
    let thresholds = manifest.defaults.thresholds.iter().map(|(label, value)| format!("{label} {value}"));
    let thresholds = thresholds.collect::<Vec<_>>().join(", ");
    if !thresholds.is_empty() {
        lines.push(format!("threshold {thresholds}"));
    }
    lines
}

fn features(spec: &FeatureSpec) -> String {
    let window = spec.window as f64 / f64::from(spec.sample_rate);
    let shape = spec.shape();
    let rate = spec.sample_rate;
    let cepstra = match &spec.features {
        Features::Mfcc(mfcc) => format!("{} cepstral coefficients of ", mfcc.coefficients),
        Features::LogMel(_) | Features::Waveform => String::new(),
    };
    match spec.log_mel() {
        None => format!("{window:.3} s of samples at {rate} Hz, {shape:?}"),
        Some(mel) => format!(
            "{window:.3} s at {rate} Hz: {} frames of {cepstra}{} mel bands, {}–{} Hz, FFT {}, hop {}, {shape:?}",
            mel.frames, mel.n_mels, mel.fmin, mel.fmax, mel.n_fft, mel.hop_length
        ),
    }
}
