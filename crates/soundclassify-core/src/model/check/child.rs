// SPDX-License-Identifier: MIT OR Apache-2.0
//! The checker process. It writes lines: [`READY`], the model's [`DIGEST`], [`STAGE`]s, and at last [`PASSED`], [`ELSEWHERE`]
//! or [`REFUSED`] with the reason.

use std::{
    env,
    ffi::OsString,
    io::{self, Read, Write},
    path::Path,
    process, thread,
};

use crate::{
    error::{Error, Result},
    model::{
        engine::{self, EngineOptions},
        inspect::check_weights,
        limits::MAX_ONNX,
        manifest::read_file,
        runtime,
        source::{Model, hex},
    },
};

pub(super) const READY: &str = "soundclassify-check-model 1";
pub(super) const DIGEST: &str = "digest";
pub(super) const STAGE: &str = "stage";
pub(super) const PASSED: &str = "passed";
pub(super) const ELSEWHERE: &str = "elsewhere";
pub(super) const REFUSED: &str = "refused";

/// Where the caller's plugin file is, and perhaps ONNX Runtime.
pub(super) const PLUGIN_DIR_VARIABLE: &str = "SOUNDCLASSIFY_PLUGIN_DIR";

/// Checks a network, as its caller says by `arguments`: `MIB load ONNX` or `MIB run MANIFEST PROVIDER DEVICE THREADS`. For the
/// `main` of a checker, with nothing before it. The exit status: 0 when it passed, 1 when it did not, 2 for other
/// arguments.
#[must_use]
pub fn run(arguments: &[OsString]) -> i32 {
    let Some((memory, job)) = parse(arguments) else {
        eprintln!(
            "soundclassify-check-model loads and runs a network for soundclassify, which calls it with\n\
             MIB load ONNX, or MIB run MANIFEST PROVIDER DEVICE THREADS"
        );
        return 2;
    };
    say(READY);
    end_with_caller();
    if job.is_limited() {
        limit(memory << 20);
    }
    if let Some(folder) = env::var_os(PLUGIN_DIR_VARIABLE) {
        runtime::set_plugin_dir(folder.into());
    }
    match job.check() {
        Ok(()) => say(PASSED),
        Err(Error::Model { reason, .. }) => say(&format!("{REFUSED} {}", reason.replace(['\n', '\r'], " "))),
        Err(Error::Inference(reason)) => say(&format!("{REFUSED} {}", reason.replace(['\n', '\r'], " "))),
        Err(_) => {
            say(ELSEWHERE);
            return 1;
        }
    }
    0
}

/// What to do.
enum Job<'a> {
    Load(&'a Path),
    Run(&'a Path, EngineOptions),
}

fn parse(arguments: &[OsString]) -> Option<(u64, Job<'_>)> {
    let text = |index: usize| arguments.get(index)?.to_str();
    let memory = text(0)?.parse().ok()?;
    let path = Path::new(arguments.get(2)?);
    let job = match (text(1)?, arguments.len()) {
        ("load", 3) => Job::Load(path),
        ("run", 6) => {
            let (device, threads) = (text(4)?.parse().ok()?, text(5)?.parse().ok()?);
            Job::Run(path, EngineOptions { provider: text(3)?.parse().ok()?, device, threads })
        }
        _ => return None,
    };
    Some((memory, job))
}

impl Job<'_> {
    /// Other providers than the CPU take address space as they like.
    fn is_limited(&self) -> bool {
        match self {
            Self::Load(_) => true,
            Self::Run(_, options) => options.provider == EngineOptions::default().provider,
        }
    }

    fn check(&self) -> Result<()> {
        match *self {
            Self::Load(onnx) => {
                let bytes = read_file("model", onnx, MAX_ONNX, "check the path")?;
                check_weights(&bytes, onnx)?;
                say(&format!("{STAGE} load"));
                engine::ports(&bytes, onnx, onnx.parent()).map(drop)
            }
            Self::Run(manifest, options) => {
                let model = Model::from_manifest_file(manifest)?;
                say(&format!("{DIGEST} {}", hex(&model.digest())));
                say(&format!("{STAGE} load"));
                engine::try_out(&model, options, || say(&format!("{STAGE} run")))
            }
        }
    }
}

/// A line for the caller, at once: the next step may be the last one.
fn say(line: &str) {
    let mut output = io::stdout().lock();
    // A caller that is gone needs no answer.
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}

/// Ends this process when its input ends: its caller is gone then.
fn end_with_caller() {
    let watch = || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        process::exit(1);
    };
    // Without a thread it ends by the caller's signal, or by itself.
    let _ = thread::Builder::new().spawn(watch);
}

#[cfg(unix)]
fn limit(memory: u64) {
    use rlimit::Resource;

    // What the system refuses was limited already.
    let _ = Resource::CORE.set(0, 0);
    let (_, hard) = Resource::DATA.get().unwrap_or((0, rlimit::INFINITY));
    let _ = Resource::DATA.set(memory.min(hard), hard);
}

#[cfg(not(unix))]
fn limit(_: u64) {}
