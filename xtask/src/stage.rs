//! Runs one command, keeps all that it writes, and shows the lines that tell how far it is.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::Command,
};

/// How a command ended.
pub(crate) struct Ended {
    /// With exit code 0.
    pub(crate) ok: bool,
    /// All that it wrote to either stream, in order.
    pub(crate) output: String,
}

/// Runs a program in `dir` with these arguments and variables. Lines for which `show` holds are
/// printed at once.
pub(crate) fn run(
    dir: &Path,
    command: &[&str],
    variables: &[(&str, &str)],
    show: fn(&str) -> bool,
) -> Ended {
    match start(dir, command, variables, show) {
        Ok(ended) => ended,
        Err(error) => Ended { ok: false, output: format!("cannot run {command:?}: {error}\n") },
    }
}

/// Builds a program of this workspace and says where it is.
///
/// All that is built is chosen with `--workspace`: then a dependency has the same features in every
/// build, and is built once. With `--package` much of it would be built again for each.
pub(crate) fn program(root: &Path, name: &str) -> Result<PathBuf, String> {
    let build = ["cargo", "build", "--quiet", "--locked", "--workspace", "--bin", name];
    let built = run(root, &build, &[], |_| false);
    if !built.ok {
        return Err(built.output);
    }
    // Cargo puts it beside this one.
    let ours = std::env::current_exe().map_err(|error| format!("where is xtask? {error}"))?;
    Ok(ours.with_file_name(name))
}

/// Whether a tool answers when it is asked for its version.
pub(crate) fn answers(dir: &Path, command: &[&str]) -> bool {
    run(dir, command, &[], |_| false).ok
}

fn start(
    dir: &Path,
    command: &[&str],
    variables: &[(&str, &str)],
    show: fn(&str) -> bool,
) -> std::io::Result<Ended> {
    let Some((program, args)) = command.split_first() else {
        return Err(std::io::Error::other("no program"));
    };
    let (reader, writer) = std::io::pipe()?;
    let mut child = {
        // The builder holds the ends that are written to; reading ends only when it is dropped.
        let mut builder = Command::new(program);
        builder.args(args).current_dir(dir).envs(variables.iter().copied());
        builder.stdout(writer.try_clone()?).stderr(writer).spawn()?
    };
    let mut output = String::new();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        if show(text.trim()) {
            println!("    {}", text.trim());
        }
        output.push_str(&text);
        line.clear();
    }
    Ok(Ended { ok: child.wait()?.success(), output })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_streams_are_kept_in_order() {
        let script = "echo one; echo two >&2; echo three; exit 3";
        let ended = run(Path::new("."), &["sh", "-c", script], &[], |_| false);
        assert!(!ended.ok);
        assert_eq!(ended.output, "one\ntwo\nthree\n");
    }

    #[test]
    fn a_missing_program_is_a_failure_with_words() {
        let ended = run(Path::new("."), &["no-such-program-here"], &[], |_| false);
        assert!(!ended.ok);
        assert!(ended.output.contains("no-such-program-here"), "{}", ended.output);
    }
}
