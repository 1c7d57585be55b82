//! What is built, from what, and how: the only input of the cache's key.

use sha2::{Digest, Sha256};

/// The version of everything that is Kubernetes itself.
pub const KUBERNETES: &str = "v1.34.4";
/// What the image of the DNS server is tagged with.
pub(crate) const COREDNS: &str = "1.12.4";
const HELM: &str = "v3.19.2";

/// A Go module of ours that requires what is built, with the sums of all that it needs.
struct Module {
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
}

const MODULES: [Module; 2] = [
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
];

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

/// All programs. Those that others share most code with come first, so that progress is even.
pub(crate) const PROGRAMS: [Program; 11] = [
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
];

/// All files of all modules, as `folder/file`.
pub(crate) fn files() -> impl Iterator<Item = (String, &'static str)> {
    MODULES.iter().flat_map(|module| {
        module.files.iter().map(|(path, text)| (format!("{}/{path}", module.name), *text))
    })
}

/// Strips programs and tells them their version; without it, clients refuse the servers.
pub(crate) fn linker_flags() -> String {
    let mut flags = String::from("-s -w");
    for (variable, value) in [
        ("k8s.io/component-base/version.gitVersion", KUBERNETES),
        ("k8s.io/component-base/version.gitMajor", "1"),
        ("k8s.io/component-base/version.gitMinor", "34"),
        ("k8s.io/client-go/pkg/version.gitVersion", KUBERNETES),
        ("helm.sh/helm/v3/internal/version.version", HELM),
    ] {
        flags.push_str(&format!(" -X {variable}={value}"));
    }
    flags
}

/// What tells one recipe from another.
pub(crate) fn key() -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    add(std::env::consts::ARCH);
    add(&linker_flags());
    for (path, text) in files() {
        add(&path);
        add(text);
    }
    for program in &PROGRAMS {
        add(program.name);
        add(program.package);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_said_once_more_where_go_reads_them() {
        let text = |name| files().find(|(path, _)| path == name).unwrap().1;
        let kubernetes = text("kubernetes/go.mod");
        assert!(kubernetes.contains(&format!("k8s.io/kubernetes {KUBERNETES}")));
        let staging = KUBERNETES.replacen("v1.", "v0.", 1);
        let replaced = kubernetes.lines().filter(|line| line.contains(" => "));
        assert!(replaced.clone().count() > 20);
        assert!(replaced.into_iter().all(|line| line.ends_with(&staging)), "{kubernetes}");
        let tools = text("tools/go.mod");
        assert!(tools.contains(&format!("coredns/coredns v{COREDNS}")));
        assert!(tools.contains(&format!("helm/v3 {HELM}")));
    }

    #[test]
    fn the_key_is_stable_within_one_recipe() {
        assert_eq!(key(), key());
        assert_eq!(key().len(), 16);
    }
}
