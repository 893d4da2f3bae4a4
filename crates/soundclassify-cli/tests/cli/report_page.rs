// SPDX-License-Identifier: MIT OR Apache-2.0
//! The page of `soundclassify report` under real keys, a real pointer and in windows of several sizes.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::{
    browser::Browser,
    support::{TONES, melody, stdout},
};

const WIDE: (u32, u32) = (1280, 900);
const NARROW: (u32, u32) = (400, 850);

/// A page on two recordings of one name; with curves of this many labels.
fn page(folder: &Path, labels: &str) -> PathBuf {
    let page = folder.join("report.html");
    let mut arguments =
        vec!["report".to_owned(), "--model".into(), TONES.into(), "--deny-labels".into(), "Quiet".into()];
    for name in ["one", "two"] {
        std::fs::create_dir(folder.join(name)).unwrap();
        arguments.push(melody(&folder.join(name)).display().to_string());
    }
    arguments.extend(["--max-labels".into(), labels.into(), "-o".into(), page.display().to_string()]);
    stdout(arguments);
    page
}

#[test]
fn the_filter_takes_every_key() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page(folder.path(), "8"), WIDE, false);
    let state = "JSON.stringify([document.documentElement.dataset.theme, tracks[0].zoom, tracks.indexOf(current), tracks[0].audio.paused, tracks[0].audio.currentTime])";
    browser.js("document.querySelector('input[type=search]').focus()");
    let before = browser.js(state);

    browser.write("d np+=-[]DNP");
    browser.press("ArrowLeft");
    browser.press("ArrowRight");

    assert_eq!(browser.js("document.querySelector('input[type=search]').value"), "d np+=-[]DNP");
    assert_eq!(browser.js(state), before);
    browser.js("document.activeElement.blur()");
    browser.write("d+");
    assert_ne!(browser.js(state), before, "the page's own keys");
}

#[test]
fn nothing_lies_beside_the_window() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut browser) = Browser::start() else { return };
    let page = page(folder.path(), "8");
    // A long label, as AudioSet has them.
    let html = std::fs::read_to_string(&page).unwrap();
    std::fs::write(&page, html.replace("High, very high", "Vehicle_horn_or_car_horn_or_honking_and_others")).unwrap();
    for (size, dark) in [(WIDE, false), (WIDE, true), (NARROW, false), (NARROW, true)] {
        browser.open(&page, size, dark);

        assert_eq!(browser.js("document.documentElement.dataset.theme"), if dark { "dark" } else { "light" });
        browser.js("document.querySelectorAll('details').forEach((it) => it.open = true)");
        let wide = "[document.documentElement, ...document.querySelectorAll('.tables, .summary')].map((it) => [it.scrollWidth, it.clientWidth])";
        let widths = browser.js(wide);
        let widths: Vec<(u64, u64)> = serde_json::from_value(widths).unwrap();
        assert_eq!(widths.len(), 5);
        assert_eq!(browser.js("innerWidth"), size.0);
        assert!(widths.iter().all(|(content, room)| content <= room), "{size:?} {widths:?}");
    }
}

#[test]
fn a_label_breaks_after_its_underscores_and_keeps_its_colour() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut browser) = Browser::start() else { return };
    let page = page(folder.path(), "8");
    let html = std::fs::read_to_string(&page).unwrap();
    std::fs::write(&page, html.replace("High, very high", "Computer_keyboard")).unwrap();
    browser.open(&page, NARROW, false);
    browser.js("document.querySelectorAll('details').forEach((it) => it.open = true)");

    // Lines of each label's parts: one rectangle for a part that is whole; the first is beside the mark.
    let lines = browser.js(
        "[...document.querySelectorAll('td.label')].map((cell) => {
            const texts = [...cell.childNodes].filter((node) => node.nodeType === 3 && node.data.trim());
            const boxes = texts.map((text) => { const range = document.createRange(); range.selectNodeContents(text); return [...range.getClientRects()]; });
            const dot = cell.querySelector('.dot').getBoundingClientRect(), first = boxes[0][0];
            return [cell.innerText.trim(), boxes.every((box) => box.length === 1), first.top < dot.bottom && dot.top < first.bottom];
        })",
    );
    let lines: Vec<(String, bool, bool)> = serde_json::from_value(lines).unwrap();

    assert!(lines.iter().filter(|(label, ..)| label == "Computer_keyboard").count() >= 2, "{lines:?}");
    assert!(lines.iter().all(|(_, whole, beside)| *whole && *beside), "{lines:?}");
}

#[test]
fn the_pointer_names_events_with_and_without_a_curve() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut browser) = Browser::start() else { return };
    let page = page(folder.path(), "1");
    for size in [WIDE, NARROW] {
        browser.open(&page, size, false);
        let events = browser.js("tracks[0].recording.events.length").as_u64().unwrap();
        assert_eq!(events, 3);
        for at in 0..events {
            let place = format!(
                "(() => {{ const {{ plot, recording }} = tracks[0], event = recording.events[{at}], box = plot.getBoundingClientRect();
                return [box.left + box.width * (event.start + event.duration / 2) / recording.duration, box.top + 20,
                `${{event.label}} event, peak ${{percent(event.peak)}}`]; }})()"
            );
            let place = browser.js(&place);
            browser.point(place[0].as_f64().unwrap(), place[1].as_f64().unwrap());

            let tip = browser.js("tracks[0].tip.innerText");
            assert!(tip.as_str().unwrap().contains(place[2].as_str().unwrap()), "{tip} {place}");
            let beside = browser.js("tracks[0].scroll.scrollWidth - tracks[0].scroll.clientWidth");
            assert_eq!(beside, 0, "the tip is in sight");
        }
        let grey =
            browser.js("tracks[0].recording.events.filter((event) => tracks[0].colour(event.index) === OTHER).length");
        assert_eq!(grey, 2);
        assert_eq!(
            browser.js("[...document.querySelectorAll('.unit')].map((it) => it.innerText)"),
            json!(["m:ss", "m:ss"])
        );
    }
}

#[test]
fn tables_are_saved_in_their_order_under_names_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page(folder.path(), "8"), WIDE, false);
    browser.js("document.querySelectorAll('.events th button')[1].click()");

    let saved = browser.js(
        "(() => { const saved = []; HTMLAnchorElement.prototype.click = function () { saved.push([this.download, decodeURIComponent(this.href)]); };
        for (const button of document.querySelectorAll('.tools button')) button.click(); return saved; })()",
    );
    let saved: Vec<(String, String)> = serde_json::from_value(saved).unwrap();

    assert_eq!([&*saved[0].0, &*saved[1].0], ["melody.wav-1.csv", "melody.wav-2.csv"]);
    let order = |csv: &str| ["High", "Low", "Middle"].map(|label| csv.find(&format!("\"{label}")).unwrap());
    assert!(order(&saved[0].1).is_sorted(), "by label: {saved:?}");
    let [high, low, middle] = order(&saved[1].1);
    assert!(low < middle && middle < high, "by time: {saved:?}");
}

#[test]
fn one_recording_plays_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page(folder.path(), "8"), WIDE, false);
    for number in [0, 1, 0] {
        let paused = browser.js(&format!(
            "(async () => {{ const {{ section, audio }} = tracks[{number}];
            const playing = new Promise((go) => audio.addEventListener('playing', go, {{ once: true }}));
            section.querySelector('.events tbody button').click(); await playing;
            return tracks.map((track) => track.audio.paused); }})()"
        ));

        assert_eq!(paused, json!([number != 0, number != 1]));
    }
}
