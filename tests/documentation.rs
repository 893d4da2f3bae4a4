// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pages of the elements in `docs/` have the properties that the elements have. `UPDATE_DOCS=1` writes them again.

use std::fmt::Write as _;
use std::path::Path;

use gst::glib;
use gst::prelude::*;

const BEGIN: &str = "<!-- properties: generated, see tests/documentation.rs -->\n";
const END: &str = "<!-- end of properties -->\n";

fn table(element: &str) -> String {
    let factory = gst::ElementFactory::find(element).unwrap();
    let element = factory.create().build().unwrap();
    let mut table = String::from("| property | type | default | may change | meaning |\n|---|---|---|---|---|\n");
    for spec in element.list_properties().iter().filter(|spec| spec.owner_type() == element.type_()) {
        let blurb = spec.blurb().unwrap_or_default().replace('|', "\\|").replace('<', "\\<");
        writeln!(table, "| `{}` | {} | {} | {} | {blurb} |", spec.name(), kind(spec), default(spec), change(spec))
            .unwrap();
    }
    table
}

fn kind(spec: &glib::ParamSpec) -> String {
    let range = |minimum: String, maximum: String| format!(" {minimum}…{maximum}");
    let value = spec.value_type();
    if let Some(spec) = spec.downcast_ref::<glib::ParamSpecUInt>() {
        return format!("uint{}", range(spec.minimum().to_string(), spec.maximum().to_string()));
    }
    if let Some(spec) = spec.downcast_ref::<glib::ParamSpecInt>() {
        return format!("int{}", range(spec.minimum().to_string(), spec.maximum().to_string()));
    }
    if let Some(spec) = spec.downcast_ref::<glib::ParamSpecDouble>() {
        return format!("double{}", range(spec.minimum().to_string(), spec.maximum().to_string()));
    }
    if let Some(class) = glib::EnumClass::with_type(value) {
        let nicks: Vec<&str> = class.values().iter().map(glib::EnumValue::nick).collect();
        return format!("enum: {}", nicks.join(", "));
    }
    match value {
        glib::Type::STRING => "string".into(),
        glib::Type::BOOL => "boolean".into(),
        glib::Type::U64 => "uint64".into(),
        _ if value == gst::Array::static_type() => "array of strings".into(),
        _ => "structure".into(),
    }
}

fn default(spec: &glib::ParamSpec) -> String {
    if !spec.flags().contains(glib::ParamFlags::WRITABLE) {
        return "–".into();
    }
    let value = spec.default_value();
    if let Some(class) = glib::EnumClass::with_type(spec.value_type()) {
        let value = value.transform::<i32>().ok().and_then(|value| value.get::<i32>().ok());
        return value.and_then(|value| class.value(value)).map(|value| value.nick().to_string()).unwrap_or_default();
    }
    match value.get::<u64>() {
        Ok(u64::MAX) => return "auto".into(),
        Ok(number) => return number.to_string(),
        Err(_) => {}
    }
    if let Ok(number) = value.get::<f64>() {
        return number.to_string();
    }
    if spec.value_type() == gst::Array::static_type() || spec.value_type() == gst::Structure::static_type() {
        return "none".into();
    }
    value.serialize().map(|text| text.trim_matches('"').to_string()).unwrap_or_default()
}

fn change(spec: &glib::ParamSpec) -> String {
    let flags = spec.flags();
    if !flags.contains(glib::ParamFlags::WRITABLE) {
        return "read-only".into();
    }
    let when = if flags.contains(gst::PARAM_FLAG_MUTABLE_PLAYING) { "live" } else { "up to READY" };
    let controllable = if flags.contains(gst::PARAM_FLAG_CONTROLLABLE) { ", controllable" } else { "" };
    format!("{when}{controllable}")
}

#[test]
fn pages_have_the_properties_of_the_elements() {
    gst::init().unwrap();
    gstsoundclassify::plugin_register_static().unwrap();
    for element in ["soundclassify", "soundgate"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(element).with_extension("md");
        let page = std::fs::read_to_string(&path).unwrap();
        let (head, rest) = page.split_once(BEGIN).expect("the page has a place for properties");
        let (_, tail) = rest.split_once(END).expect("the page has an end of properties");
        let wanted = format!("{head}{BEGIN}{}{END}{tail}", table(element));
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &wanted).unwrap();
        } else {
            assert!(page == wanted, "{} is outdated; run this test with UPDATE_DOCS=1", path.display());
        }
    }
}
