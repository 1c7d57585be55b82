//! Every metric there is: name, type, labels, unit, meaning, and what Heron and Storm call it.
//!
//! Nothing else may name one: a [`Metric`] cannot be made elsewhere, `docs/metrics.md` is written
//! from here (`cargo xtask manifests`), and a running topology is compared with it.

pub mod edges;
pub mod links;
pub mod operator;
pub mod pod;
pub mod roots;
pub mod tasks;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until its process starts anew.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts by size.
    Histogram,
}

impl Kind {
    /// Prometheus' word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// A metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its labels, beside those that every sample of a process has.
    pub labels: &'static [&'static str],
    /// What it counts, in words; of those in a name, the base unit.
    pub unit: &'static str,
    /// What it means.
    pub help: &'static str,
    /// What Heron calls it, or what comes nearest.
    pub heron: &'static str,
    /// What Storm calls it, or what comes nearest.
    pub storm: &'static str,
}

/// Metrics that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// What is to be known of all of them.
    pub intro: &'static str,
    /// The metrics.
    pub metrics: &'static [&'static Metric],
}

/// All sections, in the order in which they are told.
pub const SECTIONS: [Section; 6] = [
    pod::SECTION,
    tasks::SECTION,
    roots::SECTION,
    edges::SECTION,
    links::SECTION,
    operator::SECTION,
];

/// All metrics.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    SECTIONS.iter().flat_map(|section| section.metrics.iter().copied())
}

/// Metrics of one section: `NAME = kind(name, [labels], unit, meaning), heron, storm;`, and `""`
/// where there is none.
macro_rules! metrics {
    ($title:literal, $intro:literal;
     $($id:ident = $kind:ident($name:literal, [$($label:literal),*], $unit:literal, $help:literal),
       $heron:literal, $storm:literal;)*) => {
        use super::{Kind, Metric, Section};

        $(
            #[doc = $help]
            pub const $id: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                labels: &[$($label),*],
                unit: $unit,
                help: $help,
                heron: $heron,
                storm: $storm,
            };
        )*

        /// All of them.
        pub const SECTION: Section = Section {
            title: $title,
            intro: $intro,
            metrics: &[$(&$id),*],
        };
    };
}
use metrics;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_metric_is_named_once_and_as_prometheus_advises() {
        let mut names = BTreeSet::new();
        for metric in all() {
            let Metric { name, kind, labels, help, .. } = metric;
            assert!(names.insert(name), "{name} is there twice");
            let ours = name.starts_with("egret_") || name.starts_with("process_");
            assert!(ours, "{name} has no prefix");
            assert_eq!(*kind == Kind::Counter, name.ends_with("_total"), "{name}");
            let scaled = ["ms", "us", "ns", "millis", "micros", "kib", "mb"];
            assert!(!name.split('_').any(|word| scaled.contains(&word)), "{name}: no base unit");
            assert!(help.ends_with('.') && !help.contains('\n'), "{name}: {help}");
            // Those are added to every sample, or by Prometheus itself.
            let reserved = ["le", "quantile", "job", "instance", "pod"];
            assert!(!labels.iter().any(|label| reserved.contains(label)), "{name}: {labels:?}");
        }
    }
}
