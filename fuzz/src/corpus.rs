//! What fuzzing has found: the inputs of a target in one text file, one a line.
//!
//! They are escaped as Rust escapes bytes, so that a difference can be read, and thousands of
//! inputs are not thousands of files.

use std::{fs, io, path::Path};

/// The inputs of a file; none if there is no such file. An error names what cannot be read.
pub fn read(path: &Path) -> io::Result<Vec<Vec<u8>>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    let line = |(at, line): (usize, &str)| {
        unescape(line).ok_or_else(|| {
            io::Error::other(format!("{}:{}: not an escaped input", path.display(), at + 1))
        })
    };
    text.lines().enumerate().map(line).collect()
}

/// Writes the inputs, short ones first, so that a file that says the same is the same.
pub fn write(path: &Path, mut inputs: Vec<Vec<u8>>) -> io::Result<()> {
    inputs.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    inputs.dedup();
    let text: String = inputs.iter().map(|input| format!("{}\n", input.escape_ascii())).collect();
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    fs::write(path, text)
}

fn unescape(line: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut rest) = (Vec::with_capacity(line.len()), line.bytes());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next()? {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'x' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
                quoted => quoted,
            },
            plain => plain,
        });
    }
    Some(bytes)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|digit| digit as u8)
}
