//! The one layer of an image: a tar in which nothing depends on who writes it, and when.

use crate::{Entry, Error, Image};
use std::{collections::BTreeMap, fs, io};
use tar::{Builder, EntryType, Header};

/// The uncompressed tar.
pub(crate) fn tar(image: &Image) -> Result<Vec<u8>, Error> {
    let mut sorted: BTreeMap<String, Option<&Entry>> = BTreeMap::new();
    for entry in &image.entries {
        for (at, _) in entry.path().match_indices('/') {
            sorted.entry(entry.path()[..at].to_owned()).or_insert(None);
        }
        let before = sorted.insert(entry.path().to_owned(), Some(entry));
        if before.flatten().is_some() {
            let (image, path) = (image.name.clone(), entry.path().to_owned());
            return Err(Error::Twice { image, path });
        }
    }
    let mut builder = Builder::new(Vec::new());
    for (path, entry) in &sorted {
        append(&mut builder, path, *entry)?;
    }
    // Writing into memory cannot fail but for names that no tar holds; those have a path, too.
    builder.into_inner().map_err(|source| Error::Read { path: image.name.clone().into(), source })
}

fn append(builder: &mut Builder<Vec<u8>>, path: &str, entry: Option<&Entry>) -> Result<(), Error> {
    let wrong = |source: io::Error| Error::Read { path: path.into(), source };
    match entry {
        None => directory(builder, path, 0o755).map_err(wrong),
        Some(Entry::Directory { mode, .. }) => directory(builder, path, *mode).map_err(wrong),
        Some(Entry::Text { text, .. }) => {
            file(builder, path, 0o644, text.as_bytes()).map_err(wrong)
        }
        Some(Entry::File { mode, source: from, .. }) => {
            let bytes =
                fs::read(from).map_err(|source| Error::Read { path: from.clone(), source })?;
            file(builder, path, *mode, &bytes).map_err(wrong)
        }
        Some(Entry::Link { target, .. }) => {
            let mut header = header(EntryType::Symlink, 0o777, 0);
            builder.append_link(&mut header, path, target).map_err(wrong)
        }
    }
}

fn directory(builder: &mut Builder<Vec<u8>>, path: &str, mode: u32) -> io::Result<()> {
    let mut header = header(EntryType::Directory, mode, 0);
    builder.append_data(&mut header, format!("{path}/"), io::empty())
}

fn file(builder: &mut Builder<Vec<u8>>, path: &str, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut header = header(EntryType::Regular, mode, bytes.len() as u64);
    builder.append_data(&mut header, path, bytes)
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}
