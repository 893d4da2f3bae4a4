// SPDX-License-Identifier: MIT OR Apache-2.0
//! The front end allocates in `new` and at the end of the stream only.

mod common;

use common::signal;
use soundclassify_core::frontend::{FeatureSpec, Features, FixedNormalize, Frontend, Lifter, Mfcc, preset};

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
fn nothing_is_allocated_for_any_preset() {
    for (name, preset) in preset::ALL {
        let mut spec = preset();
        if let Features::LogMel(mel) = &mut spec.features {
            mel.frames = mel.frames.min(100);
        }
        spec.window = spec.window.min(spec.sample_rate as usize);
        let (without, with, windows) = allocations(&spec);
        assert!(windows >= 20, "{name}: {windows} windows");
        assert_eq!((without, with), (0, 0), "{name}");
    }
}

#[test]
fn nothing_is_allocated_for_cepstra_and_pairs_of_bands() {
    let Some(mel) = preset::yamnet().log_mel().cloned() else { panic!("frames") };
    let features = Features::Mfcc(Mfcc { mel, coefficients: 13, orthonormal: true, lifter: Lifter::Kaldi(22.0) });
    let fixed = FixedNormalize::PerBand { mean: vec![0.5; 13], std: vec![2.0; 13] };
    let (without, with, windows) = allocations(&FeatureSpec { features, fixed, ..preset::yamnet() });
    assert_eq!((without, with, windows), (0, 0, 21));
}

#[test]
fn the_counter_counts() {
    let measured = allocation_counter::measure(|| drop(Frontend::new(&preset::yamnet(), 10)));
    assert!(measured.count_total > 0);
}
