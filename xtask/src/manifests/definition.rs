//! The CustomResourceDefinition: as the operator prints it, as a manifest, and in the chart.

use crate::stage;
use serde_json::Value;
use std::path::Path;

const WRITTEN: &str = "# Written by `cargo xtask manifests` from the types of the resource.\n";

/// The definition as YAML, from the operator of this tree.
pub(super) fn text(root: &Path) -> Result<String, String> {
    let operator = stage::program(root, "egret-operator")?;
    let ended = stage::run(root, &[&operator.to_string_lossy(), "crd"], &[], |_| false);
    let start = ended.output.find("apiVersion: ").filter(|_| ended.ok);
    let start =
        start.ok_or_else(|| format!("{}\nthe operator prints no definition", ended.output))?;
    Ok(ended.output[start..].to_owned())
}

/// The definition alone, for `kubectl apply`.
pub(super) fn manifest(text: &str) -> String {
    format!("{WRITTEN}{text}")
}

/// The definition as the chart installs it: Helm may be told to leave it when it uninstalls.
pub(super) fn template(text: &str, value: &Value) -> Result<String, String> {
    let (_, spec) = text.split_once("\nspec:\n").ok_or("the definition has no spec")?;
    let metadata = &value["metadata"];
    let name = metadata["name"].as_str().ok_or("the definition has no name")?;
    let mut annotations = String::new();
    for (key, value) in metadata["annotations"].as_object().into_iter().flatten() {
        annotations.push_str(&format!("    {key}: {}\n", value.as_str().unwrap_or_default()));
    }
    let kind = value["kind"].as_str().unwrap_or_default();
    let version = value["apiVersion"].as_str().unwrap_or_default();
    Ok(format!(
        "{{{{- if .Values.crds.enabled }}}}\n{WRITTEN}apiVersion: {version}\nkind: {kind}\n\
         metadata:\n  name: {name}\n  annotations:\n{annotations}\
         \x20   {{{{- if .Values.crds.keep }}}}\n\
         \x20   helm.sh/resource-policy: keep\n\
         \x20   {{{{- end }}}}\n\
         \x20 labels: {{{{- include \"egret.labels\" . | nindent 4 }}}}\n\
         spec:\n{}{{{{- end }}}}\n",
        literal(spec)
    ))
}

/// Text that a template shows as it is.
fn literal(text: &str) -> String {
    text.replace("{{", "{{ \"{{\" }}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TEXT: &str = "apiVersion: v1\nkind: K\nmetadata:\n  name: n\nspec:\n  a: '{{b}}'\n";

    #[test]
    fn the_charts_copy_can_be_left_out_and_left_behind() {
        let value = json!({"apiVersion": "v1", "kind": "K",
                           "metadata": {"name": "n", "annotations": {"egret.dev/v": "v1"}}});
        let text = template(TEXT, &value).unwrap();
        assert!(text.starts_with("{{- if .Values.crds.enabled }}\n"), "{text}");
        assert!(text.ends_with("{{- end }}\n"), "{text}");
        assert!(text.contains("    egret.dev/v: v1\n    {{- if .Values.crds.keep }}\n"), "{text}");
        assert!(text.contains("  a: '{{ \"{{\" }}b}}'\n"), "{text}");
    }

    #[test]
    fn a_manifest_says_where_it_comes_from() {
        assert!(manifest(TEXT).starts_with("# Written by `cargo xtask manifests`"));
        assert!(manifest(TEXT).ends_with(TEXT));
    }
}
