//! An OCI image layout in one tar.

use crate::{Error, Image, layer};
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fs, io::Write, path::Path};
use tar::{Builder, EntryType, Header};

/// An image on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Of the manifest: what a registry and `kubectl describe pod` call the image's digest.
    pub digest: String,
    /// Bytes of the archive.
    pub size: u64,
}

const OCI: &str = "application/vnd.oci.image";

/// Writes an image as an archive that `ctr images import` and `docker load` take.
pub fn write(image: &Image, path: &Path) -> Result<Written, Error> {
    let wrong = |source| Error::Write { path: path.to_owned(), source };
    let tar = layer::tar(image)?;
    let layer = compress(&tar).map_err(wrong)?;
    let config = serde_json::to_vec(&config(image, &digest(&tar))).map_err(json_fails(path))?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": format!("{OCI}.manifest.v1+json"),
        "config": descriptor("config.v1+json", &config),
        "layers": [descriptor("layer.v1.tar+gzip", &layer)],
    });
    let manifest = serde_json::to_vec(&manifest).map_err(json_fails(path))?;
    let name = digest(&manifest);
    let mut listed = descriptor("manifest.v1+json", &manifest);
    listed["platform"] = json!({"architecture": architecture(), "os": "linux"});
    listed["annotations"] = json!({
        "io.containerd.image.name": image.name,
        "org.opencontainers.image.ref.name": tag(&image.name),
    });
    let index = json!({
        "schemaVersion": 2,
        "mediaType": format!("{OCI}.index.v1+json"),
        "manifests": [listed],
    });
    // What Docker before version 25 reads instead.
    let docker = json!([{
        "Config": blob(&digest(&config)),
        "Layers": [blob(&digest(&layer))],
        "RepoTags": [image.name],
    }]);
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    files.insert("oci-layout".into(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec());
    files.insert("index.json".into(), serde_json::to_vec(&index).map_err(json_fails(path))?);
    files.insert("manifest.json".into(), serde_json::to_vec(&docker).map_err(json_fails(path))?);
    for bytes in [config, manifest, layer] {
        files.insert(blob(&digest(&bytes)), bytes);
    }
    let archive = pack(&files).map_err(wrong)?;
    fs::write(path, &archive).map_err(wrong)?;
    Ok(Written { digest: name, size: archive.len() as u64 })
}

/// `sha256:...` of these bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(bytes) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// Where a blob of this digest is in the archive.
pub(crate) fn blob(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}

fn config(image: &Image, diff: &str) -> Value {
    json!({
        "architecture": architecture(),
        "os": "linux",
        // The time of the build is not part of what was built.
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "User": image.user,
            "Entrypoint": image.entrypoint,
            "Env": image.env,
            "Labels": image.labels,
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [diff]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "egret-oci"}],
    })
}

fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": format!("{OCI}.{kind}"), "digest": digest(bytes), "size": bytes.len()})
}

/// As images call the machine that this program was built for.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn tag(name: &str) -> &str {
    name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or("latest", |(_, tag)| tag)
}

fn compress(tar: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(6));
    encoder.write_all(tar)?;
    encoder.finish()
}

fn pack(files: &BTreeMap<String, Vec<u8>>) -> std::io::Result<Vec<u8>> {
    let mut builder = Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        header.set_mtime(0);
        builder.append_data(&mut header, path, bytes.as_slice())?;
    }
    builder.into_inner()
}

fn json_fails(path: &Path) -> impl Fn(serde_json::Error) -> Error {
    move |error| Error::Write { path: path.to_owned(), source: error.into() }
}
