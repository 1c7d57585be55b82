//! One question to the API server, and what its answer means if it is no.

use super::{connect::Session, trouble::Trouble};
use kube::core::Status;
use std::{error::Error, time::Duration};

/// Time for an answer. The API server itself gives up after a minute.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// The resource that everything here is about.
pub(super) const TOPOLOGIES: &str = "topologies.egret.dev";

/// What is asked of the API server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    /// As in a Role: `get`.
    pub(super) verb: &'static str,
    /// As in a Role, with its group: `topologies.egret.dev`.
    pub(super) resource: &'static str,
    /// None: of all namespaces.
    pub(super) namespace: Option<&'a str>,
    /// None: all of them.
    pub(super) name: Option<&'a str>,
}

/// What the API server says.
pub(super) enum Answer<T> {
    /// Yes.
    Got(T),
    /// There is no object of this name.
    Missing,
}

impl Session {
    /// Asks, and explains what is not an answer.
    pub(super) async fn ask<T>(
        &self,
        ask: Ask<'_>,
        answer: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<Answer<T>, Trouble> {
        match tokio::time::timeout(ANSWER_WITHIN, answer).await {
            Ok(Ok(got)) => Ok(Answer::Got(got)),
            Ok(Err(kube::Error::Api(status))) if is_missing(&status) => Ok(Answer::Missing),
            Ok(Err(error)) => Err(explain(ask, &self.cluster, &error)),
            Err(_) => {
                let seconds = ANSWER_WITHIN.as_secs();
                let what = format!("{} has not answered within {seconds} s", self.cluster);
                Err(Trouble::unreachable(what))
            }
        }
    }

    /// The same, where no object is named or it must be there.
    pub(super) async fn got<T>(
        &self,
        ask: Ask<'_>,
        answer: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Trouble> {
        match self.ask(ask, answer).await? {
            Answer::Got(got) => Ok(got),
            Answer::Missing => {
                let name = ask.name.unwrap_or("it");
                Err(Trouble::refused(format!("{name} of {} is gone", ask.resource)))
            }
        }
    }
}

/// The object is not there, while its kind is.
fn is_missing(status: &Status) -> bool {
    let named = |details: &kube::core::response::StatusDetails| !details.name.is_empty();
    status.is_not_found() && status.details.as_ref().is_some_and(named)
}

fn explain(ask: Ask<'_>, cluster: &str, error: &kube::Error) -> Trouble {
    match error {
        kube::Error::Api(status) => refused(ask, cluster, status),
        kube::Error::Auth(error) => {
            let what = format!("there are no credentials for {cluster}: {}", chain(error));
            Trouble::refused(what).with("log in again, or repair the user in the kubeconfig")
        }
        kube::Error::SerdeError(error) => {
            let what = format!("{cluster} answers with something else than was asked for: {error}");
            Trouble::refused(what)
        }
        error => {
            // That it is the service that failed says nothing.
            let why = match error {
                kube::Error::Service(error) => chain(error.as_ref()),
                error => chain(error),
            };
            let what = format!("{cluster} cannot be reached: {why}");
            let remedy = "is the cluster up, and is this the kubeconfig that you mean?";
            Trouble::unreachable(what).with(remedy)
        }
    }
}

fn refused(ask: Ask<'_>, cluster: &str, status: &Status) -> Trouble {
    let Ask { verb, resource, namespace, .. } = ask;
    let (place, flag) = match namespace {
        Some(name) => (format!("in namespace {name}"), format!("--namespace {name}")),
        None => ("in all namespaces".to_owned(), "--all-namespaces".to_owned()),
    };
    match status.code {
        401 => Trouble::forbidden(format!("{cluster} does not know you: {}", status.message))
            .with("log in again, or repair the user in the kubeconfig"),
        403 => {
            let what = format!("you may not {verb} {resource} {place}: {}", status.message);
            Trouble::forbidden(what).with(format!(
                "ask for a Role that allows `{verb}` on `{resource}`; `kubectl auth can-i {verb} \
                 {resource} {flag}` tells whether you have it"
            ))
        }
        404 if resource == TOPOLOGIES => {
            let what = format!("{cluster} knows no topologies: {TOPOLOGIES} is not installed");
            Trouble::refused(what).with("install Egret there, with its Helm chart or its manifest")
        }
        // Too many requests, or not ready yet.
        429 | 500..=599 => {
            Trouble::unreachable(format!("{cluster} cannot answer now: {}", status.message))
        }
        code => {
            let name = ask.name.map(|name| format!(" {name}")).unwrap_or_default();
            let words = &status.message;
            let what = format!("cannot {verb} {resource}{name} {place}: {words}");
            if code == 409 { Trouble::changed(what) } else { Trouble::refused(what) }
        }
    }
}

/// An error with all its causes: what says why is often the last.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const ASK: Ask<'_> =
        Ask { verb: "patch", resource: TOPOLOGIES, namespace: Some("n"), name: Some("t") };

    fn status(value: Value) -> Status {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn who_may_not_is_told_which_permission_is_missing() {
        let status = status(json!({"code": 403, "message": "no", "reason": "Forbidden"}));
        let text = refused(ASK, "https://x (context `c`)", &status).to_string();
        assert!(text.contains("you may not patch topologies.egret.dev in namespace n"), "{text}");
        assert!(text.contains("can-i patch topologies.egret.dev --namespace n"), "{text}");
    }

    #[test]
    fn a_missing_object_is_told_from_a_missing_kind() {
        let object = status(json!({
            "code": 404, "reason": "NotFound", "details": {"name": "t", "kind": "topologies"},
        }));
        assert!(is_missing(&object));
        let kind = status(json!({"code": 404, "message": "404 page not found"}));
        assert!(!is_missing(&kind));
        let text = refused(ASK, "https://x", &kind).to_string();
        assert!(text.contains("topologies.egret.dev is not installed"), "{text}");
    }

    #[test]
    fn a_conflict_is_told_from_a_no() {
        let of = |code: u16| refused(ASK, "x", &status(json!({"code": code}))).is_changed();
        assert!(of(409) && !of(422) && !of(403));
    }

    #[test]
    fn only_a_silent_cluster_may_come_back() {
        let of = |code: u16| refused(ASK, "x", &status(json!({"code": code}))).may_pass();
        assert!(of(503) && of(429) && of(504));
        assert!(!of(403) && !of(404) && !of(422) && !of(409));
    }
}
