//! An OpenTelemetry collector as far as a test needs one: takes OTLP/HTTP in JSON, reads it.

use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// Listens until the tests end.
pub(crate) struct Collector {
    pub(crate) address: String,
    requests: Arc<Mutex<Vec<Value>>>,
}

/// A span as it came.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: Option<String>,
    pub(crate) name: String,
    pub(crate) kind: u64,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) error: Option<String>,
    /// Of the span and of its resource, as text.
    pub(crate) attributes: BTreeMap<String, String>,
}

impl Collector {
    /// At any port of this address of the machine.
    pub(crate) fn start(host: &str) -> Collector {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let theirs = requests.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                take(stream.unwrap(), &theirs);
            }
        });
        Collector { address, requests }
    }

    pub(crate) fn requests(&self) -> Vec<Value> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        for of_task in self.requests().iter().flat_map(|request| list(&request["resourceSpans"])) {
            let resource = attributes(&of_task["resource"]);
            for scope in list(&of_task["scopeSpans"]) {
                assert_eq!(scope["scope"]["name"], "egret");
                spans.extend(list(&scope["spans"]).iter().map(|span| read(span, &resource)));
            }
        }
        spans
    }
}

/// Keeps one request, and only then answers it.
fn take(stream: TcpStream, requests: &Mutex<Vec<Value>>) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line.trim_end(), "POST /v1/traces HTTP/1.1");
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    assert_eq!(headers["content-type"], "application/json");
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    requests.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    reader.get_mut().write_all(answer.as_bytes()).unwrap();
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

fn attributes(of: &Value) -> BTreeMap<String, String> {
    let attribute = |one: &Value| {
        let (kind, value) = one["value"].as_object().unwrap().iter().next().unwrap();
        let text = match kind.as_str() {
            "stringValue" | "intValue" => value.as_str().unwrap().to_owned(),
            "boolValue" => value.as_bool().unwrap().to_string(),
            other => panic!("a value of kind {other}"),
        };
        (one["key"].as_str().unwrap().to_owned(), text)
    };
    list(&of["attributes"]).iter().map(attribute).collect()
}

fn read(span: &Value, resource: &BTreeMap<String, String>) -> Span {
    let hexadecimal = |field: &str, len: usize| {
        let id = span[field].as_str().unwrap();
        assert!(id.len() == len && u128::from_str_radix(id, 16).unwrap() != 0, "{id}");
        id.to_owned()
    };
    let time = |field: &str| span[field].as_str().unwrap().parse().unwrap();
    let mut attributes = attributes(span);
    attributes.extend(resource.clone());
    let status = &span["status"];
    assert!(status.is_null() || status["code"] == 2, "{status}");
    Span {
        trace: hexadecimal("traceId", 32),
        id: hexadecimal("spanId", 16),
        parent: span.get("parentSpanId").map(|_| hexadecimal("parentSpanId", 16)),
        name: span["name"].as_str().unwrap().to_owned(),
        kind: span["kind"].as_u64().unwrap(),
        start: time("startTimeUnixNano"),
        end: time("endTimeUnixNano"),
        error: status["message"].as_str().map(str::to_owned),
        attributes,
    }
}
