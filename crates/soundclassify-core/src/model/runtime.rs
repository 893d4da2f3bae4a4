// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finding and loading ONNX Runtime, once per process, and its execution providers.
//!
//! The places are, in this order: the file or folder that `ORT_DYLIB_PATH` names (and then no other place); beside the
//! plugin file ([`set_plugin_dir`]); beside the executable; the paths of the system's loader. A search that fails is
//! repeated with the next model, so the library can be installed while the application runs.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock},
};

use ort::{
    LoadDynamicError,
    environment::Environment,
    ep::{self, ExecutionProvider as _, ExecutionProviderDispatch},
    logging::LogLevel,
};

use super::{exit, provider::ExecutionProvider, telemetry};
use crate::{
    error::{Error, Result},
    panic::{catch, lock},
};

/// Environment variable that names the library.
const VARIABLE: &str = "ORT_DYLIB_PATH";

/// File names of the library.
const NAMES: &[&str] = if cfg!(windows) {
    &["onnxruntime.dll"]
} else if cfg!(target_os = "macos") {
    &["libonnxruntime.dylib"]
} else {
    &["libonnxruntime.so", "libonnxruntime.so.1"]
};

/// The newest minor version that is looked for by a name such as Debian's.
const LAST_MINOR_VERSION: u32 = 99;

/// The remedy if the library is not found.
const REMEDY: &str = "install it: your distribution's package (often libonnxruntime or onnxruntime), or \
    `pip download --no-deps onnxruntime`, unzip the wheel and take the library from onnxruntime/capi/; then set ORT_DYLIB_PATH to the file, or copy it beside the program \
    or the plugin's file; in a checkout of soundclassify, `pipelines/setup.sh` provides it";

/// The level of a line of ONNX Runtime's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Information for debugging.
    Info,
    /// A warning.
    Warning,
    /// An error, which an [`Error`] reports, too.
    Error,
}

type Logger = Box<dyn Fn(Level, &str) + Send + Sync>;

static PLUGIN_DIR: Mutex<Option<PathBuf>> = Mutex::new(None);
static LOGGER: OnceLock<Logger> = OnceLock::new();
/// ONNX Runtime allows one per process; it is kept until the end.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

/// Sets the folder of the plugin's file, which is one of the places of the library.
pub fn set_plugin_dir(dir: PathBuf) {
    *lock(&PLUGIN_DIR) = Some(dir);
}

/// Sends ONNX Runtime's log lines to `logger`, from any thread. Only the first call has an effect; earlier lines are lost.
pub fn set_logger(logger: impl Fn(Level, &str) + Send + Sync + 'static) {
    // A second logger belongs to a second copy of the plugin in the process; the first one receives the lines.
    let _ = LOGGER.set(Box::new(logger));
}

/// Version and build of the library, which is loaded if necessary.
///
/// # Errors
/// [`Error::Runtime`] if no library can be loaded.
pub fn version() -> Result<&'static str> {
    environment()?;
    guarded("its build text", ort::info).map_err(|reason| unusable(reason, Vec::new()))
}

/// Execution providers of the library, which is loaded if necessary.
///
/// # Errors
/// [`Error::Runtime`] if no library can be loaded.
pub fn providers() -> Result<Vec<ExecutionProvider>> {
    environment()?;
    Ok(ExecutionProvider::ALL.into_iter().filter(|&provider| is_available(provider)).collect())
}

/// The process's ONNX Runtime environment; finds and loads the library on the first call that succeeds.
pub(super) fn environment() -> Result<Environment> {
    let mut held = lock(&ENVIRONMENT);
    if let Some(environment) = held.as_ref() {
        return Ok(environment.clone());
    }
    telemetry::disable();
    let environment = search()?;
    *held = Some(environment.clone());
    Ok(environment)
}

/// What to register with a session; `None` for the CPU, which needs no registration.
///
/// # Errors
/// [`Error::Provider`] if the library does not have it.
pub(super) fn dispatch(provider: ExecutionProvider, device: i32) -> Result<Option<ExecutionProviderDispatch>> {
    if !is_available(provider) {
        return Err(lacking(provider.to_string()));
    }
    Ok(build(provider, device).map(ExecutionProviderDispatch::error_on_failure))
}

/// The error of a provider that is not available, with those that are.
pub(super) fn lacking(wanted: String) -> Error {
    let available = ExecutionProvider::ALL.into_iter().filter(|&provider| is_available(provider));
    Error::Provider { wanted, available: available.map(|provider| provider.to_string()).collect() }
}

/// OpenVINO chooses the device itself; a device index above 0 is the n-th GPU.
fn openvino(device: i32) -> ep::OpenVINO {
    match device {
        0 => ep::OpenVINO::default(),
        device => ep::OpenVINO::default().with_device_type(format!("GPU.{}", device - 1)),
    }
}

/// One row of the table of providers: how it is built, or whether this library has it.
macro_rules! provider {
    (build cpu $type:ident $device:ident) => {
        None
    };
    (build plain $type:ident $device:ident) => {
        Some(ep::$type::default().build())
    };
    (build device $type:ident $device:ident) => {
        Some(ep::$type::default().with_device_id($device).build())
    };
    (build openvino $type:ident $device:ident) => {
        Some(openvino($device).build())
    };
    (available cpu $type:ident) => {
        Ok(true)
    };
    (available $kind:ident $type:ident) => {
        ep::$type::is_available()
    };
}

macro_rules! define {
    ($($variant:ident $name:tt $title:tt $type:ident $kind:ident;)*) => {
        fn build(provider: ExecutionProvider, device: i32) -> Option<ExecutionProviderDispatch> {
            match provider { $(ExecutionProvider::$variant => provider!(build $kind $type device),)* }
        }

        fn query(provider: ExecutionProvider) -> ort::Result<bool> {
            match provider { $(ExecutionProvider::$variant => provider!(available $kind $type),)* }
        }
    };
}

crate::execution_providers!(define);

fn is_available(provider: ExecutionProvider) -> bool {
    matches!(guarded("its providers", || query(provider)), Ok(Ok(true)))
}

/// A place of the library.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// A file.
    File(PathBuf),
    /// A folder that may contain it.
    Folder(PathBuf),
    /// A name for the system's loader.
    Name(&'static str),
    /// Names for the system's loader that contain the version, as Debian's packages have them: `libonnxruntime.so.1.21`.
    VersionedNames,
}

fn places(variable: Option<PathBuf>, folders: [Option<PathBuf>; 2]) -> Vec<Place> {
    if let Some(path) = variable {
        return vec![if path.is_dir() { Place::Folder(path) } else { Place::File(path) }];
    }
    let folders = folders.into_iter().flatten().map(Place::Folder);
    let names = NAMES.iter().map(|&name| Place::Name(name));
    let versioned = cfg!(all(unix, not(target_os = "macos"))).then_some(Place::VersionedNames);
    folders.chain(names).chain(versioned).collect()
}

fn search() -> Result<Environment> {
    let variable = env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    let executable = env::current_exe().ok().and_then(|file| file.parent().map(Path::to_path_buf));
    let mut looked = match &variable {
        Some(path) => vec![format!("{VARIABLE}={}", path.display())],
        None => vec![format!("{VARIABLE} (not set)")],
    };
    let mut reason = None;
    for place in places(variable, [lock(&PLUGIN_DIR).clone(), executable]) {
        match try_place(&place, &mut looked) {
            Ok(Some(environment)) => return Ok(environment),
            Ok(None) => {}
            // The error of an unusable library is more helpful than that of a missing one.
            Err(text) if reason.is_none() || !matches!(place, Place::Name(_) | Place::VersionedNames) => {
                reason = Some(text);
            }
            Err(_) => {}
        }
    }
    Err(unusable(reason.unwrap_or_else(|| "not found".into()), looked))
}

fn unusable(reason: String, looked: Vec<String>) -> Error {
    Error::Runtime { reason, looked, remedy: REMEDY.into() }
}

fn try_place(place: &Place, looked: &mut Vec<String>) -> Result<Option<Environment>, String> {
    match place {
        Place::File(path) if path.exists() => load(path).map(Some),
        Place::File(path) => Err(format!("{} does not exist", path.display())),
        Place::Folder(folder) => {
            looked.push(folder.join(NAMES[0]).display().to_string());
            libraries(folder).first().map(|path| load(path)).transpose()
        }
        Place::Name(name) => {
            looked.push(format!("{name} in the system's library path"));
            load_name(name)
        }
        Place::VersionedNames => {
            let (oldest, newest) = (versioned_name(ort::MINOR_VERSION), versioned_name(LAST_MINOR_VERSION));
            looked.push(format!("{oldest} to {newest} in the system's library path"));
            load_newest()
        }
    }
}

/// The newest usable library, or the error of the newest unusable one.
fn load_newest() -> Result<Option<Environment>, String> {
    let mut unusable = None;
    for minor_version in (ort::MINOR_VERSION..=LAST_MINOR_VERSION).rev() {
        match load_name(&versioned_name(minor_version)) {
            Ok(None) => {}
            Ok(found) => return Ok(found),
            Err(text) => unusable = unusable.or(Some(text)),
        }
    }
    unusable.map_or(Ok(None), Err)
}

fn versioned_name(minor_version: u32) -> String {
    format!("libonnxruntime.so.1.{minor_version}")
}

/// `None` if the system's loader does not find a library of this name. Another error, such as that of a library which this one
/// needs, is more helpful than "not found".
fn load_name(name: &str) -> Result<Option<Environment>, String> {
    match load(Path::new(name)) {
        Err(text) if says_not_found(&text, name) => Ok(None),
        result => result.map(Some),
    }
}

/// The loader's texts are translated, but begin with the name of the file and end with the text of the system's error.
fn says_not_found(text: &str, name: &str) -> bool {
    const ENOENT: i32 = 2;
    let error = io::Error::from_raw_os_error(ENOENT).to_string();
    let reason = error.rsplit_once(" (os error").map_or(error.as_str(), |(reason, _)| reason);
    text.starts_with(&format!("{name}: ")) && text.trim_end().ends_with(reason)
}

/// Libraries in the folder: the plain names first, then versioned ones, the newest first.
fn libraries(folder: &Path) -> Vec<PathBuf> {
    let plain = NAMES.iter().map(|name| folder.join(name)).filter(|path| path.is_file());
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut versioned: Vec<_> = entries.filter_map(|path| Some((library_version(&path)?, path))).collect();
    versioned.sort_by(|a, b| b.0.cmp(&a.0));
    plain.chain(versioned.into_iter().map(|(_, path)| path)).collect()
}

/// `[1, 20, 1]` of `libonnxruntime.so.1.20.1` and of `libonnxruntime.1.20.1.dylib`.
fn library_version(path: &Path) -> Option<Vec<u32>> {
    let name = path.file_name()?.to_str()?.strip_prefix("libonnxruntime.")?;
    let version = name.strip_prefix("so.").or_else(|| name.strip_suffix(".dylib"))?;
    version.split('.').map(|part| part.parse().ok()).collect()
}

fn load(path: &Path) -> Result<Environment, String> {
    let load = || -> Result<Environment, String> {
        let builder = ort::init_from(path).map_err(|error| load_error(&error, path))?;
        let builder = builder.with_name("soundclassify").with_telemetry(false).with_logger(Arc::new(log));
        exit::wait_for_calls();
        let environment = builder.build().map_err(|error| {
            format!(
                "{}: {error} (the application may use ONNX Runtime through a different environment)",
                path.display()
            )
        })?;
        // Once more, for what the environment has created.
        exit::wait_for_calls();
        environment.set_log_level(LogLevel::Warning);
        Ok(environment)
    };
    guarded(&path.display().to_string(), load)?
}

fn load_error(error: &LoadDynamicError, path: &Path) -> String {
    let path = path.display();
    match error {
        LoadDynamicError::Dlopen { error, .. } => {
            let text = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
            if text.contains(&path.to_string()) { text } else { format!("{path}: {text}") }
        }
        LoadDynamicError::MissingApi { .. } => format!("{path} is a library, but not ONNX Runtime"),
        LoadDynamicError::InvalidVersionString => format!("{path} gives no version"),
        LoadDynamicError::BadVersion { version_str, .. } => {
            format!("{path} is ONNX Runtime {version_str}, 1.{} or newer is needed", ort::MINOR_VERSION)
        }
    }
}

/// The `ort` crate panics for some problems of a library; these become errors.
fn guarded<T>(what: &str, call: impl FnOnce() -> T) -> Result<T, String> {
    catch(call).map_err(|text| format!("{what}: {text}"))
}

fn log(level: LogLevel, _category: &str, _id: &str, location: &str, message: &str) {
    let level = match level {
        LogLevel::Verbose => return,
        LogLevel::Info => Level::Info,
        LogLevel::Warning => Level::Warning,
        LogLevel::Error | LogLevel::Fatal => Level::Error,
    };
    if let Some(logger) = LOGGER.get() {
        // Unwinding into ONNX Runtime would abort the process.
        let _ = catch(|| logger(level, &format!("{message} ({location})")));
    }
}

/// The folder of the plugin's file.
pub(super) fn plugin_dir() -> Option<PathBuf> {
    lock(&PLUGIN_DIR).clone()
}

/// Writes an informational line of the engine to that log.
pub(super) fn note(message: &str) {
    if let Some(logger) = LOGGER.get() {
        logger(Level::Info, message);
    }
}

/// Writes a warning of the engine to that log.
pub(super) fn warn(message: &str) {
    if let Some(logger) = LOGGER.get() {
        logger(Level::Warning, message);
    }
}
