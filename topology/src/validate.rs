//! From the resource to the logical plan: every rule of a topology, and every problem at once.
//!
//! Each rule speaks of one field by its path (`spec.bolts[1].inputs[0].from`), says what is wrong
//! with it and what to do. Later rules stay silent about what an earlier one has already reported:
//! an input from an unknown component is not also an input with unknown fields.

mod autoscale;
mod cluster;
mod component;
mod cycle;
mod dead_letters;
mod environment;
mod inputs;
mod names;
mod streams;
mod tracing;

use crate::{
    declaration::Catalog,
    limits,
    log_level::{self, LogLevels},
    logical::{Amounts, Logical, LogicalComponent},
    plan::{ComponentKind, Delivery},
    resource::{self, Common, Input, Packing, Resource, Spec},
};
use std::fmt;

/// One thing that is wrong with a topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field, such as `spec.bolts[1].inputs[0].from`.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// What to do, where that is not plain from what is wrong.
    pub remedy: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.what)?;
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(f, " ({remedy})"))
    }
}

/// Checks everything about a topology that can be known without running it.
///
/// The catalog holds the declared components of the binaries at hand. Without an image a component
/// must be in it; with an image it may be unknown, if its streams are listed or nobody consumes
/// them.
pub fn validate(resource: &Resource, catalog: &Catalog) -> Result<Logical, Vec<Problem>> {
    let mut problems = Problems::default();
    header(resource, &mut problems);
    let drafts = drafts(&resource.spec);
    if counts_are_wrong(&resource.spec, &mut problems) {
        return Err(problems.list);
    }
    let mut logical = settings(resource, &mut problems);
    names::check(&drafts, &mut problems);
    logical.components =
        drafts.iter().map(|draft| component::check(draft, &resource.spec, &mut problems)).collect();
    totals(&logical, &mut problems);
    let sources = inputs::sources(&drafts, &mut problems);
    let order = cycle::order(&drafts, &sources, &mut problems);
    let mut streams = streams::resolve(&drafts, &sources, &order, resource, catalog, &mut problems);
    dead_letters::add_streams(&drafts, &mut streams, &mut problems);
    let inputs = inputs::check(&drafts, &sources, &streams, &mut problems);
    for ((component, streams), inputs) in logical.components.iter_mut().zip(streams).zip(inputs) {
        component.streams = streams.unwrap_or_default();
        component.inputs = inputs;
    }
    if problems.list.is_empty() { Ok(logical) } else { Err(problems.list) }
}

/// Problems as they are found.
#[derive(Debug, Default)]
struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    fn add(&mut self, path: impl Into<String>, what: impl Into<String>) {
        self.list.push(Problem { path: path.into(), what: what.into(), remedy: None });
    }

    fn add_with(
        &mut self,
        path: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let remedy = Some(remedy.into());
        self.list.push(Problem { path: path.into(), what: what.into(), remedy });
    }

    /// The number, if it is in the range; else it is reported, and the nearest that is stands in.
    fn within(&mut self, path: &str, number: i64, least: u32, most: u32) -> u32 {
        if !(i64::from(least)..=i64::from(most)).contains(&number) {
            self.add(path, format!("{number} is not in the range from {least} to {most}"));
        }
        number.clamp(i64::from(least), i64::from(most)) as u32
    }

    /// Whether there are more than are allowed, which is reported.
    fn too_many(&mut self, path: &str, count: usize, most: usize) -> bool {
        if count > most {
            self.add(path, format!("{count} are too many; at most {most} are allowed"));
        }
        count > most
    }

    /// The duration, if it can be read and lasts from one millisecond to a day.
    fn duration(&mut self, path: &str, duration: &crate::duration::Duration) -> u64 {
        match duration.millis() {
            Err(error) => self.add(path, error.to_string()),
            Ok(0) => self.add(path, format!("`{duration}` is no time at all")),
            Ok(millis) if millis > limits::MAX_DURATION_MS => {
                self.add(path, format!("`{duration}` is more than a day"));
            }
            Ok(millis) => return millis,
        }
        1
    }
}

/// A component of the resource with its place in it.
struct Draft<'a> {
    path: String,
    kind: ComponentKind,
    common: Common<'a>,
    inputs: &'a [Input],
    tick: Option<&'a crate::duration::Duration>,
    max_rate: Option<i64>,
    max_tries: Option<i64>,
    autoscale: Option<&'a resource::Autoscale>,
}

impl Draft<'_> {
    /// The name under which the component is registered in its binary.
    fn registered(&self) -> &str {
        self.common.component.unwrap_or(self.common.name)
    }

    /// The path of the field that says how it is registered.
    fn registered_path(&self) -> String {
        let field = if self.common.component.is_some() { "component" } else { "name" };
        format!("{}.{field}", self.path)
    }
}

fn drafts(spec: &Spec) -> Vec<Draft<'_>> {
    let spouts = spec.spouts.iter().enumerate().map(|(i, spout)| Draft {
        path: format!("spec.spouts[{i}]"),
        kind: ComponentKind::Spout,
        common: spout.common(),
        max_rate: spout.max_rate,
        max_tries: spout.max_tries,
        inputs: &[],
        tick: None,
        autoscale: None,
    });
    let bolts = spec.bolts.iter().enumerate().map(|(i, bolt)| Draft {
        path: format!("spec.bolts[{i}]"),
        kind: ComponentKind::Bolt,
        common: bolt.common(),
        max_rate: None,
        max_tries: None,
        inputs: &bolt.inputs,
        tick: bolt.tick.as_ref(),
        autoscale: bolt.autoscale.as_ref(),
    });
    spouts.chain(bolts).collect()
}

fn header(resource: &Resource, problems: &mut Problems) {
    if resource.api_version != resource::API_VERSION {
        let what = format!("`{}` is not known", resource.api_version);
        problems.add_with("apiVersion", what, format!("write `{}`", resource::API_VERSION));
    }
    if resource.kind != resource::KIND {
        let what = format!("`{}` is not known", resource.kind);
        problems.add_with("kind", what, format!("write `{}`", resource::KIND));
    }
    names::check_label("metadata.name", &resource.metadata.name, problems);
}

/// Too many of anything is reported alone: the rules below compare each with each.
fn counts_are_wrong(spec: &Spec, problems: &mut Problems) -> bool {
    let before = problems.list.len();
    if spec.spouts.is_empty() {
        problems.add("spec.spouts", "there is no spout, so no tuple would ever flow");
    }
    let most = limits::MAX_COMPONENTS;
    for (path, count) in [("spec.spouts", spec.spouts.len()), ("spec.bolts", spec.bolts.len())] {
        if count > most {
            problems.add(path, format!("{count} are too many; at most {most} are allowed"));
        }
    }
    for (i, bolt) in spec.bolts.iter().enumerate() {
        if bolt.inputs.len() > limits::MAX_INPUTS {
            let (count, most) = (bolt.inputs.len(), limits::MAX_INPUTS);
            problems.add(
                format!("spec.bolts[{i}].inputs"),
                format!("{count} are too many; at most {most} are allowed"),
            );
        }
    }
    problems.list.len() > before
}

fn settings(resource: &Resource, problems: &mut Problems) -> Logical {
    let spec = &resource.spec;
    let delivery = match spec.delivery {
        resource::Delivery::AtLeastOnce => Delivery::AtLeastOnce,
        resource::Delivery::AtMostOnce => Delivery::AtMostOnce,
        resource::Delivery::EffectivelyOnce => {
            problems.add_with(
                "spec.delivery",
                "`EffectivelyOnce` does not exist yet: it needs checkpoints of state",
                "write `AtLeastOnce`, and make the effects of your sinks repeatable",
            );
            Delivery::AtLeastOnce
        }
    };
    if let Some(image) = &spec.image {
        component::check_image("spec.image", image, problems);
    }
    let pod_capacity = spec.pod_capacity.as_ref().map_or_else(Amounts::default, |capacity| {
        if spec.packing == Packing::RoundRobin {
            problems.add_with(
                "spec.podCapacity",
                "`RoundRobin` spreads tasks evenly whatever a pod may hold",
                "leave it out, or set `packing: FirstFitDecreasing`",
            );
        }
        component::amounts("spec.podCapacity", capacity, problems)
    });
    Logical {
        name: resource.metadata.name.clone(),
        namespace: resource.metadata.namespace.clone(),
        delivery,
        max_pending: problems.within("spec.maxPending", spec.max_pending, 1, limits::MAX_PENDING),
        message_timeout_ms: problems.duration("spec.messageTimeout", &spec.message_timeout),
        pods: problems.within("spec.pods", spec.pods, 1, limits::MAX_PODS),
        packing: spec.packing,
        pod_capacity,
        state: spec.state,
        log_levels: log_levels(resource, problems),
        tracing: tracing::check(spec.tracing.as_ref(), delivery, problems),
        components: Vec::new(),
        on_cluster: cluster::check(spec, problems),
    }
}

/// What is asked for of components that are not there any more does not matter.
fn log_levels(resource: &Resource, problems: &mut Problems) -> LogLevels {
    let Some(text) = resource.metadata.annotations.get(log_level::ANNOTATION) else {
        return LogLevels::default();
    };
    text.parse().unwrap_or_else(|error: log_level::BadLevel| {
        let path = format!("metadata.annotations[{}]", log_level::ANNOTATION);
        problems.add(path, error.to_string());
        LogLevels::default()
    })
}

fn totals(logical: &Logical, problems: &mut Problems) {
    let of =
        |count: fn(&LogicalComponent) -> u32| -> u32 { logical.components.iter().map(count).sum() };
    // Whatever a bolt is given later must be possible too.
    let (least, most) = (of(autoscale::least), of(autoscale::most));
    if most > limits::MAX_TASKS {
        let allowed = limits::MAX_TASKS;
        problems.add_with(
            "spec",
            format!("{most} tasks are too many; at most {allowed} are allowed"),
            "lower the parallelism, or `autoscale.max`, of some components",
        );
    }
    if logical.packing == Packing::RoundRobin && logical.pods > least {
        problems.add_with(
            "spec.pods",
            format!("{} pods are more than the {least} tasks: some would be empty", logical.pods),
            format!(
                "write at most {least}, or raise the parallelism, or `autoscale.min`, of some \
                 components"
            ),
        );
    }
}

#[cfg(test)]
mod tests;
