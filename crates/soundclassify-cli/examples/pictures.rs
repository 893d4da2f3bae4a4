// SPDX-License-Identifier: MIT OR Apache-2.0
//! Makes the README's pictures: the live view in a terminal of its own, and a report in headless Chromium.
//!
//!     cargo run --release --package soundclassify-cli --example pictures [FILE]
//!
//! Without a file, recordings that Debian packages (`sound-theme-freedesktop`, `alsa-utils`) are classified one after another.

use std::{
    fmt::Write as _,
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use gst::prelude::*;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};

const ROWS: u16 = 30;
const COLUMNS: u16 = 104;
/// Size of a character cell, pixels.
const CELL: (u32, u32) = (9, 18);
/// End of a synchronized update.
const END_OF_PICTURE: &[u8] = b"\x1b[?2026l";
const SOUNDS: [&str; 6] = [
    "/usr/share/sounds/freedesktop/stereo/phone-incoming-call.oga",
    "/usr/share/sounds/alsa/Front_Center.wav",
    "/usr/share/sounds/freedesktop/stereo/alarm-clock-elapsed.oga",
    "/usr/share/sounds/freedesktop/stereo/complete.oga",
    "/usr/share/sounds/alsa/Noise.wav",
    "/usr/share/sounds/freedesktop/stereo/bell.oga",
];

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines/pictures");
    fs::create_dir_all(&folder)?;
    let work = tempfile::tempdir()?;
    let sound = match std::env::args().nth(1) {
        Some(file) => PathBuf::from(file),
        None => one_after_another(&work.path().join("sounds.wav"))?,
    };
    let live = work.path().join("live.html");
    fs::write(&live, html(&live_view(&sound)?))?;
    let size = (u32::from(COLUMNS) * CELL.0 + 32, u32::from(ROWS) * CELL.1 + 32);
    screenshot(&live, &folder.join("live.png"), size)?;
    let report = work.path().join("report.html");
    let status = Command::new(program()?).arg("report").arg(&sound).arg("-o").arg(&report).status()?;
    assert!(status.success(), "the report failed");
    screenshot(&report, &folder.join("report.png"), (1240, 960))?;
    println!("{0}/live.png\n{0}/report.png", folder.display());
    Ok(())
}

/// The program beside the folder of this example.
fn program() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    let program = own.ancestors().nth(2).map(|folder| folder.join("soundclassify")).filter(|path| path.exists());
    program.ok_or_else(|| "build the program first: cargo build --release --bin soundclassify".into())
}

/// The packaged recordings in one file.
fn one_after_another(path: &Path) -> Result<PathBuf, Failure> {
    gst::init()?;
    let found: Vec<_> = SOUNDS.iter().filter(|sound| Path::new(sound).exists()).collect();
    if found.is_empty() {
        return Err("install sound-theme-freedesktop and alsa-utils, or name a file".into());
    }
    let mut line = format!(
        "concat name=all ! audioconvert ! audio/x-raw,format=S16LE,channels=1 ! wavenc ! filesink location={}",
        path.display()
    );
    for sound in found {
        write!(
            line,
            " filesrc location={sound} ! decodebin ! audioconvert ! audioresample ! audio/x-raw,rate=44100,channels=1 ! \
             queue max-size-time=0 ! all."
        )?;
    }
    let pipeline = gst::parse::launch(&line)?;
    pipeline.set_state(gst::State::Playing)?;
    let bus = pipeline.bus().ok_or("no bus")?;
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &kinds).ok_or("the sounds hang")?;
    pipeline.set_state(gst::State::Null)?;
    match end.view() {
        gst::MessageView::Error(error) => Err(format!("{}: {:?}", error.error(), error.debug()).into()),
        _ => Ok(path.to_owned()),
    }
}

/// What the live view shows at its most lively: with most labels and events on the screen.
fn live_view(sound: &Path) -> Result<vt100::Screen, Failure> {
    let pair = native_pty_system().openpty(PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 })?;
    let mut command = CommandBuilder::new(program()?);
    command.arg("live");
    command.arg(sound);
    command.env("TERM", "xterm-256color");
    let mut child = pair.slave.spawn_command(command)?;
    drop(pair.slave);
    let cells = |count: u16| count.try_into().map_err(|_| "no cells");
    let screen = Arc::new(Mutex::new(vt100::Parser::new(cells(ROWS)?, cells(COLUMNS)?, 0)));
    let (mut output, parser) = (pair.master.try_clone_reader()?, Arc::clone(&screen));
    std::thread::spawn(move || {
        let (mut bytes, mut pending) = ([0; 8192], Vec::new());
        while let Ok(length @ 1..) = output.read(&mut bytes) {
            pending.extend_from_slice(&bytes[..length]);
            // Whole pictures only.
            let whole = pending.windows(END_OF_PICTURE.len()).rposition(|window| window == END_OF_PICTURE);
            if let (Some(end), Ok(mut parser)) = (whole, parser.lock()) {
                parser.process(&pending.drain(..end).collect::<Vec<_>>());
            }
        }
    });
    let mut keys = pair.master.take_writer()?;
    let (start, mut best) = (Instant::now(), None);
    while start.elapsed() < Duration::from_secs(60) && child.try_wait()?.is_none() {
        std::thread::sleep(Duration::from_millis(100));
        let Ok(parser) = screen.lock() else { break };
        let text = parser.screen().contents();
        let count = |symbol| text.matches(symbol).count();
        let lively = count('█') + count('▀') / 10 + 20 * count('●');
        if best.as_ref().is_none_or(|(most, _)| lively >= *most) && text.contains('▀') {
            best = Some((lively, parser.screen().clone()));
        }
        if text.contains("end of the stream") {
            break;
        }
    }
    keys.write_all(b"q")?;
    child.wait()?;
    best.map(|(_, screen)| screen).ok_or_else(|| "nothing on the screen".into())
}

/// A page that looks like the screen.
fn html(screen: &vt100::Screen) -> String {
    let mut page = format!(
        "<!doctype html><meta charset=utf-8><style>body{{margin:0;padding:16px;background:#16181d;color:#d8dade}}\
         pre{{margin:0;font:15px/{height}px 'DejaVu Sans Mono',monospace}}\
         span{{display:inline-block;width:{width}px;height:{height}px;overflow:hidden;vertical-align:top}}</style><pre>",
        width = CELL.0,
        height = CELL.1
    );
    for row in 0..ROWS {
        for column in 0..COLUMNS {
            let Some(cell) = screen.cell(row, column) else { continue };
            let dim = if cell.dim() { ";opacity:.6" } else { "" };
            let bold = if cell.bold() { ";font-weight:bold" } else { "" };
            let (front, back) = (colour(cell.fgcolor()), colour(cell.bgcolor()));
            let symbol = match cell.contents() {
                "" | " " => "&nbsp;",
                // Fonts draw half blocks a little too small: two colours over each other are exact.
                "▀" => {
                    let (front, back) = (front.unwrap_or_default(), back.unwrap_or_default());
                    let _ = write!(page, "<span style='background:linear-gradient({front} 50%,{back} 50%)'></span>");
                    continue;
                }
                "<" => "&lt;",
                "&" => "&amp;",
                other => other,
            };
            let front = front.map(|colour| format!("color:{colour}")).unwrap_or_default();
            let back = back.map(|colour| format!(";background:{colour}")).unwrap_or_default();
            let _ = write!(page, "<span style='{front}{back}{dim}{bold}'>{symbol}</span>");
        }
        page.push('\n');
    }
    page
}

fn colour(colour: vt100::Color) -> Option<String> {
    match colour {
        vt100::Color::Rgb(red, green, blue) => Some(format!("rgb({red},{green},{blue})")),
        vt100::Color::Idx(_) | vt100::Color::Default => None,
    }
}

fn screenshot(page: &Path, picture: &Path, (width, height): (u32, u32)) -> Result<(), Failure> {
    let profile = tempfile::tempdir()?;
    let status = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--window-size={width},{height}"))
        .arg(format!("--screenshot={}", picture.display()))
        .arg(format!("file://{}", page.display()))
        .stderr(std::process::Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("chromium: {status}").into()),
        Err(error) => Err(format!("chromium: {error}; on Debian: apt install chromium").into()),
    }
}
