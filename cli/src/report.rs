//! `egret report`: what a bug report needs, in one archive, without secrets.

mod archive;
mod machine;
mod parts;
mod redact;

use crate::ui::find::{self, Place, Which};
use clap::{Args, ValueHint};
use egret_process::Exit;
use egret_ui::{
    api::{Api, Query},
    snapshot::{Snapshot, Task},
    source::Log,
};
pub(crate) use parts::Parts;
use std::path::PathBuf;

/// Collect what a bug report needs, without secrets
///
/// Of a run on this machine, else of a topology on the cluster: what it does, its resource, pods,
/// events, plan, metrics and logs, and those of the operator if you may read them. What looks like
/// a secret is replaced; look through it all the same before you send it to anybody.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  egret report                      the run on this machine
  egret report word-count --namespace prod
  egret report word-count --without-logs --output report.tar.gz")]
pub(crate) struct Options {
    #[command(flatten)]
    which: Which,

    /// File to write; it must not be there yet. By default egret-report-NAME.tar.gz
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,

    /// Where the operator runs; looked into by who may not look everywhere
    #[cfg(feature = "cluster")]
    #[arg(long, value_name = "NAMESPACE", default_value = "egret-system")]
    operator_namespace: String,

    /// Leave out what tasks, stream managers and the operator have logged
    #[arg(long)]
    without_logs: bool,
}

pub(crate) fn main(options: &Options) -> Exit {
    find::with(&options.which, async |place| {
        let mut parts = Parts::default();
        parts.object("machine.yaml", machine::facts());
        let name = match place {
            Place::Here(remote) => {
                let snapshot = doing(&remote, &mut parts).await;
                if let Some(snapshot) = &snapshot
                    && !options.without_logs
                {
                    logs(&remote, &snapshot.tasks, &mut parts).await;
                }
                snapshot.map(|snapshot| snapshot.topology)
            }
            #[cfg(feature = "cluster")]
            Place::Cluster(live) => {
                let (logs, operator) = (!options.without_logs, &options.operator_namespace);
                live.source().gather(logs, operator, &mut parts).await;
                doing(&*live, &mut parts).await;
                Some(live.source().name().to_owned())
            }
        };
        finish(options, parts, name.as_deref().unwrap_or("unknown"))
    })
}

/// What the topology is doing.
async fn doing(api: &impl Api, parts: &mut Parts) -> Option<Snapshot> {
    let answer = api.answer(Query::Snapshot).await;
    let answer = answer.map_err(|refusal| refusal.words().to_owned()).and_then(|json| {
        let read = |error: serde_json::Error| format!("the answer is of no use: {error}");
        let value: serde_json::Value = serde_json::from_slice(&json).map_err(read)?;
        Ok((serde_json::from_slice(&json).map_err(read)?, value))
    });
    match answer {
        Ok((snapshot, value)) => {
            parts.object("snapshot.yaml", value);
            Some(snapshot)
        }
        Err(why) => {
            parts.missing("snapshot.yaml", &why);
            None
        }
    }
}

/// What tasks of a run on this machine have logged last.
async fn logs(api: &impl Api, tasks: &[Task], parts: &mut Parts) {
    for task in tasks {
        let path = format!("logs/{}-{}.log", task.component, task.index);
        let answer = api.answer(Query::Log(task.id)).await;
        let log = answer.map_err(|refusal| refusal.words().to_owned()).and_then(|json| {
            serde_json::from_slice::<Log>(&json).map_err(|error| error.to_string())
        });
        let text = log.map(|log| {
            let lines = log.lines.iter().map(|line| format!("{} {}\n", line.level, line.text));
            lines.collect::<String>()
        });
        parts.text_or_why(&path, text);
    }
}

fn finish(options: &Options, parts: Parts, name: &str) -> Exit {
    let root = format!("egret-report-{name}");
    let file = options.output.clone().unwrap_or_else(|| format!("{root}.tar.gz").into());
    let files = parts.finish();
    match archive::write(&file, &root, &files) {
        Ok(()) => {
            let (path, count) = (file.display(), files.len());
            println!("{count} files are in {path}; look through them before you send it");
            Exit::Ok
        }
        Err(error) => {
            eprintln!("error: cannot write {}: {error}", file.display());
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                eprintln!("  help: name another file with --output");
            }
            Exit::Failed
        }
    }
}
