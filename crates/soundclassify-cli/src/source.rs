// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where audio comes from: files and addresses for `uridecodebin`, microphones by name or stable id.

use std::{
    io::{self, BufRead},
    net::{TcpStream, ToSocketAddrs},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use gst::{glib, prelude::*};
use soundclassify_core::text;

use crate::{
    address::{Address, without_credentials, wrong_port},
    exit::{Failure, Result},
    quiet_errors::QuietErrors,
};

/// How long a host may take to answer, when the reason of a failure is looked for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long sound servers may take to list their devices.
const DEVICES_TIMEOUT: Duration = Duration::from_secs(10);

/// The address of a file; an address is returned unchanged.
pub(crate) fn uri(input: &str) -> Result<String> {
    if is_uri(input) {
        return match wrong_port(input) {
            Some(why) => Err(Failure::Failed(format!("{}: {why}", text::visible(&without_credentials(input))))),
            None => Ok(input.to_owned()),
        };
    }
    let path = Path::new(input);
    let absolute = std::path::absolute(path).map_err(|error| Failure::io("path", path, &error))?;
    match std::fs::metadata(path) {
        Ok(data) if data.is_dir() => Err(Failure::Failed(format!(
            "{input}: expected a file, found a folder; `soundclassify scan {input} -o out.jsonl` classifies folders"
        ))),
        Ok(_) => glib::filename_to_uri(&absolute, None)
            .map(Into::into)
            .map_err(|error| Failure::Failed(format!("{input}: can't make a URI of this path: {error}"))),
        Err(_) if input == "-" => Err(Failure::Usage(format!("{input}: standard input is fd://0"))),
        Err(error) => Err(Failure::io("can't be read", path, &error)),
    }
}

/// The path of a file or of an address that has one.
pub(crate) fn path(input: &str) -> PathBuf {
    let of_address = is_uri(input).then(|| glib::filename_from_uri(input).ok()).flatten();
    of_address.map_or_else(|| PathBuf::from(input), |(path, _)| path)
}

/// The size of a file, bytes; 0 of an address without one.
pub(crate) fn size(input: &str) -> u64 {
    std::fs::metadata(path(input)).map_or(0, |data| data.len())
}

/// Whether it is a file without any content.
pub(crate) fn is_empty(input: &str) -> bool {
    std::fs::metadata(path(input)).is_ok_and(|data| data.is_file() && data.len() == 0)
}

/// A name for a file in any text: the path, or its address if the path is not Unicode.
pub(crate) fn name(path: &Path) -> String {
    let address = || {
        let absolute = std::path::absolute(path).ok()?;
        glib::filename_to_uri(absolute, None).ok().map(String::from)
    };
    path.to_str().map(str::to_owned).or_else(address).unwrap_or_else(|| path.to_string_lossy().into_owned())
}

/// The names in a list, one per line; they need be no Unicode.
///
/// # Errors
/// A line that no file can be called, by its number.
pub(crate) fn names(list: impl BufRead) -> impl Iterator<Item = io::Result<String>> {
    let lines = list.split(b'\n').zip(1_u64..).map(|(line, number)| {
        let line = line?;
        let line = if number == 1 { unmarked(&line)? } else { &line };
        if line.contains(&0) {
            return Err(io::Error::other(format!(
                "line {number}: expected the name of a file, found a zero byte; a list has one name per line"
            )));
        }
        Ok(name(&listed(line.strip_suffix(b"\r").unwrap_or(line))))
    });
    lines.filter(|name| !matches!(name, Ok(name) if name.trim().is_empty()))
}

/// The first line of a list without the mark that some editors put before it.
fn unmarked(line: &[u8]) -> io::Result<&[u8]> {
    if is_utf16(line) {
        return Err(io::Error::other("line 1: expected UTF-8, found UTF-16; save the list as UTF-8"));
    }
    Ok(line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line))
}

/// Whether a text begins as one in UTF-16.
pub(crate) fn is_utf16(text: &[u8]) -> bool {
    text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff")
}

#[cfg(unix)]
fn listed(name: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(name).into()
}

#[cfg(not(unix))]
fn listed(name: &[u8]) -> PathBuf {
    String::from_utf8_lossy(name).as_ref().into()
}

/// Whether the text is an address (`scheme://…`) and not a path.
pub(crate) fn is_uri(input: &str) -> bool {
    input.split_once("://").is_some_and(|(scheme, _)| {
        scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

/// What a person calls a path or an address in little room: its last part, without a password.
pub(crate) fn short(input: &str) -> String {
    let input = without_credentials(input);
    input.trim_end_matches('/').rsplit('/').next().unwrap_or(&input).to_owned()
}

/// Whether the text is an address of the network.
pub(crate) fn is_remote(input: &str) -> bool {
    is_uri(input) && !input.starts_with("file:")
}

/// One sentence for a network address without an answer.
pub(crate) fn unreachable(uri: &str) -> Option<String> {
    let address = Address::parse(uri)?;
    let usual = match address.scheme.as_str() {
        "rtsp" | "rtspt" | "rtspu" | "rtsph" => 554,
        "rtsps" | "rtspst" | "rtspsu" | "rtspsh" => 322,
        "http" | "icy" => 80,
        "https" => 443,
        "rtmp" => 1935,
        _ => return None,
    };
    let (host, port) = (address.host, address.port.unwrap_or(usual));
    let name = without_credentials(uri);
    let (name, place) = (text::visible(&name), text::visible(&host));
    let addresses = match (host.as_str(), port).to_socket_addrs() {
        Ok(addresses) => addresses,
        Err(error) => return Some(format!("{name}: unknown host {place} ({}); check the name", reason(&error))),
    };
    let mut refused = None;
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(_) => return None,
            Err(error) => refused = Some(error),
        }
    }
    let why = reason(&refused?);
    Some(format!("{name}: {place}, port {port}: no answer ({why}); check the address and whether the device is on"))
}

/// An error without its number: "Connection refused".
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// A microphone or another live source.
pub(crate) struct Microphone {
    /// What a person reads.
    pub(crate) name: String,
    /// Identifier that stays the same from one start to the next.
    pub(crate) id: String,
    /// Whether it is the default device.
    pub(crate) default: bool,
    device: gst::Device,
}

impl Microphone {
    /// The source element of this device.
    pub(crate) fn element(&self) -> Result<gst::Element> {
        self.device.create_element(None).map_err(|error| {
            Failure::Failed(format!("device {}: {error}; check that its GStreamer plugin is installed", self.name))
        })
    }
}

/// All microphones that GStreamer finds.
pub(crate) fn microphones() -> Result<Vec<Microphone>> {
    let _quiet = QuietErrors::new();
    let monitor = gst::DeviceMonitor::new();
    monitor.add_filter(Some("Audio/Source"), None);
    monitor.start().map_err(|error| {
        Failure::Failed(format!("device monitor: {error}; check that gstreamer1.0-plugins-good is installed"))
    })?;
    wait_for_devices(&monitor);
    let devices = monitor.devices().into_iter().map(|device| {
        let properties = device.properties();
        Microphone {
            name: device.display_name().into(),
            id: stable_id(&device),
            default: properties.is_some_and(|properties| properties.get("is-default").unwrap_or(false)),
            device,
        }
    });
    let devices = devices.collect();
    monitor.stop();
    Ok(devices)
}

/// From GStreamer 1.28 on, a monitor starts in the background, and reports on its bus when it has all devices. Without waiting,
/// it has none, and ends with SIGSEGV if it is stopped meanwhile.
fn wait_for_devices(monitor: &gst::DeviceMonitor) {
    if gst::version() < (1, 28, 0, 0) {
        return;
    }
    let bus = monitor.bus();
    let deadline = Instant::now() + DEVICES_TIMEOUT;
    while let Some(message) = bus.timed_pop(remaining(deadline)) {
        // The binding has this type of message only if it is built for 1.28.
        if message.structure().is_some_and(|structure| structure.name() == "GstMessageDeviceMonitorStarted") {
            return;
        }
    }
}

fn remaining(deadline: Instant) -> Option<gst::ClockTime> {
    gst::ClockTime::try_from(deadline.saturating_duration_since(Instant::now())).ok()
}

/// The device that a name or id means: the id exactly, the name exactly, or a part of one name.
pub(crate) fn microphone(wanted: &str) -> Result<Microphone> {
    // A line of --list-devices has both, and perhaps "(default)".
    let wanted = wanted.trim().trim_end_matches("(default)").trim();
    let mut devices = microphones()?;
    let names: Vec<_> = devices.iter().map(|device| (device.id.as_str(), device.name.as_str())).collect();
    match chosen(&names, wanted) {
        Some(index) => Ok(devices.swap_remove(index)),
        None => Err(Failure::Usage(format!(
            "--device {wanted:?}: expected the name of exactly one microphone; found: {}; {}",
            list(&devices),
            if devices.is_empty() {
                "connect a microphone, and run `soundclassify doctor` if it is not found"
            } else {
                "give one of these names, or an id where several have the same name"
            }
        ))),
    }
}

/// Which of the devices, each with id and name, is meant; `None` if it is not exactly one.
fn chosen(devices: &[(&str, &str)], wanted: &str) -> Option<usize> {
    let lower = wanted.to_lowercase();
    let only = |is_meant: &dyn Fn(&str, &str) -> bool| {
        let mut found = devices.iter().enumerate().filter(|(_, (id, name))| is_meant(id, name));
        found.next().map(|(index, _)| found.next().is_none().then_some(index))
    };
    // A name that several devices have is no part of one name either.
    only(&|id, name| id == wanted || format!("{id}  {name}") == wanted)
        .or_else(|| only(&|_, name| name == wanted))
        .or_else(|| only(&|_, name| name.to_lowercase().contains(&lower)))?
}

fn list(devices: &[Microphone]) -> String {
    if devices.is_empty() {
        return "none".to_owned();
    }
    devices.iter().map(|device| format!("{} ({})", device.name, device.id)).collect::<Vec<_>>().join(", ")
}

/// The name of the device for the source element, which is the same after a restart.
fn stable_id(device: &gst::Device) -> String {
    let element = device.create_element(None).ok();
    let property = element.iter().find_map(|element| {
        ["device", "target-object", "unique-id"].into_iter().find_map(|name| {
            element.find_property(name).filter(|pspec| pspec.value_type() == glib::Type::STRING)?;
            element.property::<Option<String>>(name)
        })
    });
    property.unwrap_or_else(|| device.name().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_reported_from_paths() {
        assert!(is_uri("rtsp://camera/stream") && is_uri("file:///a.wav"));
        assert!(!is_uri("a.wav") && !is_uri("C://a.wav") && !is_uri("a b://c"));
    }

    #[test]
    fn a_device_is_chosen_by_id_by_its_only_name_and_by_a_part_of_it() {
        let devices =
            [("usb-1", "Desk"), ("usb-2", "Door"), ("usb-3", "Door"), ("null.monitor", "Monitor of Door two")];

        for (wanted, index) in [("usb-3", 2), ("usb-2  Door", 1), ("Desk", 0), ("desk", 0), ("two", 3)] {
            assert_eq!(chosen(&devices, wanted), Some(index), "{wanted}");
        }
        for wanted in ["Door", "door", "D", "Window"] {
            assert_eq!(chosen(&devices, wanted), None, "{wanted}");
        }
    }

    #[test]
    fn a_port_that_no_address_can_have_is_named() {
        let error = uri("http://me:secret@host:99999/a.wav").unwrap_err().to_string();

        assert_eq!(error, "http://host:99999/a.wav: port 99999 is out of range 1 to 65535");
        assert!(uri("http://host:8000/a.wav").is_ok() && uri("file:///a:99999").is_ok());
    }

    #[test]
    fn a_list_may_have_a_mark_and_no_zero_bytes() {
        let read = |list: &'static [u8]| names(list).map(|name| name.map_err(|e| e.to_string())).collect::<Vec<_>>();

        assert_eq!(read(b"\xef\xbb\xbfa.wav\r\nb.wav"), [Ok("a.wav".to_owned()), Ok("b.wav".to_owned())]);
        let zero = read(b"a.wav\n\nb\xff\0.wav\n");
        assert!(zero[0].is_ok() && zero[1].as_ref().is_err_and(|why| why.contains("line 3")), "{zero:?}");
        for list in [&b"\xff\xfea\0\n\0"[..], b"\xfe\xff\0a\0\n"] {
            assert!(read(list)[0].as_ref().is_err_and(|why| why.contains("save the list as UTF-8")), "{list:?}");
        }
    }

    #[test]
    fn a_missing_file_is_named_with_the_reason() {
        let error = uri("no/such.wav").unwrap_err().to_string();

        assert!(error.contains("no/such.wav") && error.contains("No such file"), "{error}");
    }
}
