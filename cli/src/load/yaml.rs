//! From bytes to a YAML value with the positions of its fields.

use super::{
    positions::{Mark, Positions, Unreadable},
    problem::{Origin, Problem},
};
use serde_yaml::Value;
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// Bytes of a topology or environment file; the API server would not store a larger one.
const MAX_FILE: u64 = 1 << 20;

/// The text of a file, or of standard input for `-`, with the name to call it by.
pub(crate) fn read(path: &Path) -> Result<(String, String), Problem> {
    let stdin = path.as_os_str() == "-";
    let name = if stdin { "<stdin>".to_owned() } else { path.display().to_string() };
    let whole = || Origin::whole(&name);
    let open = || -> io::Result<Box<dyn Read>> {
        Ok(if stdin { Box::new(io::stdin()) } else { Box::new(File::open(path)?) })
    };
    let mut bytes = Vec::new();
    open()
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| Problem::new(whole(), format!("cannot read the file: {error}")))?;
    if bytes.len() as u64 > MAX_FILE {
        let what = format!("the file has more than {} KiB", MAX_FILE >> 10);
        return Err(Problem::new(whole(), what).with("give paths to data instead of the data"));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((name, text)),
        Err(error) => {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
            let origin = Origin::File { name, line, column: 1 };
            Err(Problem::new(origin, "the file is not UTF-8 text"))
        }
    }
}

/// The one document of a text.
pub(crate) fn parse(name: &str, text: &str) -> Result<(Value, Positions), Problem> {
    let origin = |(line, column): Mark| Origin::File { name: name.to_owned(), line, column };
    let positions = Positions::scan(text).map_err(|Unreadable { at, what, remedy }| Problem {
        remedy: remedy.map(str::to_owned),
        ..Problem::new(origin(at), what)
    })?;
    let mut value: Value = serde_yaml::from_str(text).map_err(|error| {
        let at = error.location().map(|at| (at.line(), at.column()));
        // The place is told apart from the words.
        let mut what = error.to_string();
        if let Some(end) = what.find(" at line ") {
            what.truncate(end);
        }
        Problem::new(at.map_or_else(|| Origin::whole(name), origin), what)
    })?;
    value.apply_merge().map_err(|error| Problem::new(Origin::whole(name), error.to_string()))?;
    if value.is_null() {
        return Err(Problem::new(Origin::whole(name), "the file is empty"));
    }
    Ok((value, positions))
}
