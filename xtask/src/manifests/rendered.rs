//! What is rendered: the chart for those who install with kubectl, and Argo CD's configuration.

use super::programs::Programs;
use std::path::Path;

/// Where a manifest puts the operator.
const NAMESPACE: &str = "egret-system";

/// The oldest Kubernetes that the chart admits; what is rendered depends on none.
const KUBERNETES: &str = "v1.33.0";

const OPENING: &str = "\
# Everything of Egret, for `kubectl apply -f`. Written by `cargo xtask manifests` from charts/egret,
# which has the choices.
apiVersion: v1
kind: Namespace
metadata:
  name: egret-system
  labels:
    app.kubernetes.io/part-of: egret
    pod-security.kubernetes.io/enforce: restricted
---
";

/// Lines that only Helm has a use for.
const HELM: [&str; 3] = ["app.kubernetes.io/managed-by: Helm", "helm.sh/chart: ", "# Source: "];

/// `manifests/egret.yaml`: namespace, definition, and the chart with its defaults.
pub(super) fn manifest(
    root: &Path,
    programs: &Programs,
    definition: &str,
) -> Result<String, String> {
    let rendered = programs.run(
        root,
        "helm",
        &[
            "template",
            "egret",
            "charts/egret",
            "--namespace",
            NAMESPACE,
            "--no-hooks",
            "--kube-version",
            KUBERNETES,
            "--set",
            "crds.enabled=false",
        ],
    )?;
    Ok(format!("{OPENING}{}\n{}", definition.trim_end(), plain(&rendered)))
}

/// Without what Helm has written for itself.
fn plain(rendered: &str) -> String {
    let helms = |line: &&str| HELM.iter().any(|start| line.trim_start().starts_with(start));
    let mut text = String::new();
    for line in rendered.lines().filter(|line| !helms(line)) {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// The health check as Argo CD reads it.
pub(super) fn argo(lua: &str) -> String {
    let mut text = String::from(
        "# Written by `cargo xtask manifests` from health.lua: merge it into Argo CD's\n\
         # ConfigMap, as with `kubectl patch -n argocd configmap argocd-cm --patch-file`.\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: argocd-cm\n  namespace: argocd\n  \
         labels:\n    app.kubernetes.io/name: argocd-cm\n    app.kubernetes.io/part-of: argocd\n\
         data:\n  resource.customizations.health.egret.dev_Topology: |\n",
    );
    for line in lua.lines() {
        text.push_str(format!("    {line}").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_applied_with_kubectl_does_not_say_that_helm_manages_it() {
        let rendered = "---\n# Source: egret/templates/x.yaml\nmetadata:\n  labels:\n    \
                        app.kubernetes.io/managed-by: Helm\n    a: b\n    helm.sh/chart: egret-1\n";
        assert_eq!(plain(rendered), "---\nmetadata:\n  labels:\n    a: b\n");
    }

    #[test]
    fn a_script_is_indented_below_its_key() {
        let text = argo("local a = 1\n\nreturn a\n");
        assert!(text.ends_with("egret.dev_Topology: |\n    local a = 1\n\n    return a\n"));
    }
}
