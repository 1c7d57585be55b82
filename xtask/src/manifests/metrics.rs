//! `docs/metrics.md`: every metric, from the catalogue that the processes emit by.

use egret_process::metrics::{
    Metric,
    catalogue::{SECTIONS, Section},
};

const OPENING: &str = "\
# Metrics

Written by `cargo xtask manifests` from the catalogue in `process/src/metrics/catalogue`, which is
the only place where a metric is named.

Each stream manager serves the metrics of its pod in Prometheus' text format at
`http://POD:4739/metrics`, beside `/live` and `/ready`; the operator serves its own at port 8080. In
a local run the address is in the file `admin-address` of the pod's directory. Instances listen
nowhere: they report to their stream manager, twice a second and whenever something ends.
[monitoring.md](monitoring.md) tells how to scrape, show and alert.

Every sample of a stream manager carries `topology` and `pod` (the pod's index). Counters of a task
are sums over all lives of the task that this pod knows of, and survive a restart of instance and
stream manager; roots that were pending when a life ended are booked as failed. So at any moment,
per task:

    egret_roots_emitted_total = egret_roots_acked_total + egret_roots_failed_total
                              + egret_roots_timed_out_total + egret_roots_pending

Other counters start at 0 with each life of their process, as Prometheus expects. Values of labels
are bounded: names and numbers of the plan, fixed words, and for metrics of user code up to 64 names
per task. Units are base units: seconds and bytes.

## Metrics of user code

What a component counts by the SDK appears as `egret_user_total`, what it sets as
`egret_user_value`, each with its name in the label `name`:

    let skipped = context.counter(\"skipped\")?;
    skipped.add(1);

    rate(egret_user_total{component=\"split\", name=\"skipped\"}[1m])

## Coming from Heron or Storm

The tables name what Heron and Storm call a metric, or what comes nearest to it. Theirs are means or
sums over a minute, and in Storm of a sample of the tuples; ours are counters, and histograms of
every tuple. So a rate here is `rate(NAME[1m])`, a mean latency is
`rate(NAME_sum[1m]) / rate(NAME_count[1m])`, and a percentile is
`histogram_quantile(0.99, sum by (le) (rate(NAME_bucket[1m])))`.
";

/// The page.
pub(super) fn page() -> String {
    let mut page = OPENING.to_owned();
    SECTIONS.iter().for_each(|section| add(&mut page, section));
    page
}

fn add(page: &mut String, section: &Section) {
    let Section { title, intro, metrics } = section;
    page.push_str(&format!("\n## {title}\n\n{}\n\n", wrapped(intro)));
    page.push_str("| Name | Type | Labels | Unit | Meaning | Heron | Storm |\n");
    page.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
    metrics.iter().for_each(|metric| page.push_str(&row(metric)));
}

fn row(metric: &Metric) -> String {
    let code = |name: &str| match name {
        "" => String::new(),
        name => format!("`{name}`"),
    };
    let Metric { name, kind, labels, unit, help, heron, storm, .. } = metric;
    let (labels, kind) = (labels.join(", "), kind.as_str());
    let (heron, storm) = (code(heron), code(storm));
    format!("| `{name}` | {kind} | {labels} | {unit} | {help} | {heron} | {storm} |\n")
}

/// In lines of up to a hundred columns.
fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= 100 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_page_is_that_of_the_catalogue() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(committed == page(), "docs/metrics.md is stale: run `cargo xtask manifests`");
    }

    #[test]
    fn no_line_of_an_introduction_is_too_long() {
        let text = wrapped(&"four ".repeat(100));
        assert!(text.lines().all(|line| line.chars().count() <= 100));
        assert_eq!(text.split_whitespace().count(), 100);
    }
}
