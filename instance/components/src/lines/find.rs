//! Finds the files that `path` names.

use super::Paths;
use anyhow::{Context as _, Result, anyhow, bail};
use glob::MatchOptions;
use std::{collections::BTreeSet, env, fs, path::Path};

/// Files of one spout. Each task looks at all of them when it opens.
const MAX_FILES: usize = 100_000;

/// Hidden files and folders are matched only where the pattern names the dot, as in a shell.
const LIKE_A_SHELL: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its path as it was found; names its splits.
    pub(super) path: String,
    /// Its size when it was found.
    pub(super) size: u64,
}

impl Found {
    /// The first split of the file that this task reads; from there on it reads every
    /// `parallelism`th. Task `(hash(path) + k) % parallelism` reads split `k`, whatever other files
    /// there are.
    pub(super) fn first_split(&self, index: u32, parallelism: u32) -> u64 {
        let (index, parallelism) = (u64::from(index), u64::from(parallelism));
        (index + parallelism - fnv1a(self.path.as_bytes()) % parallelism) % parallelism
    }
}

/// All files that these paths name, each once, in order of their paths.
pub(super) fn find(paths: &Paths) -> Result<Vec<Found>> {
    let mut found = BTreeSet::new();
    for path in &paths.0 {
        let before = found.len();
        let is_pattern = path.contains(['*', '?', '[']) && !Path::new(path).exists();
        if is_pattern {
            expand(path, &mut found)?;
        } else {
            let plain = path.trim_start_matches("./");
            found.insert(if plain.is_empty() { path.clone() } else { plain.to_owned() });
        }
        if found.len() > MAX_FILES {
            bail!("`{path}` brings the files to {}; the limit is {MAX_FILES}", found.len());
        }
        if is_pattern && found.len() == before && !matches_any(path, &found) {
            bail!("no file matches `{path}`, looked for from {}", here());
        }
    }
    found.into_iter().map(look_at).collect()
}

fn expand(pattern: &str, found: &mut BTreeSet<String>) -> Result<()> {
    let entries = glob::glob_with(pattern, LIKE_A_SHELL)
        .with_context(|| format!("`{pattern}` is no glob pattern"))?;
    for entry in entries {
        let path = entry.with_context(|| format!("`{pattern}`, looked for from {}", here()))?;
        if path.is_dir() {
            continue;
        }
        let path = path.to_str().ok_or_else(|| {
            anyhow!(
                "the name of {} is not UTF-8: rename it, so that its splits have names",
                path.display()
            )
        })?;
        found.insert(path.trim_start_matches("./").to_owned());
        if found.len() > MAX_FILES {
            break;
        }
    }
    Ok(())
}

/// A pattern whose files were all found by an earlier one.
fn matches_any(pattern: &str, found: &BTreeSet<String>) -> bool {
    let pattern = glob::Pattern::new(pattern.trim_start_matches("./"));
    pattern.is_ok_and(|pattern| found.iter().any(|path| pattern.matches_with(path, LIKE_A_SHELL)))
}

fn look_at(path: String) -> Result<Found> {
    let metadata = fs::metadata(&path)
        .with_context(|| format!("cannot read `{path}`, looked for from {}", here()))?;
    if !metadata.is_file() {
        bail!(
            "`{path}` is no regular file, so it has no offsets to go on from: name files, or pipe \
            it \
             into standard input and set `path: \"-\"`"
        );
    }
    Ok(Found { path, size: metadata.len() })
}

/// The directory that relative paths start from.
fn here() -> String {
    env::current_dir().map_or_else(|error| error.to_string(), |here| here.display().to_string())
}

/// The same number in every process, whatever the version of Rust: tasks must agree on who reads
/// what.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(folder: &tempfile::TempDir, patterns: &[&str]) -> Paths {
        Paths(patterns.iter().map(|p| format!("{}/{p}", folder.path().display())).collect())
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("sub/.hidden")).unwrap();
        for name in ["a.md", "b.txt", "sub/c.md", "sub/.hidden/d.md"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        folder
    }

    fn names(folder: &tempfile::TempDir, patterns: &[&str]) -> Vec<String> {
        let strip = |found: Found| {
            found.path.strip_prefix(&format!("{}/", folder.path().display())).unwrap().to_owned()
        };
        find(&paths(folder, patterns)).unwrap().into_iter().map(strip).collect()
    }

    #[test]
    fn a_glob_finds_files_in_all_folders_that_are_not_hidden() {
        let folder = folder();
        assert_eq!(names(&folder, &["**/*.md"]), ["a.md", "sub/c.md"]);
        assert_eq!(names(&folder, &["*"]), ["a.md", "b.txt"]);
    }

    #[test]
    fn a_file_that_is_named_twice_is_read_once() {
        let folder = folder();
        assert_eq!(names(&folder, &["a.md", "*.md", "*.md"]), ["a.md"]);
    }

    #[test]
    fn a_file_with_the_characters_of_a_glob_is_found_by_its_name() {
        let folder = folder();
        fs::write(folder.path().join("[x]*"), "").unwrap();
        assert_eq!(names(&folder, &["[x]*"]), ["[x]*"]);
    }

    #[test]
    fn what_is_missing_is_named_with_the_directory() {
        let folder = folder();
        let here = env::current_dir().unwrap().display().to_string();
        for missing in ["none.md", "*.rs"] {
            let error = format!("{:#}", find(&paths(&folder, &["a.md", missing])).unwrap_err());
            assert!(error.contains(missing) && error.contains(&here), "{error}");
        }
    }

    #[test]
    fn what_has_no_offsets_is_refused() {
        let folder = folder();
        let error = find(&paths(&folder, &["sub"])).unwrap_err().to_string();
        assert!(error.contains("is no regular file"), "{error}");
        let error = find(&Paths(vec!["/dev/null".to_owned()])).unwrap_err().to_string();
        assert!(error.contains("standard input"), "{error}");
    }

    #[test]
    fn each_task_has_its_first_split_and_it_never_changes() {
        let found = Found { path: "README.md".to_owned(), size: 0 };
        let tasks: Vec<u64> = (0..7).map(|index| found.first_split(index, 7)).collect();
        assert_eq!(tasks, [4, 5, 6, 0, 1, 2, 3]);
    }
}
