// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the engine adds to a bare `session.run`, and what batching saves; ratios of processor
//! time in one run, medians of 7.
//!
//!     cargo bench --bench engine [-- MODEL]
//!
//! A process has one ONNX Runtime environment, so the bare session runs in a separate process, in turn with ours.

use std::{
    env, fs,
    process::Command,
    sync::{Arc, mpsc},
};

use ort::{
    session::{Session, builder::GraphOptimizationLevel},
    value::TensorRef,
};
use soundclassify_core::model::{Engine, EngineOptions, Model, Stream, load_network};

const ROUNDS: usize = 7;
const RUNS: u64 = 300;

fn main() {
    let arguments: Vec<_> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.as_slice() {
        [bare, model] if bare == "bare" => println!("{}", bare_seconds(model)),
        [] => compare("default"),
        models => models.iter().for_each(|model| compare(model)),
    }
}

/// Seconds of processor time of one run, of all threads together: wall time says little on a shared machine.
fn seconds(mut run: impl FnMut()) -> f64 {
    (0..10).for_each(|_| run());
    let begin = processor_seconds();
    (0..RUNS).for_each(|_| run());
    (processor_seconds() - begin) / RUNS as f64
}

/// Processor time of this process's living threads; Linux only.
fn processor_seconds() -> f64 {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux").flatten();
    let nanoseconds = |task: fs::DirEntry| -> Option<f64> {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    tasks.filter_map(nanoseconds).sum::<f64>() / 1e9
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A bare session with the engine's options.
fn bare_seconds(name: &str) -> f64 {
    let model = Model::load(name).unwrap();
    let library = env::var_os("ORT_DYLIB_PATH").expect("ORT_DYLIB_PATH names ONNX Runtime");
    let environment = ort::init_from(library).unwrap().with_telemetry(false).build().unwrap();
    let mut builder = Session::builder(&environment)
        .and_then(|builder| Ok(builder.with_intra_threads(1)?))
        .and_then(|builder| Ok(builder.with_optimization_level(GraphOptimizationLevel::All)?))
        .and_then(|builder| Ok(builder.with_intra_op_spinning(false)?))
        .unwrap();
    let path = model.manifest().onnx.clone();
    let path = if path.exists() { path } else { concat!(env!("CARGO_MANIFEST_DIR"), "/models/default.onnx").into() };
    let mut session = builder.commit_from_file(path).unwrap();
    let mut shape = model.manifest().features.shape();
    shape.insert(0, 1);
    let window = vec![0.5f32; shape.iter().product()];
    seconds(|| {
        let input = TensorRef::from_array_view((shape.as_slice(), window.as_slice())).unwrap();
        session.run(ort::inputs![input]).unwrap();
    })
}

fn bare_in_a_process(model: &str) -> f64 {
    let mut command = Command::new(env::current_exe().unwrap());
    let output = command.args(["bare", model]).env("ORT_DISABLE_TELEMETRY", "1").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().parse().unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn push(engine: &Arc<Engine>, stream: &Stream) {
    let mut tensor = engine.tensor();
    tensor.fill(0.5);
    stream.push(0, tensor);
}

fn compare(name: &str) {
    let model = Model::load(name).unwrap();
    let options = EngineOptions::default();
    let mut network = load_network(&model, options).unwrap();
    let (window, mut scores) = (vec![0.5f32; network.window_len()], vec![0.0; network.classes()]);
    let engine = Engine::shared(&model, &options).unwrap();
    let (sender, replies) = mpsc::channel();
    let stream = engine.stream(move |reply| sender.send(reply.scores.is_ok()).unwrap());
    let (mut of_engine, mut of_network, mut of_batches) = (Vec::new(), Vec::new(), Vec::new());
    let mut microseconds = Vec::new();
    for _ in 0..ROUNDS {
        let bare = bare_in_a_process(name);
        microseconds.push(bare * 1e6);
        of_network.push(seconds(|| network.run(&[&window], &mut scores).unwrap()) / bare);
        of_engine.push(
            seconds(|| {
                push(&engine, &stream);
                assert!(replies.recv().unwrap());
            }) / bare,
        );
        of_batches.push(
            seconds(|| {
                (0..16).for_each(|_| push(&engine, &stream));
                (0..16).for_each(|_| assert!(replies.recv().unwrap()));
            }) / (16.0 * bare),
        );
    }
    println!("{} (bare session.run: {:.1} µs of processor time)", model.manifest().name, median(microseconds));
    println!("  network.run / session.run                     {:.3}", median(of_network));
    println!("  push, run, reply / session.run                {:.3}", median(of_engine));
    println!("  16 at once: push, run, reply / 16 session.run {:.3}", median(of_batches));
}
