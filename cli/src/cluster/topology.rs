//! Topologies as the API server has them, and the questions about them.
//!
//! They are read with whatever fields they have: a cluster may know newer ones than this program.

use super::{
    ask::{Answer, Ask, TOPOLOGIES},
    connect::Session,
    trouble::Trouble,
};
use egret_crd::{Condition, TopologyStatus, status::READY};
use egret_topology::suggest;
use jiff::Timestamp;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams},
};
use serde_json::Value;

/// Who changes fields, as the API server keeps it.
const FIELD_MANAGER: &str = "egret-cli";
/// Objects per answer: a thousand topologies are not fetched at once.
const PAGE: u32 = 250;
/// Annotation of a topology that the operator keeps its hands off while it is `true`.
const HANDS_OFF: &str = "egret.dev/hands-off";

/// A topology.
#[derive(Clone, Debug)]
pub(super) struct Topology(DynamicObject);

impl Topology {
    pub(super) fn name(&self) -> &str {
        self.0.metadata.name.as_deref().unwrap_or_default()
    }

    /// All of it.
    pub(super) fn whole(&self) -> Value {
        serde_json::to_value(&self.0).unwrap_or_default()
    }

    pub(super) fn namespace(&self) -> &str {
        self.0.metadata.namespace.as_deref().unwrap_or_default()
    }

    pub(super) fn uid(&self) -> &str {
        self.0.metadata.uid.as_deref().unwrap_or_default()
    }

    pub(super) fn generation(&self) -> i64 {
        self.0.metadata.generation.unwrap_or_default()
    }

    /// As which it was read: another one after every write, also of its status.
    pub(super) fn version(&self) -> &str {
        self.0.metadata.resource_version.as_deref().unwrap_or_default()
    }

    pub(super) fn created(&self) -> Option<Timestamp> {
        self.0.metadata.creation_timestamp.as_ref().map(|time| time.0)
    }

    /// It will be gone when it is drained.
    pub(super) fn is_deleted(&self) -> bool {
        self.0.metadata.deletion_timestamp.is_some()
    }

    /// The operator does nothing about it.
    pub(super) fn is_left_alone(&self) -> bool {
        self.annotation(HANDS_OFF) == Some("true")
    }

    /// What to say to who expects something of the operator then.
    pub(super) fn left_alone(&self) -> String {
        let name = self.name();
        format!(
            "warning: the operator keeps its hands off topology {name} (annotation {HANDS_OFF})"
        )
    }

    pub(super) fn annotation(&self, key: &str) -> Option<&str> {
        let annotations = self.0.metadata.annotations.as_ref()?;
        annotations.get(key).map(String::as_str)
    }

    /// The state that is asked for.
    pub(super) fn asked(&self) -> &str {
        self.0.data["spec"]["state"].as_str().unwrap_or("Running")
    }

    /// Names of all components.
    pub(super) fn components(&self) -> Vec<&str> {
        let spec = &self.0.data["spec"];
        let lists = [&spec["spouts"], &spec["bolts"]].into_iter().filter_map(Value::as_array);
        lists.flatten().filter_map(|component| component["name"].as_str()).collect()
    }

    /// What the operator says; nothing, if it has said nothing yet.
    pub(super) fn status(&self) -> TopologyStatus {
        serde_json::from_value(self.0.data["status"].clone()).unwrap_or_default()
    }

    /// Whether the operator speaks of what is asked for now.
    pub(super) fn is_observed(&self) -> bool {
        self.status().observed_generation.is_some_and(|seen| seen >= self.generation())
    }
}

#[cfg(test)]
impl From<Value> for Topology {
    fn from(value: Value) -> Topology {
        Topology(serde_json::from_value(value).unwrap())
    }
}

/// A condition, if the operator has set it.
pub(super) fn condition<'a>(status: &'a TopologyStatus, kind: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|condition| condition.r#type == kind)
}

/// The condition that most people look at.
pub(super) fn ready(status: &TopologyStatus) -> Option<&Condition> {
    condition(status, READY)
}

fn api(session: &Session, namespace: Option<&str>) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<egret_crd::Topology>(&());
    match namespace {
        Some(namespace) => Api::namespaced_with(session.client.clone(), namespace, &resource),
        None => Api::all_with(session.client.clone(), &resource),
    }
}

impl Session {
    fn about<'a>(&'a self, verb: &'static str, name: &'a str) -> Ask<'a> {
        let namespace = Some(self.namespace.as_str());
        Ask { verb, resource: TOPOLOGIES, namespace, name: Some(name) }
    }

    /// All topologies of the namespace, or of all namespaces, in order.
    pub(super) async fn topologies(&self, everywhere: bool) -> Result<Vec<Topology>, Trouble> {
        let namespace = (!everywhere).then_some(self.namespace.as_str());
        let ask = Ask { verb: "list", resource: TOPOLOGIES, namespace, name: None };
        let api = api(self, namespace);
        let mut params = ListParams::default().limit(PAGE);
        let mut topologies = Vec::new();
        loop {
            let page = self.got(ask, api.list(&params)).await?;
            topologies.extend(page.items.into_iter().map(Topology));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => break,
            }
        }
        topologies.sort_by(|a, b| (a.namespace(), a.name()).cmp(&(b.namespace(), b.name())));
        Ok(topologies)
    }

    /// One topology, if it is there.
    pub(super) async fn find(&self, name: &str) -> Result<Option<Topology>, Trouble> {
        let api = api(self, Some(&self.namespace));
        Ok(match self.ask(self.about("get", name), api.get(name)).await? {
            Answer::Got(topology) => Some(Topology(topology)),
            Answer::Missing => None,
        })
    }

    /// One topology; if it is not there, those that are.
    pub(super) async fn topology(&self, name: &str) -> Result<Topology, Trouble> {
        match self.find(name).await? {
            Some(topology) => Ok(topology),
            None => Err(self.missing(name).await),
        }
    }

    /// Changes part of a topology.
    pub(super) async fn patch(&self, name: &str, patch: &Value) -> Result<Topology, Trouble> {
        let api = api(self, Some(&self.namespace));
        let params =
            PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(patch);
        let patched = api.patch(name, &params, &patch);
        match self.ask(self.about("patch", name), patched).await? {
            Answer::Got(topology) => Ok(Topology(topology)),
            Answer::Missing => Err(self.missing(name).await),
        }
    }

    /// Asks for the end of this very topology, and not of a namesake.
    pub(super) async fn delete(&self, topology: &Topology) -> Result<(), Trouble> {
        let name = topology.name();
        let api = api(self, Some(&self.namespace));
        let params = kube::api::DeleteParams {
            preconditions: Some(kube::api::Preconditions {
                uid: Some(topology.uid().to_owned()),
                resource_version: None,
            }),
            ..kube::api::DeleteParams::default()
        };
        // That it is gone already is as good.
        self.ask(self.about("delete", name), api.delete(name, &params)).await.map(drop)
    }

    /// Which topologies there are instead of this one, as far as we may know.
    async fn missing(&self, name: &str) -> Trouble {
        let here = self.topologies(false).await.ok();
        let elsewhere = match &here {
            Some(_) => self.topologies(true).await.unwrap_or_default(),
            None => Vec::new(),
        };
        missing(name, &self.namespace, here.as_deref(), &elsewhere)
    }
}

fn missing(
    name: &str,
    namespace: &str,
    here: Option<&[Topology]>,
    elsewhere: &[Topology],
) -> Trouble {
    let trouble =
        Trouble::refused(format!("there is no topology `{name}` in namespace {namespace}"));
    let namesakes: Vec<&str> =
        elsewhere.iter().filter(|one| one.name() == name).map(Topology::namespace).collect();
    if !namesakes.is_empty() {
        let flags: Vec<String> = namesakes.iter().map(|name| format!("-n {name}")).collect();
        return trouble.with(format!("there is one elsewhere: pass {}", flags.join(" or ")));
    }
    match here {
        Some(here) => {
            let known = here.iter().map(Topology::name);
            trouble.with(suggest::remedy(name, "topologies there", known))
        }
        None => trouble,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn topology(namespace: &str, name: &str) -> Topology {
        json!({"metadata": {"name": name, "namespace": namespace}}).into()
    }

    #[test]
    fn who_asks_for_a_missing_topology_is_told_which_there_are() {
        let here = [topology("n", "word-count"), topology("n", "clicks")];
        let text = missing("word-cuont", "n", Some(&here), &here).to_string();
        assert!(text.contains("there is no topology `word-cuont` in namespace n"), "{text}");
        assert!(text.contains("did you mean `word-count`?"), "{text}");
        assert!(text.contains("the topologies there are word-count, clicks"), "{text}");
        let text = missing("x", "n", Some(&[]), &[]).to_string();
        assert!(text.contains("there are no topologies there"), "{text}");
    }

    #[test]
    fn a_namesake_in_another_namespace_is_pointed_at() {
        let elsewhere = [topology("prod", "x")];
        let text = missing("x", "n", Some(&[]), &elsewhere).to_string();
        assert!(text.contains("pass -n prod"), "{text}");
    }

    #[test]
    fn fields_of_a_newer_version_are_no_obstacle() {
        let topology: Topology = json!({
            "metadata": {"name": "t", "generation": 3},
            "spec": {"spouts": [{"name": "a", "novel": 1}], "bolts": [{"name": "b"}], "novel": {}},
            "status": {"state": "Running", "observedGeneration": 3, "novel": [],
                       "conditions": [{"type": "Ready", "status": "True", "reason": "Running",
                                       "message": "", "lastTransitionTime": "x", "novel": 1}]},
        })
        .into();
        assert_eq!(topology.components(), ["a", "b"]);
        assert_eq!(topology.asked(), "Running");
        assert_eq!(ready(&topology.status()).unwrap().status, "True");
        assert!(topology.is_observed());
    }
}
