//! Profiles on demand: of this process, or of an instance of the pod, one at a time.

use crate::{limits, manager::Manager};
use egret_flow::Link;
use egret_topology::id::TaskId;
use egret_wire::{
    control::ToInstance,
    profile::{Profile, SECONDS},
};
use hyper::StatusCode;
use std::{
    cell::{Cell, RefCell},
    time::Duration,
};
use tokio::{sync::oneshot, time::timeout};

/// What comes back; an error is words for people.
type Answer = Result<Profile, String>;

/// Why there is no profile.
pub(crate) type Refused = (StatusCode, String);

/// Who is asked, and where the answer goes.
#[derive(Debug, Default)]
pub(crate) struct Profiling {
    asked: RefCell<Option<Asked>>,
    /// Number of the last question.
    last: Cell<u64>,
}

#[derive(Debug)]
struct Asked {
    number: u64,
    /// None: this process.
    task: Option<TaskId>,
    answer: oneshot::Sender<Answer>,
}

/// Forgets the question, also if whoever asked has gone.
struct Waiting<'a>(&'a Profiling);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.asked.take();
    }
}

impl Profiling {
    fn ask(&self, task: Option<TaskId>) -> Option<(Waiting<'_>, u64, oneshot::Receiver<Answer>)> {
        let mut asked = self.asked.borrow_mut();
        if asked.is_some() {
            return None;
        }
        let (answer, answered) = oneshot::channel();
        let number = self.last.get() + 1;
        self.last.set(number);
        *asked = Some(Asked { number, task, answer });
        Some((Waiting(self), number, answered))
    }

    /// An answer has come. One that nobody waits for any more is of no use.
    fn answer(&self, is_it: impl FnOnce(&Asked) -> bool, profile: Answer) {
        let mut asked = self.asked.borrow_mut();
        if asked.as_ref().is_some_and(is_it)
            && let Some(asked) = asked.take()
        {
            // Whoever asked may have gone.
            let _ = asked.answer.send(profile);
        }
    }
}

impl Manager {
    /// The profile that `task=1&seconds=10` asks for; without a task that of this process.
    pub(crate) async fn profile(&self, query: &str) -> Result<Profile, Refused> {
        let (task, seconds) = parse(query).map_err(|words| (StatusCode::BAD_REQUEST, words))?;
        if let Some(task) = task
            && !self.flow.borrow().is_up(Link::Instance(task))
        {
            let words = format!("task {task} has no instance here that is connected");
            return Err((StatusCode::NOT_FOUND, words));
        }
        let Some((_waiting, number, answered)) = self.profiling.ask(task) else {
            let words = "a profile is being recorded in this pod: try again when it is done";
            return Err((StatusCode::CONFLICT, words.to_owned()));
        };
        let Some(task) = task else {
            return egret_process::profile::record(seconds).await.map_err(unavailable);
        };
        self.send_to_instance(task, ToInstance::Profile { number, seconds });
        let patience = Duration::from_secs(seconds.into()) + limits::PROFILE;
        match timeout(patience, answered).await {
            Ok(Ok(profile)) => profile.map_err(unavailable),
            Ok(Err(_)) => Err(unavailable("nobody answers".to_owned())),
            Err(_) => {
                let words = "the instance does not answer: it may be of an older version";
                Err(unavailable(words.to_owned()))
            }
        }
    }

    /// An instance has answered.
    pub(crate) fn profiled(
        &self,
        task: TaskId,
        number: u64,
        profile: Option<Box<Profile>>,
        refused: Option<String>,
    ) {
        let words = refused.unwrap_or_else(|| "it has none".to_owned());
        let profile = profile.map(|profile| *profile).ok_or(words);
        let is_it = |asked: &Asked| asked.task == Some(task) && asked.number == number;
        self.profiling.answer(is_it, profile);
    }

    /// An instance is gone, with what it would have answered.
    pub(crate) fn profile_lost(&self, task: TaskId) {
        let is_it = |asked: &Asked| asked.task == Some(task);
        self.profiling.answer(is_it, Err("the instance is gone".to_owned()));
    }
}

fn unavailable(words: String) -> Refused {
    (StatusCode::SERVICE_UNAVAILABLE, words)
}

/// The task, if one is named, and the seconds.
fn parse(query: &str) -> Result<(Option<TaskId>, u32), String> {
    let value = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let task = value("task").map(|task| task.parse().map(TaskId));
    let task = task.transpose().map_err(|_| "task is the id of a task".to_owned())?;
    let seconds = value("seconds").and_then(|seconds| seconds.parse().ok());
    let seconds = seconds.filter(|seconds| SECONDS.contains(seconds));
    let refused = || format!("seconds are from {} to {}", SECONDS.start(), SECONDS.end());
    Ok((task, seconds.ok_or_else(refused)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_names_a_task_or_none_and_a_bounded_time() {
        assert_eq!(parse("task=3&seconds=10"), Ok((Some(TaskId(3)), 10)));
        assert_eq!(parse("seconds=60"), Ok((None, 60)));
        for wrong in ["", "task=3", "seconds=0", "seconds=61", "seconds=1e9", "task=x&seconds=1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn one_asks_at_a_time_and_late_answers_are_of_no_use() {
        let profiling = Profiling::default();
        let (waiting, first, _) = profiling.ask(Some(TaskId(1))).unwrap();
        assert!(profiling.ask(None).is_none());
        // Whoever asked goes away.
        drop(waiting);
        let (_waiting, second, mut answered) = profiling.ask(Some(TaskId(1))).unwrap();
        profiling.answer(|asked| asked.number == first, Ok(Profile::default()));
        assert!(answered.try_recv().is_err());
        profiling.answer(|asked| asked.number == second, Ok(Profile::default()));
        assert_eq!(answered.try_recv(), Ok(Ok(Profile::default())));
    }
}
