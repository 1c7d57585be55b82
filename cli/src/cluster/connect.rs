//! From options and kubeconfig to a client, and words that say which cluster that is.

use super::{Target, trouble::Trouble};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use std::{path::PathBuf, time::Duration};

/// Time to connect. A cluster farther away than this is not there.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Where a pod finds the API server.
const IN_CLUSTER: &str = "KUBERNETES_SERVICE_HOST";

/// A way to ask one cluster about one namespace.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) namespace: String,
    /// Which cluster: `https://10.0.0.1:6443 (context `prod` of /home/me/.kube/config)`.
    pub(super) cluster: String,
}

pub(super) async fn connect(target: &Target) -> Result<Session, Trouble> {
    let (mut config, origin) = match find(target)? {
        Found::Files(kubeconfig, files) => {
            let context = target.context.clone().or_else(|| kubeconfig.current_context.clone());
            let origin = match &context {
                Some(context) => format!("context `{context}` of {files}"),
                None => files.clone(),
            };
            let contexts = contexts(&kubeconfig);
            let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
            let config = Config::from_custom_kubeconfig(*kubeconfig, &options).await;
            let config = config.map_err(|error| unusable(&error, &files, &contexts))?;
            (config, origin)
        }
        Found::Pod => {
            let config = Config::incluster().map_err(|error| {
                Trouble::usage(format!("this pod's service account cannot be used: {error}"))
            })?;
            (config, "this pod's service account".to_owned())
        }
    };
    config.connect_timeout = Some(CONNECT_WITHIN);
    let namespace = target.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let cluster = format!("{} ({origin})", config.cluster_url.to_string().trim_end_matches('/'));
    let client = Client::try_from(config)
        .map_err(|error| Trouble::usage(format!("{origin} cannot be used: {error}")))?;
    Ok(Session { client, namespace, cluster })
}

enum Found {
    /// A kubeconfig, and the names of its files.
    Files(Box<Kubeconfig>, String),
    /// We are in a pod.
    Pod,
}

fn find(target: &Target) -> Result<Found, Trouble> {
    let (read, files) = match (&target.kubeconfig, named()) {
        (Some(file), _) => (Kubeconfig::read_from(file), file.display().to_string()),
        (None, Some(files)) => (Kubeconfig::read(), files),
        (None, None) => {
            let file = std::env::home_dir().unwrap_or_default().join(".kube/config");
            if !file.exists() && target.context.is_none() && std::env::var_os(IN_CLUSTER).is_some()
            {
                return Ok(Found::Pod);
            }
            if !file.exists() {
                let what = format!("there is no kubeconfig: {} does not exist", file.display());
                let remedy = "set KUBECONFIG, or pass --kubeconfig FILE";
                return Err(Trouble::usage(what).with(remedy));
            }
            (Kubeconfig::read_from(&file), file.display().to_string())
        }
    };
    let kubeconfig = read.map_err(|error| unusable(&error, &files, &[]))?;
    Ok(Found::Files(Box::new(kubeconfig), files))
}

/// The files that KUBECONFIG names.
fn named() -> Option<String> {
    let value = std::env::var_os("KUBECONFIG")?;
    let files: Vec<PathBuf> =
        std::env::split_paths(&value).filter(|path| !path.as_os_str().is_empty()).collect();
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    Some(names.join(", ")).filter(|names| !names.is_empty())
}

fn contexts(kubeconfig: &Kubeconfig) -> Vec<String> {
    kubeconfig.contexts.iter().map(|context| context.name.clone()).collect()
}

fn unusable(error: &KubeconfigError, files: &str, contexts: &[String]) -> Trouble {
    let known = || contexts.iter().map(String::as_str);
    match error {
        KubeconfigError::ReadConfig(error, path) => {
            let what = format!("cannot read the kubeconfig {}: {error}", path.display());
            Trouble::usage(what).with("set KUBECONFIG, or pass --kubeconfig FILE")
        }
        KubeconfigError::LoadContext(name) => {
            let remedy = egret_topology::suggest::remedy(name, "contexts", known());
            Trouble::usage(format!("{files} has no context `{name}`")).with(remedy)
        }
        KubeconfigError::CurrentContextNotSet => {
            let what = format!("{files} has no current context");
            let names: Vec<&str> = known().collect();
            let which = if names.is_empty() { "NAME".to_owned() } else { names.join(" or ") };
            Trouble::usage(what).with(format!("pass --context {which}"))
        }
        error => Trouble::usage(format!("the kubeconfig {files} cannot be used: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_context_is_answered_with_the_known_ones() {
        let error = KubeconfigError::LoadContext("prd".into());
        let text = unusable(&error, "~/.kube/config", &["prod".into(), "test".into()]).to_string();
        assert!(text.contains("~/.kube/config has no context `prd`"), "{text}");
        assert!(text.contains("did you mean `prod`? the contexts are prod, test"), "{text}");
    }

    #[test]
    fn a_kubeconfig_without_current_context_asks_for_one() {
        let error = KubeconfigError::CurrentContextNotSet;
        let text = unusable(&error, "f", &["a".into(), "b".into()]).to_string();
        assert!(text.contains("pass --context a or b"), "{text}");
    }
}
