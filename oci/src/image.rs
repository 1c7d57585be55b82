//! What is in an image, before it is bytes.

use std::{collections::BTreeMap, path::PathBuf};

/// An image of one layer.
#[derive(Clone, Debug)]
pub struct Image {
    /// With tag, as a pod names it: `egret.dev/instance:0.1.0`.
    pub name: String,
    /// `user:group` by number: a pod with `runAsNonRoot` refuses names.
    pub user: String,
    /// The program and what it is always called with.
    pub entrypoint: Vec<String>,
    /// `KEY=value`.
    pub env: Vec<String>,
    /// What tools show of the image.
    pub labels: BTreeMap<String, String>,
    /// Everything below `/`; parents of files are made as needed.
    pub entries: Vec<Entry>,
}

/// A path in an image, without the leading `/`.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A directory.
    Directory {
        /// Its path.
        path: String,
        /// Its permissions.
        mode: u32,
    },
    /// A file with the content of a file of this machine.
    File {
        /// Its path.
        path: String,
        /// Its permissions.
        mode: u32,
        /// Where its content is now.
        source: PathBuf,
    },
    /// A file with this content.
    Text {
        /// Its path.
        path: String,
        /// Its content.
        text: String,
    },
    /// A symbolic link.
    Link {
        /// Its path.
        path: String,
        /// What it points to.
        target: String,
    },
}

impl Image {
    /// An image that runs one static program as user 65532, which is what `scratch` lacks a name
    /// for.
    pub fn of_program(name: &str, program: &str, source: PathBuf) -> Image {
        let passwd = "root:x:0:0:root:/:/none\nnonroot:x:65532:65532:nonroot:/:/none\n";
        Image {
            name: name.to_owned(),
            user: "65532:65532".to_owned(),
            entrypoint: vec![format!("/{program}")],
            env: Vec::new(),
            labels: BTreeMap::new(),
            entries: vec![
                Entry::File { path: program.to_owned(), mode: 0o755, source },
                Entry::Text { path: "etc/passwd".into(), text: passwd.into() },
                Entry::Text { path: "etc/group".into(), text: "nonroot:x:65532:\n".into() },
                Entry::Directory { path: "tmp".into(), mode: 0o1777 },
            ],
        }
    }
}

impl Entry {
    /// The path in the image.
    pub fn path(&self) -> &str {
        match self {
            Entry::Directory { path, .. }
            | Entry::File { path, .. }
            | Entry::Text { path, .. }
            | Entry::Link { path, .. } => path,
        }
    }
}
