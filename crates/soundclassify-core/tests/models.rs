// SPDX-License-Identifier: MIT OR Apache-2.0
//! Real networks in ONNX Runtime: the tiny ones of `tests/data/models` and, where they are, those of `../shared`.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use common::{DATA, MANIFEST};
use soundclassify_core::{
    Error,
    model::{Engine, EngineOptions, ExecutionProvider, Model, inspect, load_embedding, load_network, runtime},
};
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(20);
const SHARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
const CPU: EngineOptions = EngineOptions { provider: ExecutionProvider::Cpu, device: 0, threads: 1 };
/// Values of one window of the tiny networks.
const WINDOW: usize = 24;

/// A tiny network with its manifest in a separate folder.
struct Tiny {
    folder: TempDir,
}

impl Tiny {
    fn new(onnx: &str, edit: impl Fn(String) -> String) -> Self {
        let bytes = fs::read(Path::new(DATA).join(onnx)).unwrap();
        Self::of_bytes(&bytes, edit)
    }

    fn of_bytes(bytes: &[u8], edit: impl Fn(String) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("tiny.onnx"), bytes).unwrap();
        fs::write(folder.path().join("tiny.toml"), edit(MANIFEST.to_owned())).unwrap();
        Self { folder }
    }

    fn model(&self) -> Result<Model, Error> {
        Model::load(self.folder.path().join("tiny.toml").to_str().unwrap())
    }

    fn engine(&self) -> Result<Arc<Engine>, Error> {
        Engine::shared(&self.model()?, &CPU)
    }
}

fn as_is(manifest: String) -> String {
    manifest
}

fn engine(onnx: &str) -> Arc<Engine> {
    Tiny::new(onnx, as_is).engine().unwrap()
}

type Scores = Result<Vec<f32>, String>;

/// Scores of windows that are pushed in one go, and the largest batch that they went in.
fn run(engine: &Arc<Engine>, windows: &[Vec<f32>]) -> (Vec<Scores>, usize) {
    let (sender, receiver) = mpsc::channel();
    let stream = engine.stream(move |reply| {
        let scores = reply.scores.map(<[f32]>::to_vec).map_err(ToString::to_string);
        let _ = sender.send((scores, reply.batch));
    });
    let tensors = windows.iter().map(|window| {
        let mut tensor = engine.tensor();
        tensor.copy_from_slice(window);
        tensor
    });
    let tensors: Vec<_> = tensors.collect();
    stream.push_all((0..).zip(tensors));
    let replies: Vec<_> = windows.iter().map(|_| receiver.recv_timeout(LONG).expect("a reply")).collect();
    let most = replies.iter().map(|reply| reply.1).max().unwrap_or(0);
    (replies.into_iter().map(|reply| reply.0).collect(), most)
}

fn single(engine: &Arc<Engine>, window: &[f32]) -> Vec<f32> {
    run(engine, &[window.to_vec()]).0.remove(0).unwrap()
}

fn window(seed: usize) -> Vec<f32> {
    (0..WINDOW).map(|i| ((i * 31 + seed * 17) % 23) as f32 / 23.0).collect()
}

#[track_caller]
fn assert_close(a: &[f32], b: &[f32], tolerance: f32) {
    assert_eq!(a.len(), b.len());
    let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= tolerance, "differ by {worst}: {a:?} {b:?}");
}

#[track_caller]
fn assert_says(error: &Error, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

#[track_caller]
fn refuses(onnx: &str, edit: impl Fn(String) -> String, parts: &[&str]) {
    let error = Tiny::new(onnx, edit).engine().expect_err(onnx);
    assert!(matches!(error, Error::Model { .. }), "{error:?}");
    assert_says(&error, &[parts, &["tiny.onnx"]].concat());
}

#[test]
fn every_batch_gives_the_same_scores() {
    let windows: Vec<_> = (0..50).map(window).collect();
    let reference: Vec<_> = windows.iter().map(|window| single(&engine("linear.onnx"), window)).collect();
    for (onnx, limit) in [("linear.onnx", 16), ("linear-1.onnx", 1), ("linear-4.onnx", 4), ("no-batch.onnx", 1)] {
        let (scores, most) = run(&engine(onnx), &windows);
        assert_eq!(most, limit, "{onnx}");
        for (scores, reference) in scores.iter().zip(&reference) {
            assert_close(scores.as_ref().unwrap(), reference, 1e-5);
        }
    }
}

#[test]
fn runs_into_tensors_made_before_give_the_same_scores() {
    let named = |text: String| text.replace("[output]", "[output]\nname = \"logits\"");
    let networks = ["linear", "linear-1", "linear-4", "no-batch", "time-axis", "two-outputs", "some-frames"];
    for name in networks {
        let edit = if name == "two-outputs" { named } else { as_is };
        let mut network = load_network(&Tiny::new(&format!("{name}.onnx"), edit).model().unwrap(), CPU).unwrap();
        assert_eq!(network.is_portable(), name != "some-frames", "{name}");
        for round in 0..3 {
            for count in (1..=network.max_batch()).rev() {
                let windows: Vec<_> = (0..count).map(|number| window(number + 4 * round)).collect();
                let windows: Vec<&[f32]> = windows.iter().map(Vec::as_slice).collect();
                let mut scores = [vec![0.0; 3 * count], vec![1.0; 3 * count]];
                network.run(&windows, &mut scores[0]).unwrap();
                network.run_uncancellable(&windows, &mut scores[1]).unwrap();
                assert_eq!(scores[0], scores[1], "{name}, {count} windows");
            }
        }
    }
}

#[test]
fn a_batch_axis_that_only_seems_free_is_found_out() {
    let windows: Vec<_> = (0..50).map(window).collect();
    for onnx in ["linear-pretends.onnx", "mixes.onnx", "mixes-little.onnx", "mixes-last.onnx"] {
        let (scores, most) = run(&engine(onnx), &windows);
        assert_eq!(most, 1, "{onnx}");
        assert!(scores.iter().all(Result::is_ok));
    }
}

#[test]
fn built_in_models_take_batches() {
    for name in ["default", "audioset", "small", "sure"] {
        assert_eq!(load_network(&Model::load(name).unwrap(), CPU).unwrap().max_batch(), 16, "{name}");
    }
}

#[test]
fn what_is_sure_comes_from_the_network_of_the_default_model() {
    let (default, sure) = (Model::load("default").unwrap(), Model::load("sure").unwrap());
    let engines = [&default, &sure].map(|model| Engine::shared(model, &CPU).unwrap());
    assert!(Arc::ptr_eq(&engines[0], &engines[1]));
    assert!(default.manifest().defaults.thresholds.is_empty());
    let thresholds = &sure.manifest().defaults.thresholds;
    assert_eq!(thresholds.len(), sure.manifest().labels.len());
    assert!(thresholds.iter().all(|(label, threshold)| *threshold >= 0.5 || label == "Background"));
}

#[test]
fn time_axis_is_averaged() {
    let engine = engine("time-axis.onnx");
    let scores = single(&engine, &window(1));
    // The network is linear: the mean of the frames' scores is the score of the mean frame.
    let mean: Vec<f32> = (0..4).flat_map(|mel| [window(1)[mel * 6..][..6].iter().sum::<f32>() / 6.0; 6]).collect();
    assert_close(&scores, &single(&engine, &mean), 1e-5);
}

#[test]
fn a_time_axis_is_reduced_as_the_manifest_says() {
    let edit =
        |to: &'static str| move |text: String| text.replace("[output]", &format!("[output]\nname = \"logits\"\n{to}"));
    let of = |to| single(&Tiny::new("attention.onnx", edit(to)).engine().unwrap(), &window(1));
    // One frame of the window in all places gives that frame's scores.
    let frame = |frame: usize| {
        let only: Vec<f32> = (0..4).flat_map(|mel| [window(1)[mel * 6 + frame]; 6]).collect();
        single(&Tiny::new("attention.onnx", edit("reduce = \"mean\"")).engine().unwrap(), &only)
    };
    let frames: Vec<_> = (0..6).map(frame).collect();
    let by_class = |reduce: &dyn Fn(&[f32]) -> f32| -> Vec<f32> {
        (0..3).map(|class| reduce(&frames.iter().map(|frame| frame[class]).collect::<Vec<_>>())).collect()
    };
    assert_close(&of("reduce = \"max\""), &by_class(&|row| row.iter().copied().fold(f32::MIN, f32::max)), 1e-5);
    assert_close(&of("reduce = \"last\""), &frames[5], 1e-5);
    let cubes = |row: &[f32]| row.iter().map(|x| x.powi(3)).sum::<f32>() / row.iter().map(|x| x * x).sum::<f32>();
    assert_close(&of("reduce = \"attention\"\nattention = \"weights\""), &by_class(&cubes), 1e-5);
    let sums: Vec<f32> = frames.iter().map(|frame| frame.iter().map(|x| x * x).sum()).collect();
    let weighted = |row: &[f32]| row.iter().zip(&sums).map(|(x, w)| x * w).sum::<f32>() / sums.iter().sum::<f32>();
    assert_close(&of("reduce = \"attention\"\nattention = \"sums\""), &by_class(&weighted), 1e-5);
}

#[test]
fn an_embedding_is_an_output_of_its_own() {
    let named = |text: String| text.replace("[output]", "[output]\nname = \"logits\"\nembedding = \"embedding\"");
    let tiny = Tiny::new("two-outputs.onnx", named);
    let mut network = load_embedding(&tiny.model().unwrap(), CPU).unwrap();
    assert_eq!(network.classes(), 24);
    let mut embedding = vec![0.0; 48];
    network.run(&[&window(1), &window(2)], &mut embedding).unwrap();
    assert_eq!(embedding, [window(1), window(2)].concat());
    assert_close(&single(&tiny.engine().unwrap(), &window(3)), &single(&engine("linear.onnx"), &window(3)), 1e-6);

    let error = load_embedding(&Tiny::new("linear.onnx", as_is).model().unwrap(), CPU).err().unwrap();
    assert_says(&error, &["tiny.toml", "output.embedding", "nothing"]);
    let unknown = |text: String| text.replace("[output]", "[output]\nname = \"logits\"\nembedding = \"vector\"");
    refuses("two-outputs.onnx", unknown, &["output.embedding", "\"vector\"", "\"embedding\" f32 [?, 24]"]);
}

#[test]
fn activations_are_applied() {
    let logits = single(&engine("linear.onnx"), &window(2));
    let of = |kind: &str| {
        let edit = |text: String| text.replace("activation = \"none\"", &format!("activation = \"{kind}\""));
        single(&Tiny::new("linear.onnx", edit).engine().unwrap(), &window(2))
    };
    let sum: f32 = logits.iter().map(|x| x.exp()).sum();
    assert_close(&of("softmax"), &logits.iter().map(|x| x.exp() / sum).collect::<Vec<_>>(), 1e-6);
    assert_close(&of("sigmoid"), &logits.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect::<Vec<_>>(), 1e-6);
}

#[test]
fn an_output_is_chosen_by_name() {
    let named = |text: String| text.replace("[output]", "[output]\nname = \"logits\"");
    let scores = single(&Tiny::new("two-outputs.onnx", named).engine().unwrap(), &window(3));
    assert_close(&scores, &single(&engine("linear.onnx"), &window(3)), 1e-6);
    refuses("two-outputs.onnx", as_is, &["output.name", "\"embedding\" f32 [?, 24]", "\"logits\" f32 [?, 3]"]);
    let unknown = |text: String| text.replace("[output]", "[output]\nname = \"logit\"");
    refuses("two-outputs.onnx", unknown, &["output.name", "\"logit\"", "\"logits\" f32 [?, 3]"]);
}

#[test]
fn networks_that_do_not_fit_are_refused_with_both_sides() {
    refuses("rank-2.onnx", as_is, &["[1, 4, 6]", "\"input\" f32 [?, 24]", "input.layout"]);
    refuses("int-input.onnx", as_is, &["input of f32", "i64"]);
    refuses("int-output.onnx", as_is, &["output of f32", "i64"]);
    refuses("two-inputs.onnx", as_is, &["one input", "\"other\" f32 [?, 1, 4, 6]"]);
    refuses("four-classes.onnx", as_is, &["3 labels", "4 classes"]);
    refuses("unknown-shapes.onnx", as_is, &["3 classes", "[1, 4]"]);
    let frames = |text: String| text.replace("frames = 6", "frames = 7");
    refuses("linear.onnx", frames, &["[1, 4, 7]", "\"input\" f32 [?, 1, 4, 6]"]);
    let last = |text: String| text.replace("\"first\"", "\"last\"");
    refuses("linear.onnx", last, &["[4, 6, 1]", "input.channel-axis"]);
    let named = |text: String| text.replace("[input]", "[input]\nname = \"audio\"");
    refuses("linear.onnx", named, &["input.name", "\"audio\"", "\"input\" f32 [?, 1, 4, 6]"]);
}

#[test]
fn networks_that_onnx_runtime_lacks_are_refused_with_its_reason() {
    refuses("unknown-operator.onnx", as_is, &["Hearken", "a newer ONNX Runtime"]);
    refuses("future-opset.onnx", as_is, &["opset", "a newer ONNX Runtime"]);
}

#[test]
fn files_that_are_no_network_are_refused() {
    let linear = fs::read(Path::new(DATA).join("linear.onnx")).unwrap();
    let noise: Vec<u8> = (0..4096u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for bytes in [&linear[..linear.len() / 2], &noise, b"Hello", &[0; 1000]] {
        let error = Tiny::of_bytes(bytes, as_is).engine().expect_err("no network");
        assert!(matches!(error, Error::Model { .. }), "{error:?}");
        assert_says(&error, &["tiny.onnx", "can't load it"]);
    }
    let error = Tiny::of_bytes(&[], as_is).engine().expect_err("empty");
    assert_says(&error, &["tiny.onnx", "empty"]);
}

#[test]
fn a_network_that_gives_nan_is_an_error_of_each_window() {
    let (scores, _) = run(&engine("nan.onnx"), &[window(0), window(1)]);
    assert!(scores.iter().all(|scores| scores.as_ref().is_err_and(|error| error.contains("NaN"))));
}

#[test]
fn a_network_that_hangs_ends_with_its_engine() {
    let engine = engine("hangs.onnx");
    let stream = engine.stream(|_| {});
    let mut tensor = engine.tensor();
    tensor.fill(2.0);
    stream.push(0, tensor);
    while stream.waiting() > 0 {
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(Duration::from_millis(50));
    assert_eq!(stream.pending(), 1, "it hangs");
    let begin = Instant::now();
    drop((stream, engine));
    assert!(begin.elapsed() < Duration::from_millis(900), "{:?}", begin.elapsed());
}

#[test]
fn several_networks_give_the_scores_of_one() {
    const WINDOWS: u64 = 40;
    let model = Model::load("default").unwrap();
    let mut alone = load_network(&model, CPU).unwrap();
    let pattern = |seed: usize| (0..alone.window_len()).map(move |i| (i * (seed + 3) % 97) as f32 / 97.0 - 4.0);
    let patterns: Vec<Vec<f32>> = (0..8).map(|seed| pattern(seed).collect()).collect();
    let expected = patterns.iter().map(|pattern| {
        let mut scores = vec![0.0; alone.classes()];
        alone.run(&[pattern], &mut scores).map(|()| scores).unwrap()
    });
    let expected: Arc<Vec<_>> = Arc::new(expected.collect());
    let engine = Engine::with_networks(load_network(&model, CPU).unwrap(), 3, move || load_network(&model, CPU));
    let engine = engine.unwrap();
    let (sender, worst) = mpsc::channel();
    let open = |stream: usize| {
        let (sender, expected) = (sender.clone(), Arc::clone(&expected));
        let mut next = 0;
        engine.stream(move |reply| {
            assert_eq!(reply.ticket, next);
            next += 1;
            let expected = &expected[(stream + reply.ticket as usize) % expected.len()];
            let apart = reply.scores.unwrap().iter().zip(expected).map(|(a, b)| (a - b).abs());
            sender.send(apart.fold(0.0, f32::max)).unwrap();
        })
    };
    let streams: Vec<_> = (0..24).map(open).collect();
    let begin = Instant::now();
    for first in (0..).step_by(WINDOWS as usize) {
        for ticket in first..first + WINDOWS {
            for (number, stream) in streams.iter().enumerate() {
                let mut tensor = engine.tensor();
                tensor.copy_from_slice(&patterns[(number + ticket as usize) % patterns.len()]);
                stream.push(ticket, tensor);
            }
        }
        for _ in 0..streams.len() * WINDOWS as usize {
            assert!(worst.recv_timeout(LONG).unwrap() < 1e-5);
        }
        if engine.networks() == 3 && first > 0 {
            return;
        }
        assert!(begin.elapsed() < LONG, "{} networks", engine.networks());
    }
}

#[test]
fn a_slow_network_holds_up_nobody_who_pushes() {
    let engine = engine("slow.onnx");
    let stream = engine.stream(|_| {});
    let begin = Instant::now();
    for ticket in 0..20 {
        let mut tensor = engine.tensor();
        tensor.fill(2.0);
        stream.push(ticket, tensor);
    }
    assert!(begin.elapsed() < Duration::from_millis(50));
    assert!(stream.pending() > 0);
}

#[test]
fn equal_models_share_an_engine() {
    let (one, other) = (Tiny::new("linear.onnx", as_is), Tiny::new("linear.onnx", as_is));
    let engine = one.engine().unwrap();
    assert!(Arc::ptr_eq(&engine, &other.engine().unwrap()));
    let softmax = |text: String| text.replace("\"none\"\n[labels]", "\"softmax\"\n[labels]");
    assert!(!Arc::ptr_eq(&engine, &Tiny::new("linear.onnx", softmax).engine().unwrap()));
    assert!(!Arc::ptr_eq(&engine, &Tiny::new("linear-1.onnx", as_is).engine().unwrap()));
    let threads = EngineOptions { threads: 2, ..CPU };
    assert!(!Arc::ptr_eq(&engine, &Engine::shared(&one.model().unwrap(), &threads).unwrap()));
}

#[test]
fn who_loads_at_the_same_time_shares_the_load() {
    let tiny = Tiny::new("time-axis.onnx", |text| text.replace("\"a\"", "\"same time\""));
    let engines: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| tiny.engine().unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(engines.iter().all(|engine| Arc::ptr_eq(engine, &engines[0])));
}

#[test]
fn an_engine_is_made_anew_after_its_last_user() {
    let model = Tiny::new("linear-4.onnx", as_is);
    let model = (model.model().unwrap(), model);
    for _ in 0..3 {
        let engine = Engine::shared(&model.0, &CPU).unwrap();
        assert_eq!(single(&engine, &window(0)).len(), 3);
    }
}

#[test]
fn a_file_that_changes_between_two_engines_is_refused() {
    let tiny = Tiny::new("linear-4.onnx", |text| text.replace("\"a\"", "\"changes\""));
    let model = tiny.model().unwrap();
    drop(Engine::shared(&model, &EngineOptions { threads: 3, ..CPU }).unwrap());
    fs::copy(Path::new(DATA).join("linear-1.onnx"), tiny.folder.path().join("tiny.onnx")).unwrap();
    let error = Engine::shared(&model, &EngineOptions { threads: 3, ..CPU }).unwrap_err();
    assert_says(&error, &["changed"]);
}

#[test]
fn weights_beside_the_file_report_models_apart() {
    let tiny = |weight: f32| {
        let tiny = Tiny::new("outside.onnx", as_is);
        let weights: Vec<u8> = [weight; 24 * 3].into_iter().flat_map(f32::to_le_bytes).collect();
        fs::write(tiny.folder.path().join("weights.bin"), weights).unwrap();
        tiny
    };
    let (one, equal, other) = (tiny(1.0), tiny(1.0), tiny(2.0));
    let engine = one.engine().unwrap();
    assert!(Arc::ptr_eq(&engine, &equal.engine().unwrap()));
    let double: Vec<f32> = single(&engine, &window(1)).iter().map(|score| score * 2.0).collect();
    assert_close(&single(&other.engine().unwrap(), &window(1)), &double, 1e-5);

    let model = equal.model().unwrap();
    fs::copy(other.folder.path().join("weights.bin"), equal.folder.path().join("weights.bin")).unwrap();
    let threads = EngineOptions { threads: 2, ..CPU };
    drop(Engine::shared(&model, &EngineOptions { threads: 3, ..CPU }));
    assert_says(&Engine::shared(&model, &threads).unwrap_err(), &["weights", "changed"]);
}

#[test]
fn weights_are_found_in_any_order_of_fields() {
    let swap = |bytes: Vec<u8>| {
        let (usual, swapped) = (b"\x0a\x08location\x12\x0bweights.bin", b"\x12\x0bweights.bin\x0a\x08location");
        let at = bytes.windows(usual.len()).position(|window| window == usual).unwrap();
        [&bytes[..at], swapped, &bytes[at + usual.len()..]].concat()
    };
    let onnx = swap(fs::read(Path::new(DATA).join("outside.onnx")).unwrap());
    let engine = |weight: f32| {
        let tiny = Tiny::of_bytes(&onnx, as_is);
        let weights: Vec<u8> = [weight; 24 * 3].into_iter().flat_map(f32::to_le_bytes).collect();
        fs::write(tiny.folder.path().join("weights.bin"), weights).unwrap();
        tiny.engine().unwrap()
    };
    let (one, two) = (engine(1.0), engine(2.0));
    let double: Vec<f32> = single(&one, &window(1)).iter().map(|score| score * 2.0).collect();
    assert_close(&single(&two, &window(1)), &double, 1e-5);
}

#[test]
fn weights_elsewhere_are_refused() {
    let tiny = Tiny::new("outside.onnx", as_is);
    let expected = ["tiny.onnx", "\"weights.bin\"", "regular file", "copy the file there"];
    assert_says(&tiny.model().unwrap_err(), &expected);
    fs::remove_file(tiny.folder.path().join("tiny.toml")).unwrap();
    let onnx = tiny.folder.path().join("tiny.onnx");
    assert_says(&inspect(onnx.to_str().unwrap()).unwrap_err(), &expected);
}

#[test]
fn a_provider_that_is_lacking_is_refused_with_those_there_are() {
    let available = runtime::providers().unwrap();
    assert!(available.contains(&ExecutionProvider::Cpu));
    let Some(lacking) = ExecutionProvider::ALL.into_iter().find(|provider| !available.contains(provider)) else {
        return;
    };
    let model = Tiny::new("linear.onnx", as_is).model().unwrap();
    let error = Engine::shared(&model, &EngineOptions { provider: lacking, ..CPU }).unwrap_err();
    assert!(matches!(error, Error::Provider { .. }), "{error:?}");
    assert_says(&error, &[lacking.name(), "cpu"]);
}

#[test]
fn the_built_in_model_runs() {
    let model = Model::load("default").unwrap();
    let engine = Engine::shared(&model, &CPU).unwrap();
    let scores = single(&engine, &vec![0.5; model.manifest().features.len()]);
    assert_eq!(scores.len(), model.manifest().labels.len());
    assert!((scores.iter().sum::<f32>() - 1.0).abs() < 1e-3, "{scores:?}");
}

#[test]
fn a_window_that_two_manifests_of_one_file_get_is_run_once() {
    let names = ["first", "second"].map(|name| format!("[output]\nname = \"{name}\""));
    let [first, second] = names.map(|name| Tiny::new("random.onnx", |text| text.replace("[output]", &name)));
    let alone = first.engine().unwrap();
    assert_ne!(single(&alone, &window(0)), single(&alone, &window(0)), "its scores differ in every run");
    let both = [alone, second.engine().unwrap()];
    assert!(!Arc::ptr_eq(&both[0], &both[1]));

    for seed in 0..50 {
        let [one, other] = if seed % 2 == 0 { [0, 1] } else { [1, 0] };
        assert_eq!(single(&both[one], &window(seed)), single(&both[other], &window(seed)), "window {seed}");
    }
    let batch = |engine, seeds: [usize; 4]| run(engine, &seeds.map(window)).0;
    let (one, other) = (batch(&both[0], [1, 2, 3, 4]), batch(&both[1], [4, 9, 2, 1]));
    assert_eq!([&one[3], &one[1], &one[0]], [&other[0], &other[2], &other[3]]);
}

#[test]
fn outputs_of_one_run_are_those_of_runs_of_their_own() {
    let models = ["default", "audioset"].map(|name| Model::load(name).unwrap());
    let windows: Vec<Vec<f32>> = (0..20)
        .map(|seed| (0..models[0].manifest().features.len()).map(|i| (i * (seed + 3) % 97) as f32 / 97.0).collect())
        .collect();
    let expected = models.each_ref().map(|model| {
        let engine = Engine::shared(model, &CPU).unwrap();
        windows.iter().map(|window| single(&engine, window)).collect::<Vec<_>>()
    });

    let engines = models.each_ref().map(|model| Engine::shared(model, &CPU).unwrap());
    for (number, window) in windows.iter().enumerate() {
        for (engine, expected) in engines.iter().zip(&expected) {
            assert_close(&single(engine, window), &expected[number], 1e-5);
        }
    }
}

#[test]
fn inspecting_reports_what_fits() {
    let tiny = Tiny::new("four-classes.onnx", as_is);
    let (manifest, onnx) = (tiny.folder.path().join("tiny.toml"), tiny.folder.path().join("tiny.onnx"));
    let report = inspect(manifest.to_str().unwrap()).unwrap();
    assert!(report.misfit.as_ref().is_some_and(|reason| reason.contains("the manifest has 3 labels")), "{report:?}");
    let report = inspect("default").unwrap();
    assert_eq!((report.misfit, report.failure), (None, None));
    fs::remove_file(&manifest).unwrap();
    let report = inspect(onnx.to_str().unwrap()).unwrap();
    fs::write(&manifest, report.template()).unwrap();
    assert_eq!(single(&tiny.engine().unwrap(), &window(0)).len(), 4);
}

/// A manifest of this project with links to the files that it names, or `None` with a word about it.
fn linked(manifest: &str, files: &[&str]) -> Option<(TempDir, Model)> {
    let shared = PathBuf::from(SHARED);
    if !shared.exists() {
        println!("skipped: no {SHARED}");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models").join(manifest);
    fs::copy(ours, folder.path().join(manifest)).unwrap();
    for file in files {
        let name = Path::new(file).file_name().unwrap();
        link(&shared.join("models").join(file), &folder.path().join(name));
    }
    let model = Model::load(folder.path().join(manifest).to_str().unwrap()).unwrap();
    Some((folder, model))
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) {
    std::os::unix::fs::symlink(from, to).unwrap();
}

#[cfg(not(unix))]
fn link(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap();
}

/// An array of a `.npz` file and its first axis.
fn array(npz: &str, name: &str) -> (Vec<f32>, usize) {
    let file = fs::File::open(format!("{SHARED}/reference/{npz}")).unwrap();
    let mut archive = zip::ZipArchive::new(file).unwrap();
    let array = npyz::NpyFile::new(archive.by_name(&format!("{name}.npy")).unwrap()).unwrap();
    let rows = array.shape()[0] as usize;
    (array.into_vec().unwrap(), rows)
}

#[test]
fn yamnet_gives_the_oracles_scores() {
    let files = ["yamnet/yamnet_spectra_in.onnx", "yamnet/yamnet_class_map.csv"];
    let Some((_folder, model)) = linked("yamnet.toml", &files) else {
        return;
    };
    assert_eq!(model.manifest().labels.len(), 521);
    assert_eq!(model.manifest().labels[1], "Child speech, kid speaking");
    let engine = Engine::shared(&model, &CPU).unwrap();
    let (patches, rows) = array("desktop_sounds-16k-yamnet.npz", "patch");
    let (scores, _) = array("desktop_sounds-16k-yamnet.npz", "score");
    let windows: Vec<_> = patches.chunks_exact(patches.len() / rows).map(<[f32]>::to_vec).collect();
    let (got, most) = run(&engine, &windows);
    assert_eq!(most, 1, "its batch is fixed");
    let got = got.iter().flat_map(|scores| scores.as_ref().unwrap());
    let differences: Vec<_> = got.zip(&scores).map(|(got, expected)| (got - expected).abs()).collect();
    let beyond = differences.iter().filter(|difference| **difference > 1e-2).count();
    let largest = differences.iter().copied().fold(0.0, f32::max);
    // Without VNNI, products of 8 bits saturate: there, ONNX Runtime alone is beyond for 23 scores, by up to 0.08.
    assert!(differences.len() == scores.len() && beyond <= scores.len() / 400 && largest <= 0.08, "{beyond} {largest}");
}

#[test]
fn laser_machine_listener_gives_the_oracles_scores() {
    let files = ["laser-machine-listener/cnn-alexbased-laser-machine-listener.onnx"];
    let Some((_folder, model)) = linked("laser-machine-listener.toml", &files) else {
        return;
    };
    let engine = Engine::shared(&model, &CPU).unwrap();
    let (logmels, rows) = array("desktop_sounds-16k-lml.npz", "logmel");
    let (scores, _) = array("desktop_sounds-16k-lml.npz", "raw");
    let windows: Vec<_> = logmels.chunks_exact(logmels.len() / rows).map(min_max).collect();
    let (got, _) = run(&engine, &windows);
    for (got, expected) in got.iter().zip(scores.chunks_exact(6)) {
        assert_close(got.as_ref().unwrap(), expected, 1e-4);
    }
}

/// The original's normalisation.
fn min_max(window: &[f32]) -> Vec<f32> {
    let min = window.iter().copied().fold(f32::INFINITY, f32::min);
    let max = window.iter().copied().fold(f32::NEG_INFINITY, f32::max) - min;
    window.iter().map(|x| (x - min) / (max + 1.0)).collect()
}
