// SPDX-License-Identifier: MIT OR Apache-2.0
//! Command-line options that are the element's properties: names, help, ranges and defaults are read
//! from the element itself.

use clap::{Arg, ArgAction, ArgMatches, Command, builder::PossibleValuesParser};
use gst::{glib, prelude::*};
use soundclassify_core::model::Manifest;

use crate::{
    complete,
    exit::{Failure, Result},
    label_structures::PerLabel,
    labels,
};

/// Name of the element.
pub(crate) const ELEMENT: &str = "soundclassify";

/// Heading over the options that are properties.
pub(crate) const HEADING: &str = "Properties of the element";

/// Properties that the program itself sets to get its results.
const OWN: [&str; 4] = ["post-messages", "emit-tags", "add-meta", "report"];

/// Properties that do not affect the results of a model.
const NOT_SHOWN: [&str; 4] = ["model", "stats", "post-messages", "report"];

/// What the descriptions of properties say about pipelines only: units of properties, statistics, and changes while PLAYING.
const ONLY_IN_PIPELINES: [&str; 5] = [
    ", ns",
    " (ns)",
    "; events that it prevents are counted in 'stats'",
    "; events that this prevents are counted in 'stats'",
    " From PAUSED on, a new model is loaded in the background; if that fails, the old one stays.",
];

/// Properties that are lists of labels.
const LABEL_LISTS: [&str; 3] = ["allow-labels", "deny-labels", "suppress-while"];

/// Options whose name the program needs for something else.
const RENAMED: [(&str, &str); 1] = [("device", "execution-device")];

/// Properties as given on the command line, validated, in text form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ElementOptions(Vec<(String, Vec<String>)>);

impl ElementOptions {
    /// Adds an option for every property to a subcommand.
    pub(crate) fn add_to(command: Command) -> Command {
        properties().into_iter().fold(command, |command, pspec| command.arg(argument(&pspec)))
    }

    /// What the user gave.
    pub(crate) fn from_matches(matches: &ArgMatches) -> Self {
        let given = properties().into_iter().filter_map(|pspec| {
            // Not every command has these options.
            let values = matches.try_get_many::<String>(option(pspec.name())).ok()??;
            from_user(matches, option(pspec.name())).then(|| (pspec.name().to_owned(), values.cloned().collect()))
        });
        Self(given.collect())
    }

    /// Sets a property unless the user did.
    pub(crate) fn or(mut self, name: &str, values: impl IntoIterator<Item = impl Into<String>>) -> Self {
        if self.get(name).is_none() {
            self.0.push((name.to_owned(), values.into_iter().map(Into::into).collect()));
        }
        self
    }

    /// Sets a property, even if the user has set it.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.retain(|(given, _)| given != name);
        self.0.push((name.to_owned(), vec![value.to_owned()]));
        self
    }

    /// Name or path of the model.
    pub(crate) fn model(&self) -> &str {
        self.get("model").and_then(<[String]>::last).map_or("default", String::as_str)
    }

    /// Texts given for a property.
    pub(crate) fn get(&self, name: &str) -> Option<&[String]> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, values)| values.as_slice())
    }

    /// These options with the labels and groups of a model, whose blanks and commas may have been written in several
    /// ways.
    ///
    /// # Errors
    /// A label that the model does not have.
    pub(crate) fn with_labels_of(mut self, manifest: &Manifest) -> Result<Self> {
        let known = &manifest.labels;
        let usage = |name: &str| {
            let name = name.to_owned();
            move |why: String| Failure::Usage(format!("--{name}: {why}"))
        };
        let mut all = known.clone();
        if let Some(groups) = self.get("label-groups") {
            let groups = PerLabel::Groups.structure(groups).map_err(usage("label-groups"))?;
            all.extend(groups.fields().map(ToString::to_string));
        } else {
            all.extend(manifest.groups.keys().cloned());
        }
        for (name, values) in &mut self.0 {
            let kind = PerLabel::of(name);
            let known = if kind == Some(PerLabel::Groups) { known } else { &all };
            let check = |given: &[String]| given.iter().try_for_each(|label| labels::check(label, known));
            if LABEL_LISTS.contains(&name.as_str()) {
                let found = label_list(values, known);
                check(&found).map_err(usage(name))?;
                *values = serialized(&found).into_iter().collect();
            } else if let Some(kind) = kind {
                if !is_serialized(values) {
                    *values = pairs(values, known, kind);
                }
                let structure = kind.structure(values).map_err(usage(name))?;
                check(&kind.labels(&structure)).map_err(usage(name))?;
            }
        }
        Ok(self)
    }

    /// The options as arguments of this program.
    pub(crate) fn arguments(&self) -> Vec<String> {
        self.0
            .iter()
            .flat_map(|(name, values)| values.iter().map(|value| format!("--{}={value}", option(name))))
            .collect()
    }

    /// Makes an element with these properties.
    pub(crate) fn element(&self) -> Result<gst::Element> {
        let element = gst::ElementFactory::make(ELEMENT)
            .build()
            .map_err(|error| Failure::Failed(format!("element {ELEMENT}: {error}; run `soundclassify doctor`")))?;
        for (name, values) in &self.0 {
            let pspec = element
                .find_property(name)
                .ok_or_else(|| Failure::Usage(format!("this version of the element has no property {name}")))?;
            let value = parse(&pspec, values).map_err(|why| Failure::Usage(format!("--{}: {why}", option(name))))?;
            element.set_property_from_value(name, &value);
        }
        Ok(element)
    }
}

/// The properties that are options, in the element's order.
fn properties() -> Vec<glib::ParamSpec> {
    let Ok(element) = gst::ElementFactory::make(ELEMENT).build() else { return Vec::new() };
    let own = element.type_();
    element
        .list_properties()
        .iter()
        .filter(|pspec| pspec.owner_type() == own && pspec.flags().contains(glib::ParamFlags::WRITABLE))
        .filter(|pspec| !OWN.contains(&pspec.name()))
        .cloned()
        .collect()
}

/// The effective values of the element's own properties, including defaults of the manifest.
pub(crate) fn in_force(element: &gst::Element) -> Vec<(String, String)> {
    let own = element.type_();
    element
        .list_properties()
        .iter()
        .filter(|pspec| pspec.owner_type() == own && pspec.flags().contains(glib::ParamFlags::READWRITE))
        .filter(|pspec| !NOT_SHOWN.contains(&pspec.name()))
        .map(|pspec| (pspec.name().to_owned(), readable(&element.property_value(pspec.name()))))
        .collect()
}

fn argument(pspec: &glib::ParamSpec) -> Arg {
    let name = option(pspec.name());
    let blurb = for_program(pspec.blurb().unwrap_or_default());
    let help = match default(pspec).as_str() {
        "" => blurb,
        default => format!("{blurb} [default: {default}]"),
    };
    let arg =
        Arg::new(name).long(name).help(help).help_heading(HEADING).allow_hyphen_values(true).action(ArgAction::Set);
    if let Some(nicks) = nicks(pspec) {
        return arg.value_name("NAME").value_parser(PossibleValuesParser::new(nicks));
    }
    let arg = match pspec.value_type() {
        glib::Type::BOOL => return arg.value_parser(["true", "false"]).num_args(0..=1).default_missing_value("true"),
        glib::Type::STRING => arg.value_name("NAME").add(complete::models()),
        glib::Type::U64 => arg.value_name("TIME"),
        kind if kind == gst::Array::static_type() => {
            arg.value_name("LABEL,…").action(ArgAction::Append).add(complete::labels())
        }
        kind if kind == gst::Structure::static_type() => {
            let form = PerLabel::of(pspec.name());
            let arg = arg.value_name(form.map_or("STRUCTURE", PerLabel::form)).action(ArgAction::Append);
            // A group has a name of its own.
            if form == Some(PerLabel::Groups) { arg } else { arg.add(complete::pairs()) }
        }
        _ => arg.value_name("N"),
    };
    let pspec = pspec.clone();
    arg.value_parser(move |text: &str| parse(&pspec, &[text.to_owned()]).map(|_| text.to_owned()))
}

/// The description of a property without what only a pipeline needs.
fn for_program(blurb: &str) -> String {
    // Examples are in the form of gst-launch-1.0.
    let blurb = blurb.split(" Example:").next().unwrap_or_default();
    let blurb = ONLY_IN_PIPELINES.iter().fold(blurb.to_owned(), |blurb, phrase| blurb.replace(phrase, ""));
    blurb.trim_end_matches('.').to_owned()
}

/// The default of a property in the form of the command line; empty for none.
fn default(pspec: &glib::ParamSpec) -> String {
    let value = pspec.default_value();
    value.get::<u64>().map_or_else(|_| readable(value), time)
}

/// Nanoseconds with a unit, in a form that [`nanoseconds`] reads.
fn time(nanoseconds: u64) -> String {
    let units = [(1_000_000_000, "s"), (1_000_000, "ms")];
    let unit = units.into_iter().find(|(unit, _)| nanoseconds > 0 && nanoseconds.is_multiple_of(*unit));
    unit.map_or_else(|| nanoseconds.to_string(), |(unit, name)| format!("{}{name}", nanoseconds / unit))
}

/// A value in the form of the command line; empty for none.
fn readable(value: &glib::Value) -> String {
    if let Ok(number) = value.get::<f64>() {
        return number.to_string();
    }
    // GStreamer complains of a structure that is none.
    if matches!(value.get::<Option<gst::Structure>>(), Ok(None)) {
        return String::new();
    }
    let text = value.serialize().unwrap_or_default();
    match text.trim_matches('"') {
        "NULL" | "<  >" | "< >" => String::new(),
        text => text.to_owned(),
    }
}

fn from_user(matches: &ArgMatches, name: &str) -> bool {
    matches.value_source(name) == Some(clap::parser::ValueSource::CommandLine)
}

fn option(property: &str) -> &str {
    let renamed = RENAMED.iter().find(|(name, _)| *name == property);
    renamed.map_or(property, |(_, option)| option)
}

fn nicks(pspec: &glib::ParamSpec) -> Option<Vec<&'static str>> {
    let class = glib::EnumClass::with_type(pspec.value_type())?;
    Some(class.values().iter().map(|value| leak(value.nick())).collect())
}

/// Names of enum values live as long as their class, which the program never unloads.
fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

/// Whether the value is in the syntax of gst-launch-1.0.
fn is_serialized(texts: &[String]) -> bool {
    let starts = ["<", "thresholds,", "rules,", "groups,"];
    matches!(texts, [text] if starts.iter().any(|start| text.starts_with(start)))
}

/// The labels that the texts of a list mean.
fn label_list(texts: &[String], known: &[String]) -> Vec<String> {
    if is_serialized(texts)
        && let Ok(array) = glib::Value::deserialize(&texts[0], gst::Array::static_type())
        && let Ok(array) = array.get::<gst::Array>()
    {
        return array.iter().filter_map(|value| value.get().ok()).collect();
    }
    let is_known = |label: &str| known.iter().any(|known| known == label);
    texts.iter().flat_map(|text| labels::split_known(text, is_known)).collect()
}

/// The pairs `NAME=VALUE` of the texts, one each.
fn pairs(texts: &[String], known: &[String], kind: PerLabel) -> Vec<String> {
    let is_known = |pair: &str| {
        let name = pair.rsplit_once('=').map(|(name, _)| name.trim());
        name.is_some_and(|name| kind == PerLabel::Groups || known.iter().any(|known| known == name))
    };
    texts.iter().flat_map(|text| labels::split_known(text, is_known)).collect()
}

/// Labels in the syntax of gst-launch-1.0, with any characters.
fn serialized(labels: &[String]) -> Option<String> {
    let text = gst::Array::new(labels).to_value().serialize().ok()?;
    Some(text.into())
}

/// The value of a property from its texts; the error says what is allowed. Lists may also be written as for
/// gst-launch-1.0.
fn parse(pspec: &glib::ParamSpec, texts: &[String]) -> std::result::Result<glib::Value, String> {
    let kind = pspec.value_type();
    if let [text] = texts
        && is_serialized(texts)
        && let Ok(value) = glib::Value::deserialize_with_pspec(text, pspec)
    {
        return Ok(value);
    }
    if kind == gst::Array::static_type() {
        return Ok(gst::Array::new(texts.iter().flat_map(|text| labels::split(text))).to_value());
    }
    if kind == gst::Structure::static_type() {
        let kind = PerLabel::of(pspec.name()).ok_or("expected a structure as for gst-launch-1.0")?;
        return kind.structure(texts).map(|structure| structure.to_value());
    }
    let text = texts.last().ok_or("a value is missing")?;
    if kind == glib::Type::STRING {
        return Ok(text.to_value());
    }
    let text = if kind == glib::Type::U64 { nanoseconds(text) } else { text.clone() };
    macro_rules! ranged {
        ($($spec:ty, $value:ty: $words:literal),*) => {
            $(if let Some(spec) = pspec.downcast_ref::<$spec>() {
                let range = spec.minimum()..=spec.maximum();
                return match text.parse::<$value>() {
                    Ok(value) if range.contains(&value) => Ok(value.to_value()),
                    _ => Err(format!(concat!("expected ", $words, " from {} to {}"), range.start(), range.end())),
                };
            })*
        };
    }
    ranged!(glib::ParamSpecUInt, u32: "a whole number", glib::ParamSpecInt, i32: "a whole number",
        glib::ParamSpecDouble, f64: "a number", glib::ParamSpecUInt64, u64: "a time (200ms, 1.5s, or nanoseconds)");
    glib::Value::deserialize_with_pspec(&text, pspec).map_err(|_| format!("expected a {}", pspec.value_type()))
}

/// Durations may be written with `s` or `ms`; the properties count nanoseconds.
pub(crate) fn nanoseconds(text: &str) -> String {
    let unit = [("ms", 1e6), ("s", 1e9)].into_iter().find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, scale)));
    unit.and_then(|(number, scale)| Some((number.trim().parse::<f64>().ok()? * scale).round()))
        .filter(|nanoseconds| *nanoseconds >= 0.0)
        .map_or_else(|| text.to_owned(), |nanoseconds| format!("{nanoseconds}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_may_be_written_as_for_gst_launch() {
        gst::init().unwrap();
        gstsoundclassify::plugin_register_static().unwrap();
        let pspecs = properties();
        let value = |name: &str, text: &str| {
            parse(pspecs.iter().find(|pspec| pspec.name() == name).unwrap(), &[text.to_owned()])
                .unwrap()
                .serialize()
                .unwrap()
        };

        assert_eq!(value("allow-labels", "<Bark, Meow>"), value("allow-labels", "Bark,Meow"));
        assert_eq!(value("label-thresholds", "thresholds,Bark=0.5"), value("label-thresholds", "Bark=0.5"));
    }

    #[test]
    fn groups_of_the_model_can_be_allowed_unless_others_replace_them() {
        gst::init().unwrap();
        let model = soundclassify_core::model::Model::load("default").unwrap();
        let given = |groups: &[(&str, &str)]| {
            let options = groups.iter().fold(ElementOptions::default(), |all, (name, value)| all.or(name, [*value]));
            options.with_labels_of(model.manifest())
        };

        let allowed = given(&[("allow-labels", "alarm,Bark"), ("label-thresholds", "water=0.5")]).unwrap();
        assert!(allowed.get("allow-labels").unwrap()[0].contains("alarm"), "{allowed:?}");
        assert!(given(&[("allow-labels", "alarm"), ("label-groups", "pet=Bark+Meow")]).is_err());
        assert!(given(&[("allow-labels", "pet"), ("label-groups", "pet=Bark+Meow")]).is_ok());
    }

    #[test]
    fn descriptions_are_those_of_a_program() {
        gst::init().unwrap();
        gstsoundclassify::plugin_register_static().unwrap();
        let blurbs: Vec<_> = properties().iter().map(|pspec| pspec.blurb().unwrap_or_default().to_owned()).collect();

        for phrase in ONLY_IN_PIPELINES {
            assert!(blurbs.iter().any(|blurb| blurb.contains(phrase)), "{phrase:?} is in no description");
        }
        assert_eq!(for_program("Time after an event, ns; its end. Example: \"1\""), "Time after an event; its end");
        assert_eq!([0, 200_000_000, 2_000_000_000, 7].map(time), ["0", "200ms", "2s", "7"]);
    }

    #[test]
    fn durations_may_have_a_unit() {
        assert_eq!(nanoseconds("200ms"), "200000000");
        assert_eq!(nanoseconds("1.5s"), "1500000000");
        assert_eq!(nanoseconds("17"), "17");
        assert_eq!(nanoseconds("-1s"), "-1s");
    }
}
