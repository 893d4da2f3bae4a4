// SPDX-License-Identifier: MIT OR Apache-2.0
//! The desk-work display: a symbol for each of a few labels.

use std::str::FromStr;

/// The three labels of ml-sound-classifier's demonstration.
pub(crate) const DESK_WORK: &str = "Writing=✍,Computer_keyboard=⌨,Scissors=✂";

/// Labels with a symbol each, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Symbols(Vec<(String, String)>);

impl Symbols {
    /// The symbol of a label.
    pub(crate) fn get(&self, label: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == label).map(|(_, symbol)| symbol.as_str())
    }

    /// Whether these are ml-sound-classifier's.
    pub(crate) fn built_in(&self) -> bool {
        DESK_WORK.parse() == Ok(self.clone())
    }

    /// The labels as the value of `allow-labels`, one each.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(label, _)| label.as_str())
    }

    /// The symbol repeated to ten at probability 1.
    pub(crate) fn bar(&self, label: &str, probability: f64) -> Option<String> {
        let symbol = self.get(label)?;
        let times = (probability * 10.0).round().clamp(1.0, 10.0) as usize;
        Some(vec![symbol; times].join(" "))
    }
}

impl FromStr for Symbols {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pairs = text.split(',').filter(|pair| !pair.trim().is_empty()).map(|pair| {
            let (label, symbol) = pair
                .rsplit_once('=')
                .ok_or_else(|| format!("expected LABEL=SYMBOL, found {pair:?}; example: {DESK_WORK}"))?;
            match (label.trim(), symbol.trim()) {
                ("", _) | (_, "") => Err(format!("expected LABEL=SYMBOL, found {pair:?}")),
                (label, symbol) => Ok((label.to_owned(), symbol.to_owned())),
            }
        });
        let pairs = pairs.collect::<Result<Vec<_>, _>>()?;
        if pairs.is_empty() { Err(format!("expected LABEL=SYMBOL,…; example: {DESK_WORK}")) } else { Ok(Self(pairs)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_example_has_three_labels() {
        let symbols: Symbols = DESK_WORK.parse().unwrap();

        assert_eq!(symbols.labels().collect::<Vec<_>>(), ["Writing", "Computer_keyboard", "Scissors"]);
        assert_eq!(symbols.get("Scissors"), Some("✂"));
    }

    #[test]
    fn a_bar_grows_with_the_probability() {
        let symbols: Symbols = "Bark=B".parse().unwrap();

        assert_eq!(symbols.bar("Bark", 0.0).as_deref(), Some("B"));
        assert_eq!(symbols.bar("Bark", 0.31).as_deref(), Some("B B B"));
        assert_eq!(symbols.bar("Meow", 0.31), None);
    }

    #[test]
    fn what_is_no_pair_is_refused_with_an_example() {
        let error = "Bark".parse::<Symbols>().unwrap_err();

        assert!(error.contains("LABEL=SYMBOL") && error.contains("Bark"), "{error}");
    }
}
