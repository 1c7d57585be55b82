//! The programs that check charts and manifests, and the schemas that they check them against.

use crate::{
    Error, Progress, Result,
    binaries::{Binaries, lock, make_directory},
    command,
    error::file,
    recipe::{CHECKS, KUBERNETES},
};
use serde::Deserialize;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// For the sources of Kubernetes, of which the schemas are made; a cluster is built of them too.
const DOWNLOAD: Duration = Duration::from_secs(10 * 60);

/// What `go mod download -json` tells.
#[derive(Deserialize)]
struct Downloaded {
    #[serde(rename = "Dir")]
    directory: PathBuf,
}

/// A directory with programs in `bin` and JSON schemas in `schemas`; what is missing is built.
pub fn obtain(progress: &Progress) -> Result<PathBuf> {
    let _lock = lock(progress)?;
    let binaries = Binaries::obtain(&CHECKS, progress)?;
    let schemas = binaries.directory().join("schemas");
    if !schemas.is_dir() {
        make_schemas(&binaries, &schemas)?;
    }
    Ok(binaries.directory().to_owned())
}

fn make_schemas(binaries: &Binaries, schemas: &Path) -> Result<()> {
    let module = format!("k8s.io/kubernetes@{KUBERNETES}");
    let mut download = Command::new("go");
    download.args(["mod", "download", "-json", &module]).env("GOWORK", "off");
    download.current_dir(binaries.sources("checks"));
    let text = command::output(&mut download, DOWNLOAD)?;
    let told: Downloaded = serde_json::from_str(&text)
        .map_err(|error| Error::Host(format!("go does not say where {module} is: {error}")))?;
    let unfinished = binaries.directory().join(".schemas.unfinished");
    make_directory(&unfinished)?;
    let swagger = told.directory.join("api/openapi-spec/swagger.json");
    let mut make = command::program(binaries.program("schemas"), &[&swagger, &unfinished]);
    command::output(&mut make, command::QUICK)?;
    fs::rename(&unfinished, schemas).map_err(file("finish", schemas))
}
