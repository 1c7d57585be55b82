//! What can go wrong with an archive.

use std::{io, path::PathBuf};

/// An archive that cannot be written or is not what it says.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that belongs into the image.
    #[error("cannot read {path}, which belongs into the image: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The archive itself.
    #[error("cannot write the image archive {path}: {source}", path = path.display())]
    Write {
        /// The archive.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An image cannot hold two files of the same path.
    #[error("the image `{image}` has two entries `{path}`: leave one out")]
    Twice {
        /// The image's name.
        image: String,
        /// The path in the image.
        path: String,
    },
    /// A file that is no archive as we write them.
    #[error("{path} is no sound image archive: {what}", path = path.display())]
    Unsound {
        /// The archive.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}
