//! `egret validate`: is this a topology?

use crate::{
    load::{self, Changes},
    output,
};
use clap::{Args, ValueHint};
use egret_process::Exit;
use std::path::PathBuf;

/// Check topology files, without running anything
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  egret validate examples/word-count.yaml
  egret validate topology.yaml --instance ./target/release/my-components
  helm template . | egret validate -")]
pub(crate) struct Options {
    /// Topology files; `-` is standard input
    #[arg(required = true, value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,

    #[command(flatten)]
    changes: Changes,
}

pub(crate) fn main(options: &Options) -> Exit {
    let mut exit = Exit::Ok;
    for file in &options.files {
        let result = load::load(file, &options.changes);
        let said = match result
            .and_then(|loaded| crate::plan::pack(file, &loaded.logical).map(|plan| (loaded, plan)))
        {
            Ok((loaded, plan)) => {
                let (logical, pods) = (&loaded.logical, plan.pods.len());
                let (components, tasks) = (logical.components.len(), logical.tasks());
                output::print(&format!(
                    "{}: topology `{}` is valid: {components} components, {tasks} tasks in {pods} pods\n",
                    file.display(),
                    logical.name,
                ))
            }
            Err(problems) => output::refuse(&problems),
        };
        if said != Exit::Ok {
            exit = said;
        }
    }
    exit
}
