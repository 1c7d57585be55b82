//! Files into a compressed archive that only its owner may read.

use flate2::{Compression, write::GzEncoder};
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

/// Writes the files below one directory into a new archive. What cannot be written whole is taken
/// away again.
pub(super) fn write(path: &Path, root: &str, files: &[(String, String)]) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = fill(file, root, files);
    if written.is_err() {
        // Nobody could use it; the error says what went wrong.
        let _ = fs::remove_file(path);
    }
    written
}

fn fill(file: fs::File, root: &str, files: &[(String, String)]) -> io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(now);
        archive.append_data(&mut header, format!("{root}/{name}"), text.as_bytes())?;
    }
    archive.into_inner()?.finish()?.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::{io::Read, os::unix::fs::PermissionsExt};

    #[test]
    fn an_archive_holds_what_was_put_there_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.tar.gz");
        let files = [("a.yaml".to_owned(), "x: 1\n".to_owned()), ("l/b".into(), String::new())];
        write(&path, "root", &files).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut archive = tar::Archive::new(GzDecoder::new(fs::File::open(&path).unwrap()));
        let found = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            (entry.path().unwrap().display().to_string(), text)
        });
        let expected = [("root/a.yaml", "x: 1\n"), ("root/l/b", "")];
        let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(found.collect::<Vec<_>>(), expected);
        let again = write(&path, "root", &files).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists, "nothing is written over");
        assert!(path.exists());
    }
}
