// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of a network's inputs and outputs. Converters append `:0` to them, which manifests may omit.

/// Whether two names are those of one tensor: a suffix `:0` makes no difference.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    bare(one) == bare(other)
}

/// The index of the tensor that `name` stands for: the one with exactly this name, else one with the same name.
pub(super) fn position<'a>(name: &str, mut names: impl Iterator<Item = &'a str> + Clone) -> Option<usize> {
    let exact = names.clone().position(|known| known == name);
    exact.or_else(|| names.position(|known| is_same(known, name)))
}

fn bare(name: &str) -> &str {
    name.strip_suffix(":0").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_makes_no_difference_unless_both_names_exist() {
        let find = |name: &str, names: &[&'static str]| position(name, names.iter().copied());
        assert_eq!(find("k", &["input:0", "k:0"]), Some(1));
        assert_eq!(find("k:0", &["input", "k"]), Some(1));
        assert_eq!(find("k:0", &["k", "k:0"]), Some(1));
        assert_eq!(find("k", &["k:1", "k:0:0"]), None);
    }
}
