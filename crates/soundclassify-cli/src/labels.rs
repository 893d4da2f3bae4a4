// SPDX-License-Identifier: MIT OR Apache-2.0
//! Labels as people write them, and the model's that they mean.

use soundclassify_core::decision::unknown_label_hint;

/// Parts of a comma-separated list, without the blanks around them; a comma before a blank belongs to the label
/// ("Child speech, kid speaking").
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut labels = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, characters.peek(), labels.last_mut()) {
            (',', Some(next), _) if !next.is_whitespace() => labels.push(String::new()),
            (',', None, _) => {}
            (_, _, Some(label)) => label.push(character),
            (_, _, None) => unreachable!("the list starts with one label"),
        }
    }
    labels.into_iter().map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()).collect()
}

/// As [`split`], but where the parts between commas are known and the whole is not, these are meant ("Bark, Meow").
pub(crate) fn split_known(text: &str, is_known: impl Fn(&str) -> bool) -> Vec<String> {
    let parts = split(text).into_iter().flat_map(|part| {
        let parts = if is_known(&part) { Vec::new() } else { known_parts(&part, &is_known) };
        if parts.iter().any(|part| is_known(part)) { parts } else { vec![part] }
    });
    parts.collect()
}

/// The text cut at commas, the longest known parts first.
fn known_parts(text: &str, is_known: impl Fn(&str) -> bool) -> Vec<String> {
    let words: Vec<_> = text.split(',').collect();
    let (mut parts, mut start) = (Vec::new(), 0);
    while start < words.len() {
        let joined = |end: usize| words[start..end].join(",").trim().to_owned();
        let end = (start + 1..=words.len()).rev().find(|end| is_known(&joined(*end))).unwrap_or(start + 1);
        parts.push(joined(end));
        start = end;
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// That `label` is one of `known`.
///
/// # Errors
/// A sentence that names similar labels.
pub(crate) fn check(label: &str, known: &[String]) -> Result<(), String> {
    match unknown_label_hint(label, known).as_deref() {
        None => Ok(()),
        Some([]) => Err(format!("the model has no label {label:?}; `soundclassify labels MODEL` lists its labels")),
        Some(near) => Err(format!("the model has no label {label:?}; similar: {}", near.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_before_a_blank_belongs_to_the_label() {
        assert_eq!(split(" Bark ,Child speech, kid speaking,Meow,"), ["Bark", "Child speech, kid speaking", "Meow"]);
    }

    #[test]
    fn known_labels_may_have_blanks_between() {
        let known = ["Bark", "Meow", "Child speech, kid speaking"].map(str::to_owned);
        let parts = |text: &str| split_known(text, |label| known.iter().any(|known| known == label));

        assert_eq!(parts("Bark, Meow"), ["Bark", "Meow"]);
        assert_eq!(parts("Bark, Child speech, kid speaking , Meow"), ["Bark", "Child speech, kid speaking", "Meow"]);
        assert_eq!(parts("Bark, Moew"), ["Bark", "Moew"]);
        assert_eq!(parts("Adult speech, loud"), ["Adult speech, loud"]);
    }

    #[test]
    fn an_unknown_label_comes_with_similar_ones() {
        let known = ["Bark", "Meow"].map(str::to_owned);

        assert_eq!(check("Bark", &known), Ok(()));
        assert!(check("bark", &known).unwrap_err().contains("similar: Bark"));
        assert!(check("Zebra", &known).unwrap_err().contains("soundclassify labels"));
    }
}
