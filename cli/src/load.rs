//! From a file and options to a valid topology, or to everything that is wrong with them.
//!
//! file → environment → overrides → shape → meaning. Each stage reports all that it finds; the next
//! one starts only if there was nothing, because what it would say might not be true.

pub(crate) mod problem;

mod environment;
mod overrides;
mod positions;
mod shape;
mod yaml;

use crate::catalog::{self, Binaries};
use clap::{Args, ValueHint};
use egret_topology::{logical::Logical, validate::validate};
use overrides::Override;
use positions::Positions;
use problem::{Origin, Problem, Problems};
use serde_yaml::Value;
use std::path::{Path, PathBuf};

/// What changes a topology file on its way.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Changes {
    /// Set a field, with a path relative to `spec` and components by name, such as
    /// `spouts.lines.config.path=text.txt`, `bolts.count.parallelism=3` or `maxPending=100`;
    /// repeatable
    #[arg(long, value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,

    /// Number of pods, like `--set pods=N`
    #[arg(long, value_name = "N")]
    pub(crate) pods: Option<u32>,

    /// Replace `${KEY}` and `${KEY:-default}` in the file's strings by values of this file of
    /// KEY=VALUE lines; `$${` stands for `${`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) env_file: Option<PathBuf>,

    /// A binary with components of your own, asked for them with `BIN describe`; repeatable
    #[arg(long, value_name = "BIN", value_hint = ValueHint::ExecutablePath)]
    pub(crate) instance: Vec<PathBuf>,
}

/// A valid topology, and which binary runs what.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) logical: Logical,
    pub(crate) binaries: Binaries,
}

/// Loads a topology file.
pub(crate) fn load(file: &Path, changes: &Changes) -> Result<Loaded, Problems> {
    let binaries = catalog::ask(&changes.instance)?;
    let (name, text) = yaml::read(file)?;
    let logical = parse(&name, &text, changes, &binaries)?;
    Ok(Loaded { logical, binaries })
}

/// The topology in a text.
fn parse(
    name: &str,
    text: &str,
    changes: &Changes,
    binaries: &Binaries,
) -> Result<Logical, Problems> {
    let (mut value, positions) = yaml::parse(name, text)?;
    let mut places = Places { name, positions, overrides: Vec::new() };
    if let Some(file) = &changes.env_file {
        substitute(&mut value, &places, file)?;
    }
    apply(&mut value, &mut places, changes)?;
    let resource = shape::resource(&value)
        .map_err(|found| places.problems(found, |m| (m.path, m.what, m.remedy, m.key)))?;
    validate(&resource, binaries.catalog())
        .map_err(|found| places.problems(found, |p| (p.path, p.what, p.remedy, false)))
}

fn substitute(value: &mut Value, places: &Places<'_>, file: &Path) -> Result<(), Problems> {
    let (name, text) = yaml::read(file)?;
    let environment = environment::parse(&name, &text).map_err(Problems)?;
    let mut unknown = Vec::new();
    environment::substitute(value, "", &places.positions, &environment, &mut unknown);
    if unknown.is_empty() {
        return Ok(());
    }
    Err(places.problems(unknown, |u| (u.path, u.what, Some(u.remedy), false)))
}

fn apply(value: &mut Value, places: &mut Places<'_>, changes: &Changes) -> Result<(), Problems> {
    let pods =
        changes.pods.map(|pods| Ok(Override::of_option(format!("--pods {pods}"), "pods", pods)));
    let set = changes
        .set
        .iter()
        .map(|text| Override::parse(text).map_err(|error| (format!("--set {text}"), error)));
    let mut problems = Vec::new();
    for parsed in set.chain(pods) {
        let applied = parsed.and_then(|set| match set.apply(value) {
            Ok(path) => Ok((path, set.option)),
            Err(error) => Err((set.option, error)),
        });
        match applied {
            Ok(applied) => places.overrides.push(applied),
            Err((option, error)) => problems.push(Problem {
                remedy: error.remedy,
                ..Problem::new(Origin::Option(option), error.what)
            }),
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
}

/// Where each field was written.
struct Places<'a> {
    name: &'a str,
    positions: Positions,
    /// Paths of the fields that were set, with the option that did.
    overrides: Vec<(String, String)>,
}

impl Places<'_> {
    /// What was found, located and in the order of the file.
    fn problems<T>(
        &self,
        found: Vec<T>,
        parts: impl Fn(T) -> (String, String, Option<String>, bool),
    ) -> Problems {
        let located = |found| {
            let (path, what, remedy, key) = parts(found);
            Problem { remedy, ..Problem::new(self.origin(&path, key), what).of(path) }
        };
        let mut problems: Vec<Problem> = found.into_iter().map(located).collect();
        problems.sort_by(|a, b| a.origin.cmp(&b.origin));
        Problems(problems)
    }

    fn origin(&self, path: &str, key: bool) -> Origin {
        let within = |set: &str| {
            path.strip_prefix(set)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        // The last of several stands.
        if let Some((_, option)) = self.overrides.iter().rev().find(|(set, _)| within(set)) {
            return Origin::Option(option.clone());
        }
        let at = if key { self.positions.of_key(path) } else { self.positions.of(path) };
        match at {
            Some((line, column)) => Origin::File { name: self.name.to_owned(), line, column },
            None => Origin::whole(self.name),
        }
    }
}

#[cfg(test)]
mod tests;
