//! The page as a test sees it.

use crate::chromium::Chromium;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::{
    thread,
    time::{Duration, Instant},
};

/// Longer than anything takes that a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// An open page.
pub(crate) struct Page {
    chromium: Chromium,
    origin: String,
}

impl Page {
    /// Opens what is served at an origin such as `http://127.0.0.1:4741`, unless there is no
    /// browser.
    pub(crate) fn open(origin: &str) -> Option<Page> {
        let mut page = Page { chromium: Chromium::start()?, origin: origin.to_owned() };
        page.resize(1280, 900);
        page.go("");
        page.until("document.querySelector('.node')");
        Some(page)
    }

    /// Goes to a selection such as `task/3`.
    pub(crate) fn go(&mut self, hash: &str) {
        let url = format!("{}/#{hash}", self.origin);
        self.chromium.call("Page.navigate", json!({"url": url}));
    }

    pub(crate) fn resize(&mut self, width: u32, height: u32) {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.chromium.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// As if the system wanted light or dark.
    pub(crate) fn prefer(&mut self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.chromium.call("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// The value of an expression.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true});
        let mut result = self.chromium.call("Runtime.evaluate", params);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].take()
    }

    /// Waits until an expression holds.
    pub(crate) fn until(&mut self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.value(&format!("Boolean({expression})")) != true {
            if Instant::now() > deadline {
                let text = self.text();
                panic!("this never held: {expression}\non the page is:\n{text}");
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// All that can be read.
    pub(crate) fn text(&mut self) -> String {
        self.value("document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// What it looks like, as PNG.
    pub(crate) fn picture(&mut self) -> Vec<u8> {
        self.chromium.call("Emulation.setScrollbarsHidden", json!({"hidden": true}));
        let picture = self.chromium.call("Page.captureScreenshot", json!({"format": "png"}));
        STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()
    }

    pub(crate) fn click(&mut self, selector: &str) {
        let selector = Value::from(selector);
        self.until(&format!("document.querySelector({selector})"));
        self.value(&format!("document.querySelector({selector}).click()"));
    }

    /// Presses a key, as on a keyboard.
    pub(crate) fn press(&mut self, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" && key == "Enter" { "\r" } else { "" };
            let event = json!({"type": kind, "key": key, "code": key, "text": text,
                               "windowsVirtualKeyCode": code});
            self.chromium.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Addresses that were asked for since the page was opened.
    pub(crate) fn requests(&mut self) -> Vec<String> {
        // What is told is told by now.
        self.value("1");
        let urls = self.chromium.events("Network.requestWillBeSent");
        let url = |event: &Value| event["request"]["url"].as_str().unwrap_or_default().to_owned();
        urls.map(url).collect()
    }

    /// What went wrong on the page: exceptions, refused scripts and styles.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        self.value("1");
        let thrown = self.chromium.events("Runtime.exceptionThrown").map(Value::to_string);
        let logged =
            self.chromium.events("Log.entryAdded").filter(|e| e["entry"]["level"] == "error");
        // That nobody answers any more is what some tests are about.
        let logged = logged.filter(|event| event["entry"]["source"] != "network");
        thrown.chain(logged.map(Value::to_string)).collect()
    }

    /// Nothing was asked of anybody else, and nothing went wrong.
    pub(crate) fn assert_well_behaved(&mut self) {
        let origin = format!("{}/", self.origin);
        let requests = self.requests();
        assert!(requests.len() > 5, "{requests:?}");
        let foreign: Vec<&String> =
            requests.iter().filter(|url| !url.starts_with(&origin)).collect();
        assert!(foreign.is_empty(), "asked elsewhere: {foreign:?}");
        let complaints = self.complaints();
        assert!(complaints.is_empty(), "{complaints:?}");
    }

    /// Nothing is wider than the page, as soon as it is drawn.
    pub(crate) fn assert_no_sideways_scroll(&mut self, what: &str) {
        let fits = "document.documentElement.scrollWidth <= innerWidth";
        self.until(&format!("{fits} /* {what} */"));
    }
}
