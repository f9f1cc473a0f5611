//! A real browser without a screen, over the pipe of its DevTools protocol.

use serde_json::{Value, json};
use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Longer than anything that a page is asked for takes on a slow machine.
const LIMIT: Duration = Duration::from_mins(2);
/// Names of the program, by likelihood.
const PROGRAMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// A browser with one page open; it ends when dropped.
pub struct Browser {
    child: Child,
    commands: ChildStdin,
    messages: mpsc::Receiver<Value>,
    session: String,
    last: u64,
    /// All that the pages asked for.
    requests: Vec<String>,
    /// What the console complained of.
    complaints: Vec<String>,
    _profile: TempDir,
}

/// The browser of this machine. `COXSWAIN_CHROMIUM` outweighs those on the path.
fn program() -> Option<PathBuf> {
    if let Some(named) = env::var_os("COXSWAIN_CHROMIUM") {
        return Some(named.into());
    }
    let path = env::var_os("PATH")?;
    let places: Vec<PathBuf> = env::split_paths(&path).collect();
    PROGRAMS.iter().flat_map(|name| places.iter().map(move |place| place.join(name))).find(|file| file.is_file())
}

impl Browser {
    /// Starts one for `test`. Without a browser on the machine the test is skipped, visibly; in CI it fails.
    ///
    /// # Panics
    /// If it does not start, or there is none in CI.
    #[must_use]
    pub fn start(test: &str) -> Option<Self> {
        let Some(program) = program() else {
            assert!(env::var_os("CI").is_none(), "CI has no browser: install chromium");
            let _ = writeln!(
                io::stderr(),
                "SKIPPED {test}: there is no chromium on this machine: apt-get install chromium"
            );
            return None;
        };
        let profile = tempfile::tempdir().expect("a folder for temporary files");
        // The protocol is spoken over the descriptors 3 and 4.
        let mut child = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#])
            .arg(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .arg("--remote-debugging-pipe")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a browser can be started");
        let commands = child.stdin.take().expect("it is a pipe");
        let messages = messages(BufReader::new(child.stdout.take().expect("it is a pipe")));
        let mut browser = Self {
            child,
            commands,
            messages,
            session: String::new(),
            last: 0,
            requests: Vec::new(),
            complaints: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attached = browser.call("Target.attachToTarget", &json!({"targetId": target["targetId"], "flatten": true}));
        attached["sessionId"].as_str().expect("a session").clone_into(&mut browser.session);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        Some(browser)
    }

    /// Has a window of so many pixels, and a system that prefers dark or light.
    pub fn dress(&mut self, width: u32, height: u32, dark: bool) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", &features);
    }

    /// Opens a page, and waits until it is there.
    ///
    /// # Panics
    /// If it does not come.
    pub fn open(&mut self, url: &str) {
        // Another hash alone would be no other page.
        self.call("Page.navigate", &json!({"url": "about:blank"}));
        self.wait_for("location.href === 'about:blank'");
        let answer = self.call("Page.navigate", &json!({"url": url}));
        assert!(answer["errorText"].is_null(), "{url}: {answer}");
        self.wait_for("location.href !== 'about:blank' && document.readyState === 'complete'");
    }

    /// What an expression of JavaScript comes to.
    ///
    /// # Panics
    /// If it throws.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", &asked);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// The text of the first element that a selector finds.
    pub fn text(&mut self, selector: &str) -> String {
        let text = self.evaluate(&format!("document.querySelector({})?.textContent", json!(selector)));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression is true.
    ///
    /// # Panics
    /// If it stays false.
    pub fn wait_for(&mut self, expression: &str) {
        let start = Instant::now();
        while self.evaluate(&format!("!!({expression})")) != true {
            assert!(start.elapsed() < LIMIT, "not so: {expression}\n{}", self.text("body"));
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Drags a file from outside onto the first element that a selector finds.
    ///
    /// # Panics
    /// If there is no such element.
    pub fn drop_file(&mut self, selector: &str, file: &Path) {
        let place = self.evaluate(&format!(
            "(() => {{ const node = document.querySelector({}); node.scrollIntoView({{block: 'center'}}); \
             const box = node.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }})()",
            json!(selector)
        ));
        let data = json!({"items": [], "files": [file], "dragOperationsMask": 1});
        for event in ["dragEnter", "dragOver", "drop"] {
            let asked = json!({"type": event, "x": place[0], "y": place[1], "data": data});
            self.call("Input.dispatchDragEvent", &asked);
        }
    }

    /// Chooses a file in the first input that a selector finds.
    pub fn choose_file(&mut self, selector: &str, file: &Path) {
        let document = self.call("DOM.getDocument", &json!({}));
        let asked = json!({"nodeId": document["root"]["nodeId"], "selector": selector});
        let input = self.call("DOM.querySelector", &asked);
        self.call("DOM.setFileInputFiles", &json!({"nodeId": input["nodeId"], "files": [file]}));
    }

    /// Presses a key that writes `text`.
    pub fn press(&mut self, text: &str) {
        self.call("Input.dispatchKeyEvent", &json!({"type": "keyDown", "key": text, "text": text}));
        self.call("Input.dispatchKeyEvent", &json!({"type": "keyUp", "key": text}));
    }

    /// Keeps what is to be seen as a PNG: of the whole page, or of the window.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn keep_picture(&mut self, path: &Path, whole: bool) {
        let shot = self.call("Page.captureScreenshot", &json!({"format": "png", "captureBeyondViewport": whole}));
        let text = shot["data"].as_str().expect("a picture");
        fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
        fs::write(path, unpacked(text)).expect("it can be written");
    }

    /// All addresses that pages asked for since the last call.
    pub fn requests(&mut self) -> Vec<String> {
        self.evaluate("0");
        std::mem::take(&mut self.requests)
    }

    /// What the console complained of since the last call.
    pub fn complaints(&mut self) -> Vec<String> {
        self.evaluate("0");
        std::mem::take(&mut self.complaints)
    }

    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.last += 1;
        let mut command = json!({"id": self.last, "method": method, "params": parameters});
        if !self.session.is_empty() {
            command["sessionId"] = json!(self.session);
        }
        let line = format!("{command}\0");
        self.commands.write_all(line.as_bytes()).expect("the browser listens");
        let start = Instant::now();
        loop {
            let message = self.messages.recv_timeout(LIMIT.saturating_sub(start.elapsed()));
            let message = message.unwrap_or_else(|error| panic!("{method}: {error}"));
            if message["id"] == self.last {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
            self.note(&message);
        }
    }

    fn note(&mut self, message: &Value) {
        let of = &message["params"];
        match message["method"].as_str().unwrap_or_default() {
            "Network.requestWillBeSent" => {
                self.requests.push(of["request"]["url"].as_str().unwrap_or_default().to_owned());
            }
            "Runtime.exceptionThrown" => self.complaints.push(of["exceptionDetails"].to_string()),
            "Runtime.consoleAPICalled" if of["type"] == "error" => self.complaints.push(of["args"].to_string()),
            "Log.entryAdded" if of["entry"]["level"] == "error" => self.complaints.push(of["entry"].to_string()),
            _ => {}
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked, it takes its own children with it. It may be gone already.
        let _ = self.commands.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < Duration::from_secs(5) {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn messages(mut from: impl BufRead + Send + 'static) -> mpsc::Receiver<Value> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut message = Vec::new();
        while from.read_until(0, &mut message).is_ok_and(|read| read > 0) {
            message.pop();
            if let Ok(value) = serde_json::from_slice(&message)
                && sender.send(value).is_err()
            {
                return;
            }
            message.clear();
        }
    });
    receiver
}

/// The bytes that base64 stands for.
fn unpacked(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter_map(|byte| LETTERS.iter().position(|letter| *letter == byte));
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for digit in digits {
        bits = (bits << 6) | digit as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::unpacked;

    #[test]
    fn base64_is_understood() {
        assert_eq!(unpacked("aGVsbG8gd29ybGQ="), b"hello world");
        assert_eq!(unpacked("//79"), [255, 254, 253]);
    }
}
