//! Which crate may depend on which.

use super::{Violation, relative};
use crate::stage;
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path};

/// Houses never import each other: each can be read, built and replaced alone.
const HOUSES: [&str; 3] = ["operator", "stream-manager", "instance"];

/// Whatever stands at the end of the line: nothing may be built on it.
const LEAVES: [&str; 6] = ["cli", "sim", "e2e", "bench", "fuzz", "xtask"];

/// Examples stand for the crate of a user, and the command line runs one of them in its tests.
const EXAMPLES: &str = "examples";

struct Package {
    name: String,
    manifest: String,
    dependencies: Vec<String>,
}

/// An error if cargo cannot say what depends on what.
pub(super) fn check(root: &Path, violations: &mut Vec<Violation>) -> Result<(), String> {
    let packages = packages(root)?;
    let folders: BTreeMap<&str, &str> =
        packages.iter().map(|package| (package.name.as_str(), top(&package.manifest))).collect();
    for package in &packages {
        for dependency in &package.dependencies {
            let Some(folder) = folders.get(dependency.as_str()) else { continue };
            let Some(rule) = forbidden(top(&package.manifest), dependency, folder) else {
                continue;
            };
            let line = line_of(root, &package.manifest, dependency);
            violations.push(Violation { path: package.manifest.clone(), line, rule });
        }
    }
    Ok(())
}

fn forbidden(from: &str, dependency: &str, to: &str) -> Option<String> {
    if from == to {
        return None;
    }
    if LEAVES.contains(&to) {
        return Some(format!(
            "nothing depends on `{dependency}`: {to}/ is built on everything else"
        ));
    }
    let houses = HOUSES.contains(&from) && HOUSES.contains(&to);
    if houses || (to == EXAMPLES && !LEAVES.contains(&from)) {
        return Some(format!("{from}/ must not depend on `{dependency}` of {to}/"));
    }
    None
}

fn packages(root: &Path) -> Result<Vec<Package>, String> {
    let command = ["cargo", "metadata", "--no-deps", "--format-version", "1"];
    let ended = stage::run(root, &command, &[], |_| false);
    let json = ended.output.lines().find(|line| line.starts_with('{'));
    let parsed = json.and_then(|json| serde_json::from_str::<Value>(json).ok());
    let all = parsed.as_ref().and_then(|value| value["packages"].as_array());
    let Some(all) = all else {
        return Err(format!("cargo metadata says nothing of use:\n{}", ended.output));
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(all
        .iter()
        .map(|package| Package {
            name: text(&package["name"]),
            manifest: relative(root, Path::new(&text(&package["manifest_path"]))),
            dependencies: package["dependencies"]
                .as_array()
                .map(|list| list.iter().map(|dependency| text(&dependency["name"])).collect())
                .unwrap_or_default(),
        })
        .collect())
}

/// The first folder of a path.
fn top(manifest: &str) -> &str {
    manifest.split('/').next().unwrap_or_default()
}

fn line_of(root: &Path, manifest: &str, dependency: &str) -> usize {
    let text = fs::read_to_string(root.join(manifest)).unwrap_or_default();
    text.lines().position(|line| line.starts_with(dependency)).map_or(1, |line| line + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn houses_stay_apart_and_leaves_carry_nothing() {
        for (from, to) in
            [("operator", "instance"), ("instance", "stream-manager"), ("link", "cli")]
        {
            assert!(forbidden(from, "x", to).is_some(), "{from} to {to}");
        }
        for (from, to) in [("instance", "instance"), ("cli", "operator"), ("sim", "stream-manager")]
        {
            assert_eq!(forbidden(from, "x", to), None, "{from} to {to}");
        }
    }
}
