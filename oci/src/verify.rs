//! Reads an archive back and believes nothing that it says of itself.

use crate::{
    Error,
    archive::{blob, digest},
};
use flate2::read::GzDecoder;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, Read},
    path::Path,
};
use tar::Archive;

/// What a sound archive holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The image's name, with tag.
    pub name: String,
    /// Of the manifest.
    pub digest: String,
    /// `user:group` that it runs as.
    pub user: String,
    /// Path and size of each entry of the layer, sorted as they stand there.
    pub entries: Vec<(String, u64)>,
}

/// Checks that each blob is what its name says, each descriptor fits its blob, and the layer is
/// the one that the config speaks of.
pub fn verify(path: &Path) -> Result<Verified, Error> {
    let files = read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    look(&files).map_err(|what| Error::Unsound { path: path.to_owned(), what })
}

fn read(path: &Path) -> std::io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut archive = Archive::new(BufReader::new(File::open(path)?));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        files.insert(entry.path()?.to_string_lossy().into_owned(), bytes);
    }
    Ok(files)
}

fn look(files: &BTreeMap<String, Vec<u8>>) -> Result<Verified, String> {
    for (name, bytes) in files.iter().filter(|(name, _)| name.starts_with("blobs/")) {
        if blob(&digest(bytes)) != *name {
            return Err(format!("`{name}` is not what its name says"));
        }
    }
    let index = json(files, "index.json")?;
    let listed = &index["manifests"][0];
    let manifest = parse(described(files, listed)?, "the manifest")?;
    let config = parse(described(files, &manifest["config"])?, "the config")?;
    let layers = manifest["layers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let [layer] = layers else {
        return Err(format!("{} layers where one is expected", layers.len()));
    };
    let mut tar = Vec::new();
    GzDecoder::new(described(files, layer)?)
        .read_to_end(&mut tar)
        .map_err(|error| format!("the layer is no gzip: {error}"))?;
    if config["rootfs"]["diff_ids"][0] != digest(&tar) {
        return Err("the config speaks of another layer".into());
    }
    Ok(Verified {
        name: text(&listed["annotations"]["io.containerd.image.name"]),
        digest: text(&listed["digest"]),
        user: text(&config["config"]["User"]),
        entries: entries(&tar).map_err(|error| format!("the layer is no tar: {error}"))?,
    })
}

fn entries(tar: &[u8]) -> std::io::Result<Vec<(String, u64)>> {
    let mut found = Vec::new();
    for entry in Archive::new(tar).entries()? {
        let entry = entry?;
        found.push((entry.path()?.to_string_lossy().into_owned(), entry.size()));
    }
    Ok(found)
}

fn described<'a>(
    files: &'a BTreeMap<String, Vec<u8>>,
    descriptor: &Value,
) -> Result<&'a [u8], String> {
    let name = blob(&text(&descriptor["digest"]));
    let bytes = files.get(&name).ok_or_else(|| format!("`{name}` is missing"))?;
    if descriptor["size"] != bytes.len() {
        return Err(format!("`{name}` has {} bytes, not {}", bytes.len(), descriptor["size"]));
    }
    Ok(bytes)
}

fn json(files: &BTreeMap<String, Vec<u8>>, name: &str) -> Result<Value, String> {
    parse(files.get(name).ok_or_else(|| format!("`{name}` is missing"))?, name)
}

fn parse(bytes: &[u8], name: &str) -> Result<Value, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("{name} is no JSON: {error}"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
