// SPDX-License-Identifier: MIT OR Apache-2.0
//! Networks that crash ONNX Runtime, never end, or take all memory: an error that names it, and nothing else.
//!
//! The limits are read from the environment once a process, so each test calls itself again with the ones that it needs.

mod common;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use common::{DATA, MANIFEST};
use soundclassify_core::{
    Error,
    model::{
        Cancellation, Engine, EngineOptions, MEMORY_VARIABLE, Model, TIME_VARIABLE, check::CHECKER_VARIABLE, inspect,
    },
};
use tempfile::TempDir;

const CHECKER: &str = env!("CARGO_BIN_EXE_soundclassify-check-model");
const INNER: &str = "SOUNDCLASSIFY_TEST_INNER";

/// A network of `tests/data/models` with its manifest.
fn tiny(onnx: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(Path::new(DATA).join(onnx), folder.path().join("tiny.onnx")).unwrap();
    let manifest = folder.path().join("tiny.toml");
    fs::write(&manifest, MANIFEST).unwrap();
    (folder, manifest)
}

fn load(manifest: &Path) -> Result<(), Error> {
    Engine::shared(&Model::load(manifest.to_str().unwrap())?, &EngineOptions::default()).map(drop)
}

#[track_caller]
fn assert_refused(onnx: &str, parts: &[&str]) {
    let (_folder, manifest) = tiny(onnx);
    let text = load(&manifest).expect_err(onnx).to_string();
    for part in [&["tiny.onnx"], parts].concat() {
        assert!(text.contains(part), "{onnx}: {part:?} is not in: {text}");
    }
}

/// Runs `body` in a separate process with these variables, and with the checker unless they name a different one.
#[track_caller]
fn with(test: &str, variables: &[(&str, &str)], body: impl FnOnce()) {
    if env::var_os(INNER).is_some() {
        return body();
    }
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env(INNER, "1").env(CHECKER_VARIABLE, CHECKER).envs(variables.iter().copied());
    if variables.iter().any(|(name, value)| *name == CHECKER_VARIABLE && value.is_empty()) {
        command.env_remove(CHECKER_VARIABLE);
    }
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_network_that_crashes_is_an_error() {
    with("a_network_that_crashes_is_an_error", &[], || {
        assert_refused(
            "hostile/crash-load.onnx",
            &["loading the network crashed ONNX Runtime", "signal", "separate process"],
        );
        assert_refused("hostile/crash-run.onnx", &["running the network once crashed ONNX Runtime", "signal"]);
        let (_folder, manifest) = tiny("hostile/crash-load.onnx");
        let text = inspect(manifest.to_str().unwrap()).expect_err("a crash").to_string();
        assert!(text.contains("crashed"), "{text}");
        let (_folder, runs) = tiny("hostile/crash-run.onnx");
        let report = inspect(runs.to_str().unwrap()).unwrap();
        let failure = report.failure.expect("a crash at the first run");
        assert!(failure.contains("running the network once crashed ONNX Runtime"), "{failure}");
        fs::remove_file(&manifest).unwrap();
        let text = inspect(manifest.with_extension("onnx").to_str().unwrap()).expect_err("a crash").to_string();
        assert!(text.contains("crashed"), "{text}");
    });
}

#[test]
fn a_network_that_never_ends_is_an_error() {
    with("a_network_that_never_ends_is_an_error", &[(TIME_VARIABLE, "2")], || {
        let begin = Instant::now();
        let parts = |what| ["did not end within 2 s", what, "SOUNDCLASSIFY_MODEL_TIMEOUT"];
        assert_refused("hostile/load-time.onnx", &parts("loading the network"));
        assert_refused("hostile/many-functions.onnx", &parts("loading the network"));
        // On a busy machine it may not come to the run.
        assert_refused("hostile/run-time.onnx", &["did not end within 2 s"]);
        assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    });
}

#[test]
fn a_network_that_takes_too_much_memory_is_an_error() {
    with("a_network_that_takes_too_much_memory_is_an_error", &[(MEMORY_VARIABLE, "1024")], || {
        let parts = ["1024 MiB", "SOUNDCLASSIFY_MODEL_MEMORY"];
        for onnx in ["load-memory", "run-memory", "huge-output"] {
            assert_refused(&format!("hostile/{onnx}.onnx"), &parts);
        }
    });
}

#[test]
fn a_function_that_calls_itself_is_an_error() {
    with("a_function_that_calls_itself_is_an_error", &[], || {
        assert_refused("hostile/endless-function.onnx", &[]);
    });
}

#[test]
fn a_load_can_be_cancelled() {
    with("a_load_can_be_cancelled", &[], || {
        let (_folder, manifest) = tiny("hostile/load-time.onnx");
        let model = Model::load(manifest.to_str().unwrap()).unwrap();
        let cancellation = Cancellation::default();
        let (sender, receiver) = mpsc::channel();
        let other = cancellation.clone();
        let loading = thread::spawn(move || {
            sender.send(()).unwrap();
            Engine::shared_unless(&model, &EngineOptions::default(), &other).map(drop)
        });
        receiver.recv().unwrap();
        let begin = Instant::now();
        cancellation.cancel();
        let error = loading.join().unwrap().expect_err("it never ends by itself");
        assert!(matches!(error, Error::Cancelled(_)), "{error}");
        // Far below the limit of a load, on a busy machine, too.
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    });
}

#[test]
fn what_passed_is_not_checked_again() {
    with("what_passed_is_not_checked_again", &[(CHECKER_VARIABLE, "")], || {
        let (folder, manifest) = tiny("linear.onnx");
        // The checker that is called leaves a file each time.
        let checker = folder.path().join("checker.sh");
        let script = format!("echo >> {}\nexec {CHECKER} \"$@\"\n", folder.path().join("calls").display());
        fs::write(&checker, script).unwrap();
        soundclassify_core::model::check::set_checker("/bin/sh".into(), vec![checker.into()]);
        let load = || load(&manifest).unwrap();
        load();
        load();
        drop(inspect(manifest.to_str().unwrap()).unwrap());
        drop(inspect(manifest.to_str().unwrap()).unwrap());
        load();
        let calls = fs::read_to_string(folder.path().join("calls")).unwrap().len();
        assert_eq!(calls, 2, "one load, one look");
    });
}

#[test]
fn without_a_checker_a_network_is_loaded_here() {
    for checker in ["/nowhere/soundclassify-check-model", "/bin/true"] {
        with("without_a_checker_a_network_is_loaded_here", &[(CHECKER_VARIABLE, checker)], || {
            let (_folder, manifest) = tiny("linear.onnx");
            load(&manifest).unwrap();
        });
    }
}

#[test]
fn windows_have_a_limit() {
    let (_folder, manifest) = tiny("linear.onnx");
    let huge = MANIFEST.replace("n-mels = 4", "n-mels = 4096").replace("frames = 6", "frames = 65536");
    let huge = huge.replace("hop-length = 160", "hop-length = 10");
    fs::write(&manifest, huge).unwrap();
    let text = Model::load(manifest.to_str().unwrap()).expect_err("too large").to_string();
    for part in ["tiny.toml: features", "4194304 values", "268435456 values", "n-mels"] {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}
