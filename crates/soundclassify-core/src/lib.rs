// SPDX-License-Identifier: MIT OR Apache-2.0
//! Streaming sound classification without a media framework: samples in, labels and events out.
//!
//! [`Classifier`] contains the whole path:
//!
//! ```
//! use soundclassify_core::{Classifier, Found, Options, decision::EventKind, model::Model};
//!
//! let mut classifier = Classifier::new(&Model::load("default")?, &Options::default())?;
//! let names = classifier.names().to_vec(); // labels, then groups
//! let mut print = |found: Found<'_>| match found {
//!     Found::Window(window) => match window.predictions.first() {
//!         Some(best) => println!("{:?} {} {:.2}", window.start, names[best.index], best.probability),
//!         None => println!("{:?} nothing above its threshold", window.start),
//!     },
//!     Found::Event(event) if event.kind == EventKind::End => println!("{:?} {}", event.onset, names[event.index]),
//!     Found::Event(_) => {}
//! };
//! let second = vec![0.0; 44_100]; // mono, full scale ±1
//! classifier.push(&second, 44_100, &mut print)?;
//! classifier.finish(&mut print)?;
//! # Ok::<(), soundclassify_core::Error>(())
//! ```
//!
//! It combines three modules: [`frontend`] turns samples into model input, [`model`] turns model input into scores, and
//! [`decision`] turns scores into predictions and events. ONNX Runtime is loaded with the first network; [`model::runtime`]
//! describes where it is searched for.

mod classifier;
pub mod decision;
pub mod defaults;
pub mod error;
pub mod frontend;
pub mod model;
mod panic;
pub mod text;

pub use classifier::{Classifier, Found, Options, Window};
pub use error::{Error, Result};

/// The example of the crate's page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
