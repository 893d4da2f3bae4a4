// SPDX-License-Identifier: MIT OR Apache-2.0
//! Headless Chromium through its debugging protocol: real keys, a real pointer, windows of any size.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

/// The name under which Chromium is installed, if it is.
pub(crate) fn browser() -> Option<&'static str> {
    let known = ["chromium", "chromium-browser", "google-chrome"];
    let found = known.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    if found.is_none() {
        println!("skipped: Chromium is not installed");
    }
    found
}

/// One page in a browser of its own.
pub(crate) struct Browser {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    session: Value,
    number: u64,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts Chromium with an empty page; none if it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let name = browser()?;
        let profile = tempfile::tempdir().unwrap();
        // It reads commands from file 3 and writes answers to file 4.
        let mut process = Command::new("sh")
            .args(["-c", r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#, "sh", name])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--mute-audio", "--remote-debugging-pipe"])
            .args(["--autoplay-policy=no-user-gesture-required", "--host-resolver-rules=MAP * ~NOTFOUND"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (commands, answers) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut browser = Self { process, commands, answers, session: Value::Null, number: 0, _profile: profile };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session = browser.call("Target.attachToTarget", &attach)["sessionId"].clone();
        browser.call("Page.enable", &json!({}));
        Some(browser)
    }

    /// Opens a page in a window of this size, pixels, and waits until it is complete.
    pub(crate) fn open(&mut self, page: &Path, (width, height): (u32, u32), dark: bool) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let scheme = json!([{ "name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" } }]);
        self.call("Emulation.setEmulatedMedia", &json!({ "features": scheme }));
        self.send("Page.navigate", &json!({ "url": format!("file://{}", page.display()) }));
        while self.receive()["method"] != "Page.loadEventFired" {}
    }

    /// Value of an expression, awaited.
    #[track_caller]
    pub(crate) fn js(&mut self, expression: &str) -> Value {
        let what = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let result = self.call("Runtime.evaluate", &what);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result:#}");
        result["result"]["value"].clone()
    }

    /// Presses and releases the key of each character.
    pub(crate) fn write(&mut self, text: &str) {
        for character in text.chars() {
            let key = character.to_string();
            self.call("Input.dispatchKeyEvent", &json!({ "type": "keyDown", "key": key, "text": key }));
            self.call("Input.dispatchKeyEvent", &json!({ "type": "keyUp", "key": key }));
        }
    }

    /// Presses and releases a key that writes nothing.
    pub(crate) fn press(&mut self, key: &str) {
        for kind in ["rawKeyDown", "keyUp"] {
            self.call("Input.dispatchKeyEvent", &json!({ "type": kind, "key": key, "code": key }));
        }
    }

    /// Moves the pointer to a place in the window.
    pub(crate) fn point(&mut self, x: f64, y: f64) {
        self.call("Input.dispatchMouseEvent", &json!({ "type": "mouseMoved", "x": x, "y": y }));
    }

    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        let number = self.send(method, parameters);
        loop {
            let mut answer = self.receive();
            if answer["id"] == number {
                assert!(answer["error"].is_null(), "{method}: {answer:#}");
                return answer["result"].take();
            }
        }
    }

    fn send(&mut self, method: &str, parameters: &Value) -> u64 {
        self.number += 1;
        let mut command = json!({ "id": self.number, "method": method, "params": parameters });
        if !self.session.is_null() {
            command["sessionId"] = self.session.clone();
        }
        write!(self.commands, "{command}\0").unwrap();
        self.number
    }

    fn receive(&mut self) -> Value {
        let mut answer = Vec::new();
        self.answers.read_until(0, &mut answer).unwrap();
        assert_eq!(answer.pop(), Some(0), "the browser ended");
        serde_json::from_slice(&answer).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
