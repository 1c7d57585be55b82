//! Tests that have failed on a cluster, read from what cargo printed, to be tried once more.

/// More failures than these are no coincidence.
const MOST: usize = 3;

/// A test that has failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    /// As in `--test PROGRAM`.
    pub(crate) program: String,
    /// The test's name, with its modules.
    pub(crate) name: String,
}

/// The tests that are worth another try: all that have failed, if they are few and nothing else
/// went wrong.
pub(crate) fn worth_a_try(output: &str) -> Vec<Failed> {
    let mut failed: Vec<Failed> = Vec::new();
    let mut program = None;
    let mut blamed = Vec::new();
    for line in output.lines().map(str::trim) {
        if let Some(path) = line.strip_prefix("Running tests/") {
            program = path.split(['.', '/', ' ']).next();
        } else if line.starts_with("Running ") || line.starts_with("Doc-tests ") {
            program = None;
        } else if line.contains("process didn't exit successfully") {
            return Vec::new();
        } else if line.starts_with("error: test failed, to rerun pass") {
            blamed.push(program);
        } else if let Some(rest) = line.strip_prefix("test ")
            && let Some(name) = rest.strip_suffix(" ... FAILED")
        {
            let Some(program) = program else { return Vec::new() };
            failed.push(Failed { program: program.to_owned(), name: name.to_owned() });
        }
    }
    let named = |program: &Option<&str>| failed.iter().any(|one| Some(&*one.program) == *program);
    if failed.len() <= MOST && blamed.iter().all(named) { failed } else { Vec::new() }
}

/// What a failed test has written.
pub(crate) fn told<'a>(output: &'a str, name: &str) -> &'a str {
    let heading = format!("---- {name} stdout ----");
    let Some(at) = output.find(&heading) else { return "" };
    let rest = &output[at..];
    // Another one's, or the list of names.
    let ends = ["\n---- ", "\nfailures:"].into_iter().filter_map(|mark| rest.find(mark));
    rest[..ends.min().unwrap_or(rest.len())].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "
     Running unittests src/lib.rs (target/debug/deps/egret_e2e-1)
test wait::it_waits ... ok
     Running tests/drain.rs (target/debug/deps/drain-1)
test a_node_is_emptied ... FAILED
error: test failed, to rerun pass `-p egret-e2e --test drain`
     Running tests/topologies/main.rs (target/debug/deps/topologies-1)
test cli::changes_are_listed ... FAILED
test cli::logs_are_merged ... ok
error: test failed, to rerun pass `-p egret-e2e --test topologies`
";

    fn names(output: &str) -> Vec<String> {
        let failed = worth_a_try(output).into_iter();
        failed.map(|one| format!("{} {}", one.program, one.name)).collect()
    }

    #[test]
    fn failed_tests_are_found_with_their_programs() {
        assert_eq!(
            names(OUTPUT),
            ["drain a_node_is_emptied", "topologies cli::changes_are_listed"]
        );
    }

    #[test]
    fn a_program_that_crashes_is_not_tried_again() {
        let crashed = format!("{OUTPUT}  process didn't exit successfully: `x` (signal: 6)\n");
        assert_eq!(names(&crashed), [""; 0]);
        let silent = "     Running tests/drain.rs (d)\n\
                      error: test failed, to rerun pass `-p egret-e2e --test drain`\n";
        assert_eq!(names(&OUTPUT.replace("test a_node_is_emptied ... FAILED\n", "")), [""; 0]);
        assert_eq!(names(silent), [""; 0]);
    }

    #[test]
    fn what_a_test_has_written_is_found() {
        let output = "failures:\n\n---- a stdout ----\none\ntwo\n\n---- b stdout ----\nthree\n\n\n\
                      failures:\n    a\n    b\n";
        assert_eq!(told(output, "a"), "---- a stdout ----\none\ntwo");
        assert_eq!(told(output, "b"), "---- b stdout ----\nthree");
        assert_eq!(told(output, "c"), "");
    }

    #[test]
    fn many_failures_are_no_coincidence() {
        let many: String = (0..4).map(|i| format!("test t{i} ... FAILED\n")).collect();
        assert_eq!(names(&format!("Running tests/drain.rs (d)\n{many}")), [""; 0]);
    }

    #[test]
    fn a_unit_test_needs_no_luck() {
        let unit = "Running unittests src/lib.rs (d)\ntest a ... FAILED\n\
                    error: test failed, to rerun pass `-p egret-e2e --lib`\n";
        assert_eq!(names(unit), [""; 0]);
    }
}
