// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify doctor`: checks the requirements of the program and suggests fixes.

use std::{
    collections::BTreeSet,
    io::StdoutLock,
    path::{Path, PathBuf},
    time::Instant,
};

use gst::prelude::*;
use serde::Serialize;
use soundclassify_core::model::{Model, builtin, runtime};

use crate::{
    args::DoctorArgs,
    exit::{Exit, Failure, Result},
    interrupt,
    options::{ELEMENT, ElementOptions},
    output::{Form, Printer, json},
    record::Record,
    session::{SessionStep, Source, make},
    source, verify,
    warm_engine::WarmEngine,
};

/// Elements that the program or its users need, and Debian's packages that have them.
const ELEMENTS: [(&str, &str); 6] = [
    ("uridecodebin", "gstreamer1.0-plugins-base"),
    ("audioconvert", "gstreamer1.0-plugins-base"),
    ("audiotestsrc", "gstreamer1.0-plugins-base"),
    ("autoaudiosrc", "gstreamer1.0-plugins-good"),
    ("wavparse", "gstreamer1.0-plugins-good"),
    ("wavenc", "gstreamer1.0-plugins-good"),
];

/// Formats that people's recordings have, their caps, and the package that decodes them.
const FORMATS: [(&str, &str, &str); 6] = [
    ("MP3", "audio/mpeg, mpegversion=1, layer=3", "gstreamer1.0-plugins-good"),
    ("AAC", "audio/mpeg, mpegversion=4", "gstreamer1.0-libav"),
    ("FLAC", "audio/x-flac", "gstreamer1.0-plugins-good"),
    ("Vorbis", "audio/x-vorbis", "gstreamer1.0-plugins-base"),
    ("Opus", "audio/x-opus", "gstreamer1.0-plugins-base"),
    ("WMA", "audio/x-wma", "gstreamer1.0-libav"),
];

/// Before the version in ONNX Runtime's table of symbol versions.
const SYMBOLS: &[u8] = b"VERS_";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Good,
    Note,
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    verdict: Verdict,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Check {
    fn good(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Good, found: found.into(), remedy: None }
    }

    fn note(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Note, found: found.into(), remedy: Some(remedy.into()) }
    }

    fn bad(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict: Verdict::Bad, ..Self::note(check, found, remedy) }
    }
}

/// Runs all checks; exit status 1 if one of them fails.
pub(crate) fn run(args: &DoctorArgs) -> Result<Exit> {
    interrupt::install()?;
    let looks: [&dyn Fn() -> Check; 10] = [
        &gstreamer,
        &plugin,
        &elements,
        &formats,
        &onnx_runtime,
        &providers,
        &|| model(&args.model),
        &|| self_test(&args.model),
        &known_scores,
        &microphones,
    ];
    let mut printer = Printer::stdout(Form::Plain, false);
    let mut exit = Exit::Success;
    for look in looks {
        interrupt::check()?;
        let check = look();
        if check.verdict == Verdict::Bad {
            exit = Exit::Failed;
        }
        if args.json {
            printer.line(&json(&check))?;
        } else {
            print(&check, &mut printer)?;
        }
    }
    Ok(exit)
}

fn print(check: &Check, printer: &mut Printer<StdoutLock<'_>>) -> Result<()> {
    let (mark, style) = match check.verdict {
        Verdict::Good => ("ok  ", "32"),
        Verdict::Note => ("note", "33"),
        Verdict::Bad => ("bad ", "31"),
    };
    printer.styled(&[(style, mark), ("", &format!("  {:<18} {}", check.check, check.found))])?;
    check.remedy.as_ref().map_or(Ok(()), |remedy| printer.line(&format!("       → {remedy}")))
}

fn gstreamer() -> Check {
    let (major, minor, ..) = gst::version();
    let found = gst::version_string();
    if (major, minor) < (1, 20) {
        return Check::bad("GStreamer", found, "1.20 or newer is needed; Debian 12 and Ubuntu 22.04 have it");
    }
    Check::good("GStreamer", found)
}

fn plugin() -> Check {
    let version = env!("CARGO_PKG_VERSION");
    match gst::ElementFactory::find(ELEMENT) {
        Some(_) => Check::good("plugin", format!("soundclassify {version}, part of this program")),
        None => Check::bad("plugin", "the element is not registered", "this is a bug; please report it"),
    }
}

fn elements() -> Check {
    let missing = |(name, _): &&(&str, &str)| gst::ElementFactory::find(name).is_none();
    let missing: Vec<_> = ELEMENTS.iter().filter(missing).collect();
    if missing.is_empty() {
        return Check::good("elements", ELEMENTS.map(|(name, _)| name).join(", "));
    }
    let names: Vec<_> = missing.iter().map(|(name, _)| *name).collect();
    let packages: BTreeSet<_> = missing.iter().map(|(_, package)| *package).collect();
    let packages = packages.into_iter().collect::<Vec<_>>().join(" ");
    Check::bad("elements", format!("missing: {}", names.join(", ")), format!("on Debian: apt install {packages}"))
}

fn formats() -> Check {
    let decoders = gst::ElementFactory::factories_with_type(gst::ElementFactoryType::DECODER, gst::Rank::MARGINAL);
    let decodable = |caps: &str| {
        caps.parse::<gst::Caps>().is_ok_and(|caps| decoders.iter().any(|decoder| decoder.can_sink_any_caps(&caps)))
    };
    let (known, unknown): (Vec<_>, Vec<_>) = FORMATS.iter().partition(|(_, caps, ..)| decodable(caps));
    let names = |formats: &[&(&str, &str, &str)]| formats.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ");
    if unknown.is_empty() {
        return Check::good("formats", names(&known));
    }
    let packages: BTreeSet<_> = unknown.iter().map(|(.., package)| *package).collect();
    let packages = packages.into_iter().collect::<Vec<_>>().join(" ");
    let found = format!("{}; not: {}", names(&known), names(&unknown));
    Check::note("formats", found, format!("to decode these, on Debian: apt install {packages}"))
}

fn onnx_runtime() -> Check {
    match runtime::version() {
        Ok(build) => {
            let library = library();
            let version = library.as_deref().and_then(version_of).unwrap_or_else(|| "of unknown version".to_owned());
            let place = library.map(|path| format!(", {}", path.display())).unwrap_or_default();
            let way = match std::env::var_os("ORT_DYLIB_PATH").is_some_and(|path| !path.is_empty()) {
                true => "named by ORT_DYLIB_PATH",
                false => "found beside the program, or in the system's library path",
            };
            Check::good("ONNX Runtime", format!("{version}{place} ({way}), {}", build.trim()))
        }
        Err(gstsoundclassify::Error::Runtime { reason, looked, remedy }) => {
            Check::bad("ONNX Runtime", format!("{reason}; tried: {}", looked.join(", ")), remedy)
        }
        Err(error) => Check::bad("ONNX Runtime", error.to_string(), "install ONNX Runtime or set ORT_DYLIB_PATH to it"),
    }
}

/// Version of the ONNX Runtime that was found.
pub(crate) fn runtime_version() -> Option<String> {
    let build = runtime::version().ok()?;
    Some(library().as_deref().and_then(version_of).unwrap_or_else(|| build.trim().to_owned()))
}

/// The file that was loaded, where the system reports it.
fn library() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let mut paths = maps.lines().filter_map(|line| line.find('/').map(|at| Path::new(&line[at..])));
    let named = std::env::var_os("ORT_DYLIB_PATH").and_then(|path| Path::new(&path).canonicalize().ok());
    let called = |name: &str| name.contains("onnxruntime") && name.contains(".so");
    let is_it = |path: &&Path| {
        named.as_deref() == Some(*path) || path.file_name().is_some_and(|name| called(&name.to_string_lossy()))
    };
    paths.find(is_it).map(Path::to_owned)
}

/// What stands behind `.so.` in the library's own name or else, in the library, behind the name of its symbols' version.
fn version_of(library: &Path) -> Option<String> {
    let name = library.file_name()?.to_str()?;
    if let Some((_, version)) = name.split_once(".so.").filter(|(_, version)| version.contains('.')) {
        return Some(version.to_owned());
    }
    let bytes = std::fs::read(library).ok()?;
    let at = bytes.windows(SYMBOLS.len()).position(|bytes| bytes == SYMBOLS)? + SYMBOLS.len();
    let version = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.');
    String::from_utf8(version.copied().collect()).ok().filter(|version| !version.is_empty())
}

fn providers() -> Check {
    match runtime::providers() {
        Ok(providers) => {
            let names: Vec<_> = providers.iter().map(ToString::to_string).collect();
            Check::good("providers", names.join(", "))
        }
        Err(_) => Check::bad("providers", "unknown without ONNX Runtime", "see above"),
    }
}

fn model(name: &str) -> Check {
    match Model::load(name) {
        Ok(model) => {
            let manifest = model.manifest();
            let labels = manifest.labels.len();
            Check::good(
                "model",
                format!("{} {}, {labels} labels: {}", manifest.name, manifest.version, manifest.description),
            )
        }
        Err(error) => Check::bad("model", error.to_string(), "check --model, or omit it to use the built-in model"),
    }
}

fn self_test(name: &str) -> Check {
    if runtime::version().is_err() {
        return Check::bad("self-test", "not possible without ONNX Runtime", "see above");
    }
    let start = Instant::now();
    match classify_noise(name) {
        Ok((windows, label)) if windows > 0 => {
            let time = start.elapsed().as_millis();
            Check::good(
                "self-test",
                format!("half a second of noise: {windows} result, {label}, in {time} ms including loading"),
            )
        }
        Ok(_) => Check::bad("self-test", "no result for half a second of noise", "look at GST_DEBUG=soundclassify:5"),
        Err(error) => Check::bad("self-test", error.to_string(), "fix the failed checks above, then try again"),
    }
}

/// Results of half a second of noise, and the last label.
fn classify_noise(model: &str) -> Result<(usize, String)> {
    let warm_engine =
        WarmEngine::new(ElementOptions::default().with("model", model).with("threshold", "0").or("deny-labels", [""]))?;
    let noise = make("audiotestsrc")?;
    noise.set_property_from_str("wave", "pink-noise");
    noise.set_property("num-buffers", 20);
    noise.set_property("samplesperbuffer", 1102);
    let session = warm_engine.session("self-test", Source::Element(noise), None)?;
    let (mut windows, mut label) = (0, String::new());
    session.run(&mut |step| match step {
        SessionStep::Record(Record::Window(window)) => {
            windows += 1;
            label.clone_from(&window.best().label);
            Ok(())
        }
        SessionStep::Warning(why) => Err(Failure::Failed(why)),
        _ => Ok(()),
    })?;
    Ok((windows, label))
}

/// The `[check]` of each built-in model.
fn known_scores() -> Check {
    if runtime::version().is_err() {
        return Check::bad("known scores", "not possible without ONNX Runtime", "see above");
    }
    let (mut largest, mut wrong, mut differs) = (0.0, Vec::new(), false);
    for name in builtin::names() {
        match Model::load(name).map_err(Failure::from).and_then(|model| verify::run(&model)) {
            Ok(verification) if verification.passes() => largest = verification.difference().max(largest),
            Ok(verification) => {
                differs = true;
                wrong.push(format!("{name}: scores differ by {:.2e}", verification.difference()));
            }
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    if wrong.is_empty() {
        let names = builtin::names().collect::<Vec<_>>().join(", ");
        return Check::good("known scores", format!("{names}: the largest difference is {largest:.1e}"));
    }
    let remedy = if differs {
        "the scores of this installation are wrong; try a different ONNX Runtime, or report the output of \
        `soundclassify inspect --verify NAME`"
    } else {
        "no scores were computed; other rows may say why"
    };
    Check::bad("known scores", wrong.join("; "), remedy)
}

fn microphones() -> Check {
    const REMEDY: &str =
        "connect one and check `pactl list sources short` or `arecord -l`; without one, `soundclassify file` works";
    match source::microphones() {
        Ok(devices) if devices.is_empty() => Check::note("microphones", "none", REMEDY),
        Ok(devices) => {
            let names: Vec<_> = devices.iter().map(|device| format!("{} ({})", device.name, device.id)).collect();
            Check::good("microphones", names.join(", "))
        }
        Err(error) => Check::note("microphones", error.to_string(), REMEDY),
    }
}
