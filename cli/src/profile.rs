//! `egret profile`: where one process of a running topology spends its CPU time.

mod flame;
mod pprof;
mod summary;

#[cfg(feature = "cluster")]
use crate::cluster;
use crate::{
    output,
    ui::{
        find::{self, Place, Which},
        look::look,
    },
};
use clap::{Args, ValueHint};
use egret_process::Exit;
use egret_topology::{id::PodId, suggest};
use egret_ui::{api::Api, ask::Connection, snapshot::Task};
use egret_wire::profile::Profile;
use std::{fs, path::PathBuf, time::Duration};
use tokio::{net::UnixStream, time::timeout};

/// What stands for a stream manager.
const STREAM_MANAGER: &str = "stream-manager";

/// Beyond the time that is recorded: for the answer to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Show where a task or a stream manager spends its CPU time
///
/// Of a run on this machine, else of a topology on the cluster. The process records itself, 99
/// times per second of CPU time, and goes on with its work. One profile at a time in each pod.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  egret profile word-count count
  egret profile word-count 'count[1]' --seconds 30 --output count.svg
  egret profile word-count 3 --output task.pb.gz     for `go tool pprof`
  egret profile word-count stream-manager --pod 1 --namespace prod")]
pub(crate) struct Options {
    /// Name of the topology. A run on this machine comes before a namesake on the cluster, unless
    /// an option names the cluster
    topology: String,

    /// A task: its id, its component with its index, or its component if that has one task; or
    /// `stream-manager`
    process: String,

    /// How long to record
    #[arg(long, short, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,

    /// Whose stream manager
    #[arg(long, default_value_t = 0)]
    pod: u32,

    /// File to write: a flame graph (.svg), stacks with counts (.folded), or the format of pprof
    /// (.pb.gz)
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = file)]
    output: Option<Output>,

    #[cfg(feature = "cluster")]
    #[command(flatten)]
    target: cluster::Target,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Output {
    path: PathBuf,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Flame,
    Folded,
    Pprof,
}

fn file(path: &str) -> Result<Output, String> {
    let endings = [(".svg", Form::Flame), (".folded", Form::Folded), (".pb.gz", Form::Pprof)];
    let found = endings.iter().find(|(ending, _)| path.ends_with(ending));
    let (_, form) = found.ok_or("a file's name ends in .svg, .folded or .pb.gz")?;
    Ok(Output { path: path.into(), form: *form })
}

pub(crate) fn main(options: &Options) -> Exit {
    let which = Which {
        name: Some(options.topology.clone()),
        #[cfg(feature = "cluster")]
        target: options.target.clone(),
    };
    find::with(&which, async |place| {
        let recorded = match &place {
            Place::Here(remote) => recorded(options, remote, &place).await,
            #[cfg(feature = "cluster")]
            Place::Cluster(live) => recorded(options, &**live, &place).await,
        };
        match recorded {
            Ok((what, profile)) => show(options, &what, &profile),
            Err(why) => {
                eprintln!("error: {why}");
                Exit::Failed
            }
        }
    })
}

/// What was recorded, and its profile.
async fn recorded(
    options: &Options,
    api: &impl Api,
    place: &Place,
) -> Result<(String, Profile), String> {
    let snapshot = look(api).await?;
    let seconds = options.seconds;
    let (what, pod, target) = if options.process == STREAM_MANAGER {
        let pod = PodId(options.pod);
        (format!("stream manager of pod {pod}"), pod, format!("/profile?seconds={seconds}"))
    } else {
        let task = chosen(&snapshot.tasks, &options.process)?;
        let what = format!("{}[{}]", task.component, task.index);
        (what, task.pod, format!("/profile?task={}&seconds={seconds}", task.id))
    };
    // Of an old and a new life of a pod the new one.
    let name = snapshot.pods.iter().rev().find(|one| one.id == pod).map(|pod| pod.name.clone());
    let name = name.ok_or_else(|| format!("there is no pod {pod}"))?;
    eprintln!("{what} of {} is recorded for {seconds} s", snapshot.topology);
    let patience = Duration::from_secs(seconds.into()) + PATIENCE;
    let profile = timeout(patience, ask(place, pod, &name, &target)).await;
    Ok((what, profile.unwrap_or_else(|_| Err(format!("pod {pod} does not answer")))?))
}

/// The task that is meant.
fn chosen<'a>(tasks: &'a [Task], wanted: &str) -> Result<&'a Task, String> {
    let named = |task: &Task| format!("{}[{}]", task.component, task.index);
    let exact = tasks.iter().find(|task| task.id.to_string() == wanted || named(task) == wanted);
    let mut of = tasks.iter().filter(|task| task.component == wanted);
    match (exact, of.next(), of.next()) {
        (Some(task), ..) | (None, Some(task), None) => Ok(task),
        (None, Some(first), Some(_)) => Err(format!(
            "component `{wanted}` has several tasks\n  help: name one, for example `{}`",
            named(first)
        )),
        (None, None, _) => {
            let names: Vec<String> = tasks.iter().map(named).collect();
            let remedy = suggest::remedy(wanted, "tasks are", names.iter().map(String::as_str));
            Err(format!("there is no task `{wanted}`\n  help: {remedy}, and {STREAM_MANAGER}"))
        }
    }
}

/// Asks the stream manager of a pod.
async fn ask(place: &Place, pod: PodId, name: &str, target: &str) -> Result<Profile, String> {
    let mut connection = match place {
        Place::Here(remote) => {
            let socket = remote.directory().join(format!("pod-{pod}")).join("inspect.sock");
            let stream = UnixStream::connect(&socket).await;
            let gone = |error| format!("the stream manager of pod {pod} does not answer: {error}");
            Connection::over(stream.map_err(gone)?).await?
        }
        #[cfg(feature = "cluster")]
        Place::Cluster(live) => live.source().connect(name).await?,
    };
    #[cfg(not(feature = "cluster"))]
    let _ = name;
    let (status, body) = connection.answer(target).await?;
    if !status.is_success() {
        return Err(output::visible(String::from_utf8_lossy(&body).trim()));
    }
    serde_json::from_slice(&body).map_err(|error| format!("an answer that is none: {error}"))
}

fn show(options: &Options, what: &str, profile: &Profile) -> Exit {
    if !profile.symbols {
        eprintln!(
            "{} has no table of symbols, so that its functions have no names\n  help: build it \
             without stripping symbols (`strip = \"debuginfo\"` in its Cargo profile keeps them)",
            output::visible(&profile.program)
        );
    }
    let title = format!("{what} of {}", options.topology);
    if let Some(Output { path, form }) = &options.output {
        let bytes = match form {
            Form::Flame => flame::svg(&title, profile).into_bytes(),
            Form::Folded => summary::folded(profile).into_bytes(),
            Form::Pprof => pprof::encode(profile),
        };
        if let Err(error) = fs::write(path, bytes) {
            eprintln!("error: cannot write {}: {error}", path.display());
            return Exit::Failed;
        }
    }
    output::print(&summary::table(&title, profile))
}

#[cfg(test)]
mod tests {
    use super::*;
    use egret_topology::id::TaskId;

    fn tasks() -> Vec<Task> {
        let task = |id, component: &str, index| Task {
            id: TaskId(id),
            component: component.to_owned(),
            index,
            ..Task::default()
        };
        vec![task(0, "lines", 0), task(1, "count", 0), task(2, "count", 1)]
    }

    #[test]
    fn a_task_is_named_by_id_by_place_or_by_its_component_alone() {
        let tasks = tasks();
        let id = |wanted| chosen(&tasks, wanted).map(|task| task.id.0);
        assert_eq!((id("2"), id("count[1]"), id("lines")), (Ok(2), Ok(2), Ok(0)));
        assert!(id("count").unwrap_err().contains("help: name one, for example `count[0]`"));
        let words = id("cuont[0]").unwrap_err();
        assert!(words.contains("did you mean `count[0]`?"), "{words}");
    }

    #[test]
    fn the_ending_of_a_file_says_what_is_written() {
        assert_eq!(file("a/b.svg").unwrap().form, Form::Flame);
        assert_eq!(file("b.pb.gz").unwrap().form, Form::Pprof);
        assert_eq!(file("b.folded").unwrap().form, Form::Folded);
        assert!(file("b.png").unwrap_err().contains(".svg"));
    }
}
