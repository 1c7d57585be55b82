//! `cargo xtask manifests`: what is generated from the CustomResourceDefinition, from the chart and
//! from the catalogue of metrics.
//!
//! | from | written |
//! | --- | --- |
//! | the types of the resource | `manifests/crd.yaml`, the chart's copy, `docs/topology.md` |
//! | the catalogue of metrics | `docs/metrics.md` |
//! | `xtask/src/dashboards` | `dashboards/*.json`, and the chart's copies |
//! | `dashboards/rules.yaml` | the chart's copy |
//! | the chart | `manifests/egret.yaml`; this takes Helm |
//! | `docs/argocd/health.lua` | `docs/argocd/argocd-cm.yaml` |

mod definition;
mod fields;
mod metrics;
pub(crate) mod programs;
mod rendered;

use crate::dashboards;
use programs::Programs;
use std::{fs, path::Path};

/// Alert rules, and what the chart ships for Grafana and Prometheus.
const RULES: &str = "dashboards/rules.yaml";
const CHART: &str = "charts/egret/monitoring";

/// A file that is generated.
struct Generated {
    /// From the root.
    path: String,
    text: String,
}

/// Writes all generated files, or with `--check` fails if one differs.
pub(crate) fn run(root: &Path, args: &[&str]) -> Result<String, String> {
    let check = match args {
        [] => false,
        ["--check"] => true,
        _ => return Err("usage: cargo xtask manifests [--check]".into()),
    };
    // Without Go only what needs Helm is left out.
    let programs = programs::obtain(root);
    let (files, skipped) = generate(root, programs.as_ref().map_err(String::as_str))?;
    let mut text = if check { compare(root, &files)? } else { write(root, &files)? };
    if let Some(skipped) = skipped {
        text.push_str(&format!("; {skipped}"));
    }
    Ok(text)
}

/// All files that can be generated here, and what is left out and why.
fn generate(
    root: &Path,
    programs: Result<&Programs, &str>,
) -> Result<(Vec<Generated>, Option<String>), String> {
    let text = definition::text(root)?;
    let value: serde_json::Value = serde_yaml::from_str(&text)
        .map_err(|error| format!("`egret-operator crd` prints no YAML: {error}"))?;
    let lua = read(root, "docs/argocd/health.lua")?;
    let mut files = vec![
        Generated { path: "manifests/crd.yaml".into(), text: definition::manifest(&text) },
        Generated {
            path: "charts/egret/templates/crd.yaml".into(),
            text: definition::template(&text, &value)?,
        },
        Generated { path: "docs/topology.md".into(), text: fields::page(&value)? },
        Generated { path: "docs/metrics.md".into(), text: metrics::page() },
        Generated { path: "docs/argocd/argocd-cm.yaml".into(), text: rendered::argo(&lua) },
    ];
    files.push(Generated { path: format!("{CHART}/rules.yaml"), text: read(root, RULES)? });
    for dashboard in dashboards::all() {
        let (name, text) = (dashboard.name, dashboard.json());
        // A chart can take in only what is below it.
        let copy = Generated { path: format!("{CHART}/{name}.json"), text: text.clone() };
        files.extend([Generated { path: format!("dashboards/{name}.json"), text }, copy]);
    }
    match programs {
        Ok(programs) => {
            let text = rendered::manifest(root, programs, &text)?;
            files.push(Generated { path: "manifests/egret.yaml".into(), text });
            Ok((files, None))
        }
        Err(why) => {
            Ok((files, Some(format!("SKIPPED manifests/egret.yaml, which takes Helm: {why}"))))
        }
    }
}

fn write(root: &Path, files: &[Generated]) -> Result<String, String> {
    let mut changed = Vec::new();
    for Generated { path, text } in files {
        let file = root.join(path);
        if fs::read_to_string(&file).is_ok_and(|before| before == *text) {
            continue;
        }
        fs::write(&file, text).map_err(|error| format!("cannot write {path}: {error}"))?;
        changed.push(path.as_str());
    }
    let changed = if changed.is_empty() { "nothing".to_owned() } else { changed.join(", ") };
    Ok(format!("{} generated files; changed: {changed}", files.len()))
}

fn compare(root: &Path, files: &[Generated]) -> Result<String, String> {
    let differs = |file: &&Generated| {
        fs::read_to_string(root.join(&file.path)).map_or(true, |text| text != file.text)
    };
    let stale: Vec<&str> = files.iter().filter(differs).map(|file| file.path.as_str()).collect();
    if stale.is_empty() {
        return Ok(format!("{} generated files are up to date", files.len()));
    }
    Err(format!("out of date: {}\nrun `cargo xtask manifests` and commit them", stale.join(", ")))
}

fn read(root: &Path, path: &str) -> Result<String, String> {
    fs::read_to_string(root.join(path)).map_err(|error| format!("cannot read {path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_differs_or_is_missing_is_named_and_writing_it_helps() {
        let root = std::env::temp_dir().join(format!("egret-xtask-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        let files = [Generated { path: "a.yaml".into(), text: "a: 1\n".into() }];
        assert!(compare(&root, &files).unwrap_err().starts_with("out of date: a.yaml\n"));
        assert!(write(&root, &files).unwrap().ends_with("changed: a.yaml"));
        assert!(compare(&root, &files).is_ok());
        assert!(write(&root, &files).unwrap().ends_with("changed: nothing"));
        fs::write(root.join("a.yaml"), "a: 2\n").unwrap();
        assert!(compare(&root, &files).is_err());
        fs::remove_dir_all(&root).unwrap();
    }
}
