//! Rules for each source file.

use super::{
    Violation,
    scan::{Scan, word},
};

/// Lines of a file: above this something is missing a name.
const FILE: usize = 500;
/// Lines of a function.
const FUNCTION: usize = 70;
/// Columns of a line.
const LINE: usize = 100;

/// Names that say nothing.
const EMPTY_NAMES: [&str; 8] =
    ["utils", "util", "common", "helpers", "helper", "misc", "shared", "types"];

/// Folders of crates that do no I/O and read no clock.
const PURE: [&str; 7] = [
    "topology/",
    "wire/",
    "instance/sdk/",
    "instance/core/",
    "stream-manager/flow/",
    "operator/packing/",
    "operator/rolling/",
];

/// What has no place in a pure crate, and where it belongs instead.
const IMPURE: [&str; 9] = [
    "tokio",
    "quinn",
    "UdpSocket",
    "TcpStream",
    "SystemTime::now",
    "Instant::now",
    "std::thread",
    "std::fs",
    "std::process",
];

/// Files that may break a rule, each with its reason.
const EXEMPT: [(&str, &str, &str); 1] = [(
    "process/src/orphan.rs",
    "thread::sleep",
    "a thread of its own that does nothing but look whether the parent still lives",
)];

pub(super) fn check(path: &str, text: &str, violations: &mut Vec<Violation>) {
    let scan = Scan::new(text);
    let mut broken = |line: usize, rule: String| {
        let exempt = EXEMPT.iter().any(|(file, part, _)| *file == path && rule.contains(part));
        if !exempt {
            violations.push(Violation { path: path.to_owned(), line: line + 1, rule });
        }
    };
    names(path, &mut broken);
    sizes(text, &scan, &mut broken);
    words(path, &scan, &mut broken);
}

fn names(path: &str, broken: &mut impl FnMut(usize, String)) {
    let parts: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
    if let Some(empty) = parts.iter().find(|part| EMPTY_NAMES.contains(part)) {
        broken(0, format!("`{empty}` says nothing: name the file after its one idea"));
    }
    if parts.last() == Some(&"mod") {
        broken(0, "no mod.rs: name the file after its module, beside its folder".into());
    }
}

fn sizes(text: &str, scan: &Scan, broken: &mut impl FnMut(usize, String)) {
    if !text.starts_with("//! ") {
        broken(0, "a source file opens with a `//! ` sentence that says what it is".into());
    }
    let lines = scan.code.len();
    if lines > FILE {
        broken(FILE, format!("{lines} lines, {FILE} at most: something is missing a name"));
    }
    for (number, line) in text.lines().enumerate() {
        let columns = line.chars().count();
        if columns > LINE {
            broken(number, format!("{columns} columns, {LINE} at most"));
        }
    }
    for function in scan.functions() {
        let lines = function.last - function.first + 1;
        if lines > FUNCTION {
            broken(function.first, format!("a function of {lines} lines, {FUNCTION} at most"));
        }
    }
}

fn words(path: &str, scan: &Scan, broken: &mut impl FnMut(usize, String)) {
    let test_file = is_test(path);
    let pure = PURE.iter().any(|folder| path.strip_prefix(folder).is_some_and(is_library));
    for (number, code) in scan.code.iter().enumerate() {
        for unfinished in ["todo!", "unimplemented!"] {
            if code.contains(unfinished) {
                broken(number, format!("`{unfinished}`: finish it, or leave it out"));
            }
        }
        if scan.comments[number].contains("FIXME") {
            broken(number, "a FIXME: fix it, or open an issue".into());
        }
        if code.contains("#[ignore") {
            broken(number, "an ignored test proves nothing: repair it, or take it out".into());
        }
        if test_file || scan.test[number] {
            continue;
        }
        if code.contains("unbounded_channel") {
            broken(number, "an unbounded channel: give it a bound, with its reason".into());
        }
        if code.contains(".unwrap()") {
            broken(number, "unwrap() outside tests: return an error, or expect(\"why\")".into());
        }
        // Code of a user has its own thread, and examples show that it may block it.
        if code.contains("thread::sleep") && !path.contains("examples/") {
            broken(
                number,
                "thread::sleep: wait for what happens, or on the runtime's clock".into(),
            );
        }
        let impure = IMPURE.iter().find(|impure| pure && word(code, impure).is_some());
        if let Some(impure) = impure {
            broken(number, format!("`{impure}` in a crate that does no I/O and reads no clock"));
        }
    }
}

/// Whether the whole file is there for tests only.
fn is_test(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "fuzz" | "benches"))
}

fn is_library(path: &str) -> bool {
    path.starts_with("src/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<(usize, String)> {
        let mut violations = Vec::new();
        check(path, text, &mut violations);
        violations.into_iter().map(|violation| (violation.line, violation.rule)).collect()
    }

    #[test]
    fn a_tidy_file_breaks_nothing() {
        let text = "//! Says what it is.\n\nfn f() {}\n";
        assert_eq!(rules("wire/src/data.rs", text), []);
        let test = "//! Tests.\n\n#[cfg(test)]\nmod tests {\n    fn f() { g().unwrap() }\n}\n";
        assert_eq!(rules("wire/src/data.rs", test), []);
    }

    #[test]
    fn each_rule_is_noticed_on_its_line() {
        for (path, code, line, part) in [
            ("cli/src/utils.rs", "", 1, "`utils` says nothing"),
            ("cli/src/run/mod.rs", "", 1, "no mod.rs"),
            ("cli/src/a.rs", "let a = todo!();", 2, "`todo!`"),
            ("cli/src/a.rs", "// FIXME later", 2, "a FIXME"),
            ("cli/src/a.rs", "let a = b.unwrap();", 2, "unwrap()"),
            ("cli/src/a.rs", "mpsc::unbounded_channel();", 2, "unbounded"),
            ("cli/tests/a.rs", "#[ignore = \"slow\"]", 2, "ignored test"),
            ("wire/src/a.rs", "let a = Instant::now();", 2, "`Instant::now`"),
            ("instance/sdk/src/a.rs", "use std::fs;", 2, "`std::fs`"),
        ] {
            let found = rules(path, &format!("//! Says what it is.\n{code}\n"));
            let [(at, rule)] = &found[..] else { panic!("{path} `{code}`: {found:?}") };
            assert_eq!(*at, line, "{rule}");
            assert!(rule.contains(part), "{rule}");
        }
    }

    #[test]
    fn sizes_are_measured() {
        let long = format!("//! Says what it is.\nfn f() {{\n{}}}\n", "    g();\n".repeat(69));
        assert_eq!(rules("a.rs", &long), [(2, "a function of 71 lines, 70 at most".to_owned())]);
        let wide = format!("//! Says what it is.\n// {}\n", "ä".repeat(98));
        assert_eq!(rules("a.rs", &wide), [(2, "101 columns, 100 at most".to_owned())]);
        assert!(rules("a.rs", "fn f() {}\n")[0].1.contains("opens with"));
    }
}
