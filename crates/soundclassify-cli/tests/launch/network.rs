// SPDX-License-Identifier: MIT OR Apache-2.0
//! Streams over the loopback interface.

use std::net::UdpSocket;
use std::process::Command;

use crate::launch::sandbox::{PYTHON, Sandbox, messages, skip, top};

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[track_caller]
fn rtp_is_classified(payloader: &str, arguments: &[&str]) {
    let sandbox = Sandbox::new();
    let port = free_port().to_string();
    let pipeline =
        format!("audiotestsrc is-live=true wave=pink-noise ! {payloader} ! udpsink host=127.0.0.1 port={port}");
    let _sender = sandbox.launch(&pipeline);
    let mut listening = sandbox.script("rtp.sh", &[&[port.as_str()], arguments].concat());
    listening.wait_for_lines(5);
    messages(&listening.stdout());
}

#[test]
fn rtp_with_opus_is_classified() {
    rtp_is_classified("audioconvert ! audioresample ! opusenc ! rtpopuspay", &[]);
}

#[test]
fn rtp_with_samples_is_classified() {
    rtp_is_classified(
        "audio/x-raw,rate=48000,channels=2 ! audioconvert ! rtpL16pay",
        &["--encoding", "L16", "--rate", "48000", "--channels", "2"],
    );
}

#[test]
fn rtp_with_telephone_sound_is_classified() {
    rtp_is_classified("audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay", &["--encoding", "PCMU"]);
}

#[test]
fn rtsp_is_classified() {
    let import = "import gi; gi.require_version('GstRtspServer', '1.0')";
    if !Command::new(PYTHON).args(["-c", import]).output().is_ok_and(|it| it.status.success()) {
        return skip("GStreamer's RTSP server for Python is not installed");
    }
    let sandbox = Sandbox::new();
    let mut server = sandbox.start(PYTHON, [top().join("crates/soundclassify-cli/tests/launch/rtsp_server.py")]);
    server.wait_for("\n");
    let mut listening = sandbox.script("rtsp.sh", &[server.stdout().trim()]);
    listening.wait_for_lines(5);
    messages(&listening.stdout());
}
