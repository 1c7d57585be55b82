//! A file that only ever grows by whole lines.

use anyhow::{Context as _, Result};
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::Path,
};

/// Bytes looked at when searching backwards for the last line feed.
const BLOCK: usize = 64 << 10;

/// What a target does to its file; tests have disks that fail.
pub(super) trait Disk {
    fn len(&self) -> io::Result<u64>;
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn set_len(&mut self, len: u64) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
}

impl Disk for File {
    fn len(&self) -> io::Result<u64> {
        self.metadata().map(|metadata| metadata.len())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        io::Write::write_all(self, bytes)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// A file that only ever grows by whole lines.
#[derive(Debug)]
pub(super) struct Target<D = File> {
    disk: D,
    /// Pipes and terminals have no length, so nothing can be cut off them.
    is_file: bool,
    fsync: bool,
}

/// Lines that were not written.
#[derive(Debug)]
pub(super) struct WriteError {
    /// What went wrong.
    pub(super) cause: io::Error,
    /// Why nothing more can be written, if so.
    pub(super) unusable: Option<String>,
}

impl Target {
    /// Opens or makes the file and its directories, and cuts off a last line that is not whole.
    pub(super) fn open(path: &str, overwrite: bool, fsync: bool) -> Result<Target> {
        let directory = Path::new(path).parent().filter(|parent| !parent.as_os_str().is_empty());
        let made = directory.map_or(Ok(()), fs::create_dir_all);
        let file =
            made.and_then(|()| OpenOptions::new().read(true).append(true).create(true).open(path));
        let file = match file {
            // Pipes and terminals may be open to writers only.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                OpenOptions::new().append(true).open(path)
            }
            file => file,
        }?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(Target { disk: file, is_file: false, fsync: false });
        }
        let len = if overwrite { 0 } else { whole_lines(&file, metadata.len())? };
        if len < metadata.len() {
            file.set_len(len).context("cannot cut off what is to go")?;
        }
        Ok(Target { disk: file, is_file: true, fsync })
    }
}

impl<D: Disk> Target<D> {
    /// Appends whole lines: all of them or, with an error, none.
    pub(super) fn append(&mut self, lines: &[u8]) -> Result<(), WriteError> {
        let usable = |cause| WriteError { cause, unusable: None };
        // Asked for each time: others may have cut the file, say to rotate it.
        let len = if self.is_file { Some(self.disk.len().map_err(usable)?) } else { None };
        if let Err(cause) = self.disk.write(lines) {
            let cut = len.map_or(Ok(()), |len| self.disk.set_len(len));
            let unusable =
                cut.err().map(|error| format!("cannot cut off the partial line: {error}"));
            return Err(WriteError { cause, unusable });
        }
        if self.fsync
            && let Err(cause) = self.disk.sync()
        {
            // The kernel forgets what it could not write, so a later sync would lie.
            let unusable =
                Some("what the disk holds is not known; the task starts again".to_owned());
            return Err(WriteError { cause, unusable });
        }
        Ok(())
    }
}

/// Length of the file up to and including its last line feed.
fn whole_lines(file: &File, len: u64) -> io::Result<u64> {
    let mut block = vec![0; BLOCK];
    let mut end = len;
    while end > 0 {
        let start = end.saturating_sub(BLOCK as u64);
        let block = &mut block[..(end - start) as usize];
        file.read_exact_at(block, start)?;
        if let Some(at) = memchr::memrchr(b'\n', block) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    /// A disk with room for so many bytes.
    #[derive(Default)]
    struct Small {
        bytes: Vec<u8>,
        room: usize,
        stuck: bool,
        broken: bool,
    }

    impl Disk for Small {
        fn len(&self) -> io::Result<u64> {
            Ok(self.bytes.len() as u64)
        }

        fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
            let fits = bytes.len().min(self.room - self.bytes.len());
            self.bytes.extend_from_slice(&bytes[..fits]);
            if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }

        fn set_len(&mut self, len: u64) -> io::Result<()> {
            if self.stuck {
                return Err(io::ErrorKind::Other.into());
            }
            self.bytes.truncate(len as usize);
            Ok(())
        }

        fn sync(&mut self) -> io::Result<()> {
            if self.broken { Err(io::ErrorKind::Other.into()) } else { Ok(()) }
        }
    }

    fn target(disk: Small) -> Target<Small> {
        Target { disk, is_file: true, fsync: true }
    }

    #[test]
    fn a_full_disk_keeps_the_whole_lines_only_and_takes_more_when_there_is_room() {
        let mut target = target(Small { room: 5, ..Small::default() });
        target.append(b"abc\n").unwrap();
        let error = target.append(b"d\ne\n").unwrap_err();
        assert_eq!(error.cause.kind(), io::ErrorKind::StorageFull);
        assert!(error.unusable.is_none());
        assert_eq!(target.disk.bytes, b"abc\n");
        target.disk.room = 100;
        target.append(b"d\n").unwrap();
        assert_eq!(target.disk.bytes, b"abc\nd\n");
    }

    #[test]
    fn a_partial_line_that_stays_ends_the_task() {
        let mut target = target(Small { room: 1, stuck: true, ..Small::default() });
        assert!(target.append(b"ab\n").unwrap_err().unusable.is_some());
    }

    #[test]
    fn a_failed_sync_ends_the_task() {
        let mut target = target(Small { room: 9, broken: true, ..Small::default() });
        assert!(target.append(b"ab\n").unwrap_err().unusable.is_some());
    }

    #[test]
    fn the_last_line_feed_is_found_however_far_back() {
        for (before, partial) in
            [(0, 0), (0, 9), (3, 0), (3, 1), (7, BLOCK), (BLOCK, 3 * BLOCK - 7)]
        {
            let mut content = vec![b'a'; before];
            content.extend((before > 0).then_some(b'\n'));
            let whole = content.len() as u64;
            content.extend(vec![b'b'; partial]);
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&content).unwrap();
            assert_eq!(
                whole_lines(&file, content.len() as u64).unwrap(),
                whole,
                "{before} {partial}"
            );
        }
    }
}
