//! `egret plan`: which task would run in which pod?

use crate::{
    load::{
        self, Changes,
        problem::{Origin, Problem, Problems},
    },
    output,
};
use clap::{Args, ValueEnum, ValueHint};
use egret_process::Exit;
use egret_topology::{
    logical::{Logical, Packing},
    packing_plan::{PackedPod, PackingPlan},
};
use serde::Serialize;
use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

/// Show how the tasks of a topology are packed into pods, without running anything
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  egret plan examples/word-count.yaml
  egret plan examples/word-count.yaml --pods 3 --set bolts.count.parallelism=8
  egret plan examples/word-count.yaml --output json | jq '.pods[0].tasks'")]
pub(crate) struct Options {
    /// Topology file; `-` is standard input
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,

    #[command(flatten)]
    changes: Changes,

    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    Json,
    #[default]
    Table,
    Yaml,
}

pub(crate) fn main(options: &Options) -> Exit {
    let packed = load::load(&options.file, &options.changes)
        .and_then(|loaded| Ok((pack(&options.file, &loaded.logical)?, loaded.logical)));
    match packed {
        Ok((plan, logical)) => output::print(&render(&logical, &plan, options.output)),
        Err(problems) => output::refuse(&problems),
    }
}

/// Packs a topology that is not running yet.
pub(crate) fn pack(file: &Path, logical: &Logical) -> Result<PackingPlan, Problems> {
    egret_packing::pack(logical, None).map_err(|error| {
        let origin = Origin::whole(&file.display().to_string());
        Problem::new(origin, error.to_string()).of("spec").into()
    })
}

/// The plan with the name of its topology.
#[derive(Serialize)]
struct Named<'a> {
    topology: &'a str,
    #[serde(flatten)]
    plan: &'a PackingPlan,
}

fn render(logical: &Logical, plan: &PackingPlan, format: Format) -> String {
    let named = Named { topology: &logical.name, plan };
    let written = match format {
        Format::Table => return table(logical, plan),
        Format::Json => serde_json::to_string_pretty(&named).map(|json| json + "\n").ok(),
        Format::Yaml => serde_yaml::to_string(&named).ok(),
    };
    written.expect("a packing plan has strings for keys and nothing that can fail")
}

fn table(logical: &Logical, plan: &PackingPlan) -> String {
    let packing = match logical.packing {
        Packing::FirstFitDecreasing => "FirstFitDecreasing",
        Packing::RoundRobin => "RoundRobin",
    };
    let width = plan.tasks().map(|(task, _)| task.component.len()).max().unwrap_or(0).max(9);
    let mut text = format!(
        "Topology {}: {} tasks in {} pods ({packing})\n\n\
         {:>4}  {:>7}  {:>8}  {:>5}  {:<width$}  {:>5}\n",
        logical.name,
        logical.tasks(),
        plan.pods.len(),
        "POD",
        "CPU",
        "MEMORY",
        "TASK",
        "COMPONENT",
        "INDEX",
    );
    for PackedPod { id, tasks, resources } in &plan.pods {
        let mut pod = id.to_string();
        let mut cpu = format!("{}m", resources.cpu_millis);
        let mut memory = format!("{}Mi", resources.memory_bytes.div_ceil(1 << 20));
        for task in tasks {
            let (id, component, index) = (task.task.0, &task.component, task.index);
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "{pod:>4}  {cpu:>7}  {memory:>8}  {id:>5}  {component:<width$}  {index:>5}"
            );
            // A pod's own columns stand in its first line only.
            [&mut pod, &mut cpu, &mut memory].into_iter().for_each(String::clear);
        }
    }
    text
}
