// SPDX-License-Identifier: MIT OR Apache-2.0
//! A network that is not built in is first loaded and run once in a separate process, because a hostile or broken file
//! can make ONNX Runtime crash, hang, or take all memory.
//!
//! That process is `soundclassify-check-model`, or a program that calls [`run`] and was set by [`set_checker`]. The places are,
//! in this order: the file that `SOUNDCLASSIFY_CHECK_MODEL` names; the program of [`set_checker`]; beside the
//! plugin file; beside the executable; in `libexec/soundclassify` and `libexec` of the executable's prefix and of the system;
//! in `PATH`. If none is found, the network is loaded without a check, and the log contains a warning.
//!
//! A network that passed is not checked again in this process.

mod child;
mod parent;

use std::{
    collections::HashSet,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, OnceLock},
};

use sha2::{Digest, Sha256};

pub use self::child::run;
use self::parent::{Checked, Job};
use super::{
    engine::EngineOptions,
    limits::{Cancellation, MAX_ONNX},
    manifest::read_file,
    provider::ExecutionProvider,
    runtime,
    source::Model,
};
use crate::{error::Result, panic::lock};

/// Environment variable with the path of the checker.
pub const CHECKER_VARIABLE: &str = "SOUNDCLASSIFY_CHECK_MODEL";
/// Name of the checker's file.
const NAME: &str = "soundclassify-check-model";

static CHECKER: OnceLock<Checker> = OnceLock::new();
/// A network's content and the provider that ran it.
type Passed = ([u8; 32], ExecutionProvider);

/// Networks that passed, by their content and the provider that ran them.
static PASSED: LazyLock<Mutex<HashSet<Passed>>> = LazyLock::new(Mutex::default);

/// A program that checks networks.
#[derive(Debug, Clone)]
struct Checker {
    path: PathBuf,
    /// Arguments before those of the job.
    arguments: Vec<OsString>,
}

/// Sets the program that checks networks: `path`, called with `arguments` before those of [`run`]. Only the first call has
/// an effect.
pub fn set_checker(path: PathBuf, arguments: Vec<OsString>) {
    // For a second caller in the process, a checker is already set.
    let _ = CHECKER.set(Checker { path, arguments });
}

/// Checks that a model can be loaded and run.
///
/// # Errors
/// [`Error::Model`](crate::Error::Model) when the checker crashes, takes too much time or memory, or finds that the network
/// can't be used; [`Error::Cancelled`](crate::Error::Cancelled).
pub(super) fn model(model: &Model, options: EngineOptions, cancellation: &Cancellation) -> Result<()> {
    if model.is_built_in() {
        return Ok(());
    }
    let job = Job::Run { manifest: &model.manifest().path, digest: model.digest(), options };
    once((model.digest(), options.provider), &job, model.onnx_path(), cancellation)
}

/// Checks that the network of an ONNX file can be loaded.
///
/// # Errors
/// Those of [`model`].
pub(super) fn file(onnx: &Path) -> Result<()> {
    let digest = Sha256::digest(read_file("model", onnx, MAX_ONNX, "check the path")?).into();
    once((digest, ExecutionProvider::Cpu), &Job::Load { onnx }, onnx, &Cancellation::default())
}

fn once(key: ([u8; 32], ExecutionProvider), job: &Job<'_>, onnx: &Path, cancellation: &Cancellation) -> Result<()> {
    let passed = || lock(&PASSED);
    if passed().contains(&key) {
        return Ok(());
    }
    for checker in checkers() {
        match parent::check(&checker, job, onnx, cancellation)? {
            Checked::Passed => {
                passed().insert(key);
                return Ok(());
            }
            // It fails here in the same way, with the whole error.
            Checked::Elsewhere => return Ok(()),
            Checked::NotThere(reason) => {
                runtime::note(&format!("{} can't check networks: {reason}", checker.path.display()));
            }
        }
    }
    runtime::note(&format!(
        "{} is loaded without a check in a separate process, because {NAME} was not found; install it beside the \
        plugin, or set {CHECKER_VARIABLE}",
        onnx.display()
    ));
    Ok(())
}

/// The programs that exist, the first choice first.
fn checkers() -> Vec<Checker> {
    let plain = |path: PathBuf| Checker { path, arguments: Vec::new() };
    if let Some(path) = env::var_os(CHECKER_VARIABLE).filter(|path| !path.is_empty()) {
        return vec![plain(path.into())];
    }
    let file = format!("{NAME}{}", env::consts::EXE_SUFFIX);
    let found = places().into_iter().map(|folder| folder.join(&file)).filter(|path| path.is_file());
    CHECKER.get().cloned().into_iter().chain(found.map(plain)).collect()
}

fn places() -> Vec<PathBuf> {
    let executable = env::current_exe().ok().and_then(|file| Some(file.parent()?.to_path_buf()));
    let prefix = executable.as_ref().and_then(|folder| folder.parent()).map(Path::to_path_buf);
    let roots = prefix.into_iter().chain(["/usr/local".into(), "/usr".into()]);
    let libexec = roots.flat_map(|root| [root.join("libexec/soundclassify"), root.join("libexec")]);
    let path = env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    runtime::plugin_dir().into_iter().chain(executable).chain(libexec).chain(path).collect()
}
