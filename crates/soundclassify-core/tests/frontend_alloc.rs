// SPDX-License-Identifier: MIT OR Apache-2.0
//! The front end allocates in `new` and at the end of the stream only.

#[path = "../../../tests/common/signal.rs"]
mod signal;
#[path = "../../../tests/common/specs.rs"]
mod specs;

use soundclassify_core::frontend::{
    ChannelAxis, FeatureSpec, Features, Frontend, Layout, Log, LogMel, MelNorm, MelScale, Normalize, Power,
};

/// Allocations of pushes that bring no window, and of those that do, with what an application does with a window.
fn allocations(spec: &FeatureSpec) -> (u64, u64, u64) {
    let samples = signal::signal(spec.sample_rate as usize * 3);
    let mut frontend = Frontend::new(spec, 10);
    let mut tensor = vec![0.0; frontend.window_len()];
    let (mut without, mut with, mut windows) = (0, 0, 0);
    for chunk in samples.chunks(spec.sample_rate as usize / 100) {
        let mut brought = 0;
        let measured = allocation_counter::measure(|| {
            frontend.push(chunk, &mut |window| {
                window.write_to(&mut tensor);
                brought += u64::from(window.rms() >= 0.0);
            });
        });
        windows += brought;
        *if brought == 0 { &mut without } else { &mut with } += measured.count_total;
    }
    (without, with, windows)
}

#[test]
fn nothing_is_allocated_for_frames() {
    for spec in [specs::fsdkaggle2018(), specs::fsdkaggle2018_small(), specs::yamnet()] {
        let (without, with, windows) = allocations(&spec);
        assert!(windows >= 20, "{windows} windows");
        assert_eq!((without, with), (0, 0));
    }
}

#[test]
fn nothing_is_allocated_for_waveforms() {
    let spec = FeatureSpec { features: Features::Waveform, layout: Layout::Samples, ..specs::yamnet() };
    let (without, with, windows) = allocations(&spec);
    assert_eq!((without, with, windows), (0, 0, 21));
}

#[test]
fn the_counter_counts() {
    let measured = allocation_counter::measure(|| drop(Frontend::new(&specs::yamnet(), 10)));
    assert!(measured.count_total > 0);
}
