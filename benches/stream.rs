// SPDX-License-Identifier: MIT OR Apache-2.0
//! Processor time of the core's classifier alone: `stream FILE RATE` pushes FILE (raw mono f32 of RATE Hz) in blocks of
//! one second and prints the seconds of processor time, without loading the model. Without arguments it takes noise.

mod common;

use common::rig::{noise_samples, processor_time};
use soundclassify_core::{Classifier, Found, Options, model::Model};

const NOISE_SECONDS: usize = 60;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let (samples, rate) = match arguments.as_slice() {
        [file, rate] => (read(file), rate.parse().expect("a sample rate")),
        _ => (noise_samples(NOISE_SECONDS * 16_000), 16_000),
    };
    let model = Model::load("default").expect("the built-in model");
    let mut classifier = Classifier::new(&model, &Options::default()).expect("a classifier");
    let mut windows = 0_usize;
    let mut count = |found: Found<'_>| windows += usize::from(matches!(found, Found::Window(_)));
    let before = processor_time();
    for block in samples.chunks(rate as usize) {
        classifier.push(block, rate, &mut count).expect("windows");
    }
    classifier.finish(&mut count).expect("windows");
    println!("{} {windows}", (processor_time() - before).as_secs_f64());
}

fn read(file: &str) -> Vec<f32> {
    let bytes = std::fs::read(file).expect("a file of samples");
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}
