// SPDX-License-Identifier: MIT OR Apache-2.0
//! How well a new label is separated, on recordings that the judged unit has not seen.

use super::logistic::{Example, Unit};

/// Number of parts of the other sounds; each part is evaluated with a unit that was fitted to the others.
const FOLDS: usize = 5;
/// Share of wrong reports among other sounds for which a threshold is chosen, if the recordings allow it.
const WRONG: f64 = 0.01;
/// Share of the clips of one other label, and their number, from which on the label is confused with it.
const CONFUSED: (f64, usize) = (0.5, 2);

/// Vectors of one recording, or of one clip of other sounds, with its kind.
#[derive(Debug, Clone)]
pub(crate) struct Clip {
    pub(crate) name: String,
    pub(crate) vectors: Vec<Vec<f32>>,
    /// A piece of the user's own recordings of other sounds.
    pub(crate) is_background: bool,
}

/// What was measured, and the unit of all recordings.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) unit: Unit,
    pub(super) threshold: f64,
    /// Number of recordings that reach the threshold; unit and threshold are those of the others.
    pub(super) found: usize,
    pub(super) recordings: usize,
    /// Number of clips of other sounds that reach the threshold; unit and threshold are those of others.
    pub(super) wrong: usize,
    pub(super) others: usize,
    /// Number of pieces of the user's own background that reach the threshold.
    pub(super) wrong_background: usize,
    pub(super) background: usize,
    /// Names of the clips of other sounds that reach the threshold, the most frequent first.
    pub(super) confused: Vec<String>,
    /// Whether this is a label of which at least [`CONFUSED`] of the clips reach the threshold.
    pub(super) is_confused: bool,
}

impl Judged {
    /// Share of the reports that are right when the label and something else are equally frequent.
    pub(super) fn precision(&self) -> f64 {
        let (recall, wrong) = (self.recall(), self.wrong as f64 / self.others.max(1) as f64);
        if recall + wrong == 0.0 { 0.0 } else { recall / (recall + wrong) }
    }

    pub(super) fn recall(&self) -> f64 {
        self.found as f64 / self.recordings.max(1) as f64
    }
}

/// Fits a unit for the recordings against other sounds, and evaluates it on held-out data.
pub(super) fn judge(recordings: &[Clip], others: &[Clip]) -> Judged {
    let found: Vec<f64> = (0..recordings.len())
        .map(|left_out| {
            let unit = fit(without(recordings, |at| at == left_out), others.iter());
            score(&unit, &recordings[left_out])
        })
        .collect();
    let mut wrong = vec![0.0; others.len()];
    let folds = folds(others);
    for fold in 0..FOLDS {
        let unit = fit(recordings.iter(), without(others, |at| folds[at] == fold));
        for at in (0..others.len()).filter(|at| folds[*at] == fold) {
            wrong[at] = score(&unit, &others[at]);
        }
    }
    let above: Vec<_> = wrongly_found(&found, &wrong, &folds).into_iter().map(|at| &others[at]).collect();
    let counts = counts(above.iter().map(|clip| &clip.name));
    Judged {
        unit: fit(recordings.iter(), others.iter()),
        threshold: threshold(&found, &wrong),
        found: rightly_found(&found, &wrong),
        recordings: recordings.len(),
        wrong: above.len(),
        others: others.len(),
        wrong_background: above.iter().filter(|clip| clip.is_background).count(),
        background: others.iter().filter(|clip| clip.is_background).count(),
        is_confused: is_confused(&counts, others),
        confused: counts.into_iter().take(3).map(|(_, name)| name.clone()).collect(),
    }
}

/// Whether one label has many of the wrong reports. `counts`: how many each name has.
fn is_confused(counts: &[(usize, &String)], others: &[Clip]) -> bool {
    let (share, minimum) = CONFUSED;
    let is_often = |&(count, name): &(usize, &String)| {
        let clips = others.iter().filter(|clip| clip.name == *name && !clip.is_background).count();
        clips > 0 && count >= minimum && count as f64 >= share * clips as f64
    };
    counts.iter().any(is_often)
}

/// Number of recordings that reach the threshold of the other recordings.
fn rightly_found(found: &[f64], wrong: &[f64]) -> usize {
    let reaches = |at: &usize| {
        let others: Vec<_> =
            found.iter().enumerate().filter(|(other, _)| other != at).map(|(_, score)| *score).collect();
        found[*at] >= threshold(&others, wrong)
    };
    (0..found.len()).filter(reaches).count()
}

/// The clips of something else that reach the threshold of the clips of other parts.
fn wrongly_found(found: &[f64], wrong: &[f64], folds: &[usize]) -> Vec<usize> {
    let part = |fold, inside| (0..wrong.len()).filter(move |at| (folds[*at] == fold) == inside);
    (0..FOLDS)
        .flat_map(|fold| {
            let threshold = threshold(found, &part(fold, false).map(|at| wrong[at]).collect::<Vec<_>>());
            part(fold, true).filter(move |at| wrong[*at] >= threshold)
        })
        .collect()
}

/// The part of each clip. Pieces of a background that follow each other are in one part, because they are alike.
fn folds(others: &[Clip]) -> Vec<usize> {
    let background = others.iter().filter(|clip| clip.is_background).count();
    let (mut pieces, mut clips) = (0.., 0..);
    let mut fold = |clip: &Clip| match clip.is_background {
        true => pieces.next().map(|piece| piece * FOLDS / background),
        false => clips.next().map(|clip| clip % FOLDS),
    };
    others.iter().filter_map(&mut fold).collect()
}

fn without(clips: &[Clip], out: impl Fn(usize) -> bool) -> impl Iterator<Item = &Clip> {
    clips.iter().enumerate().filter(move |(at, _)| !out(*at)).map(|(_, clip)| clip)
}

/// Every recording, and every clip of something else, counts the same, however many vectors it has.
fn fit<'a>(recordings: impl Iterator<Item = &'a Clip>, others: impl Iterator<Item = &'a Clip>) -> Unit {
    let labelled = recordings.map(|clip| (clip, true)).chain(others.map(|clip| (clip, false)));
    let examples: Vec<_> = labelled
        .flat_map(|(clip, positive)| {
            let weight = 1.0 / clip.vectors.len().max(1) as f64;
            clip.vectors.iter().map(move |vector| Example { vector, positive, weight })
        })
        .collect();
    Unit::fit(&examples)
}

/// The highest probability in a recording: it is reported when a threshold is not above that.
fn score(unit: &Unit, clip: &Clip) -> f64 {
    clip.vectors.iter().map(|vector| unit.probability(vector)).fold(0.0, f64::max)
}

/// Halfway between the score that few others reach and the weakest recording above it.
fn threshold(found: &[f64], wrong: &[f64]) -> f64 {
    let mut sorted = wrong.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let allowed = (WRONG * sorted.len() as f64) as usize;
    let rare = sorted.get(allowed).copied().unwrap_or(0.0);
    let weakest = found.iter().copied().filter(|score| *score > rare).fold(f64::INFINITY, f64::min);
    let threshold = if weakest.is_finite() { f64::midpoint(rare, weakest) } else { f64::midpoint(rare, 1.0) };
    ((threshold * 1e3).ceil() / 1e3).clamp(0.05, 0.99)
}

/// How often each name appears, the most frequent first.
fn counts<'a>(names: impl Iterator<Item = &'a String>) -> Vec<(usize, &'a String)> {
    let mut counts: Vec<(usize, &String)> = Vec::new();
    for name in names {
        match counts.iter_mut().find(|(_, known)| *known == name) {
            Some((count, _)) => *count += 1,
            None => counts.push((1, name)),
        }
    }
    counts.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clips(name: &str, count: usize, at: f32) -> Vec<Clip> {
        let vector = |n: usize, m: usize| vec![at + (n % 3) as f32 * 0.1, (m % 2) as f32, (n * m % 5) as f32 * 0.1];
        let vectors = |n| (0..4).map(|m| vector(n, m)).collect();
        let is_background = name == "background";
        (0..count).map(|n| Clip { name: name.to_owned(), vectors: vectors(n), is_background }).collect()
    }

    #[test]
    fn a_label_that_is_apart_is_found_and_nothing_else() {
        let judged = judge(&clips("Kettle", 5, 3.0), &clips("Bark", 40, 0.0));

        assert_eq!((judged.found, judged.wrong), (5, 0), "{judged:?}");
        assert_eq!((judged.precision(), judged.recall()), (1.0, 1.0));
    }

    #[test]
    fn a_label_with_half_of_its_clips_found_is_confused() {
        let others = [clips("Bark", 40, 0.0), clips("Water", 4, 0.0), clips("Door_bell", 1, 0.0)].concat();
        let with = |name: &str, count| is_confused(&[(count, &name.to_owned())], &others);

        assert!(with("Water", 2));
        assert!(!with("Water", 1) && !with("Bark", 2) && !with("Door_bell", 1));
    }

    #[test]
    fn a_recording_does_not_choose_the_threshold_that_it_is_judged_by() {
        let wrong = [0.1; 40];
        assert!((threshold(&[0.9, 0.9, 0.2], &wrong) - 0.15).abs() < 2e-3);
        assert_eq!(rightly_found(&[0.9, 0.9, 0.2], &wrong), 2);
    }

    #[test]
    fn a_clip_of_something_else_does_not_choose_the_threshold_that_it_is_judged_by() {
        let (mut wrong, folds) = ([0.1; 40], std::array::from_fn::<_, 40, _>(|at| at % FOLDS));
        wrong[7] = 0.6;
        assert!((threshold(&[0.9], &wrong) - 0.75).abs() < 2e-3);
        assert_eq!(wrongly_found(&[0.9], &wrong, &folds), [7]);
    }

    #[test]
    fn pieces_of_a_background_that_follow_each_other_are_judged_together() {
        let others = [clips("Bark", 6, 0.0), clips("background", 10, 0.0)].concat();
        assert_eq!(folds(&others), [0, 1, 2, 3, 4, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
    }

    #[test]
    fn a_label_like_another_is_not_praised() {
        let judged = judge(&clips("Kettle", 5, 0.0), &clips("Bark", 40, 0.0));

        assert!(judged.recall() < 0.5 || judged.precision() < 0.9, "{judged:?}");
    }
}
