// SPDX-License-Identifier: MIT OR Apache-2.0
//! The sound of a report: in the page or beside it.

use std::path::{Path, PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use gst::{glib, prelude::*};

use crate::{args::Sound, exit::Result, interrupt, session::make};

/// The most that is embedded when the user does not say.
const EMBED_LIMIT: u64 = 32 * 1024 * 1024;

/// The address that the page's player gets; none where there is no sound to be had.
pub(super) fn player(uri: &str, page: &Path, wanted: Option<Sound>) -> Result<Option<String>> {
    let file = glib::filename_from_uri(uri).ok().map(|(path, _)| path);
    let link = || file.as_deref().map_or_else(|| Some(uri.to_owned()), |file| Some(relative(file, page)));
    match wanted {
        Some(Sound::None) => Ok(None),
        Some(Sound::Link) => Ok(link()),
        Some(Sound::Embed) | None => {
            let size = file.as_deref().and_then(|file| std::fs::metadata(file).ok()).map_or(0, |data| data.len());
            if wanted.is_none() && size > EMBED_LIMIT {
                return Ok(link());
            }
            match file.as_deref().and_then(|file| Some((media_type(file)?, std::fs::read(file).ok()?))) {
                Some((media, bytes)) => Ok(Some(data(media, &bytes))),
                None => Ok(transcoded(uri)?.map(|bytes| data("audio/wav", &bytes))),
            }
        }
    }
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

/// Anything else as WAV, 16 bit, as it sounds.
fn transcoded(uri: &str) -> Result<Option<Vec<u8>>> {
    let target = tempfile_name();
    let pipeline = gst::Pipeline::new();
    let decoder = make("uridecodebin")?;
    decoder.set_property("uri", uri);
    decoder.set_property("caps", gst::Caps::new_empty_simple("audio/x-raw"));
    decoder.set_property("expose-all-streams", false);
    let convert = make("audioconvert")?;
    let encode = make("wavenc")?;
    let sink = make("filesink")?;
    sink.set_property("location", target.to_string_lossy().as_ref());
    let chain = [&convert, &encode, &sink];
    if pipeline.add(&decoder).is_err() || pipeline.add_many(chain).is_err() || gst::Element::link_many(chain).is_err() {
        return Ok(None);
    }
    let head = convert.downgrade();
    decoder.connect_pad_added(move |_, pad| {
        if let Some(sink) = head.upgrade().and_then(|head| head.static_pad("sink")).filter(|sink| !sink.is_linked()) {
            // An unlinked pad ends in an error on the bus.
            let _ = pad.link(&sink);
        }
    });
    let whole = pipeline.set_state(gst::State::Playing).is_ok() && ended(&pipeline)?;
    // Going to NULL can't fail in a way that anything could be done about.
    let _ = pipeline.set_state(gst::State::Null);
    let bytes = std::fs::read(&target).ok().filter(|_| whole);
    // A file that was never made need not be removed.
    let _ = std::fs::remove_file(&target);
    Ok(bytes)
}

fn ended(pipeline: &gst::Pipeline) -> Result<bool> {
    let Some(bus) = pipeline.bus() else { return Ok(false) };
    loop {
        interrupt::check()?;
        let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
        if let Some(message) = bus.timed_pop_filtered(gst::ClockTime::from_mseconds(100), &kinds) {
            return Ok(message.type_() == gst::MessageType::Eos);
        }
    }
}

fn tempfile_name() -> PathBuf {
    std::env::temp_dir().join(format!("soundclassify-{}.wav", std::process::id()))
}

/// The way from the page to the file, as a part of an address.
fn relative(file: &Path, page: &Path) -> String {
    let folder = std::path::absolute(page).ok().and_then(|page| page.parent().map(Path::to_owned));
    let path = folder.and_then(|folder| file.strip_prefix(folder).ok().map(Path::to_owned));
    match path {
        // Escaped as if it lay at the root, then without the root.
        Some(path) => address(&Path::new("/").join(path)).trim_start_matches("file:///").to_owned(),
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
    }
}
