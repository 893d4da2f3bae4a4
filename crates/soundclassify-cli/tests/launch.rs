// SPDX-License-Identifier: MIT OR Apache-2.0
//! The real thing: GStreamer's own programs, the pipelines and the listeners, as processes on the built plugin.

mod common;

mod launch {
    mod acting;
    mod element;
    mod exit;
    mod faults;
    mod listeners;
    mod network;
    mod pipelines;
    mod python;
    mod sandbox;
    mod sound_server;
    mod validate;
}
