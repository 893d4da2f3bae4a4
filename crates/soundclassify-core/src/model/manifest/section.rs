// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads a TOML table key by key; errors name file, key, line, expected and found.

use std::{
    cell::RefCell,
    fmt::Display,
    ops::{Range, RangeInclusive},
    path::Path,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    error::{Error, Result},
    text,
};

/// The file that is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) path: &'a Path,
    pub(crate) text: &'a str,
}

impl<'a> Source<'a> {
    /// The file's whole table.
    pub(crate) fn parse(self) -> Result<Spanned<DeTable<'a>>> {
        DeTable::parse(self.text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            let (expected, found) = match self.text.get(span.clone()).unwrap_or_default().trim() {
                key if error.message() == "duplicate key" && !key.is_empty() => {
                    ("each key once in its table; remove or rename one", format!("the key {key} again"))
                }
                _ => ("TOML", error.message().to_owned()),
            };
            Error::Manifest { path: self.path.to_path_buf(), key: self.line(&span), expected: expected.into(), found }
        })
    }

    /// Where the value of a dotted key stands, if the text has it.
    pub(crate) fn span_of(&self, key: &str) -> Option<Range<usize>> {
        let document = DeTable::parse(self.text).ok()?;
        let (mut table, mut rest) = (document.get_ref(), key);
        while let Some((name, inner)) = rest.split_once('.') {
            (table, rest) = (table.get(name)?.get_ref().as_table()?, inner);
        }
        table.get(rest).map(Spanned::span)
    }

    /// Where `span` begins; the first line is 1.
    pub(crate) fn line_number(&self, span: &Range<usize>) -> usize {
        let before = self.text.get(..span.start).unwrap_or_default();
        before.matches('\n').count() + 1
    }

    fn line(&self, span: &Range<usize>) -> String {
        format!("line {}", self.line_number(span))
    }

    /// The error of a key, and of its line when it stands in the file.
    pub(crate) fn error(
        &self,
        key: impl Display,
        span: Option<Range<usize>>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Error {
        let key = match span {
            Some(span) => format!("{key} ({})", self.line(&span)),
            None => key.to_string(),
        };
        Error::Manifest { path: self.path.to_path_buf(), key, expected: expected.into(), found: found.into() }
    }
}

/// A value and where it stands.
pub(crate) struct Found<T> {
    pub(crate) value: T,
    pub(crate) span: Range<usize>,
}

/// One table. Every key that is asked for is a known one; [`Section::finish`] refuses the others.
pub(crate) struct Section<'a> {
    source: Source<'a>,
    name: String,
    table: &'a DeTable<'a>,
    known: RefCell<Vec<&'static str>>,
}

/// A key and the texts of its list.
pub(crate) type FoundList = (Found<String>, Vec<Found<String>>);

impl<'a> Section<'a> {
    pub(crate) fn root(source: Source<'a>, table: &'a DeTable<'a>) -> Self {
        Self { source, name: String::new(), table, known: RefCell::default() }
    }

    pub(crate) fn source(&self) -> Source<'a> {
        self.source
    }

    /// The key with the names of the tables around it.
    pub(crate) fn dotted(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    fn get(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.borrow_mut().push(key);
        self.table.get(key)
    }

    pub(crate) fn has(&self, key: &'static str) -> bool {
        self.get(key).is_some()
    }

    /// The error of a value that stands there.
    pub(crate) fn wrong(&self, key: &str, expected: impl Into<String>, found: impl Into<String>) -> Error {
        let span = self.table.get(key).map(Spanned::span);
        self.source.error(self.dotted(key), span, expected, found)
    }

    /// The error of a key that isn't there; names a mistyped one.
    pub(crate) fn missing(&self, key: &str, expected: impl Into<String>) -> Error {
        let known = self.known.borrow();
        let unasked = self.table.iter().map(|(name, _)| name.get_ref().as_ref()).filter(|name| !known.contains(name));
        let found = near(key, unasked).first().map_or("nothing".into(), |name| format!("nothing, but {name:?}"));
        self.source.error(self.dotted(key), None, expected, found)
    }

    fn mistyped(&self, key: &str, expected: impl Into<String>, value: &DeValue<'_>) -> Error {
        self.wrong(key, expected, show(value))
    }

    pub(crate) fn table(&self, key: &'static str) -> Result<Option<Section<'a>>> {
        let Some(found) = self.get(key) else { return Ok(None) };
        match found.get_ref() {
            DeValue::Table(table) => Ok(Some(self.inner(self.dotted(key), table))),
            other => Err(self.mistyped(key, "a table", other)),
        }
    }

    /// A table that has to be there.
    pub(crate) fn required_table(&self, key: &'static str) -> Result<Section<'a>> {
        self.table(key)?.ok_or_else(|| self.missing(key, format!("a table [{key}]")))
    }

    /// The tables of a list of tables, `[[key]]`; none when the key is absent.
    pub(crate) fn tables(&self, key: &'static str) -> Result<Vec<Section<'a>>> {
        let Some(found) = self.get(key) else { return Ok(Vec::new()) };
        let expected = format!("a list of tables [[{}]]", self.dotted(key));
        let DeValue::Array(items) = found.get_ref() else {
            return Err(self.mistyped(key, expected, found.get_ref()));
        };
        let section = |(index, item): (usize, &'a Spanned<DeValue<'a>>)| match item.get_ref() {
            DeValue::Table(table) => Ok(self.inner(format!("{}[{index}]", self.dotted(key)), table)),
            other => Err(self.source.error(self.dotted(key), Some(item.span()), &expected, show(other))),
        };
        items.iter().enumerate().map(section).collect()
    }

    /// The text of a key that has one; another kind of value has to be asked for next.
    pub(crate) fn text(&self, key: &'static str) -> Option<String> {
        self.get(key)?.get_ref().as_str().map(str::to_owned)
    }

    /// Every key of a table of tables, and its table.
    pub(crate) fn entries(&self) -> Result<Vec<(Found<String>, Section<'a>)>> {
        let entry = |(key, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
            let name: &std::borrow::Cow<'_, str> = key.get_ref();
            match value.get_ref() {
                DeValue::Table(table) => Ok((found(key), self.inner(self.dotted(name), table))),
                other => Err(self.mistyped(name, "a table", other)),
            }
        };
        self.table.iter().map(entry).collect()
    }

    /// Every key of a table of lists of texts, and its list.
    pub(crate) fn lists(&self) -> Result<Vec<FoundList>> {
        self.table.iter().map(|(key, value)| Ok((found(key), self.list(key.get_ref(), value)?))).collect()
    }

    fn inner(&self, name: String, table: &'a DeTable<'a>) -> Section<'a> {
        Section { source: self.source, name, table, known: RefCell::default() }
    }

    /// Every key and number of a table of numbers.
    pub(crate) fn numbers(&self, range: RangeInclusive<f64>) -> Result<Vec<(Found<String>, f64)>> {
        let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let name: &std::borrow::Cow<'_, str> = key.get_ref();
            let number = number(value.get_ref()).filter(|number| range.contains(number));
            let number = number.ok_or_else(|| self.mistyped(name, within(&range), value.get_ref()))?;
            Ok((found(key), number))
        };
        self.table.iter().map(entry).collect()
    }

    /// A text without control characters, not empty.
    pub(crate) fn string(&self, key: &'static str) -> Result<Option<String>> {
        let Some(found) = self.get(key) else { return Ok(None) };
        match found.get_ref() {
            DeValue::String(text) if is_plain(text) => Ok(Some(text.clone().into_owned())),
            other => Err(self.mistyped(key, "a text, not empty and without control characters", other)),
        }
    }

    pub(crate) fn required_string(&self, key: &'static str, what: &str) -> Result<String> {
        self.string(key)?.ok_or_else(|| self.missing(key, what))
    }

    pub(crate) fn bool(&self, key: &'static str) -> Result<Option<bool>> {
        let Some(found) = self.get(key) else { return Ok(None) };
        match found.get_ref() {
            DeValue::Boolean(value) => Ok(Some(*value)),
            other => Err(self.mistyped(key, "true or false", other)),
        }
    }

    pub(crate) fn uint(&self, key: &'static str, range: RangeInclusive<u64>) -> Result<Option<u64>> {
        let Some(found) = self.get(key) else { return Ok(None) };
        let value = integer(found.get_ref()).filter(|value| range.contains(value));
        let expected = || format!("a whole number from {} to {}", range.start(), range.end());
        value.map(Some).ok_or_else(|| self.mistyped(key, expected(), found.get_ref()))
    }

    pub(crate) fn float(&self, key: &'static str, range: RangeInclusive<f64>) -> Result<Option<f64>> {
        self.float_or(key, range, "")
    }

    /// A number of a key that may have a word instead, which the caller has looked for; `words`: how an error continues, such as
    /// `, or "none"`.
    pub(crate) fn float_or(&self, key: &'static str, range: RangeInclusive<f64>, words: &str) -> Result<Option<f64>> {
        let Some(found) = self.get(key) else { return Ok(None) };
        let value = number(found.get_ref()).filter(|value| range.contains(value));
        value.map(Some).ok_or_else(|| self.mistyped(key, within(&range) + words, found.get_ref()))
    }

    /// One number, or a list of numbers that is not empty.
    pub(crate) fn floats(&self, key: &'static str, range: RangeInclusive<f64>) -> Result<Option<Vec<f64>>> {
        let Some(found) = self.get(key) else { return Ok(None) };
        let expected = || format!("{}, or a list of such numbers", within(&range));
        let number = |value: &DeValue<'_>| number(value).filter(|value| range.contains(value));
        let DeValue::Array(items) = found.get_ref() else {
            let value = number(found.get_ref()).ok_or_else(|| self.mistyped(key, expected(), found.get_ref()))?;
            return Ok(Some(vec![value]));
        };
        let item = |item: &Spanned<DeValue<'_>>| {
            let wrong = || self.source.error(self.dotted(key), Some(item.span()), expected(), show(item.get_ref()));
            number(item.get_ref()).ok_or_else(wrong)
        };
        let values: Vec<_> = items.iter().map(item).collect::<Result<_>>()?;
        if values.is_empty() { Err(self.wrong(key, expected(), "an empty list")) } else { Ok(Some(values)) }
    }

    /// A number, or the word `none` for the absence of one: `Some(None)`.
    pub(crate) fn float_or_none(&self, key: &'static str, range: RangeInclusive<f64>) -> Result<Option<Option<f64>>> {
        match self.table.get(key).map(Spanned::get_ref) {
            Some(DeValue::String(text)) if text == "none" => {
                self.known.borrow_mut().push(key);
                Ok(Some(None))
            }
            _ => Ok(self.float_or(key, range, ", or \"none\"")?.map(Some)),
        }
    }

    /// One of some words.
    pub(crate) fn choice<T: Copy>(&self, key: &'static str, choices: &[(&str, T)]) -> Result<Option<T>> {
        let Some(found) = self.get(key) else { return Ok(None) };
        let word = found.get_ref().as_str();
        match choices.iter().find(|(name, _)| Some(*name) == word) {
            Some((_, value)) => Ok(Some(*value)),
            None => {
                let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
                let hint = word.map(|word| did_you_mean(word, names.iter().copied())).unwrap_or_default();
                Err(self.mistyped(key, format!("{}{hint}", words(&names)), found.get_ref()))
            }
        }
    }

    pub(crate) fn required_choice<T: Copy>(&self, key: &'static str, choices: &[(&str, T)]) -> Result<T> {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        self.choice(key, choices)?.ok_or_else(|| self.missing(key, words(&names)))
    }

    /// A list of texts.
    pub(crate) fn strings(&self, key: &'static str) -> Result<Option<Vec<Found<String>>>> {
        self.get(key).map(|found| self.list(key, found)).transpose()
    }

    fn list(&self, key: &str, found: &Spanned<DeValue<'_>>) -> Result<Vec<Found<String>>> {
        let expected = "a list of texts, none empty and none with control characters";
        let DeValue::Array(items) = found.get_ref() else {
            return Err(self.mistyped(key, expected, found.get_ref()));
        };
        let item = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
            DeValue::String(text) if is_plain(text) => {
                Ok(Found { value: text.clone().into_owned(), span: item.span() })
            }
            other => Err(self.source.error(self.dotted(key), Some(item.span()), expected, show(other))),
        };
        items.iter().map(item).collect()
    }

    /// A length of time in ns: a whole number of them, or a text with a unit, such as `"60s"`.
    pub(crate) fn duration(&self, key: &'static str) -> Result<Option<u64>> {
        let Some(found) = self.get(key) else { return Ok(None) };
        let nanoseconds = match found.get_ref() {
            DeValue::String(text) => duration(text),
            other => integer(other),
        };
        let expected = "a length of time such as \"500ms\", \"60s\", \"5min\" or \"1h\", or a whole number of ns";
        nanoseconds.map(Some).ok_or_else(|| self.mistyped(key, expected, found.get_ref()))
    }

    /// Refuses keys that nobody asked for, once all have been asked for.
    pub(crate) fn finish(self) -> Result<()> {
        self.refuse_unknown()
    }

    /// Refuses keys that nobody asked for so far.
    pub(crate) fn refuse_unknown(&self) -> Result<()> {
        let known = self.known.borrow();
        let Some((key, _)) = self.table.iter().find(|(key, _)| !known.contains(&key.get_ref().as_ref())) else {
            return Ok(());
        };
        let name = key.get_ref().as_ref();
        let hint = did_you_mean(name, known.iter().copied());
        let dotted = if self.name.is_empty() { name.to_owned() } else { format!("{}.{name}", self.name) };
        Err(self.source.error(dotted, Some(key.span()), format!("{}{hint}", words(&known)), "an unknown key"))
    }
}

/// A key and where it stands.
fn found(key: &Spanned<std::borrow::Cow<'_, str>>) -> Found<String> {
    Found { value: key.get_ref().clone().into_owned(), span: key.span() }
}

/// Nanoseconds of a text such as `1.5s`.
fn duration(text: &str) -> Option<u64> {
    const UNITS: &[(&str, f64)] = &[("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("min", 60e9), ("h", 3600e9), ("s", 1e9)];
    let (number, unit) = UNITS.iter().find_map(|(name, unit)| Some((text.trim().strip_suffix(name)?, unit)))?;
    let nanoseconds = (number.trim_end().parse::<f64>().ok()? * unit).round();
    // Beyond 2^53 a text is no longer exact; that are 104 days.
    (0.0..=(1u64 << 53) as f64).contains(&nanoseconds).then_some(nanoseconds as u64)
}

/// Neither empty nor blank, and nothing that a terminal would act on or a C string end at.
pub(crate) fn is_plain(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains(text::is_hidden)
}

/// `one of a, b, c`.
fn words(names: &[&str]) -> String {
    let mut names = names.to_vec();
    names.sort_unstable();
    names.dedup();
    format!("one of {}", names.join(", "))
}

/// `; did you mean "x"?` when names are near, and nothing when none is.
pub(crate) fn did_you_mean<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> String {
    let near: Vec<_> = near(word, names).iter().take(3).map(|name| format!("{name:?}")).collect();
    if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(" or ")) }
}

/// Names that are like `word`, the likest first.
fn near<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let mut near: Vec<_> = names
        .map(|name| (strsim::jaro_winkler(&word.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness > 0.75)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    near.dedup();
    near.into_iter().map(|(_, name)| name).collect()
}

/// The numbers of a range in words. One that begins at the smallest positive number has all above 0.
fn within(range: &RangeInclusive<f64>) -> String {
    let (start, end) = (*range.start(), *range.end());
    match start {
        f64::MIN_POSITIVE => format!("a number above 0, at most {}", brief(end)),
        f64::NEG_INFINITY => format!("a number of at most {}", brief(end)),
        _ => format!("a number from {} to {}", brief(start), brief(end)),
    }
}

/// A number without rows of zeros.
fn brief(number: f64) -> String {
    let is_long = number != 0.0 && !(1e-4..1e10).contains(&number.abs());
    if is_long { format!("{number:e}") } else { number.to_string() }
}

fn integer(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// An integer or a float; a NaN is in no range.
fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Float(float) => float.as_str().parse().ok(),
        // Exact up to 2^53, far beyond every range here.
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(|i| i as f64),
        _ => None,
    }
}

/// Values of a list that an error shows.
const SHOWN: usize = 4;

/// The value as it stands there, the beginning of a list, or that it is a table.
fn show(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(integer) => integer.to_string(),
        DeValue::Float(float) => float.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(date) => date.to_string(),
        DeValue::Array(items) => {
            let values = items.iter().take(SHOWN).map(|item| show(item.get_ref()));
            let rest = (items.len() > SHOWN).then(|| "…".to_owned());
            format!("the list [{}]", values.chain(rest).collect::<Vec<_>>().join(", "))
        }
        DeValue::Table(_) => "a table".into(),
    }
}
