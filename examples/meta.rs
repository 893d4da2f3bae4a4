// SPDX-License-Identifier: MIT OR Apache-2.0
//! Prints the results that soundclassify puts on buffers: `cargo run --example meta [PIPELINE]`
//!
//! The pipeline has a `soundclassify add-meta=true` and, somewhere after it, an element called `sink`.

use gst::MessageView;
use gst::prelude::*;
use gstsoundclassify::soundclassify::message::results;

fn print(buffer: &gst::BufferRef) {
    for result in results(buffer) {
        let (seconds, best) = (result.timestamp.seconds_f64(), result.best());
        println!("{seconds:.3} {} {} {:.8}", best.label, best.index, best.probability);
    }
}

fn play(pipeline: &gst::Element) -> Result<(), Box<dyn std::error::Error>> {
    let bus = pipeline.bus().ok_or("a pipeline has a bus")?;
    // A failure to start is on the bus too, with its reason.
    let _ = pipeline.set_state(gst::State::Playing);
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = bus.timed_pop_filtered(gst::ClockTime::NONE, &ends);
    pipeline.set_state(gst::State::Null)?;
    match end.as_deref().map(gst::MessageRef::view) {
        Some(MessageView::Error(message)) => Err(message.error().message().into()),
        _ => Ok(()),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    gst::init()?;
    let microphone = "autoaudiosrc ! soundclassify add-meta=true ! fakesink name=sink";
    let pipeline = gst::parse::launch(&std::env::args().nth(1).unwrap_or_else(|| microphone.into()))?;
    let sink = pipeline.downcast_ref::<gst::Bin>().and_then(|bin| bin.by_name("sink"));
    let pad = sink.and_then(|sink| sink.static_pad("sink")).ok_or("no element is called sink")?;
    pad.add_probe(gst::PadProbeType::BUFFER, |_, info| {
        info.buffer().inspect(|buffer| print(buffer));
        gst::PadProbeReturn::Ok
    });
    play(&pipeline)
}
