// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element in a harness: what goes through, what is posted, when, and what happens when something is wrong.

mod common;

mod element {
    mod core_classifier;
    mod custom_meta;
    mod events;
    mod faults;
    mod fields;
    mod live;
    mod messages;
    #[cfg(feature = "v1_24")]
    mod meta;
    mod parity;
    mod passthrough;
    mod rules;
    mod settings;
    mod signal;
    mod state;
    mod state_changes;
    mod streams;
    mod timing;
    mod untrusted;
}
