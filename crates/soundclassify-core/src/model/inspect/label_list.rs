// SPDX-License-Identifier: MIT OR Apache-2.0
//! Labels in a text of metadata: lists and dictionaries of JSON or Python, lines, or texts between commas.

use std::{iter::Peekable, str::Chars};

/// The labels of such a text in the order of their indices; none where the order is not known.
pub(super) fn labels(text: &str) -> Vec<String> {
    let text = text.trim();
    if text.starts_with(['[', '{', '(']) {
        return Reader::read(text).unwrap_or_default();
    }
    if text.contains('\n') {
        return split(text, '\n');
    }
    // Texts in quotes, which may have commas in them.
    let quoted = text.starts_with(['"', '\'']).then(|| Reader::read(&format!("[{text}]"))).flatten();
    quoted.unwrap_or_else(|| split(text, ','))
}

/// Texts between separators, without an index and a colon before each if those are indices of a whole list.
fn split(text: &str, separator: char) -> Vec<String> {
    let labels: Vec<_> =
        text.split(separator).map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()).collect();
    let pair = |label: &String| {
        let (index, label) = label.split_once(':')?;
        Some((Item::Index(index.trim().parse().ok()?), Item::Text(label.trim().to_owned())))
    };
    let pairs = labels.iter().map(pair).collect::<Option<Vec<_>>>();
    pairs.filter(|pairs| !pairs.is_empty()).and_then(in_order).unwrap_or(labels)
}

/// A text or a whole number.
#[derive(Debug)]
enum Item {
    Text(String),
    Index(u64),
}

impl Item {
    fn index(&self) -> Option<u64> {
        match self {
            Self::Text(text) => text.trim().parse().ok(),
            Self::Index(index) => Some(*index),
        }
    }

    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Index(index) => index.to_string(),
        }
    }
}

/// Reads one list or dictionary of texts and whole numbers.
struct Reader<'a>(Peekable<Chars<'a>>);

impl Reader<'_> {
    /// `None` for anything else.
    fn read(text: &str) -> Option<Vec<String>> {
        let mut reader = Reader(text.chars().peekable());
        let labels = match reader.next()? {
            '[' => reader.list(']')?,
            '(' => reader.list(')')?,
            '{' => in_order(reader.pairs()?)?,
            _ => return None,
        };
        reader.next().is_none().then_some(labels)
    }

    /// The next character that is no space.
    fn next(&mut self) -> Option<char> {
        self.skip_space();
        self.0.next()
    }

    fn skip_space(&mut self) {
        while self.0.next_if(|c| c.is_whitespace()).is_some() {}
    }

    /// Whether this character comes next, which is then taken.
    fn takes(&mut self, wanted: char) -> bool {
        self.skip_space();
        self.0.next_if_eq(&wanted).is_some()
    }

    fn list(&mut self, end: char) -> Option<Vec<String>> {
        let mut labels = Vec::new();
        while !self.takes(end) {
            labels.push(self.item()?.text());
            if !self.takes(',') {
                return self.takes(end).then_some(labels);
            }
        }
        Some(labels)
    }

    fn pairs(&mut self) -> Option<Vec<(Item, Item)>> {
        let mut pairs = Vec::new();
        while !self.takes('}') {
            let key = self.item()?;
            let value = self.takes(':').then(|| self.item()).flatten()?;
            pairs.push((key, value));
            if !self.takes(',') {
                return self.takes('}').then_some(pairs);
            }
        }
        Some(pairs)
    }

    fn item(&mut self) -> Option<Item> {
        match self.next()? {
            quote @ ('"' | '\'') => self.quoted(quote).map(Item::Text),
            digit @ '0'..='9' => {
                let mut digits = digit.to_string();
                digits.extend(std::iter::from_fn(|| self.0.next_if(char::is_ascii_digit)));
                digits.parse().ok().map(Item::Index)
            }
            _ => None,
        }
    }

    /// A text up to this quote.
    fn quoted(&mut self, quote: char) -> Option<String> {
        let mut text = String::new();
        loop {
            match self.0.next()? {
                c if c == quote => return Some(text),
                '\\' => text.push(self.escaped()?),
                c => text.push(c),
            }
        }
    }

    /// The character that stands after a backslash.
    fn escaped(&mut self) -> Option<char> {
        Some(match self.0.next()? {
            'n' => '\n',
            't' => '\t',
            'x' => char::from_u32(self.hexadecimal(2)?)?,
            'U' => char::from_u32(self.hexadecimal(8)?)?,
            'u' => match self.hexadecimal(4)? {
                high @ 0xD800..=0xDBFF => {
                    // JSON has two escapes for characters beyond 16 bits.
                    let is_pair = self.0.next()? == '\\' && self.0.next()? == 'u';
                    let low = self.hexadecimal(4).filter(|low| is_pair && (0xDC00..=0xDFFF).contains(low))?;
                    char::from_u32(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00))?
                }
                code => char::from_u32(code)?,
            },
            c @ ('"' | '\'' | '\\' | '/') => c,
            _ => return None,
        })
    }

    fn hexadecimal(&mut self, digits: usize) -> Option<u32> {
        (0..digits).try_fold(0, |number: u32, _| Some(number * 16 + self.0.next()?.to_digit(16)?))
    }
}

/// The labels of a dictionary from indices to labels, or from labels to indices. The indices begin at 0 or 1 and leave none out.
fn in_order(pairs: Vec<(Item, Item)>) -> Option<Vec<String>> {
    let by_key = pairs.iter().all(|(key, _)| key.index().is_some());
    let indexed = pairs.into_iter().map(|(key, value)| if by_key { (key, value) } else { (value, key) });
    let mut indexed = indexed.map(|(index, label)| Some((index.index()?, label.text()))).collect::<Option<Vec<_>>>()?;
    indexed.sort_by_key(|(index, _)| *index);
    let first = indexed.first().map_or(0, |(index, _)| *index);
    let is_complete = first <= 1 && indexed.iter().zip(first..).all(|((index, _), expected)| *index == expected);
    is_complete.then(|| indexed.into_iter().map(|(_, label)| label).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_however_they_are_written() {
        for text in [
            "[\"a b\", \"c\"]",
            "{0: 'a b', 1: 'c'}",
            "{\"0\": \"a b\", \"1\": \"c\"}",
            "a b\nc\n",
            "a b, c",
            "['a b','c',]",
            "('a b', 'c')",
            "'a b', 'c'",
        ] {
            assert_eq!(labels(text), ["a b", "c"], "{text}");
        }
        assert_eq!(labels("\"unfinished"), ["\"unfinished"]);
        assert_eq!(labels(""), [""; 0]);
    }

    #[test]
    fn indices_give_the_order() {
        for text in [
            "{\"rain\": 2, \"dog\": 0, \"cat\": 1}",
            "{2: 'rain', 0: 'dog', 1: 'cat'}",
            "{\"3\": \"rain\", \"1\": \"dog\", \"2\": \"cat\"}",
            "{'rain': '2', 'dog': '0', 'cat': '1'}",
        ] {
            assert_eq!(labels(text), ["dog", "cat", "rain"], "{text}");
        }
        // A gap, an index twice, none at all.
        for text in ["{\"a\": 0, \"b\": 2}", "{\"a\": 0, \"b\": 0}", "{\"a\": \"b\"}", "{\"a\": 5, \"b\": 6}"] {
            assert_eq!(labels(text), [""; 0], "{text}");
        }
        let many: Vec<_> = (0..12).map(|index| format!("\"{index}\": \"l{index}\"")).collect();
        assert_eq!(labels(&format!("{{{}}}", many.join(", ")))[10], "l10");
    }

    #[test]
    fn indices_before_labels_are_no_part_of_them() {
        for text in
            ["0: cat, 1: dog, 2: bird", "0:cat\n1:dog\n2:bird\n", "1: cat, 2: dog, 3: bird", "2: bird, 0: cat, 1: dog"]
        {
            assert_eq!(labels(text), ["cat", "dog", "bird"], "{text}");
        }
        // Not the indices of a list.
        assert_eq!(labels("0: cat, 2: dog"), ["0: cat", "2: dog"]);
        assert_eq!(labels("0: cat, dog"), ["0: cat", "dog"]);
        assert_eq!(labels("7: seven, 8: eight"), ["7: seven", "8: eight"]);
        assert_eq!(labels("noise: white, noise: pink"), ["noise: white", "noise: pink"]);
    }

    #[test]
    fn apostrophes_and_escapes_are_part_of_labels() {
        assert_eq!(labels("Dog's bark\nCat's meow\nRain"), ["Dog's bark", "Cat's meow", "Rain"]);
        assert_eq!(labels("Dog's bark, Cat's meow"), ["Dog's bark", "Cat's meow"]);
        assert_eq!(labels(r#"["Dog \"big\"", "it's", "Rain"]"#), ["Dog \"big\"", "it's", "Rain"]);
        assert_eq!(labels(r#"{0: "it's", 1: 'a \'b\'', 2: 'c, d'}"#), ["it's", "a 'b'", "c, d"]);
        assert_eq!(labels(r#"["caf\u00e9", "\ud83d\ude00", "a\\b"]"#), ["café", "😀", "a\\b"]);
        assert_eq!(labels("\"a, b\", \"c\""), ["a, b", "c"]);
    }

    #[test]
    fn what_is_broken_has_no_labels() {
        for text in [
            "[",
            "[\"a\"",
            "{\"a\": 1",
            "[\"a\", [\"b\"]]",
            "[\"a\"] b",
            "[\"\\q\"]",
            "[\"\\ud800\\u0041\"]",
            "{0 'a'}",
        ] {
            assert_eq!(labels(text), [""; 0], "{text}");
        }
    }
}
