// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hashes that distinguish names and settings.

/// The first four bytes of a digest in hexadecimal digits.
pub(crate) fn short_hash(digest: &[u8]) -> String {
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}
