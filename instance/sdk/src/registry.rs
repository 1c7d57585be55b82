//! The components of a binary, by name.

use crate::{Bolt, ComponentKind, CustomGrouping, Declared, Spout};
use egret_topology::declaration::{Declaration, Description};
use std::{collections::BTreeMap, fmt, sync::Arc};

type Make<T> = Arc<dyn Fn() -> Box<T> + Send + Sync>;

/// The components and groupings of a binary. A user's `main` fills one and hands it to the runtime.
#[derive(Default)]
pub struct Registry {
    spouts: BTreeMap<String, (Declared, Make<dyn Spout>)>,
    bolts: BTreeMap<String, (Declared, Make<dyn Bolt>)>,
    groupings: Groupings,
}

/// The custom groupings of a binary. Cheap to clone: a task keeps them for edges that are added.
#[derive(Clone, Default)]
pub struct Groupings(BTreeMap<String, Make<dyn CustomGrouping>>);

impl Groupings {
    /// A new grouping of this name.
    pub fn make(&self, name: &str) -> Option<Box<dyn CustomGrouping>> {
        self.0.get(name).map(|make| make())
    }
}

impl fmt::Debug for Groupings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Registry {
        Registry::default()
    }

    /// Registers a spout with its output streams. A later one of the same name replaces it.
    pub fn spout<S: Spout + 'static>(
        &mut self,
        name: &str,
        streams: Declared,
        make: impl Fn() -> Box<S> + Send + Sync + 'static,
    ) -> &mut Registry {
        self.bolts.remove(name);
        self.spouts.insert(name.to_owned(), (streams, Arc::new(move || make())));
        self
    }

    /// Registers a bolt with its output streams. A later one of the same name replaces it.
    pub fn bolt<B: Bolt + 'static>(
        &mut self,
        name: &str,
        streams: Declared,
        make: impl Fn() -> Box<B> + Send + Sync + 'static,
    ) -> &mut Registry {
        self.spouts.remove(name);
        self.bolts.insert(name.to_owned(), (streams, Arc::new(move || make())));
        self
    }

    /// Registers a custom grouping, for edges whose source is a component of this binary.
    pub fn grouping<G: CustomGrouping + 'static>(
        &mut self,
        name: &str,
        make: impl Fn() -> Box<G> + Send + Sync + 'static,
    ) -> &mut Registry {
        self.groupings.0.insert(name.to_owned(), Arc::new(move || make()));
        self
    }

    /// A new spout of this name.
    pub fn make_spout(&self, name: &str) -> Option<Box<dyn Spout>> {
        self.spouts.get(name).map(|(_, make)| make())
    }

    /// A new bolt of this name.
    pub fn make_bolt(&self, name: &str) -> Option<Box<dyn Bolt>> {
        self.bolts.get(name).map(|(_, make)| make())
    }

    /// The groupings.
    pub fn groupings(&self) -> &Groupings {
        &self.groupings
    }

    /// What the binary declares, in order of names.
    pub fn describe(&self) -> Description {
        let declare = |name: &String, kind, streams: &Declared| Declaration {
            name: name.clone(),
            kind,
            streams: streams.clone(),
        };
        let spouts = self.spouts.iter().map(|(n, (s, _))| declare(n, ComponentKind::Spout, s));
        let bolts = self.bolts.iter().map(|(n, (s, _))| declare(n, ComponentKind::Bolt, s));
        let mut components: Vec<_> = spouts.chain(bolts).collect();
        components.sort_by(|a, b| a.name.cmp(&b.name));
        Description { components }
    }

    /// Names of the registered components, for messages.
    pub fn names(&self) -> Vec<&str> {
        self.spouts.keys().chain(self.bolts.keys()).map(String::as_str).collect()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("components", &self.names()).finish_non_exhaustive()
    }
}
