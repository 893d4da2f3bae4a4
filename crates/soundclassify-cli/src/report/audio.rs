// SPDX-License-Identifier: MIT OR Apache-2.0
//! The audio of a report: embedded in the page, or linked.

use std::path::Path;

use base64::{Engine, prelude::BASE64_STANDARD};
use gst::{glib, prelude::*};

use crate::{
    address::without_credentials, args::ReportAudio, atomic_file::Temporary, exit::Result, interrupt, session::make,
};

/// Maximum size of audio that is embedded by default.
const EMBED_LIMIT: u64 = 32 * 1024 * 1024;

/// The address for the page's player; `None` without audio.
pub(super) fn player(uri: &str, page: &Path, wanted: Option<ReportAudio>) -> Result<Option<String>> {
    let file = glib::filename_from_uri(uri).ok().map(|(path, _)| path);
    let link = || file.as_deref().map_or_else(|| without_credentials(uri).into_owned(), |file| relative(file, page));
    let limit = match wanted {
        Some(ReportAudio::None) => return Ok(None),
        Some(ReportAudio::Link) => return Ok(Some(link())),
        Some(ReportAudio::Embed) => u64::MAX,
        None => EMBED_LIMIT,
    };
    let size = file.as_deref().and_then(|file| std::fs::metadata(file).ok()).map_or(0, |data| data.len());
    if size > limit {
        return Ok(Some(link()));
    }
    if let Some((media, bytes)) = file.as_deref().and_then(|file| Some((media_type(file)?, std::fs::read(file).ok()?)))
    {
        return Ok(Some(data(media, &bytes)));
    }
    Ok(match transcoded(uri, limit)? {
        Wav::Whole(bytes) => Some(data("audio/wav", &bytes)),
        Wav::TooLarge => Some(link()),
        Wav::None => None,
    })
}

fn data(media: &str, bytes: &[u8]) -> String {
    format!("data:{media};base64,{}", BASE64_STANDARD.encode(bytes))
}

/// Formats that browsers play as they are.
fn media_type(file: &Path) -> Option<&'static str> {
    let extension = file.extension()?.to_str()?.to_lowercase();
    let types = [
        ("wav", "audio/wav"),
        ("mp3", "audio/mpeg"),
        ("ogg", "audio/ogg"),
        ("oga", "audio/ogg"),
        ("opus", "audio/ogg"),
        ("flac", "audio/flac"),
        ("m4a", "audio/mp4"),
        ("webm", "audio/webm"),
    ];
    types.into_iter().find(|(known, _)| *known == extension).map(|(_, media)| media)
}

/// What became of a sound that browsers do not play.
enum Wav {
    Whole(Vec<u8>),
    TooLarge,
    None,
}

/// Any other input as 16-bit WAV; it stops at `limit` bytes.
fn transcoded(uri: &str, limit: u64) -> Result<Wav> {
    // An unpredictable name, because a shared folder may contain a link with a predictable one.
    let Ok((target, file)) = Temporary::new(".wav") else { return Ok(Wav::None) };
    let pipeline = gst::Pipeline::new();
    let decoder = make("uridecodebin")?;
    decoder.set_property("uri", uri);
    decoder.set_property("caps", gst::Caps::new_empty_simple("audio/x-raw"));
    decoder.set_property("expose-all-streams", false);
    let convert = make("audioconvert")?;
    let encode = make("wavenc")?;
    let sink = make("filesink")?;
    sink.set_property("location", target.path().to_string_lossy().as_ref());
    let chain = [&convert, &encode, &sink];
    if pipeline.add(&decoder).is_err() || pipeline.add_many(chain).is_err() || gst::Element::link_many(chain).is_err() {
        return Ok(Wav::None);
    }
    let head = convert.downgrade();
    decoder.connect_pad_added(move |_, pad| {
        if let Some(sink) = head.upgrade().and_then(|head| head.static_pad("sink")).filter(|sink| !sink.is_linked()) {
            // An unlinked pad ends in an error on the bus.
            let _ = pad.link(&sink);
        }
    });
    let too_large = || file.metadata().is_ok_and(|data| data.len() > limit);
    let whole = pipeline.set_state(gst::State::Playing).is_ok() && ended(&pipeline, &too_large)?;
    // If going to NULL fails, no remedy exists.
    let _ = pipeline.set_state(gst::State::Null);
    if too_large() {
        return Ok(Wav::TooLarge);
    }
    Ok(std::fs::read(target.path()).ok().filter(|_| whole).map_or(Wav::None, Wav::Whole))
}

/// Waits for the end of the stream, or until `enough`; whether the end came.
fn ended(pipeline: &gst::Pipeline, enough: &dyn Fn() -> bool) -> Result<bool> {
    let Some(bus) = pipeline.bus() else { return Ok(false) };
    while !enough() {
        interrupt::check()?;
        let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
        if let Some(message) = bus.timed_pop_filtered(gst::ClockTime::from_mseconds(100), &kinds) {
            return Ok(message.type_() == gst::MessageType::Eos);
        }
    }
    Ok(false)
}

/// The relative path from the page to the file, as a part of an address.
fn relative(file: &Path, page: &Path) -> String {
    let folder = std::path::absolute(page).ok().and_then(|page| page.parent().map(Path::to_owned));
    let path = folder.and_then(|folder| file.strip_prefix(folder).ok().map(Path::to_owned));
    match path {
        // Escaped as if it lay at the root, then without the root.
        Some(path) => {
            let address = address(&Path::new("/").join(path));
            let way = address.trim_start_matches("file:///");
            // What is before a colon would be a scheme.
            let colon = way.split('/').next().is_some_and(|first| first.contains(':'));
            if colon { format!("./{way}") } else { way.to_owned() }
        }
        None => address(file),
    }
}

fn address(path: &Path) -> String {
    glib::filename_to_uri(path, None).map_or_else(|_| path.to_string_lossy().into_owned(), String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_below_the_page_is_linked_by_its_relative_path() {
        let page = Path::new("/tmp/reports/page.html");

        assert_eq!(relative(Path::new("/tmp/reports/a b/c.wav"), page), "a%20b/c.wav");
        assert_eq!(relative(Path::new("/tmp/c.wav"), page), "file:///tmp/c.wav");
        assert_eq!(relative(Path::new("/tmp/reports/10:30.wav"), page), "./10:30.wav");
        assert_eq!(relative(Path::new("/tmp/reports/a/10:30.wav"), page), "a/10:30.wav");
    }

    #[test]
    fn what_is_transcoded_has_a_limit() {
        gst::init().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.raw");
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 16_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        (0..16_000_i16).for_each(|sample| writer.write_sample(sample).unwrap());
        writer.finalize().unwrap();
        let uri = address(&path);

        assert!(matches!(transcoded(&uri, u64::MAX).unwrap(), Wav::Whole(bytes) if bytes.len() > 32_000));
        assert!(matches!(transcoded(&uri, 10_000).unwrap(), Wav::TooLarge));
    }
}
