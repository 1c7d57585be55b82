//! `egret tasks`: where does each task run?

use super::{
    Format, Target,
    ask::{Answer, Ask},
    connect::Session,
    pods::PodView,
    record::{self, Planned, Record},
    style::Style,
    table::Table,
    topology::Topology,
    trouble::Trouble,
};
use crate::output;
use clap::Args;
use egret_process::Exit;
use egret_topology::suggest;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde::Serialize;

/// Show where each task of a topology runs
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  egret tasks word-count
  egret tasks word-count --component count
  egret tasks word-count --output json | jq '.[] | select(.state != \"Running\")'")]
pub(crate) struct Options {
    /// Name of the topology
    name: String,

    /// Only tasks of this component; may be repeated
    #[arg(long, short, value_name = "NAME")]
    component: Vec<String>,

    /// How to print it
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,

    #[command(flatten)]
    target: Target,
}

pub(crate) fn main(options: &Options) -> Exit {
    super::run(&options.target, async |session| {
        let topology = session.topology(&options.name).await?;
        known(&topology, &options.component)?;
        let pods = session.pods(&options.name).await?;
        let record = session.record(&topology).await;
        let planned = record.map(|record| record.tasks(&options.name)).unwrap_or_default();
        let mut rows = rows(&pods, planned);
        let wanted = &options.component;
        rows.retain(|row| wanted.is_empty() || wanted.contains(&row.component));
        if let Some(document) = options.output.document(&rows) {
            return Ok(output::print(&document));
        }
        if rows.is_empty() {
            let state = topology.status().state.unwrap_or_else(|| "not seen by an operator".into());
            eprintln!("no task of topology {} has a pod; it is {state}", options.name);
            return Ok(Exit::Ok);
        }
        Ok(output::print(&render(&rows, Style::of_stdout())))
    })
}

/// An error if the topology has no component of one of these names.
pub(super) fn known(topology: &Topology, components: &[String]) -> Result<(), Trouble> {
    let all = topology.components();
    match components.iter().find(|wanted| !all.contains(&wanted.as_str())) {
        Some(wanted) => {
            let what = format!("topology {} has no component `{wanted}`", topology.name());
            Err(Trouble::refused(what).with(suggest::remedy(wanted, "components", all)))
        }
        None => Ok(()),
    }
}

impl Session {
    /// What the operator has decided, if it has and if we may know.
    async fn record(&self, topology: &Topology) -> Option<Record> {
        let name = record::name(topology.name());
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let ask = Ask {
            verb: "get",
            resource: "configmaps",
            namespace: Some(&self.namespace),
            name: Some(&name),
        };
        match self.ask(ask, api.get(&name)).await {
            Ok(Answer::Got(map)) => Record::read(map.data?.get(record::KEY)?, topology.uid()),
            Ok(Answer::Missing) | Err(_) => None,
        }
    }
}

/// A task in a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Row {
    task: u32,
    component: String,
    index: u32,
    pod: String,
    node: Option<String>,
    state: String,
    restarts: i32,
}

/// What runs, and what should and does not.
fn rows(pods: &[PodView], planned: Vec<Planned>) -> Vec<Row> {
    let of_pod = |pod: &PodView| {
        let row = |container: &super::pods::ContainerView| {
            let task = container.task.clone()?;
            Some(Row {
                task: task.id,
                component: task.component,
                index: task.index,
                pod: pod.name.clone(),
                node: Some(pod.node.clone()).filter(|node| !node.is_empty()),
                state: container.state.clone(),
                restarts: container.restarts,
            })
        };
        pod.containers.iter().filter_map(row).collect::<Vec<_>>()
    };
    let mut rows: Vec<Row> = pods.iter().flat_map(of_pod).collect();
    for planned in planned {
        let there = |row: &Row| (row.task, &row.pod) == (planned.task, &planned.pod);
        if !rows.iter().any(there) {
            rows.push(Row {
                task: planned.task,
                component: planned.component,
                index: planned.index,
                pod: planned.pod,
                node: None,
                state: "NoPod".to_owned(),
                restarts: 0,
            });
        }
    }
    rows.sort();
    rows
}

fn render(rows: &[Row], style: Style) -> String {
    let mut table = Table::new(["TASK", "COMPONENT", "INDEX", "POD", "NODE", "STATE", "RESTARTS"]);
    for row in rows {
        table.row([
            row.task.to_string(),
            row.component.clone(),
            row.index.to_string(),
            row.pod.clone(),
            row.node.clone().unwrap_or_default(),
            row.state.clone(),
            row.restarts.to_string(),
        ]);
    }
    table.render(style, "")
}

#[cfg(test)]
mod tests {
    use super::{super::pods::tests::*, *};
    use serde_json::json;

    #[test]
    fn each_task_is_shown_with_its_pod_and_also_if_that_is_missing() {
        let running = || json!({"running": {}});
        let tasks = [(2, "count", 0), (0, "lines", 0)];
        let pods = [viewed(object("wc-0-1", &tasks, &[running(), running()]))];
        let planned = |task, component: &str, pod: &str| Planned {
            task,
            component: component.into(),
            index: 0,
            pod: pod.into(),
        };
        let planned = vec![planned(0, "lines", "wc-0-1"), planned(1, "split", "wc-1-4")];
        let expected = "\
TASK   COMPONENT   INDEX   POD      NODE     STATE     RESTARTS
0      lines       0       wc-0-1   node-a   Running   2
1      split       0       wc-1-4   -        NoPod     0
2      count       0       wc-0-1   node-a   Running   2
";
        assert_eq!(render(&rows(&pods, planned), Style::PLAIN), expected);
    }

    #[test]
    fn a_component_that_is_not_there_is_answered_with_those_that_are() {
        let topology: Topology =
            json!({"metadata": {"name": "t"}, "spec": {"spouts": [{"name": "lines"}]}}).into();
        assert!(known(&topology, &["lines".into()]).is_ok());
        let text = known(&topology, &["line".into()]).unwrap_err().to_string();
        assert!(text.contains("topology t has no component `line`"), "{text}");
        assert!(text.contains("did you mean `lines`?"), "{text}");
    }
}
