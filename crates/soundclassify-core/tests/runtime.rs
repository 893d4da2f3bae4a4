// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finding ONNX Runtime: each case in a separate process, because a process loads it once.
#![cfg(target_os = "linux")]

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use soundclassify_core::model::{Engine, EngineOptions, Model, runtime};
use tempfile::TempDir;

/// What a child does; set only in children.
const TASK: &str = "SOUNDCLASSIFY_TEST_TASK";
const FOLDER: &str = "SOUNDCLASSIFY_TEST_FOLDER";
const VARIABLE: &str = "ORT_DYLIB_PATH";

fn load() -> String {
    let model = Model::load("default").unwrap();
    match Engine::shared(&model, &EngineOptions::default()) {
        Ok(_) => "loaded".into(),
        Err(error) => format!("refused: {error}"),
    }
}

#[test]
#[ignore = "run by the others in a process of its own"]
fn child() {
    let folder = PathBuf::from(env::var(FOLDER).unwrap());
    match &*env::var(TASK).unwrap() {
        "once" => {}
        "beside-plugin" => runtime::set_plugin_dir(folder),
        "again" => {
            runtime::set_plugin_dir(folder.clone());
            println!("first {}", load());
            symlink(library(), folder.join("libonnxruntime.so.1.31.1")).unwrap();
        }
        other => panic!("{other}"),
    }
    println!("then {}", load());
}

/// The library that the test run was given, kept in another variable in children.
fn library() -> PathBuf {
    let path = env::var_os("SOUNDCLASSIFY_TEST_LIBRARY").or_else(|| env::var_os(VARIABLE));
    path.expect("ORT_DYLIB_PATH names ONNX Runtime").into()
}

/// This program in a different folder, because a library may lie beside it.
fn program_elsewhere() -> (TempDir, PathBuf) {
    let (folder, own) = (empty(), env::current_exe().unwrap());
    let program = folder.path().join("child");
    fs::hard_link(&own, &program).or_else(|_| fs::copy(&own, &program).map(drop)).unwrap();
    (folder, program)
}

/// What a child prints; `variable` is its `ORT_DYLIB_PATH`.
fn run(task: &str, folder: &Path, variable: Option<&Path>) -> String {
    run_with(task, folder, variable.map(|path| (VARIABLE, path)))
}

/// What a child prints that has this variable.
fn run_with(task: &str, folder: &Path, variable: Option<(&str, &Path)>) -> String {
    let (_folder, program) = program_elsewhere();
    let mut command = Command::new(program);
    command.args(["--exact", "child", "--ignored", "--nocapture"]).env(TASK, task).env(FOLDER, folder);
    command.env("SOUNDCLASSIFY_TEST_LIBRARY", library()).env_remove(VARIABLE).env_remove("LD_LIBRARY_PATH");
    command.envs(variable);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    text
}

fn empty() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Whether the system's loader knows one, which then is found whatever else is missing.
fn is_in_system() -> bool {
    let list = ["ldconfig", "/sbin/ldconfig"].into_iter().find_map(|name| Command::new(name).arg("-p").output().ok());
    list.is_some_and(|list| String::from_utf8_lossy(&list.stdout).contains("libonnxruntime.so"))
}

#[track_caller]
fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

/// A library in `folder` with this source.
fn build(folder: &Path, source: &str) -> PathBuf {
    let (from, to) = (folder.join("fake.rs"), folder.join("libfake.so"));
    fs::write(&from, source).unwrap();
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let arguments = ["--edition=2024", "--crate-type=cdylib", "-Cpanic=abort", "-o"];
    assert!(Command::new(rustc).args(arguments).arg(&to).arg(&from).status().unwrap().success());
    to
}

/// A library that calls itself ONNX Runtime of `version` and has no API.
fn build_version(folder: &Path, version: &str) -> PathBuf {
    let source = r#"
        #[repr(C)]
        pub struct Base { api: extern "C" fn(u32) -> *const u8, version: extern "C" fn() -> *const u8 }
        extern "C" fn api(_: u32) -> *const u8 { std::ptr::null() }
        extern "C" fn version() -> *const u8 { b"VERSION\0".as_ptr() }
        static BASE: Base = Base { api, version };
        #[unsafe(no_mangle)]
        pub extern "C" fn OrtGetApiBase() -> *const Base { &BASE }
    "#;
    build(folder, &source.replace("VERSION", version))
}

#[test]
fn none_is_an_error_with_places_and_remedy() {
    if is_in_system() {
        println!("skipped: this system has an ONNX Runtime of its own");
        return;
    }
    let folder = empty();
    let text = run("beside-plugin", folder.path(), None);
    let beside = folder.path().join("libonnxruntime.so");
    let parts = ["then refused: ONNX Runtime can't be loaded", "ORT_DYLIB_PATH (not set)", beside.to_str().unwrap()];
    assert_says(&text, &parts);
    assert_says(&text, &["libonnxruntime.so.1 in the system's library path", "libonnxruntime.so.1.99 in the system's"]);
    assert_says(&text, &["pip download --no-deps onnxruntime"]);
}

#[test]
fn variable_names_a_file_or_its_folder() {
    let folder = empty();
    assert_says(&run("once", folder.path(), Some(&library())), &["then loaded"]);
    symlink(library(), folder.path().join("libonnxruntime.so.1.9.9")).unwrap();
    assert_says(&run("once", folder.path(), Some(folder.path())), &["then loaded"]);
}

#[test]
fn a_library_beside_the_plugin_is_found() {
    for name in ["libonnxruntime.so", "libonnxruntime.so.1", "libonnxruntime.so.1.31.1"] {
        let folder = empty();
        symlink(library(), folder.path().join(name)).unwrap();
        assert_says(&run("beside-plugin", folder.path(), None), &["then loaded"]);
    }
}

#[test]
fn the_systems_library_is_found() {
    if !is_in_system() {
        println!("skipped: this system has no ONNX Runtime of its own");
        return;
    }
    assert_says(&run("once", empty().path(), None), &["then loaded"]);
}

#[test]
fn a_library_in_the_loaders_path_is_found_by_the_names_of_distributions() {
    for name in ["libonnxruntime.so", "libonnxruntime.so.1", "libonnxruntime.so.1.31", "libonnxruntime.so.1.17"] {
        let folder = empty();
        symlink(library(), folder.path().join(name)).unwrap();
        let path = Some(("LD_LIBRARY_PATH", folder.path()));
        assert_says(&run_with("once", folder.path(), path), &["then loaded"]);
    }
}

#[test]
fn an_unusable_library_in_the_loaders_path_is_named() {
    let folder = empty();
    fs::write(folder.path().join("libonnxruntime.so.1.99"), "text").unwrap();
    let text = run_with("once", folder.path(), Some(("LD_LIBRARY_PATH", folder.path())));
    // It does not hide an older one that works.
    let parts: &[&str] = if is_in_system() { &["then loaded"] } else { &["then refused", "libonnxruntime.so.1.99: "] };
    assert_says(&text, parts);
}

#[test]
fn a_search_that_failed_may_be_repeated() {
    if is_in_system() {
        println!("skipped: this system has an ONNX Runtime of its own");
        return;
    }
    assert_says(&run("again", empty().path(), None), &["first refused", "then loaded"]);
}

#[test]
fn a_wrong_variable_is_an_error() {
    let folder = empty();
    let path = folder.path().join("nothing.so");
    assert_says(&run("once", folder.path(), Some(&path)), &["then refused", "nothing.so does not exist"]);
    fs::write(&path, "text").unwrap();
    assert_says(&run("once", folder.path(), Some(&path)), &["then refused", "nothing.so"]);
    assert_says(&run("once", folder.path(), Some(folder.path())), &["then refused", "not found"]);
}

#[test]
fn other_libraries_are_refused() {
    let folder = empty();
    let other = build(folder.path(), "");
    assert_says(&run("once", folder.path(), Some(&other)), &["then refused", "not ONNX Runtime"]);
    let null = "#[unsafe(no_mangle)] pub extern \"C\" fn OrtGetApiBase() -> *const u8 { std::ptr::null() }";
    let null = build(folder.path(), null);
    assert_says(&run("once", folder.path(), Some(&null)), &["then refused", "libfake.so"]);
}

#[test]
fn other_versions_are_refused() {
    let folder = empty();
    let old = build_version(folder.path(), "1.16.3");
    let text = run("once", folder.path(), Some(&old));
    assert_says(&text, &["then refused", "is ONNX Runtime 1.16.3, 1.17 or newer is needed"]);
    let hollow = build_version(folder.path(), "1.31.0");
    assert_says(&run("once", folder.path(), Some(&hollow)), &["then refused", "libfake.so"]);
}
