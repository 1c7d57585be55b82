//! The components at hand: the built-in ones and those of the user's binaries.

mod describe;

use crate::load::problem::{Origin, Problem, Problems};
use egret_topology::declaration::{Catalog, Declaration};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Components and the binaries that run them.
#[derive(Debug, Default)]
pub(crate) struct Binaries {
    catalog: Catalog,
    /// By registered name; a name that is missing is built in.
    programs: BTreeMap<String, PathBuf>,
}

impl Binaries {
    /// The declared components.
    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The user's binary that runs a component; none for a built-in one.
    pub(crate) fn program(&self, component: &str) -> Option<&Path> {
        self.programs.get(component).map(PathBuf::as_path)
    }
}

/// Asks the user's binaries for their components. One of theirs may replace a built-in one.
pub(crate) fn ask(binaries: &[PathBuf]) -> Result<Binaries, Problems> {
    let mut known = Binaries {
        catalog: Catalog::new(egret_components::registry().describe().components),
        programs: BTreeMap::new(),
    };
    let mut problems = Vec::new();
    for binary in binaries {
        match describe::describe(binary) {
            Ok(description) => {
                for declaration in description.components {
                    problems.extend(known.add(declaration, binary));
                }
            }
            Err(error) => problems.push(
                Problem::new(option(binary), error.to_string())
                    .with("the binary must call the SDK's `run` in its `main`"),
            ),
        }
    }
    if problems.is_empty() { Ok(known) } else { Err(Problems(problems)) }
}

impl Binaries {
    fn add(&mut self, declaration: Declaration, binary: &Path) -> Option<Problem> {
        let name = declaration.name.clone();
        if let Some(other) = self.programs.get(&name) {
            let other = other.display();
            let what = format!("`{name}` is registered by {other} too");
            return Some(Problem::new(option(binary), what).with("register it under another name"));
        }
        self.programs.insert(name, binary.to_owned());
        self.catalog.extend([declaration]);
        None
    }
}

fn option(binary: &Path) -> Origin {
    Origin::Option(format!("--instance {}", binary.display()))
}
