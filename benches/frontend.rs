// SPDX-License-Identifier: MIT OR Apache-2.0
//! The front end's cost, as ratios: `cargo bench --bench frontend`. With `audio PRESET FILE` (raw mono f32 at the preset's
//! rate) it prints the seconds that the log-mel frames of that file take, and nothing else; with `values PRESET FILE` it
//! writes the network's input of all complete frames, as one window, to FILE.values (f32, frames × bands). PRESET may also be
//! `mfcc-librosa`, `mfcc-torchaudio` or `mfcc-kaldi`, cepstra with the settings of `tests/data/preset_goldens.py`.

mod common;

use std::hint::black_box;
use std::time::Duration;

use common::{compare, rig::noise_samples};
use realfft::RealFftPlanner;
use soundclassify_core::frontend::{
    FeatureSpec, Features, Frontend, Layout, Lifter, Log, LogMel, MelNorm, MelScale, Mfcc, preset,
};

/// Buffers of a live pipeline are about this long.
const BUFFERS_A_SECOND: usize = 100;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [mode, preset, file] = arguments.as_slice() {
        let preset = preset::named(preset).or_else(|| cepstra(preset)).expect("a preset");
        match mode.as_str() {
            "audio" => audio(&preset, file),
            "values" => values(preset, file),
            other => panic!("expected audio or values, found {other}"),
        }
        return;
    }
    compare::print_head();
    frame("fsdkaggle2018", &preset::fsdkaggle2018());
    frame("yamnet", &preset::yamnet());
    frame("efficientat", &preset::efficientat());
    frame("beats", &preset::beats());
    frame("zipformer", &preset::zipformer());
    window("fsdkaggle2018", &preset::fsdkaggle2018());
    window("yamnet", &preset::yamnet());
    growth();
}

/// Everything that one frame costs, from the buffer to its log-mel values, against its FFT alone.
fn frame(name: &str, spec: &FeatureSpec) {
    let mel = spec.log_mel().expect("frames");
    let seconds = 1;
    let samples = noise_samples(spec.sample_rate as usize);
    let frames = seconds * samples.len() / mel.hop_length;
    let mut frontend = Frontend::new(spec, 10);
    let mut fft = bare_fft(mel.n_fft);
    let comparison = compare::compare(
        || (0..seconds).for_each(|_| push(&mut frontend, &samples)),
        || (0..frames).for_each(|_| fft()),
    );
    let what = format!("log-mel frame, `{name}` ({})", micros(comparison.own / frames as u32));
    let against = format!("bare `realfft` of {} ({})", mel.n_fft, micros(comparison.other / frames as u32));
    compare::print_row(&what, &against, comparison.ratio, 1.4);
}

/// Time for all frames of a file, the best of three.
fn audio(spec: &FeatureSpec, file: &str) {
    let samples = read(file);
    let once = || {
        let mut frontend = Frontend::new(spec, 10);
        compare::time(&mut || {
            for part in samples.chunks(spec.sample_rate as usize) {
                push(&mut frontend, part);
            }
        })
    };
    println!("{}", (0..3).map(|_| once()).min().unwrap().as_secs_f64());
}

fn read(file: &str) -> Vec<f32> {
    let bytes = std::fs::read(file).unwrap();
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// The input of a network that takes all frames of a file at once.
fn values(mut spec: FeatureSpec, file: &str) {
    let samples = read(file);
    let one = FeatureSpec { layout: Layout::FramesMels, ..with_frames(spec.clone(), 1) };
    let rate = spec.sample_rate.div_ceil(one.log_mel().map_or(1, |mel| mel.hop_length) as u32);
    let mut frames = 0;
    Frontend::new(&one, rate).push(&samples, &mut |window| {
        frames = frames.max(window.position() as usize / one.log_mel().map_or(1, |mel| mel.hop_length) + 1);
    });
    spec = FeatureSpec { layout: Layout::FramesMels, ..with_frames(spec, frames) };
    let mut tensor = vec![0.0; spec.len()];
    Frontend::new(&spec, 1).push(&samples, &mut |window| {
        if window.number() == 0 {
            window.write_to(&mut tensor);
        }
    });
    let bytes: Vec<u8> = tensor.iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(format!("{file}.values"), bytes).unwrap();
}

fn with_frames(spec: FeatureSpec, frames: usize) -> FeatureSpec {
    let features = match spec.features {
        Features::LogMel(mel) => Features::LogMel(LogMel { frames, ..mel }),
        Features::Mfcc(mfcc) => Features::Mfcc(Mfcc { mel: LogMel { frames, ..mfcc.mel }, ..mfcc }),
        Features::Waveform => panic!("a preset of frames"),
    };
    FeatureSpec { features, ..spec }
}

/// 13 cepstral coefficients at 16 kHz as this library makes them.
fn cepstra(name: &str) -> Option<FeatureSpec> {
    let librosa = LogMel {
        n_fft: 512,
        win_length: 512,
        hop_length: 160,
        n_mels: 40,
        fmin: 20.0,
        fmax: 8000.0,
        log: Log::Db { amin: 1e-10, top_db: Some(80.0) },
        ..preset::librosa()
    };
    let torchaudio =
        LogMel { scale: MelScale::Htk, norm: MelNorm::None, log: Log::Ln { offset: 1e-6 }, ..librosa.clone() };
    let kaldi = LogMel { waveform_scale: 32_768.0, ..LogMel::kaldi(16_000, 23, 1) };
    let (mel, orthonormal, lifter) = match name {
        "mfcc-librosa" => (librosa, true, Lifter::Librosa(22.0)),
        "mfcc-torchaudio" => (torchaudio, false, Lifter::None),
        "mfcc-kaldi" => (kaldi, true, Lifter::Kaldi(22.0)),
        _ => return None,
    };
    let features = Features::Mfcc(Mfcc { mel, coefficients: 13, orthonormal, lifter });
    Some(FeatureSpec { features, ..preset::ced() })
}

/// What one more window adds, against the frames that are new in it.
fn window(name: &str, spec: &FeatureSpec) {
    let stride = noise_samples(spec.sample_rate as usize / 10);
    let mut tensor = vec![0.0; spec.len()];
    let mut with = Frontend::new(spec, 10);
    let mut without = Frontend::new(spec, 10);
    let repeats = 10;
    let comparison = compare::compare(
        || (0..repeats).for_each(|_| with.push(&stride, &mut |window| window.write_to(black_box(&mut tensor)))),
        || (0..repeats).for_each(|_| without.push(&stride, &mut |_| {})),
    );
    let written = comparison.own.saturating_sub(comparison.other) / repeats;
    println!(
        "| 100 ms and the write of one window ({}), `{name}` | 100 ms without ({}) | {:.2} | |",
        micros(written),
        micros(comparison.other / repeats),
        comparison.ratio
    );
}

/// Five seconds after ten hours against the first five.
fn growth() {
    let spec = preset::yamnet();
    let samples = noise_samples(spec.sample_rate as usize);
    let mut old = Frontend::new(&spec, 10);
    (0..36_000).for_each(|_| push(&mut old, &samples));
    let mut young = Frontend::new(&spec, 10);
    let comparison = compare::compare(
        || (0..5).for_each(|_| push(&mut old, &samples)),
        || {
            young.reset();
            (0..5).for_each(|_| push(&mut young, &samples));
        },
    );
    compare::print_row("5 s of audio after 10 hours, `yamnet`", "the first 5 s", comparison.ratio, 1.05);
}

fn push(frontend: &mut Frontend, samples: &[f32]) {
    for buffer in samples.chunks(samples.len() / BUFFERS_A_SECOND) {
        frontend.push(black_box(buffer), &mut |window| {
            black_box(window.number());
        });
    }
}

/// One FFT of `size`. Plans may use their input as scratch, so later calls may see garbage, even NaN: that was measured
/// to take the same time as fresh samples, and filling the input again would flatter the ratio by 3 %.
fn bare_fft(size: usize) -> impl FnMut() {
    let fft = RealFftPlanner::<f32>::new().plan_fft_forward(size);
    let mut input = noise_samples(size);
    let mut output = fft.make_output_vec();
    let mut scratch = fft.make_scratch_vec();
    move || {
        fft.process_with_scratch(black_box(&mut input), black_box(&mut output), &mut scratch)
            .expect("the plan's lengths");
    }
}

fn micros(time: Duration) -> String {
    format!("{:.2} µs", time.as_secs_f64() * 1e6)
}
