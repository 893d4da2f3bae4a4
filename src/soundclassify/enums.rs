// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element's enumerations.

use gst::glib;

use soundclassify_core::model::ExecutionProvider;

/// Whether the streaming thread waits for results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstSoundClassifySync")]
#[repr(i32)]
pub enum Sync {
    /// Waits unless the source is live.
    #[default]
    #[enum_value(name = "Wait for results unless the source is live", nick = "auto")]
    Auto,
    /// Waits: every result is posted before the audio after it is passed on.
    #[enum_value(name = "Wait for results", nick = "always")]
    Always,
    /// Never waits: audio is never delayed, and results are posted when they are ready.
    #[enum_value(name = "Never wait for results", nick = "never")]
    Never,
}

/// What is posted on the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstSoundClassifyReport")]
#[repr(i32)]
pub enum Report {
    /// A message `soundclassify` for each window.
    #[default]
    #[enum_value(name = "A message for each window", nick = "windows")]
    Windows,
    /// A message `soundclassify` when the best label changes, or returns after windows without a label.
    #[enum_value(name = "A message when the best label changes", nick = "changes")]
    Changes,
    /// Messages `soundclassify-event` when a sound begins and ends, and once a second between.
    #[enum_value(name = "Messages when a sound begins, continues and ends", nick = "events")]
    Events,
    /// The messages of [`Report::Windows`] and those of [`Report::Events`].
    #[enum_value(name = "Messages for windows and events", nick = "all")]
    All,
}

impl Report {
    /// Whether messages `soundclassify-event` are posted.
    pub(crate) fn has_events(self) -> bool {
        matches!(self, Self::Events | Self::All)
    }

    /// Whether a message `soundclassify` is posted for a window; `changed`: its best label differs from the previous one.
    pub(crate) fn has_window(self, changed: bool) -> bool {
        match self {
            Self::Windows | Self::All => true,
            Self::Changes => changed,
            Self::Events => false,
        }
    }
}

macro_rules! define {
    ($cpu:ident $cpu_name:tt $cpu_title:tt $cpu_type:ident $cpu_kind:ident;
     $($variant:ident $name:tt $title:tt $type:ident $kind:ident;)*) => {
        /// The hardware and library that runs the network.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
        #[enum_type(name = "GstSoundClassifyExecutionProvider")]
        #[repr(i32)]
        pub enum Provider {
            #[doc = concat!($cpu_title, ".")]
            #[default]
            #[enum_value(name = $cpu_title, nick = $cpu_name)]
            $cpu,
            $(
                #[doc = concat!($title, ".")]
                #[enum_value(name = $title, nick = $name)]
                $variant,
            )*
        }

        impl From<Provider> for ExecutionProvider {
            fn from(provider: Provider) -> Self {
                match provider {
                    Provider::$cpu => Self::$cpu,
                    $(Provider::$variant => Self::$variant,)*
                }
            }
        }
    };
}

soundclassify_core::execution_providers!(define);
