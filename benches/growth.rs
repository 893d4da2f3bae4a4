// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a second of audio costs, against the number of streams, the windows per second, and the length of the stream: lines
//! of `streams,NUMBER,SECONDS`, `oversamples,NUMBER,SECONDS` and `minutes,LENGTH,SECONDS` of processor time for
//! `benches/plot.py`, and rows of the table.
//!
//!     ORT_DYLIB_PATH=target/onnxruntime/libonnxruntime.so cargo bench --bench growth

mod common;

use common::rig::{Rig, median, noise, processor_time};
use gst::prelude::*;

const ROUNDS: usize = 5;
const STREAMS: [usize; 7] = [1, 2, 5, 10, 20, 50, 100];
/// Audio of each stream, s.
const SECONDS: usize = 3;
const OVERSAMPLES: [u32; 5] = [1, 5, 10, 20, 50];
/// Audio of a stream for each of them, s.
const OVERSAMPLED_SECONDS: usize = 10;
/// Lengths of the stream, minutes.
const MINUTES: [usize; 10] = [1, 2, 5, 10, 20, 50, 100, 200, 400, 600];

fn main() {
    common::rig::init();
    streams();
    oversamples();
    length();
}

fn streams() {
    let keep = Rig::new("never", "default");
    let second = noise(keep.rate);
    cost_of(1, &second);
    let mut costs = vec![Vec::new(); STREAMS.len()];
    for _ in 0..ROUNDS {
        for (costs, streams) in costs.iter_mut().zip(STREAMS) {
            costs.push(cost_of(streams, &second));
        }
    }
    let costs: Vec<f64> = costs.into_iter().map(median).collect();
    STREAMS.iter().zip(&costs).for_each(|(streams, cost)| println!("streams,{streams},{cost}"));
    let ratio = costs[costs.len() - 1] / costs[0] / STREAMS[STREAMS.len() - 1] as f64;
    println!("| 100 streams | 100 × one stream alone | {ratio:.2} | ≤ 1.0 |");
}

/// Processor seconds for a second of audio of all streams.
fn cost_of(streams: usize, second: &[u8]) -> f64 {
    let mut rigs: Vec<Rig> = (0..streams).map(|_| Rig::one_of_many()).collect();
    let begun = processor_time();
    for _ in 0..SECONDS * 100 {
        for rig in &mut rigs {
            rig.push(second);
        }
    }
    rigs.iter().for_each(Rig::settle);
    rigs.iter_mut().for_each(Rig::end);
    (processor_time() - begun).as_secs_f64() / SECONDS as f64
}

/// One more window a second has to cost the same at few and at many.
fn oversamples() {
    let rig = |oversamples: u32| {
        Rig::tuned("always", "default", 100, |element| element.set_property("oversamples", oversamples))
    };
    let mut rigs = OVERSAMPLES.map(rig);
    let second = noise(rigs[0].rate);
    rigs.iter_mut().for_each(|rig| rig.push_seconds(&second, 2));
    let mut costs = OVERSAMPLES.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (costs, rig) in costs.iter_mut().zip(&mut rigs) {
            let begun = processor_time();
            rig.push_seconds(&second, OVERSAMPLED_SECONDS);
            costs.push((processor_time() - begun).as_secs_f64() / OVERSAMPLED_SECONDS as f64);
        }
    }
    let costs = costs.map(median);
    OVERSAMPLES.iter().zip(&costs).for_each(|(oversamples, cost)| println!("oversamples,{oversamples},{cost}"));
    let slope = |from: usize, to: usize| (costs[to] - costs[from]) / f64::from(OVERSAMPLES[to] - OVERSAMPLES[from]);
    let (few, many) = (slope(0, 2), slope(2, 4));
    println!(
        "| one more window a second, from 10 to 50 | from 1 to 10 ({:.2} ms) | {:.2} | 1 |",
        few * 1e3,
        many / few
    );
    let frames = costs[0] - few;
    println!("| a second without its windows | with 10 windows | {:.2} | |", frames / costs[2]);
}

/// The last minute is compared with the first ones of streams that begin then, as the machine of ten minutes ago may have
/// been another.
fn length() {
    let ((mut old, second), mut before) = (begun(), 0);
    for minutes in MINUTES {
        println!("minutes,{minutes},{}", cost_of_minutes(&mut old, &second, minutes - before));
        before = minutes;
    }
    let ratio = |_| cost_of_minutes(&mut old, &second, 1) / cost_of_minutes(&mut begun().0, &second, 1);
    let ratio = median((0..ROUNDS).map(ratio).collect());
    println!("| a second of audio after 10 hours | in the first minute | {ratio:.2} | ≤ 1.05 |");
}

fn begun() -> (Rig, Vec<u8>) {
    let mut rig = Rig::with("always", "default", 10);
    let second = noise(rig.rate);
    rig.push_seconds(&second, 10);
    (rig, second)
}

/// Processor seconds for a second of audio.
fn cost_of_minutes(rig: &mut Rig, second: &[u8], minutes: usize) -> f64 {
    let begun = processor_time();
    rig.push_seconds(second, 60 * minutes);
    (processor_time() - begun).as_secs_f64() / (60 * minutes) as f64
}
