// SPDX-License-Identifier: MIT OR Apache-2.0
//! The front end against librosa.
//!
//! `tests/data/make_goldens.py` makes the small goldens from a generated signal. The large ones are
//! of real sound and lie in `../shared`; where that folder is absent their tests say so and pass.

mod common;

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use common::signal;
use soundclassify_core::frontend::{
    ChannelAxis, FeatureSpec, Features, FixedNormalize, Frontend, Layout, Lifter, Log, LogMel, MelNorm, MelScale, Mfcc,
    Normalize, PadMode, Placement, Power, preset,
};

/// Tolerance of dB values.
const DB: f32 = 1e-3;
/// Tolerance of natural logarithms.
const LN: f32 = 1e-4;

/// A golden array, its first axis apart.
struct Golden {
    rows: usize,
    values: Vec<f32>,
}

impl Golden {
    fn read(reader: impl Read) -> Self {
        let array = npyz::NpyFile::new(reader).expect("a .npy file");
        let rows = array.shape()[0] as usize;
        Self { rows, values: array.into_vec().expect("float32 values") }
    }

    fn data(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(name);
        Self::read(BufReader::new(File::open(path).expect("a committed golden")))
    }

    fn row(&self, row: usize) -> &[f32] {
        let width = self.values.len() / self.rows;
        &self.values[row * width..][..width]
    }

    /// Rows of a transposed array.
    fn transposed(&self) -> Self {
        let width = self.values.len() / self.rows;
        let values = (0..width).flat_map(|column| (0..self.rows).map(move |row| self.row(row)[column])).collect();
        Self { rows: width, values }
    }
}

/// A path in `../shared`, or `None` and a word about it.
fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")).join(path);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

fn shared_array(archive: &str, array: &str) -> Option<Golden> {
    let file = File::open(shared(archive)?).expect("a readable archive");
    let mut archive = zip::ZipArchive::new(file).expect("a .npz file");
    let mut bytes = Vec::new();
    archive
        .by_name(&format!("{array}.npy"))
        .expect("an array of the archive")
        .read_to_end(&mut bytes)
        .expect("its bytes");
    Some(Golden::read(Cursor::new(bytes)))
}

fn shared_audio() -> Option<Vec<f32>> {
    let mut wave = hound::WavReader::open(shared("audio/desktop_sounds-16k.wav")?).expect("a wave file");
    Some(wave.samples::<i16>().map(|sample| f32::from(sample.expect("a sample")) / 32_768.0).collect())
}

/// Every window before normalisation (frames × mels), with its position.
fn windows(spec: &FeatureSpec, oversamples: u32, samples: &[f32]) -> Vec<(usize, Vec<f32>)> {
    let mut frontend = Frontend::new(spec, oversamples);
    let mut windows = Vec::new();
    let mut values = vec![0.0; frontend.window_len()];
    frontend.push(samples, &mut |window| {
        window.log_mel(&mut values);
        windows.push((window.position() as usize, values.clone()));
    });
    windows
}

/// The model input of the stream's only window, which `finish` brings.
fn short(spec: &FeatureSpec, samples: &[f32]) -> Vec<f32> {
    let mut frontend = Frontend::new(spec, 10);
    let mut tensor = vec![f32::NAN; frontend.window_len()];
    frontend.push(samples, &mut |_| panic!("no window is due"));
    frontend.finish(&mut |window| window.write_to(&mut tensor));
    tensor
}

#[track_caller]
fn assert_close(name: &str, computed: &[f32], golden: &[f32], tolerance: f32) {
    assert_eq!(computed.len(), golden.len(), "{name}");
    let pairs = computed.iter().zip(golden).enumerate();
    let worst =
        pairs.map(|(at, (left, right))| ((left - right).abs(), at)).max_by(|left, right| left.0.total_cmp(&right.0));
    let (deviation, at) = worst.expect("values");
    println!("{name}: deviation {deviation:.2e} at {at}, golden {}", golden[at]);
    assert!(deviation <= tolerance, "{name}: {} instead of {} at {at}", computed[at], golden[at]);
}

/// Compares every frame of every window with the continuous grid, and expects `count` windows.
#[track_caller]
fn assert_grid(name: &str, spec: &FeatureSpec, samples: &[f32], golden: &Golden, tolerance: f32) -> usize {
    let mel = spec.log_mel().expect("frames");
    let windows = windows(spec, 10, samples);
    let (mut computed, mut expected) = (Vec::new(), Vec::new());
    for (position, values) in &windows {
        for (frame, values) in values.chunks(mel.n_mels).enumerate() {
            computed.extend_from_slice(values);
            expected.extend_from_slice(golden.row(position / mel.hop_length + frame));
        }
    }
    assert_close(name, &computed, &expected, tolerance);
    windows.len()
}

#[test]
fn fsdkaggle2018_is_librosas_grid() {
    let golden = Golden::data("fsdkaggle2018.npy");
    let windows = assert_grid("fsdkaggle2018", &preset::fsdkaggle2018(), &signal::signal(52_920), &golden, DB);
    assert_eq!(windows, 2);
}

#[test]
fn yamnet_is_librosas_grid() {
    let golden = Golden::data("yamnet.npy");
    let windows = assert_grid("yamnet", &preset::yamnet(), &signal::signal(24_000), &golden, LN);
    assert_eq!(windows, 6);
}

#[test]
fn other_parameters_are_librosas_too() {
    let spec = FeatureSpec {
        sample_rate: 8000,
        window: 4000,
        features: Features::LogMel(LogMel {
            n_fft: 600,
            win_length: 441,
            hop_length: 200,
            n_mels: 20,
            fmin: 50.0,
            fmax: 3500.0,
            scale: MelScale::Htk,
            norm: MelNorm::Slaney,
            power: Power::One,
            placement: Placement::Center(PadMode::Reflect),
            frames: 20,
            log: Log::Log10 { offset: 1e-5 },
            ..preset::librosa()
        }),
        fixed: FixedNormalize::None,
        normalize: Normalize::None,
        layout: Layout::FramesMels,
        channel_axis: ChannelAxis::Last,
    };
    assert_grid("mixed", &spec, &signal::signal(8000), &Golden::data("mixed.npy"), LN);
}

/// The whole golden as one window: every frame that is complete in 0.6 s of all kinds of signal, as the network gets it.
#[track_caller]
fn assert_golden(name: &str, mut spec: FeatureSpec, tolerance: f32) {
    let golden = Golden::data(&format!("presets/{name}.npy"));
    match &mut spec.features {
        Features::LogMel(mel) | Features::Mfcc(Mfcc { mel, .. }) => {
            (mel.frames, spec.layout) = (golden.rows, Layout::FramesMels);
        }
        Features::Waveform => spec.window = golden.rows,
    }
    let samples = signal::kinds(spec.sample_rate as usize * 3 / 5);
    let mut tensor = vec![f32::NAN; spec.len()];
    let mut first = None;
    Frontend::new(&spec, 1).push(&samples, &mut |window| {
        window.write_to(&mut tensor);
        first.get_or_insert(window.number());
    });
    assert_eq!(first, Some(0), "{name}: every frame of the golden is complete");
    let Features::LogMel(mel) = &spec.features else {
        return assert_close(name, &tensor, &golden.values, tolerance);
    };
    let units = units_per_decibel(mel, &spec.fixed);
    let mut worst = 0.0_f32;
    for (computed, golden) in tensor.chunks(mel.n_mels).zip(golden.values.chunks(mel.n_mels)) {
        let loudest = golden.iter().copied().fold(f32::MIN, f32::max);
        for (computed, golden) in computed.iter().zip(golden) {
            let deviation = (computed - golden).abs();
            let allowed = tolerance + units * rounding((loudest - golden) / units);
            assert!(deviation <= allowed, "{name}: {computed} instead of {golden}, at most {allowed} apart");
            worst = worst.max(deviation);
        }
    }
    println!("{name}: deviation {worst:.2e}");
}

/// What a decibel of energy is worth in the values of a preset.
fn units_per_decibel(mel: &LogMel, fixed: &FixedNormalize) -> f32 {
    let of_log = match mel.log {
        Log::Db { .. } => 1.0,
        Log::Ln { .. } | Log::LnFloor { .. } => std::f32::consts::LN_10 / 10.0,
        Log::Log10 { .. } => 0.1,
    };
    let of_power = if mel.power == Power::One { 0.5 } else { 1.0 };
    let std = if let FixedNormalize::Scalar { std, .. } = fixed { *std as f32 } else { 1.0 };
    of_log * of_power / std
}

/// dB that half a unit in the last place of the frame's loudest amplitude, in f32, is worth in one `depth` dB below it: the
/// libraries' own FFTs in f32 are no nearer to the goldens, which are of f64.
fn rounding(depth: f32) -> f32 {
    20.0 / std::f32::consts::LN_10 * f32::EPSILON / 2.0 * 10.0_f32.powf(depth / 20.0)
}

/// Presets with the tolerance of their values, which are logarithms, dB or samples. Those of `make_goldens.py` are above.
const PRESETS: [(&str, f32); 12] = [
    ("ast", 1e-3),
    ("beats", 1e-3),
    ("birdnet", 0.0),
    ("ced", DB),
    ("efficientat", 1e-3),
    ("openl3", DB),
    ("panns", DB),
    ("panns-16k", DB),
    ("passt", 1e-3),
    ("perch", 1e-6),
    ("vggish", 1e-3),
    ("zipformer", 1e-3),
];

#[test]
fn presets_are_their_authors() {
    for (name, tolerance) in PRESETS {
        assert_golden(name, preset::named(name).expect("a preset"), tolerance);
    }
}

#[test]
fn every_preset_has_a_golden() {
    let mut known: Vec<_> = PRESETS.map(|(name, _)| name).to_vec();
    known.extend(["fsdkaggle2018", "fsdkaggle2018-small", "yamnet"]);
    known.sort_unstable();
    assert_eq!(preset::ALL.iter().map(|(name, _)| *name).collect::<Vec<_>>(), known);
}

#[test]
fn the_small_features_are_librosas_grid() {
    let golden = Golden::data("fsdkaggle2018-small.npy");
    let windows =
        assert_grid("fsdkaggle2018-small", &preset::fsdkaggle2018_small(), &signal::signal(19_200), &golden, DB);
    assert_eq!(windows, 2);
}

/// Frames of 32 ms, 10 ms apart, with 40 bands of this scale at 16 kHz.
fn cepstra(scale: MelScale, norm: MelNorm, log: Log, orthonormal: bool, lifter: Lifter) -> FeatureSpec {
    let mel = LogMel {
        n_fft: 512,
        win_length: 512,
        hop_length: 160,
        n_mels: 40,
        fmin: 20.0,
        fmax: 8000.0,
        scale,
        norm,
        log,
        ..preset::librosa()
    };
    let features = Features::Mfcc(Mfcc { mel, coefficients: 13, orthonormal, lifter });
    FeatureSpec { features, ..preset::ced() }
}

#[test]
fn cepstra_are_librosas() {
    let log = Log::Db { amin: 1e-10, top_db: Some(80.0) };
    let spec = cepstra(MelScale::Slaney, MelNorm::Slaney, log, true, Lifter::Librosa(22.0));
    // A coefficient sums 40 bands of 1e-3 dB at most, and the lifter multiplies it by 12.
    assert_golden("mfcc-librosa", spec, 10.0 * DB);
}

#[test]
fn cepstra_are_torchaudios() {
    let spec = cepstra(MelScale::Htk, MelNorm::None, Log::Ln { offset: 1e-6 }, false, Lifter::None);
    // A coefficient is twice the sum of 40 bands.
    assert_golden("mfcc-torchaudio", spec, 80.0 * LN);
}

#[test]
fn cepstra_are_kaldis() {
    let mel = LogMel { waveform_scale: 32_768.0, ..LogMel::kaldi(16_000, 23, 1) };
    let features = Features::Mfcc(Mfcc { mel, coefficients: 13, orthonormal: true, lifter: Lifter::Kaldi(22.0) });
    assert_golden("mfcc-kaldi", FeatureSpec { features, ..preset::ced() }, 1e-2);
}

/// AST's author subtracts the mean of the whole recording first.
#[test]
fn the_mean_of_a_window_makes_no_difference_where_frames_lose_theirs() {
    let spec = FeatureSpec { fixed: FixedNormalize::None, ..preset::ast() };
    let samples: Vec<f32> = signal::signal(170_000).iter().map(|sample| 0.5 * sample + 0.25).collect();
    let mean = samples.iter().sum::<f32>() / samples.len() as f32;
    let less: Vec<f32> = samples.iter().map(|sample| sample - mean).collect();

    let (plain, less) = (windows(&spec, 10, &samples), windows(&spec, 10, &less));

    assert_eq!(plain.len(), 4);
    for ((_, plain), (_, less)) in plain.iter().zip(&less) {
        let frames = plain.iter().zip(less).filter(|(value, _)| **value > -9.0);
        assert!(frames.clone().count() > 10_000);
        frames.for_each(|(left, right)| assert!((left - right).abs() < 1e-2, "{left} {right}"));
    }
}

#[test]
fn a_short_clip_is_librosas_in_zeros() {
    let tensor = short(&preset::fsdkaggle2018(), &signal::signal(17_640));
    // 1e-3 dB of a range of 80.
    assert_close("fsdkaggle2018, short", &tensor, &Golden::data("fsdkaggle2018-short.npy").values, 1e-3 / 80.0);
}

#[test]
fn a_short_clip_for_yamnet_is_librosas_in_zeros() {
    let tensor = short(&preset::yamnet(), &signal::signal(6400));
    assert_close("yamnet, short", &tensor, &Golden::data("yamnet-short.npy").values, LN);
}

#[test]
fn real_sound_is_librosas_grid() {
    let Some((golden, audio)) =
        shared_array("reference/desktop_sounds-16k-lml.npz", "whole_logmel").zip(shared_audio())
    else {
        return;
    };
    assert_grid("desktop_sounds", &preset::fsdkaggle2018_small(), &audio, &golden.transposed(), DB);
}

#[test]
fn real_sound_for_yamnet_is_the_oracles() {
    let archive = "reference/desktop_sounds-16k-yamnet.npz";
    let Some((golden, audio)) = shared_array(archive, "patch").zip(shared_audio()) else {
        return;
    };
    let spec = preset::yamnet();
    // The oracle's patches begin every 48 frames: 0.48 s. 100 windows per second begin at every frame.
    let windows = windows(&spec, 100, &audio);
    let computed: Vec<f32> = windows.iter().step_by(48).flat_map(|(_, values)| values.clone()).collect();
    assert_close("desktop_sounds, yamnet", &computed, &golden.values, LN);
}

#[test]
fn real_windows_by_themselves_are_the_originals() {
    let archive = "reference/desktop_sounds-16k-lml.npz";
    let Some((golden, audio)) = shared_array(archive, "logmel").zip(shared_audio()) else {
        return;
    };
    let mut spec = preset::fsdkaggle2018_small();
    (spec.normalize, spec.window) = (Normalize::None, 17_600);
    // The original's window is 1.1 s long, of which it keeps the first 64 frames.
    let mut computed = Vec::new();
    for start in (0..golden.rows).map(|window| window * 1600) {
        let mut tensor = vec![f32::NAN; spec.len()];
        let mut frontend = Frontend::new(&spec, 1);
        frontend.push(&audio[start..start + 17_600], &mut |window| {
            window.write_to(&mut tensor);
        });
        computed.extend_from_slice(&tensor);
    }
    assert_close("desktop_sounds, isolated", &computed, &golden.values, DB);
}
