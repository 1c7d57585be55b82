//! `cargo xtask images`: the three images, as OCI archives, without a Docker daemon; and
//! `cargo xtask image` for one of a user's own components.
//!
//! Programs are linked statically, without debug information, and built in a target directory of
//! their own, so that other builds keep what they have. The same sources give the same digests.

mod elf;

use crate::stage;
use egret_oci::Image;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Package and program of each image, and what it is.
const IMAGES: [(&str, &str); 3] = [
    ("egret-operator", "Topology resources in, pods out."),
    ("egret-stream-manager", "Moves frames between instances."),
    ("egret-instance", "Runs one task of the ready-made components."),
];

/// Bytes of an archive: nodes pull an image while a topology waits.
const LIMIT: u64 = 25 * 1024 * 1024;

const HEADING: &str = "\nimage                                  archive     digest\n";

/// Builds all images into the directory that follows `--out`, or into `target/images`.
pub(crate) fn run(root: &Path, args: &[&str]) -> Result<String, String> {
    let out = match args {
        [] => root.join("target/images"),
        ["--out", directory] => PathBuf::from(directory),
        _ => return Err("usage: cargo xtask images [--out DIRECTORY]".into()),
    };
    let programs = build(root, &IMAGES.map(|(name, _)| name))?;
    make(&out)?;
    let mut text = HEADING.to_owned();
    for (name, what) in IMAGES {
        let short = name.trim_start_matches("egret-");
        let version = env!("CARGO_PKG_VERSION");
        let mut image =
            Image::of_program(&format!("egret.dev/{short}:{version}"), name, programs.join(name));
        for (key, value) in [
            ("title", name),
            ("description", what),
            ("version", version),
            ("licenses", "Apache-2.0"),
        ] {
            image.labels.insert(format!("org.opencontainers.image.{key}"), value.to_owned());
        }
        text.push_str(&one(&image, &programs.join(name), &out.join(format!("{short}.tar")))?);
    }
    Ok(format!("{text}archives are in {}", out.display()))
}

/// Builds the image of one package, whose program has the package's name.
pub(crate) fn run_one(root: &Path, args: &[&str]) -> Result<String, String> {
    let (package, name, out) = match args {
        [package, name] => (*package, *name, root.join("target/images")),
        [package, name, "--out", directory] => (*package, *name, PathBuf::from(directory)),
        _ => return Err("usage: cargo xtask image PACKAGE IMAGE:TAG [--out DIRECTORY]".into()),
    };
    let programs = build(root, &[package])?;
    make(&out)?;
    let image = Image::of_program(name, package, programs.join(package));
    let archive = out.join(format!("{package}.tar"));
    let text = one(&image, &programs.join(package), &archive)?;
    Ok(format!("{HEADING}{text}the archive is {}", archive.display()))
}

fn make(out: &Path) -> Result<(), String> {
    fs::create_dir_all(out).map_err(|error| format!("cannot make {}: {error}", out.display()))
}

/// The directory that the static programs are in, each called as its package.
fn build(root: &Path, packages: &[&str]) -> Result<PathBuf, String> {
    let target = host(root)?;
    let directory = root.join("target/static");
    let flags = flags(root).join("\x1f");
    let directory_text = directory.to_string_lossy();
    let mut command = vec!["cargo", "build", "--release", "--locked", "--target", &target];
    command.extend(["--target-dir", &directory_text]);
    for name in packages {
        command.extend(["--package", name, "--bin", name]);
    }
    // C sources name their own files in assertions.
    let maps: Vec<String> =
        mapped(root).iter().map(|(from, to)| format!("-ffile-prefix-map={from}={to}")).collect();
    let variables = [
        ("CARGO_ENCODED_RUSTFLAGS", flags.as_str()),
        ("CFLAGS", &maps.join(" ")),
        ("CARGO_PROFILE_RELEASE_DEBUG", "false"),
        // Names of functions stay: profiles are of little use without.
        ("CARGO_PROFILE_RELEASE_STRIP", "debuginfo"),
        ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
        ("CARGO_INCREMENTAL", "0"),
        ("SOURCE_DATE_EPOCH", "0"),
    ];
    let ended = stage::run(root, &command, &variables, |line| line.starts_with("Compiling egret"));
    if ended.ok {
        Ok(directory.join(target).join("release"))
    } else {
        Err(format!("{}\nthe static programs cannot be built", ended.output.trim_end()))
    }
}

/// Static, and without the paths of this machine.
fn flags(root: &Path) -> Vec<String> {
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
    for (from, to) in mapped(root) {
        flags.push(format!("--remap-path-prefix={from}={to}"));
    }
    flags
}

/// What stands for the directories of this machine.
fn mapped(root: &Path) -> [(String, &'static str); 2] {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    let home = home.unwrap_or_else(|| root.join(".cargo"));
    [(home.display().to_string(), "/cargo"), (root.display().to_string(), "/egret")]
}

fn host(root: &Path) -> Result<String, String> {
    let ended = stage::run(root, &["rustc", "--version", "--verbose"], &[], |_| false);
    let host = ended.output.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or(format!("rustc does not name its host:\n{}", ended.output))
}

/// Writes one image of a static program and says what became of it.
fn one(image: &Image, program: &Path, path: &Path) -> Result<String, String> {
    let bytes =
        fs::read(program).map_err(|error| format!("cannot read {}: {error}", program.display()))?;
    if let Some(interpreter) = elf::interpreter(&bytes)? {
        return Err(format!("{} is not static: it asks for {interpreter}", program.display()));
    }
    let written = egret_oci::write(image, path).map_err(|error| error.to_string())?;
    let verified = egret_oci::verify(path).map_err(|error| error.to_string())?;
    if verified.digest != written.digest {
        return Err(format!("{} is not the image that was written", path.display()));
    }
    if written.size > LIMIT {
        let size = written.size;
        return Err(format!("{}: an archive of {size} bytes, {LIMIT} at most", image.name));
    }
    let size = written.size as f64 / 1024.0 / 1024.0;
    Ok(format!("{:<38} {size:>6.1} MB   {}\n", image.name, written.digest))
}
