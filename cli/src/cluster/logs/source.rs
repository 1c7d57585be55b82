//! Whose logs are read.

use crate::cluster::pods::{ContainerView, PodView, STREAM_MANAGER};

/// Which containers are wanted. What is empty wants all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filter<'a> {
    pub(super) components: &'a [String],
    pub(super) tasks: &'a [u32],
    pub(super) stream_managers: bool,
}

/// A container that logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) pod: String,
    /// A pod that comes later under the same name is another one.
    pub(super) uid: String,
    pub(super) container: String,
    /// How the container is.
    pub(super) state: String,
    pub(super) restarts: i32,
    pub(super) has_log: bool,
    pub(super) runs: bool,
}

/// What tells one container from all others.
pub(super) type Key = (String, String);

impl Source {
    pub(super) fn key(&self) -> Key {
        (self.uid.clone(), self.container.clone())
    }

    /// What its lines begin with.
    pub(super) fn prefix(&self) -> String {
        format!("{}/{}", self.pod, self.container)
    }

    pub(super) fn new(pod: &PodView, container: &ContainerView) -> Source {
        Source {
            pod: pod.name.clone(),
            uid: pod.uid.clone(),
            container: container.name.clone(),
            state: container.state.clone(),
            restarts: container.restarts,
            has_log: container.has_log,
            runs: container.runs,
        }
    }
}

/// The containers that are wanted, in the order of their pods. Stream managers come with the pods
/// of what else is wanted.
pub(super) fn select(pods: &[PodView], filter: &Filter<'_>) -> Vec<Source> {
    let wanted = |container: &ContainerView| {
        container.task.as_ref().is_some_and(|task| {
            (filter.components.is_empty() || filter.components.contains(&task.component))
                && (filter.tasks.is_empty() || filter.tasks.contains(&task.id))
        })
    };
    let of_pod = |pod: &PodView| {
        let manager = pod.containers.iter().filter(|c| c.name == STREAM_MANAGER);
        let tasks: Vec<&ContainerView> = pod.containers.iter().filter(|c| wanted(c)).collect();
        let with_manager = filter.stream_managers && !tasks.is_empty();
        let chosen = manager.filter(|_| with_manager).chain(tasks);
        chosen.map(|container| Source::new(pod, container)).collect::<Vec<_>>()
    };
    pods.iter().flat_map(of_pod).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::pods::tests::*;

    fn selected(components: &[&str], tasks: &[u32], stream_managers: bool) -> Vec<String> {
        let pods = [
            viewed(object("t-0-1", &[(0, "lines", 0), (1, "count", 0)], &[])),
            viewed(object("t-1-2", &[(2, "count", 1)], &[])),
        ];
        let components: Vec<String> = components.iter().map(|&name| name.to_owned()).collect();
        let filter = Filter { components: &components, tasks, stream_managers };
        select(&pods, &filter).iter().map(Source::prefix).collect()
    }

    #[test]
    fn all_tasks_are_wanted_unless_some_are() {
        assert_eq!(selected(&[], &[], false), ["t-0-1/lines-0", "t-0-1/count-0", "t-1-2/count-1"]);
        assert_eq!(selected(&["count"], &[], false), ["t-0-1/count-0", "t-1-2/count-1"]);
        assert_eq!(selected(&[], &[0], false), ["t-0-1/lines-0"]);
        assert_eq!(selected(&["count"], &[0], false), [] as [&str; 0]);
    }

    #[test]
    fn stream_managers_come_with_the_pods_of_the_tasks() {
        assert_eq!(selected(&[], &[2], true), ["t-1-2/stream-manager", "t-1-2/count-1"]);
    }
}
