// SPDX-License-Identifier: MIT OR Apache-2.0
//! A PulseAudio of our own, whose microphone records what its loudspeaker plays.

use std::fs;
use std::time::Duration;

use crate::launch::sandbox::{Running, Sandbox, messages, skip};

/// Kept alive by the caller.
struct SoundServer {
    _daemon: Running,
}

const CONFIGURATION: &str = "
load-module module-null-sink sink_name=loudspeaker
load-module module-native-protocol-unix auth-anonymous=1 socket={socket}
set-default-sink loudspeaker
set-default-source loudspeaker.monitor
";

/// None where there is no PulseAudio. Processes of `sandbox` use it from then on.
#[track_caller]
fn serve(sandbox: &mut Sandbox) -> Option<SoundServer> {
    let (socket, script) = (sandbox.path("pulse"), sandbox.path("pulse.pa"));
    fs::write(&script, CONFIGURATION.replace("{socket}", socket.to_str().unwrap())).unwrap();
    let home = sandbox.path("home");
    fs::create_dir(&home).unwrap();
    sandbox.variables.push(("HOME", home.display().to_string()));
    sandbox.variables.push(("XDG_RUNTIME_DIR", home.display().to_string()));
    if std::process::Command::new("pulseaudio").arg("--version").output().is_err() {
        skip("pulseaudio is not installed");
        return None;
    }
    let options = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes", "-F"];
    let daemon = sandbox.start("pulseaudio", options.into_iter().chain([script.to_str().unwrap()]));
    sandbox.variables.push(("PULSE_SERVER", format!("unix:{}", socket.display())));
    let answers = || sandbox.start("pactl", ["info"]).finish().status.success();
    assert!((0..100).any(|_| answers()), "no answer: {}", daemon.stderr());
    Some(SoundServer { _daemon: daemon })
}

#[test]
fn the_default_microphone_is_classified() {
    let mut sandbox = Sandbox::new();
    let Some(_server) = serve(&mut sandbox) else { return };
    let _sound = sandbox.launch("audiotestsrc is-live=true wave=pink-noise ! pulsesink");
    let mut listening = sandbox.launch("autoaudiosrc ! soundclassify ! level interval=500000000 ! fakesink");
    listening.wait_for("window=(guint64)12,").interrupt().finish().succeeded();
    assert!(loudest(&listening.stdout()) > -60.0, "only silence came:\n{}", listening.stdout());
}

/// Highest RMS, dBFS, that `level` posted for the first channel.
fn loudest(printed: &str) -> f64 {
    let levels = printed.split("rms=(GValueArray)< ").skip(1);
    let values = levels.filter_map(|rest| rest.split([',', ' ']).next()?.parse::<f64>().ok());
    values.fold(f64::NEG_INFINITY, f64::max)
}

#[test]
fn the_microphone_script_listens_until_interrupted() {
    let mut sandbox = Sandbox::new();
    let Some(_server) = serve(&mut sandbox) else { return };
    for arguments in [&[][..], &["--pulse", "loudspeaker.monitor"], &["ensembles=1"]] {
        let mut listening = sandbox.script("microphone.sh", arguments);
        let printed = listening.wait_for_lines(5).interrupt().finish_within(Duration::from_secs(2)).succeeded().stdout;
        assert!(messages(&printed).len() >= 5);
    }
}

#[test]
fn the_microphone_script_lists_devices() {
    let mut sandbox = Sandbox::new();
    let Some(_server) = serve(&mut sandbox) else { return };
    let listed = sandbox.script("microphone.sh", &["--list"]).finish().succeeded().stdout;
    assert!(listed.contains("--pulse loudspeaker.monitor  ("), "{listed}");
}

#[test]
fn playback_is_classified_beside() {
    let mut sandbox = Sandbox::new();
    let recording = sandbox.noise(3);
    let Some(_server) = serve(&mut sandbox) else { return };
    let printed = sandbox.script("playback-tee.sh", &[&recording]).finish().succeeded().stdout;
    assert!(messages(&printed).len() >= 10, "{printed}");
}
