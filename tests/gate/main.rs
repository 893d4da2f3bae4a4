// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element `soundgate`: what it does to audio, to the sample, and how it behaves in pipelines.

mod agree;
mod joined;
mod pipelines;
mod places;
mod rig;
mod samples;
mod streams;
