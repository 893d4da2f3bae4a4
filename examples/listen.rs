// SPDX-License-Identifier: MIT OR Apache-2.0
//! Prints what soundclassify detects: `cargo run --example listen [PIPELINE]`

use gst::MessageView;
use gst::prelude::*;
use gstsoundclassify::Classification;

fn print(message: &gst::message::Element) {
    let Some(Ok(result)) = message.structure().map(Classification::try_from) else { return };
    let (seconds, best) = (result.timestamp.seconds_f64(), result.best());
    println!("{seconds:.3} {} {} {:.8}", best.label, best.index, best.probability);
}

fn listen(bus: &gst::Bus) -> Result<(), Box<dyn std::error::Error>> {
    for message in bus.iter_timed(gst::ClockTime::NONE) {
        match message.view() {
            MessageView::Element(message) => print(message),
            MessageView::Error(message) => return Err(message.error().message().into()),
            MessageView::Eos(_) => break,
            _ => (),
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    gst::init()?;
    let description = std::env::args().nth(1).unwrap_or_else(|| "autoaudiosrc ! soundclassify ! fakesink".into());
    let pipeline = gst::parse::launch(&description)?;
    // If the start fails, the bus has an error with the reason.
    let _ = pipeline.set_state(gst::State::Playing);
    let result = listen(&pipeline.bus().ok_or("a pipeline has a bus")?);
    pipeline.set_state(gst::State::Null)?;
    result
}
