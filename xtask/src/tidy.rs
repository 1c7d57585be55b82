//! The house rules as a check: what neither the compiler nor clippy looks at.

mod documents;
mod manifests;
mod scan;
mod source;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A rule that is broken somewhere.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    /// The file, from the root.
    path: String,
    /// Counts from 1.
    line: usize,
    /// What is wrong and what to do.
    rule: String,
}

/// Directories that hold nothing of ours.
const FOREIGN: [&str; 4] = ["target", ".git", "corpus", "artifacts"];

/// Checks everything below `root`. An error lists each broken rule as `file:line: rule`.
pub(crate) fn report(root: &Path) -> Result<String, String> {
    let mut files = Vec::new();
    list(root, &mut files);
    files.sort();
    let mut violations = Vec::new();
    let mut sources = 0;
    for file in &files {
        let path = relative(root, file);
        let Ok(text) = fs::read_to_string(file) else { continue };
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => {
                sources += 1;
                source::check(&path, &text, &mut violations);
            }
            Some("md") => documents::check(root, &path, &text, &mut violations),
            _ => {}
        }
    }
    manifests::check(root, &mut violations)?;
    violations.sort();
    if violations.is_empty() {
        return Ok(format!("{sources} source files keep the house rules"));
    }
    let mut text = String::new();
    for Violation { path, line, rule } in &violations {
        text.push_str(&format!("{path}:{line}: {rule}\n"));
    }
    Err(format!("{text}{} house rules broken", violations.len()))
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let foreign = FOREIGN.iter().any(|foreign| *foreign == name);
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !foreign => list(&path, files),
            Ok(kind) if kind.is_file() => files.push(path),
            _ => {}
        }
    }
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}
