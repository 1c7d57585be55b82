//! Images that are in every node from the start, and how others get there.

use crate::{
    Result,
    binaries::{Binaries, make_directory},
    command,
    error::file,
    layout::Machine,
    node,
    recipe::COREDNS,
};
use egret_oci::{Entry, Image};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// Holds a pod's namespaces.
pub const PAUSE: &str = "egret.dev/e2e/pause:1";
/// A shell, `nc`, `wget`, `nslookup` and the like for tests, and `probe` (in `cluster/tools`),
/// which echoes and asks over TCP and UDP.
pub const BUSYBOX: &str = "egret.dev/e2e/busybox:1";

/// Unpacking 50 MB on a busy machine.
const IMPORT: Duration = Duration::from_secs(120);

/// What of busybox is called by its own name.
const APPLETS: [&str; 22] = [
    "awk", "cat", "date", "dd", "echo", "env", "grep", "hostname", "id", "ls", "mkdir", "nc",
    "nslookup", "printf", "rm", "seq", "sh", "sleep", "sort", "touch", "wc", "wget",
];

/// The name of the DNS server's image.
pub(crate) fn coredns() -> String {
    format!("egret.dev/e2e/coredns:{COREDNS}")
}

/// Archives of all images that a node starts with; kept in the cache.
pub(crate) fn obtain(binaries: &Binaries) -> Result<Vec<PathBuf>> {
    let directory = binaries.images();
    make_directory(&directory)?;
    let mut archives = Vec::new();
    for (name, image) in [
        ("pause", Image::of_program(PAUSE, "pause", binaries.program("pause"))),
        ("coredns", Image::of_program(&coredns(), "coredns", binaries.program("coredns"))),
        ("busybox", busybox(binaries)),
    ] {
        let path = directory.join(format!("{name}.tar"));
        if !path.is_file() {
            let unfinished = directory.join(format!(".{name}.unfinished"));
            egret_oci::write(&image, &unfinished)?;
            fs::rename(&unfinished, &path).map_err(file("finish", &path))?;
        }
        archives.push(path);
    }
    Ok(archives)
}

/// Gives a node the images of an archive.
pub(crate) fn import(node: Machine, archive: &Path) -> Result<()> {
    let mut command = command::program("ctr", &["--namespace", "k8s.io", "--address"]);
    command.arg(node::socket(node)).args(["images", "import"]).arg(archive);
    command::output(&mut command, IMPORT).map(drop)
}

/// Gives an image of a node another name besides.
pub(crate) fn tag(node: Machine, image: &str, other: &str) -> Result<()> {
    let mut command = command::program("ctr", &["--namespace", "k8s.io", "--address"]);
    command.arg(node::socket(node)).args(["images", "tag", "--force", image, other]);
    command::output(&mut command, IMPORT).map(drop)
}

fn busybox(binaries: &Binaries) -> Image {
    let mut image = Image::of_program(BUSYBOX, "bin/busybox", "/bin/busybox".into());
    let source = binaries.program("probe");
    image.entries.push(Entry::File { path: "bin/probe".into(), mode: 0o755, source });
    image.env = vec!["PATH=/bin".into()];
    image.entrypoint = vec!["/bin/sh".into()];
    for applet in APPLETS {
        let (path, target) = (format!("bin/{applet}"), "busybox".to_owned());
        image.entries.push(Entry::Link { path, target });
    }
    image
}
