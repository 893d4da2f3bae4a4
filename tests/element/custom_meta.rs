// SPDX-License-Identifier: MIT OR Apache-2.0
//! Results on buffers in every build, and which elements keep them.

use gst::prelude::*;
use gst_check::Harness;
use gstsoundclassify::Classification;
use gstsoundclassify::soundclassify::message::{META, results};

use crate::common::rig::{RATE, Rig, TestModel, noise, pts};

fn rig(model: &TestModel) -> Rig {
    Rig::with(model, |element| element.set_property("add-meta", true)).caps("F32LE", RATE as i32, 1)
}

#[test]
fn the_buffer_that_completes_a_window_carries_its_message() {
    let model = TestModel::new("linear");
    let mut rig = rig(&model);
    let mut seen = 0;
    for (number, part) in noise(2 * RATE, 1).chunks(80).enumerate() {
        rig.push(part, Some(pts(number * 80, RATE)));
        let messages = rig.classifications();
        assert_eq!(results_on(&rig.harness.pull().unwrap()), messages, "buffer {number}");
        seen += messages.len();
    }
    assert!(seen > 10);
}

/// Results on a buffer, but for their time in UTC: the harness's clock stands still.
fn results_on(buffer: &gst::BufferRef) -> Vec<Classification> {
    results(buffer).into_iter().map(|result| Classification { utc: None, ..result }).collect()
}

#[test]
fn two_elements_add_to_the_same_metadata() {
    let model = TestModel::new("linear");
    let mut rig = rig(&model);
    rig.push(&noise(2 * RATE, 1), Some(pts(0, RATE)));
    let once = rig.harness.pull().unwrap();
    let one = results_on(&once);
    let mut second = self::rig(&model);
    assert_eq!(second.harness.push(once), Ok(gst::FlowSuccess::Ok));
    assert_eq!(results_on(&second.harness.pull().unwrap()), [one.clone(), one].concat());
}

/// Elements that an application may put behind `soundclassify`, and whether buffers have the metadata after them.
const KEPT: [(&str, bool); 15] = [
    ("identity", true),
    ("queue", true),
    ("tee ! queue", true),
    ("audioconvert ! audio/x-raw,format=S16LE ! wavenc", true),
    ("valve", true),
    ("capsfilter", true),
    ("level", true),
    ("volume volume=0.5", true),
    ("audioconvert ! audio/x-raw,format=S16LE ! identity", true),
    ("audioconvert ! audio/x-raw,channels=2 ! identity", true),
    ("audioresample ! audio/x-raw,rate=16000 ! identity", true),
    ("audiorate", true),
    ("soundgate delay=0", true),
    ("audiobuffersplit output-buffer-duration=1/50", true),
    ("audioconvert ! audio/x-raw,format=S16LE ! flacenc", true),
];

/// Elements that take what the rig gives, if the first of them is installed.
fn behind(elements: &str) -> Option<Harness> {
    let name = elements.split(' ').next()?;
    if gst::ElementFactory::find(name).is_none() {
        println!("{name} is not installed");
        return None;
    }
    let mut harness = Harness::new_parse(elements);
    harness.set_src_caps_str("audio/x-raw,format=F32LE,rate=8000,channels=1,layout=interleaved");
    Some(harness)
}

#[test]
fn elements_behind_keep_it_as_the_documentation_says() {
    crate::common::rig::init();
    let model = TestModel::new("linear");
    let mut rig = rig(&model);
    rig.push(&noise(2 * RATE, 1), Some(pts(0, RATE)));
    let buffer = rig.harness.pull().unwrap();
    assert!(!results(&buffer).is_empty());
    let mut found = Vec::new();
    for (element, kept) in KEPT {
        let Some(mut harness) = behind(element) else { continue };
        harness.push(buffer.copy()).unwrap_or_else(|error| panic!("{element}: {error}"));
        harness.push_event(gst::event::Eos::new());
        // A queue has a separate thread.
        let first = harness.pull().unwrap();
        let out = std::iter::once(first).chain(std::iter::from_fn(|| harness.try_pull()));
        let keeps = out.map(|buffer| results(&buffer).len()).sum::<usize>() > 0;
        if keeps != kept {
            found.push((element, keeps));
        }
    }
    assert_eq!(found, [], "differs from the table in docs/soundclassify.md");
}

#[test]
fn buffers_that_are_joined_keep_the_results_of_all() {
    crate::common::rig::init();
    let model = TestModel::new("linear");
    let mut rig = rig(&model);
    let mut buffers = Vec::new();
    for (number, part) in noise(3 * RATE, 1).chunks(80).enumerate() {
        rig.push(part, Some(pts(number * 80, RATE)));
        buffers.push(rig.harness.pull().unwrap());
    }
    let wanted: Vec<u64> = buffers.iter().flat_map(|buffer| results(buffer)).map(|result| result.window).collect();
    assert!(wanted.len() > 20);
    for element in ["audiobuffersplit output-buffer-duration=1/2", "audioconvert ! audio/x-raw,format=S16LE ! flacenc"]
    {
        let Some(mut harness) = behind(element) else { continue };
        for buffer in &buffers {
            harness.push(buffer.copy()).unwrap();
        }
        harness.push_event(gst::event::Eos::new());
        let mut found = Vec::new();
        while let Some(buffer) = harness.try_pull() {
            let windows: Vec<u64> = results(&buffer).iter().map(|result| result.window).collect();
            assert!(windows.is_sorted_by(|a, b| a < b), "{element}: {windows:?}");
            let metas =
                buffer.iter_meta::<gst::Meta>().filter_map(|meta| Some(meta.try_as_custom_meta()?.has_name(META)));
            assert!(metas.filter(|is_ours| *is_ours).count() <= 1, "{element}");
            found.extend(windows);
        }
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, wanted, "{element}");
    }
}
