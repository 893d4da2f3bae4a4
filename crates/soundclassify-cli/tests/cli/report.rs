// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify report`: the page in headless Chromium, the picture beside it.

use std::{path::Path, process::Command};

use crate::cli::{
    browser::browser,
    support::{TONES, melody, run, stdout, text},
};

/// Put before all else on the page: what goes wrong is noted.
const WATCH: &str = r#"<script>
window.wrong = [];
addEventListener("error", (event) => wrong.push(event.message || "a source of " + event.target.tagName), true);
addEventListener("unhandledrejection", (event) => wrong.push(String(event.reason)));
addEventListener("securitypolicyviolation", (event) => wrong.push("policy: " + event.blockedURI));
</script>"#;

/// Put at the end of the page: clicks and keys, then the page becomes a report of what they did.
const CLICK: &str = r#"<script>
const pause = (time) => new Promise((go) => setTimeout(go, time));
const press = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
(async () => {
  const audio = document.querySelector("audio"), rows = [...document.querySelectorAll(".events tbody tr")];
  if (audio.readyState < 1) await new Promise((go) => audio.addEventListener("loadedmetadata", go));
  const done = { rows: rows.map((row) => row.innerText.replace(/\s+/g, " ")), length: audio.duration };
  rows[1].querySelector("button").click();
  done.clicked = audio.currentTime;
  audio.pause();
  await pause(200);
  done.lit = rows.map((row) => row.classList.contains("now"));
  audio.currentTime = 0;
  press("n"); press("n"); press("n");
  done.third = audio.currentTime;
  press("p");
  done.second = audio.currentTime;
  press("ArrowRight");
  done.right = audio.currentTime;
  const theme = document.documentElement.dataset.theme;
  press("d");
  done.themes = [theme, document.documentElement.dataset.theme].sort();
  press("+");
  done.zoomed = document.querySelector(".plot").style.width;
  const chip = document.querySelector(".legend button");
  chip.click();
  done.hidden = chip.getAttribute("aria-pressed");
  const plot = document.querySelector(".plot"), box = plot.getBoundingClientRect();
  plot.dispatchEvent(new MouseEvent("click", { clientX: box.left + box.width / 2, bubbles: true }));
  done.middle = audio.currentTime;
  const canvas = document.querySelector("canvas");
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  done.drawn = pixels.some((value) => value > 0);
  done.picture = document.querySelector(".plot img").naturalWidth;
  done.reachable = [...document.querySelectorAll("tbody button, .legend button, .theme")].every((button) => button.tabIndex === 0);
  const track = tracks[0];
  done.csv = track.csv();
  document.querySelectorAll(".events th button")[1].click();
  done.sorted = [...document.querySelectorAll(".events tbody tr")].map((row) => row.cells[1].innerText.trim());
  track.filter("midd");
  done.filtered = track.csv().trim().split("\r\n").length - 1;
  done.summary = [...document.querySelectorAll(".summary tbody tr")].length;
  done.sideways = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  done.settings = document.querySelector("dl").innerText || document.querySelector("dl").textContent;
  done.fetched = performance.getEntriesByType("resource").map((entry) => entry.name).filter((name) => !name.startsWith("data:"));
  done.wrong = wrong;
  document.body.innerHTML = "";
  document.body.append(Object.assign(document.createElement("pre"), { id: "done", textContent: JSON.stringify(done) }));
})();
</script>"#;

/// What the page became under the clicks.
fn clicked(browser: &str, page: &Path) -> serde_json::Value {
    let html = std::fs::read_to_string(page).unwrap();
    let html = html.replacen("<meta charset=\"utf-8\">", &format!("<meta charset=\"utf-8\">{WATCH}"), 1);
    let html = html.replacen("</body>", &format!("{CLICK}</body>"), 1);
    let driven = page.with_file_name("driven.html");
    std::fs::write(&driven, html).unwrap();
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--mute-audio", "--window-size=1200,900"])
        .args(["--autoplay-policy=no-user-gesture-required", "--host-resolver-rules=MAP * ~NOTFOUND"])
        .args(["--virtual-time-budget=20000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", driven.display()))
        .output()
        .unwrap();
    let dom = text(&output.stdout);
    let json = dom.split("<pre id=\"done\">").nth(1).and_then(|rest| rest.split("</pre>").next());
    let json = json.unwrap_or_else(|| panic!("the clicks did not come to their end:\n{}", text(&output.stderr)));
    let json = json.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    serde_json::from_str(&json).unwrap()
}

#[test]
fn the_page_plays_what_is_clicked() {
    let folder = tempfile::tempdir().unwrap();
    let path = melody(folder.path());
    let page = folder.path().join("report.html");
    stdout([
        "report",
        "--model",
        TONES,
        "--deny-labels",
        "Quiet",
        path.to_str().unwrap(),
        "-o",
        page.to_str().unwrap(),
    ]);
    let Some(browser) = browser() else { return };

    let done = clicked(browser, &page);

    let number = |key: &str| done[key].as_f64().unwrap_or_else(|| panic!("{key}: {done:#}"));
    let rows: Vec<_> = done["rows"].as_array().unwrap().iter().map(|row| row.as_str().unwrap()).collect();
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert!(rows[0].contains("Low") && rows[1].contains("Middle") && rows[2].contains("High, very high"), "{rows:?}");
    assert!((number("length") - 6.0).abs() < 0.05);
    // The second tone starts at 2 s; the window that first holds enough of it a little before.
    assert!((1.5..2.1).contains(&number("clicked")), "{done:#}");
    assert_eq!(done["lit"], serde_json::json!([false, true, false]));
    assert!((3.5..4.1).contains(&number("third")), "{done:#}");
    assert!((number("second") - number("clicked")).abs() < 0.01);
    assert!((number("right") - number("second") - 1.0).abs() < 0.01);
    assert_eq!(done["themes"], serde_json::json!(["dark", "light"]));
    assert_eq!(done["zoomed"], "200%");
    assert_eq!(done["hidden"], "false");
    assert!(done["csv"].as_str().unwrap().starts_with("file,start,end,duration,label,peak\r\n\""), "{done:#}");
    assert_eq!(done["sorted"], serde_json::json!(["High, very high", "Low", "Middle"]));
    assert_eq!((number("filtered"), number("summary")), (1.0, 3.0));
    assert!(number("sideways") <= 0.0, "no sideways scrolling");
    assert!((0.0..=6.0).contains(&number("middle")));
    assert_eq!(done["drawn"], true);
    assert!(number("picture") > 500.0);
    assert_eq!(done["reachable"], true);
    assert!(done["settings"].as_str().unwrap().contains("oversamples"), "{done:#}");
    assert_eq!(done["fetched"], serde_json::json!([]), "no request to the network");
    assert_eq!(done["wrong"], serde_json::json!([]), "no script errors");
}

#[test]
fn the_timeline_alone_as_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let path = melody(folder.path());
    let [svg, png] = ["timeline.svg", "timeline.png"].map(|name| folder.path().join(name));

    for picture in [&svg, &png] {
        stdout(["report", "--model", TONES, path.to_str().unwrap(), "--picture", picture.to_str().unwrap()]);
    }

    let svg = std::fs::read_to_string(svg).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("melody.wav") && svg.contains("Middle"));
    assert!(std::fs::read(png).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn a_page_says_nothing_of_a_file_that_failed_and_the_exit_status_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = melody(folder.path());
    let page = folder.path().join("report.html");

    let output = run(["report", "--model", TONES, "no/such.wav", path.to_str().unwrap(), "-o", page.to_str().unwrap()]);

    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no/such.wav"));
    assert!(std::fs::read_to_string(page).unwrap().contains("melody.wav"));
}

#[test]
fn sound_is_embedded_linked_or_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = melody(folder.path());
    let page = folder.path().join("report.html");
    let html = |audio: &str| {
        let arguments =
            ["report", "--model", TONES, path.to_str().unwrap(), "--audio", audio, "-o", page.to_str().unwrap()];
        stdout(arguments);
        std::fs::read_to_string(&page).unwrap()
    };

    assert!(html("embed").contains("\"audio\":\"data:audio/wav;base64,"));
    assert!(html("link").contains("\"audio\":\"melody.wav\""));
    assert!(html("none").contains("\"audio\":null"));
}

#[cfg(unix)]
#[test]
fn a_page_or_picture_that_can_not_be_written_is_a_failure_and_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = melody(folder.path());
    let [svg, png, page] = ["a.svg", "a.png", "a.html"].map(|name| folder.path().join(name));
    for place in [&svg, &png, &page] {
        std::fs::write(place, "of yesterday").unwrap();

        let option = if *place == page { "--output" } else { "--picture" };
        let place = place.to_str().unwrap();
        // No file may grow beyond a block, as on a full disk.
        let failed = std::process::Command::new("sh")
            .args(["-c", r#"trap "" XFSZ; ulimit -f 1; exec "$@""#, "sh", env!("CARGO_BIN_EXE_soundclassify")])
            .args(["report", "--model", TONES, path.to_str().unwrap(), option, place])
            .env("GST_REGISTRY_UPDATE", "no")
            .output()
            .unwrap();

        assert_eq!(failed.status.code(), Some(1), "{place}");
        assert!(text(&failed.stderr).contains("File too large"), "{}", text(&failed.stderr));
        assert_eq!(std::fs::read_to_string(place).unwrap(), "of yesterday");
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 4);
}

#[test]
fn a_place_that_can_not_be_written_is_found_before_anything_is_classified() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("a.html");
    // Nobody can write a file where a folder is.
    std::fs::create_dir(&page).unwrap();

    let failed = run(["report", "--model", TONES, "no/such.wav", "-o", page.to_str().unwrap()]);

    let errors = text(&failed.stderr);
    assert_eq!(failed.status.code(), Some(1));
    assert!(errors.contains("a.html") && !errors.contains("such.wav"), "{errors}");
}

#[test]
fn a_recording_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = melody(folder.path());
    let page = folder.path().join("melody.html");
    std::fs::copy(&path, &page).unwrap();
    let [path, page] = [&path, &page].map(|path| path.to_str().unwrap());
    let address = format!("file://{page}");

    for (input, output, wanted) in [
        (path, path, ".html"),
        (path, "page.pdf", ".html"),
        (page, page, "would overwrite"),
        (&address, page, "would overwrite"),
    ] {
        let refused = run(["report", "--model", TONES, input, "-o", output]);

        assert_eq!(refused.status.code(), Some(2), "{input} to {output}");
        assert!(text(&refused.stderr).contains(wanted), "{}", text(&refused.stderr));
    }
    assert!([path, page].iter().all(|path| std::fs::read(path).unwrap().starts_with(b"RIFF")));
}
