// SPDX-License-Identifier: MIT OR Apache-2.0
//! `mqtts://` where there are no Unix sockets.

use std::path::Path;

use rumqttc::MqttOptions;

use super::broker::Broker;
use crate::exit::{Failure, Result};

/// What a client trusts.
#[derive(Clone)]
pub(super) enum Trust {}

/// # Errors
/// Always.
pub(super) fn trust(_: Option<&Path>) -> Result<Trust> {
    Err(Failure::Usage("--mqtt: mqtts:// needs a Unix system; use mqtt:// on a trusted network".to_owned()))
}

/// The tunnel.
pub(super) enum Tunnel {}

impl Tunnel {
    pub(super) fn open(_: &Broker, trust: &Trust) -> Result<Self> {
        match *trust {}
    }

    pub(super) fn options(&self, _: String) -> MqttOptions {
        match *self {}
    }

    pub(super) fn cause(&self) -> Option<String> {
        match *self {}
    }
}
