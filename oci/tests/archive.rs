//! Archives as they are written and read back.

use egret_oci::{Entry, Error, Image, verify, write};
use std::fs;

fn image(directory: &std::path::Path) -> Image {
    let program = directory.join("program");
    fs::write(&program, b"\x7fELF and so on").expect("the test's own directory is writable");
    Image::of_program("egret.dev/sample:1.2.3", "sample", program)
}

#[test]
fn the_same_content_is_the_same_archive() {
    let directory = tempfile::tempdir().unwrap();
    let mut image = image(directory.path());
    let (one, two) = (directory.path().join("one.tar"), directory.path().join("two.tar"));
    let first = write(&image, &one).unwrap();
    // Neither the order of entries nor the time of a file is content.
    image.entries.reverse();
    fs::write(directory.path().join("program"), b"\x7fELF and so on").unwrap();
    let second = write(&image, &two).unwrap();
    assert_eq!(first, second);
    assert_eq!(fs::read(one).unwrap(), fs::read(two).unwrap());
}

#[test]
fn an_archive_is_what_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image.tar");
    let written = write(&image(directory.path()), &path).unwrap();
    let verified = verify(&path).unwrap();
    assert_eq!(verified.name, "egret.dev/sample:1.2.3");
    assert_eq!(verified.user, "65532:65532");
    assert_eq!(verified.digest, written.digest);
    let names: Vec<&str> = verified.entries.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["etc/", "etc/group", "etc/passwd", "sample", "tmp/"]);
}

#[test]
fn a_changed_byte_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image.tar");
    write(&image(directory.path()), &path).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let config = bytes.windows(11).position(|part| part == b"65532:65532").unwrap();
    bytes[config] = b'0';
    fs::write(&path, bytes).unwrap();
    let Err(Error::Unsound { what, .. }) = verify(&path) else { panic!("it passed") };
    assert!(what.contains("not what its name says"), "{what}");
}

#[test]
fn two_files_of_one_path_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut image = image(directory.path());
    image.entries.push(Entry::Link { path: "sample".into(), target: "tmp".into() });
    let error = write(&image, &directory.path().join("image.tar")).unwrap_err();
    assert!(error.to_string().contains("two entries `sample`"), "{error}");
}
