//! Certificates on disk.

// Also in the fixture, which clippy does not take for a test.
#![allow(clippy::unwrap_used)]

use egret_link::{Authority, Credentials, Identity, authority};
use egret_topology::id::TaskId;
use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

const HOUR: Duration = Duration::from_secs(3600);

fn identity(uid: &str) -> Identity {
    Identity::Task { uid: uid.into(), task: TaskId(4) }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn credentials_are_for_their_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("identity");
    let authority = Authority::new("u").unwrap();
    authority::write(&authority.issue(&identity("u"), HOUR).unwrap(), &dir).unwrap();
    assert_eq!(mode(&dir), 0o700);
    for name in ["ca.pem", "cert.pem", "key.pem"] {
        assert_eq!(mode(&dir.join(name)), 0o600, "{name}");
    }
    assert_eq!(*Credentials::load(&dir).unwrap().identity(), identity("u"));
}

#[test]
fn a_ca_speaks_for_its_topology_only() {
    let authority = Authority::new("u").unwrap();
    assert!(authority.issue(&identity("v"), HOUR).is_err());
    assert!(Authority::new("No DNS label").is_err());
}

#[test]
fn an_error_names_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, other) = (dir.path(), tempfile::tempdir().unwrap());
    let authority = Authority::new("u").unwrap();
    let write = |dir: &Path| {
        authority::write(&authority.issue(&identity("u"), HOUR).unwrap(), dir).unwrap();
    };
    for name in ["ca.pem", "cert.pem", "key.pem"] {
        let path = dir.join(name);
        let named = |why: &str| {
            let error = Credentials::load(dir).err().unwrap().to_string();
            assert!(error.contains(path.to_str().unwrap()), "{why}: {error}");
        };
        write(dir);
        fs::write(&path, "no certificate").unwrap();
        named("garbage");
        fs::remove_file(&path).unwrap();
        named("missing");
    }
    write(dir);
    write(other.path());
    fs::copy(other.path().join("key.pem"), dir.join("key.pem")).unwrap();
    let error = Credentials::load(dir).err().unwrap().to_string();
    assert!(error.contains("key.pem"), "another's key: {error}");
}
