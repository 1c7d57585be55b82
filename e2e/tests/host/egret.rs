//! `egret` as people type it. Included by the tests that do.

use egret_e2e::{Cluster, Namespace};
use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

/// The program of this checkout, built beside this test.
pub(crate) fn egret() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let test = env::current_exe().unwrap();
        let profile = test.ancestors().nth(2).unwrap();
        let mut build = Command::new(env!("CARGO"));
        // As all is built that is tested: with the features of the whole workspace.
        build.args(["build", "--quiet", "--workspace", "--bin", "egret", "--target-dir"]);
        build.arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success());
        profile.join("egret")
    })
}

pub(crate) fn command(cluster: &Cluster, namespace: &str, args: &[&str]) -> Command {
    let mut command = Command::new(egret());
    command.args(args).args(["--namespace", namespace]).env("KUBECONFIG", cluster.kubeconfig());
    command
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What it prints if all goes well.
pub(crate) fn prints(cluster: &Cluster, namespace: &Namespace, args: &[&str]) -> String {
    let output = command(cluster, namespace.name(), args).output().unwrap();
    let Output { status, stdout, stderr } = output;
    let (stdout, stderr) = (text(&stdout), text(&stderr));
    assert!(status.success(), "{args:?}: {status}\n{stdout}\n{stderr}");
    assert!(!stdout.contains('\u{1b}'), "no colours where no terminal is: {stdout}");
    stdout
}

/// What it says if it fails, with its exit code.
pub(crate) fn fails(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    assert_eq!(text(&output.stdout), "");
    (output.status.code().unwrap(), text(&output.stderr))
}
