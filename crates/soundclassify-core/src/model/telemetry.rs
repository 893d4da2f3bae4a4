// SPDX-License-Identifier: MIT OR Apache-2.0
//! Telemetry of ONNX Runtime, turned off before the library is loaded.
//!
//! From version 1.29 on, ONNX Runtime starts to report its use as soon as its environment exists: it writes a device
//! identifier and a database below the user's cache folder and resolves its maker's host. `DisableTelemetryEvents`
//! needs that environment and so comes too late; only this variable of the process is read before.

use std::env;

/// Environment variable that ONNX Runtime reads when it is loaded.
const VARIABLE: &str = "ORT_DISABLE_TELEMETRY";
/// The value that turns telemetry off.
const OFF: &str = "1";

/// Turns the telemetry of an ONNX Runtime off that is loaded after this call, whatever the user has set.
///
/// The variable stays set, so that child processes inherit it.
pub(super) fn disable() {
    if env::var_os(VARIABLE).is_none_or(|value| value != OFF) {
        set();
    }
}

#[expect(
    unsafe_code,
    reason = "the variable is the only switch that ONNX Runtime reads in time, and neither std nor glib sets one safely"
)]
fn set() {
    // SAFETY: std serialises this with every access through std, and C libraries such as glibc from 2.41 on with every
    // access in C. On an older one, a C function that reads the environment on another thread at this very moment may
    // read an array that has just been moved. Therefore this runs once a process, before the first model is loaded,
    // and not at all where the variable is set already.
    unsafe { env::set_var(VARIABLE, OFF) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disable_sets_the_variable() {
        disable();

        assert_eq!(env::var(VARIABLE).as_deref(), Ok("1"));
    }
}
