//! The chart, the manifests and the examples, looked at by those programs that look at everybody's.

use crate::manifests::programs::Programs;
use std::{
    fs,
    path::{Path, PathBuf},
};

const CHART: &str = "charts/egret";
/// The oldest Kubernetes that the chart admits.
const KUBERNETES: &str = "v1.33.0";

/// Checks of kube-score that are left out, each with its reason.
const NOT_SCORED: [(&str, &str); 1] = [(
    "container-image-pull-policy",
    "images are tagged by version, and nodes may have got them without a registry",
)];

/// Kinds of the Prometheus operator, whose schemas are not Kubernetes' own.
const MONITORING: &str = "ServiceMonitor,PodMonitor,PrometheusRule";

/// Ways to install the chart that are checked: all defaults, and all choices.
const DEFAULTS: &[&str] = &[];
const CHOICES: &[&str] = &["--values", "charts/egret/tests/choices.yaml"];

/// Runs all checks. What it returns goes into the closing table.
pub(crate) fn check(root: &Path, programs: &Programs) -> Result<String, String> {
    let work = Work::new()?;
    programs.run(root, "helm", &["lint", CHART, "--strict", "--kube-version", KUBERNETES])?;
    let units = programs.run(root, "helm-unittest", &["--strict", CHART])?;
    let mut files = vec!["manifests/egret.yaml".to_owned()];
    for (name, values) in [("defaults", DEFAULTS), ("choices", CHOICES)] {
        files.push(work.render(root, programs, name, values)?);
    }
    let resources = conform(root, programs, &work, &files)?;
    for file in &files {
        score(root, programs, file)?;
    }
    let health = ["docs/argocd/health.lua", "docs/argocd/health_test.yaml"];
    let health = programs.run(root, "health", &health)?;
    let units = units.lines().find_map(|line| line.strip_prefix("Tests:")).unwrap_or("?").trim();
    Ok(format!(
        "Helm's lint; unit tests: {units}; {resources} objects conform, no critical finding; {}",
        health.trim()
    ))
}

/// Every object has the fields that its kind has, and no others; topologies too.
fn conform(root: &Path, programs: &Programs, work: &Work, files: &[String]) -> Result<u64, String> {
    let schemas = programs.schemas();
    let own = work.topology_schema(root)?;
    let pattern = "{{ .ResourceKind }}{{ .KindSuffix }}.json";
    let locations = [schemas, own].map(|at| at.join(pattern).to_string_lossy().into_owned());
    let mut args = vec!["-strict", "-summary", "-output", "json", "-skip", MONITORING];
    for location in &locations {
        args.extend(["-schema-location", location]);
    }
    args.extend(files.iter().map(String::as_str));
    args.push("examples");
    let output = programs.run(root, "kubeconform", &args)?;
    let summary: serde_json::Value = serde_json::from_str(&output)
        .map_err(|error| format!("kubeconform says no JSON: {error}\n{output}"))?;
    let count = |word: &str| summary["summary"][word].as_u64().unwrap_or_default();
    if count("valid") == 0 || count("invalid") + count("errors") > 0 {
        return Err(format!("{output}\nkubeconform found nothing, or something wrong"));
    }
    Ok(count("valid"))
}

fn score(root: &Path, programs: &Programs, file: &str) -> Result<(), String> {
    let mut args = vec!["score", "--output-format", "ci", "--kubernetes-version", "v1.33"];
    for (check, _) in NOT_SCORED {
        args.extend(["--ignore-test", check]);
    }
    args.push(file);
    let fine = |line: &&str| line.starts_with("[OK]") || line.starts_with("[SKIPPED]");
    let told =
        |text: String| text.lines().filter(|line| !fine(line)).collect::<Vec<_>>().join("\n");
    programs.run(root, "kube-score", &args).map(drop).map_err(told)
}

/// A directory that is gone afterwards.
struct Work(PathBuf);

impl Work {
    fn new() -> Result<Work, String> {
        let path = std::env::temp_dir().join(format!("egret-charts-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| format!("cannot make a directory: {error}"))?;
        Ok(Work(path))
    }

    /// The file with what the chart makes of these values.
    fn render(
        &self,
        root: &Path,
        programs: &Programs,
        name: &str,
        values: &[&str],
    ) -> Result<String, String> {
        let mut args = vec!["template", "egret", CHART, "--namespace", "egret-system"];
        args.extend(["--kube-version", KUBERNETES]);
        args.extend(values);
        let text = programs.run(root, "helm", &args)?;
        self.write(&format!("{name}.yaml"), &text)
    }

    /// The directory with the schema of topologies, from their definition.
    fn topology_schema(&self, root: &Path) -> Result<PathBuf, String> {
        let text = fs::read_to_string(root.join("manifests/crd.yaml"));
        let text = text.map_err(|error| format!("cannot read manifests/crd.yaml: {error}"))?;
        let definition: serde_json::Value = serde_yaml::from_str(&text)
            .map_err(|error| format!("manifests/crd.yaml is no YAML: {error}"))?;
        let mut schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
        close(&mut schema);
        self.write("topology-egret-v1alpha1.json", &schema.to_string())?;
        Ok(self.0.clone())
    }

    fn write(&self, name: &str, text: &str) -> Result<String, String> {
        let path = self.0.join(name);
        fs::write(&path, text)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(path.to_string_lossy().into_owned())
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What is left of it does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Refuses fields that are not named, as the API server does when it is asked to be strict.
fn close(schema: &mut serde_json::Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    let open = fields.contains_key("x-kubernetes-preserve-unknown-fields")
        || fields.contains_key("additionalProperties");
    if fields.contains_key("properties") && !open {
        fields.insert("additionalProperties".to_owned(), false.into());
    }
    if let Some(properties) = fields.get_mut("properties").and_then(|p| p.as_object_mut()) {
        properties.values_mut().for_each(close);
    }
    fields.get_mut("items").into_iter().for_each(close);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_fields_that_are_named_are_admitted_unless_any_are() {
        let mut schema = json!({"properties": {
            "list": {"items": {"properties": {"a": {"type": "string"}}}},
            "any": {"properties": {}, "x-kubernetes-preserve-unknown-fields": true},
        }});
        close(&mut schema);
        assert_eq!(schema["additionalProperties"], false);
        let list = &schema["properties"]["list"];
        assert_eq!(list["items"]["additionalProperties"], false);
        assert!(schema["properties"]["any"].get("additionalProperties").is_none());
    }
}
