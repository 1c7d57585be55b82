//! What is built, from what, and how: the only input of a cache's key.

use sha2::{Digest, Sha256};

/// The version of everything that is Kubernetes itself.
pub const KUBERNETES: &str = "v1.34.4";
/// What the image of the DNS server is tagged with.
pub(crate) const COREDNS: &str = "1.12.4";
const HELM: &str = "v3.19.2";
/// The one that charts are checked with, which helm-unittest is made of too.
const CHECKS_HELM: &str = "v3.21.3";

/// A Go module of ours that requires what is built, with the sums of all that it needs.
struct Module {
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
}

/// Programs that are built together and kept in one cache.
pub(crate) struct Recipe {
    modules: &'static [Module],
    /// Those that others share most code with come first, so that progress is even.
    pub(crate) programs: &'static [Program],
    /// Variables with versions that the linker sets.
    versions: &'static [(&'static str, &'static str)],
    /// What it takes on two idle cores.
    pub(crate) takes: &'static str,
}

/// What a cluster consists of.
pub(crate) const CLUSTER: Recipe = Recipe {
    modules: &[
        Module {
            name: "kubernetes",
            files: &[
                ("go.mod", include_str!("../cluster/kubernetes/go.mod")),
                ("go.sum", include_str!("../cluster/kubernetes/go.sum")),
                ("tools.go", include_str!("../cluster/kubernetes/tools.go")),
            ],
        },
        Module {
            name: "tools",
            files: &[
                ("go.mod", include_str!("../cluster/tools/go.mod")),
                ("go.sum", include_str!("../cluster/tools/go.sum")),
                ("tools.go", include_str!("../cluster/tools/tools.go")),
                ("coredns/main.go", include_str!("../cluster/tools/coredns/main.go")),
                ("etcd/main.go", include_str!("../cluster/tools/etcd/main.go")),
                ("pause/main.go", include_str!("../cluster/tools/pause/main.go")),
                ("probe/main.go", include_str!("../cluster/tools/probe/main.go")),
            ],
        },
    ],
    programs: &[
        program("pause", "tools", "./pause"),
        program("probe", "tools", "./probe"),
        program("etcd", "tools", "./etcd"),
        program("coredns", "tools", "./coredns"),
        program("helm", "tools", "helm.sh/helm/v3/cmd/helm"),
        program("kubectl", "kubernetes", "k8s.io/kubernetes/cmd/kubectl"),
        program("kube-proxy", "kubernetes", "k8s.io/kubernetes/cmd/kube-proxy"),
        program("kube-scheduler", "kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler"),
        program("kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver"),
        program(
            "kube-controller-manager",
            "kubernetes",
            "k8s.io/kubernetes/cmd/kube-controller-manager",
        ),
        program("kubelet", "kubernetes", "k8s.io/kubernetes/cmd/kubelet"),
    ],
    // Without them, clients refuse the servers.
    versions: &[
        ("k8s.io/component-base/version.gitVersion", KUBERNETES),
        ("k8s.io/component-base/version.gitMajor", "1"),
        ("k8s.io/component-base/version.gitMinor", "34"),
        ("k8s.io/client-go/pkg/version.gitVersion", KUBERNETES),
        ("helm.sh/helm/v3/internal/version.version", HELM),
    ],
    takes: "8 minutes",
};

/// What checks charts and manifests; apart, so that neither is built for the other.
pub(crate) const CHECKS: Recipe = Recipe {
    modules: &[
        Module {
            name: "checks",
            files: &[
                ("go.mod", include_str!("../cluster/checks/go.mod")),
                ("go.sum", include_str!("../cluster/checks/go.sum")),
                ("tools.go", include_str!("../cluster/checks/tools.go")),
                ("health/main.go", include_str!("../cluster/checks/health/main.go")),
                ("schemas/main.go", include_str!("../cluster/checks/schemas/main.go")),
            ],
        },
        // It is made for an older Kubernetes than the others are.
        Module {
            name: "score",
            files: &[
                ("go.mod", include_str!("../cluster/score/go.mod")),
                ("go.sum", include_str!("../cluster/score/go.sum")),
                ("tools.go", include_str!("../cluster/score/tools.go")),
            ],
        },
    ],
    programs: &[
        program("schemas", "checks", "./schemas"),
        program("health", "checks", "./health"),
        program("kubeconform", "checks", "github.com/yannh/kubeconform/cmd/kubeconform"),
        program(
            "helm-unittest",
            "checks",
            "github.com/helm-unittest/helm-unittest/cmd/helm-unittest",
        ),
        program("helm", "checks", "helm.sh/helm/v3/cmd/helm"),
        program("kube-score", "score", "github.com/zegl/kube-score/cmd/kube-score"),
    ],
    versions: &[("helm.sh/helm/v3/internal/version.version", CHECKS_HELM)],
    takes: "3 minutes",
};

/// One program.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// The folder it is built in.
    pub(crate) module: &'static str,
    /// What `go build` is told to build.
    pub(crate) package: &'static str,
}

const fn program(name: &'static str, module: &'static str, package: &'static str) -> Program {
    Program { name, module, package }
}

impl Recipe {
    /// All files of all modules, as `folder/file`.
    pub(crate) fn files(&self) -> impl Iterator<Item = (String, &'static str)> {
        self.modules.iter().flat_map(|module| {
            module.files.iter().map(|(path, text)| (format!("{}/{path}", module.name), *text))
        })
    }

    /// Strips programs and tells them their version.
    pub(crate) fn linker_flags(&self) -> String {
        let mut flags = String::from("-s -w");
        for (variable, value) in self.versions {
            flags.push_str(&format!(" -X {variable}={value}"));
        }
        flags
    }

    /// What tells one recipe from another.
    pub(crate) fn key(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        };
        add(std::env::consts::ARCH);
        add(&self.linker_flags());
        for (path, text) in self.files() {
            add(&path);
            add(text);
        }
        for program in self.programs {
            add(program.name);
            add(program.package);
        }
        hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_said_once_more_where_go_reads_them() {
        let find = |recipe: &Recipe, name| recipe.files().find(|(path, _)| path == name).unwrap().1;
        let text = |name| find(&CLUSTER, name);
        let kubernetes = text("kubernetes/go.mod");
        assert!(kubernetes.contains(&format!("k8s.io/kubernetes {KUBERNETES}")));
        let staging = KUBERNETES.replacen("v1.", "v0.", 1);
        let replaced = kubernetes.lines().filter(|line| line.contains(" => "));
        assert!(replaced.clone().count() > 20);
        assert!(replaced.into_iter().all(|line| line.ends_with(&staging)), "{kubernetes}");
        let tools = text("tools/go.mod");
        assert!(tools.contains(&format!("coredns/coredns v{COREDNS}")));
        assert!(tools.contains(&format!("helm/v3 {HELM}")));
        assert!(find(&CHECKS, "checks/go.mod").contains(&format!("helm/v3 {CHECKS_HELM}")));
    }

    #[test]
    fn the_key_is_stable_within_one_recipe() {
        assert_eq!(CLUSTER.key(), CLUSTER.key());
        assert_eq!(CLUSTER.key().len(), 16);
        assert_ne!(CLUSTER.key(), CHECKS.key());
    }
}
