// SPDX-License-Identifier: MIT OR Apache-2.0
//! Properties with a value per label, in the form of the command line: thresholds, rules and groups.

use gst::glib;
use gstsoundclassify::soundclassify::groups;

use crate::{labels, options::nanoseconds};

/// Such a property; all of its texts are lists of `NAME=VALUE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PerLabel {
    /// `LABEL=NUMBER`
    Thresholds,
    /// `LABEL=on:NUMBER;off:NUMBER;min-duration:TIME;hold:TIME;cooldown:TIME`
    Rules,
    /// `NAME=LABEL+LABEL`
    Groups,
}

type Parsed<T> = Result<T, String>;

impl PerLabel {
    /// The kind of a property.
    pub(crate) fn of(property: &str) -> Option<Self> {
        match property {
            "label-thresholds" => Some(Self::Thresholds),
            "label-rules" => Some(Self::Rules),
            "label-groups" => Some(Self::Groups),
            _ => None,
        }
    }

    /// Name of the structure.
    fn name(self) -> &'static str {
        match self {
            Self::Thresholds => "thresholds",
            Self::Rules => "rules",
            Self::Groups => "groups",
        }
    }

    /// How a value is written.
    pub(crate) fn form(self) -> &'static str {
        match self {
            Self::Thresholds => "LABEL=N,…",
            Self::Rules => "LABEL=on:N;cooldown:60s,…",
            Self::Groups => "NAME=LABEL+LABEL,…",
        }
    }

    /// The structure that the texts mean, also where they are one text as for gst-launch-1.0.
    pub(crate) fn structure(self, texts: &[String]) -> Parsed<gst::Structure> {
        if let [text] = texts
            && text.starts_with(&format!("{},", self.name()))
        {
            return text.parse().map_err(|_| format!("expected {},{}", self.name(), self.form()));
        }
        let mut structure = gst::Structure::new_empty(self.name());
        for pair in texts.iter().flat_map(|text| labels::split(text)) {
            let (name, value) =
                pair.rsplit_once('=').ok_or_else(|| format!("expected {}, found {pair:?}", self.form()))?;
            structure.set_value(name.trim(), self.value(name.trim(), value.trim())?);
        }
        Ok(structure)
    }

    fn value(self, name: &str, text: &str) -> Parsed<glib::SendValue> {
        use glib::value::ToSendValue;
        match self {
            Self::Thresholds => Ok(probability(name, text)?.to_send_value()),
            Self::Groups => Ok(gst::Array::new(text.split('+').map(|label| label.trim().to_owned())).to_send_value()),
            Self::Rules => {
                let mut rule = gst::Structure::new_empty("rule");
                for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
                    let (key, value) =
                        part.split_once(':').ok_or_else(|| format!("{name}: expected NAME:VALUE, found {part:?}"))?;
                    match key.trim() {
                        key @ ("on" | "off") => rule.set(key, probability(name, value)?),
                        key @ ("min-duration" | "hold" | "cooldown") => {
                            let time = nanoseconds(value.trim()).parse::<u64>();
                            rule.set(key, time.map_err(|_| format!("{name}: {key}: expected a time as 200ms or 60s"))?);
                        }
                        key => {
                            let known = "on, off, min-duration, hold, cooldown";
                            return Err(format!("{name}: expected one of {known}, found {key:?}"));
                        }
                    }
                }
                Ok(rule.to_send_value())
            }
        }
    }

    /// Every label that the structure names; of groups their members.
    pub(crate) fn labels(self, structure: &gst::Structure) -> Vec<String> {
        match self {
            Self::Thresholds | Self::Rules => structure.fields().map(ToString::to_string).collect(),
            Self::Groups => groups(structure).into_iter().flat_map(|(_, members)| members).collect(),
        }
    }
}

fn probability(name: &str, text: &str) -> Parsed<f64> {
    let number = text.trim().parse::<f64>().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| format!("{name}: expected a number from 0 to 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_are_those_of_gst_launch() {
        gst::init().unwrap();
        for (kind, own, launch) in [
            (PerLabel::Thresholds, "Bark = 0.5,Meow=1", "thresholds,Bark=0.5,Meow=1.0"),
            (PerLabel::Groups, "alarm=Siren+Fire_alarm", "groups,alarm=(string)<Siren,Fire_alarm>"),
            (
                PerLabel::Rules,
                "Bark=on:0.6;cooldown:60s",
                "rules,Bark=(structure)[rule,on=0.6,cooldown=(guint64)60000000000]",
            ),
        ] {
            let parse = |text: &str| kind.structure(&[text.to_owned()]).unwrap().to_string();
            assert_eq!(parse(own), parse(launch));
        }
    }

    #[test]
    fn wrong_values_are_named() {
        gst::init().unwrap();
        for (kind, text, wanted) in [
            (PerLabel::Thresholds, "Bark=2", "from 0 to 1"),
            (PerLabel::Rules, "Bark=loud:1", "found \"loud\""),
            (PerLabel::Rules, "Bark=hold:soon", "60s"),
            (PerLabel::Groups, "Bark", "NAME=LABEL+LABEL"),
        ] {
            let error = kind.structure(&[text.to_owned()]).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
