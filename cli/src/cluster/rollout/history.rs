//! `egret rollout history` and `undo`: the versions that were asked for, and back to one of them.

use crate::cluster::{
    Target, ask::Ask, connect::Session, pods::TOPOLOGY, style::Style, table::Table,
    topology::Topology, trouble::Trouble,
};
use crate::{age::age, output};
use clap::Args;
use egret_process::Exit;
use egret_topology::{resource::Spec, version};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ControllerRevision;
use kube::{Api, ResourceExt, api::ListParams};
use serde_json::{Value, json};

/// Differences that a line of the history shows.
const SHOWN: usize = 3;
/// Writes of others between two looks at a topology that are borne with.
const LOOKS: u32 = 10;

/// Show the versions of a topology that were asked for
#[derive(Args, Debug)]
pub(super) struct History {
    /// Name of the topology
    name: String,

    /// Show all of this one, as YAML
    #[arg(long, value_name = "NUMBER")]
    revision: Option<i64>,

    #[command(flatten)]
    target: Target,
}

/// Ask again for a version that was asked for before
///
/// Whether it runs and whether its changes pause stays as it is.
#[derive(Args, Debug)]
pub(super) struct Undo {
    /// Name of the topology
    name: String,

    /// Which one; left out, the one before
    #[arg(long, value_name = "NUMBER")]
    to_revision: Option<i64>,

    #[command(flatten)]
    target: Target,
}

/// A version that was asked for.
#[derive(Clone, Debug, PartialEq)]
struct Revision {
    number: i64,
    since: Option<Timestamp>,
    version: Value,
}

impl History {
    pub(super) fn main(&self) -> Exit {
        crate::cluster::run(&self.target, async |session| {
            let topology = session.topology(&self.name).await?;
            let kept = session.history(&topology).await?;
            if let Some(number) = self.revision {
                let revision = chosen(&kept, &current(&topology), Some(number))?;
                let text = serde_yaml::to_string(&revision.version);
                let text = text.map_err(|error| Trouble::refused(error.to_string()))?;
                return Ok(output::print(&text));
            }
            if kept.is_empty() {
                eprintln!("no version of topology {} is kept yet", self.name);
                return Ok(Exit::Ok);
            }
            let (style, now) = (Style::of_stdout(), Timestamp::now());
            Ok(output::print(&listed(&kept, &current(&topology), style, now)))
        })
    }
}

impl Undo {
    pub(super) fn main(&self) -> Exit {
        crate::cluster::run(&self.target, async |session| {
            let topology = session.topology(&self.name).await?;
            let (name, now) = (&self.name, current(&topology));
            let kept = session.history(&topology).await?;
            let revision = chosen(&kept, &now, self.to_revision)?;
            let patch = version::patch(&revision.version, &now);
            if patch == json!({}) {
                let words = format!("topology {name} is at revision {} already\n", revision.number);
                return Ok(output::print(&words));
            }
            replace(&session, &topology, &patch).await?;
            let words = format!("topology {name}: revision {} is asked for\n", revision.number);
            Ok(output::print(&words))
        })
    }
}

/// Changes the spec that was looked at, and no other: then what is asked for may not be what is
/// wanted any more. That the operator writes its status meanwhile does not matter.
async fn replace(session: &Session, seen: &Topology, spec: &Value) -> Result<(), Trouble> {
    let name = seen.name();
    let (uid, generation) = (seen.uid(), seen.generation());
    let mut at = seen.version().to_owned();
    for _ in 0..LOOKS {
        let patch = json!({"metadata": {"resourceVersion": at}, "spec": spec});
        match session.patch(name, &patch).await {
            Err(trouble) if trouble.is_changed() => {}
            done => return done.map(drop),
        }
        let now = session.topology(name).await?;
        if (now.uid(), now.generation()) != (uid, generation) {
            let what = format!("somebody else has changed topology {name} meanwhile");
            let remedy = format!("look at `egret rollout history {name}`, and ask again");
            return Err(Trouble::changed(what).with(remedy));
        }
        at = now.version().to_owned();
    }
    let what = format!("topology {name} is written to all the time: {LOOKS} tries were too late");
    Err(Trouble::changed(what).with("ask again"))
}

/// The version that is asked for now, with the defaults that the operator writes.
fn current(topology: &Topology) -> Value {
    let spec = topology.whole()["spec"].take();
    let typed = serde_json::from_value::<Spec>(spec.clone()).ok();
    // What a newer release has written is taken as it is.
    version::of(&typed.and_then(|spec| serde_json::to_value(spec).ok()).unwrap_or(spec))
}

/// The one of this number, or the newest that is another one than now.
fn chosen<'a>(
    kept: &'a [Revision],
    now: &Value,
    number: Option<i64>,
) -> Result<&'a Revision, Trouble> {
    let found = match number {
        Some(number) => kept.iter().find(|revision| revision.number == number),
        None => kept.iter().rev().find(|revision| revision.version != *now),
    };
    found.ok_or_else(|| {
        let numbers: Vec<String> = kept.iter().map(|kept| kept.number.to_string()).collect();
        let what = match number {
            Some(number) => format!("there is no revision {number}"),
            None => "there is no revision before this one".to_owned(),
        };
        let trouble = Trouble::refused(what);
        if numbers.is_empty() {
            return trouble.with("the operator keeps the last ten that it has accepted");
        }
        trouble.with(format!("there are {}", numbers.join(", ")))
    })
}

fn listed(kept: &[Revision], now: &Value, style: Style, at: Timestamp) -> String {
    let mut table = Table::new(["REVISION", "AGE", "CHANGED"]);
    for (i, revision) in kept.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|i| kept.get(i));
        let mut changed = before.map_or_else(Vec::new, |before| {
            version::differences(&before.version, &revision.version, SHOWN + 1)
        });
        if changed.len() > SHOWN {
            changed.truncate(SHOWN);
            changed.push("...".to_owned());
        }
        let mark = if revision.version == *now { " (now)" } else { "" };
        let since = revision.since.map_or_else(String::new, |since| age(since, at));
        table.row([format!("{}{mark}", revision.number), since, changed.join(", ")]);
    }
    table.render(style, "")
}

impl Session {
    /// The versions of a topology that are kept, the newest last.
    async fn history(&self, topology: &Topology) -> Result<Vec<Revision>, Trouble> {
        let namespace = Some(self.namespace.as_str());
        let ask = Ask { verb: "list", resource: "controllerrevisions.apps", namespace, name: None };
        let api: Api<ControllerRevision> = Api::namespaced(self.client.clone(), &self.namespace);
        let ours = ListParams::default().labels(&format!("{TOPOLOGY}={}", topology.name()));
        let list = self.got(ask, api.list(&ours)).await?;
        let of = |kept: ControllerRevision| {
            // A namesake that is gone may have left some for a moment.
            let ours = kept.owner_references().iter().any(|owner| owner.uid == topology.uid());
            let since = kept.creation_timestamp().map(|time| time.0);
            let version = kept.data.filter(|_| ours)?.0.get("spec")?.clone();
            Some(Revision { number: kept.revision, since, version })
        };
        let mut kept: Vec<Revision> = list.items.into_iter().filter_map(of).collect();
        kept.sort_by_key(|revision| revision.number);
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Vec<Revision> {
        let of = |number: i64, image: &str| Revision {
            number,
            since: "2026-01-01T00:00:00Z".parse().ok(),
            version: json!({"image": image, "pods": 1}),
        };
        vec![of(1, "a"), of(3, "b"), of(4, "c")]
    }

    #[test]
    fn undo_goes_to_the_newest_that_is_another_one() {
        let (kept, now) = (kept(), json!({"image": "c", "pods": 1}));
        assert_eq!(chosen(&kept, &now, None).unwrap().number, 3);
        assert_eq!(chosen(&kept, &now, Some(1)).unwrap().number, 1);
        assert_eq!(chosen(&kept, &json!({"image": "d", "pods": 1}), None).unwrap().number, 4);
        let text = chosen(&kept, &now, Some(2)).unwrap_err().to_string();
        assert!(text.contains("no revision 2") && text.contains("1, 3, 4"), "{text}");
        assert!(chosen(&kept[2..], &now, None).is_err());
    }

    #[test]
    fn the_history_tells_what_changed_and_which_is_asked_for_now() {
        let at = "2026-01-01T01:00:00Z".parse().unwrap();
        let now = json!({"image": "c", "pods": 1});
        let text = listed(&kept(), &now, Style::PLAIN, at);
        assert_eq!(
            text,
            "REVISION   AGE   CHANGED\n1          60m   -\n3          60m   image\n\
             4 (now)    60m   image\n"
        );
    }
}
