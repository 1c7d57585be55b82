//! All scenarios, and the short selection of `--quick`.

use crate::scenario::{Egret, Pace, Scenario, Storm, Subject, Variant};

/// The word count that everybody runs: 450,000 words of 20 letters, one spout, one counting bolt.
fn word_count(set: &[&str]) -> Egret {
    Egret {
        topology: "word-count.yaml",
        set: strings(set),
        spout: "words",
        sink: "count",
        acked: true,
        payload: 20,
        totals: true,
        pace: None,
        small_buffers: false,
        stalls: false,
        watched: false,
    }
}

fn at_most_once(set: &[&str]) -> Egret {
    let mut egret = word_count(set);
    egret.set.push("delivery=AtMostOnce".to_owned());
    egret.acked = false;
    egret
}

fn paced(pace: Pace) -> Egret {
    Egret {
        topology: "paced.yaml",
        spout: "paced",
        totals: false,
        pace: Some(pace),
        ..word_count(&[])
    }
}

fn payload(bytes: u32) -> Egret {
    // A dictionary of 16 MiB at most: what is measured is the path, not this machine's memory.
    let words = (16 << 20) / bytes;
    let set = [
        format!("spouts.words.config.length={bytes}"),
        format!("spouts.words.config.words={}", words.min(450_000)),
    ];
    Egret {
        topology: "payload.yaml",
        set: set.into(),
        sink: "discard",
        payload: bytes,
        totals: false,
        ..word_count(&[])
    }
}

fn fan_out(tasks: u32, zipf: f64, bytes: u32) -> Egret {
    let set = [
        format!("bolts.count.parallelism={tasks}"),
        format!("spouts.keys.config.zipf={zipf}"),
        format!("spouts.keys.config.payload={bytes}"),
    ];
    Egret {
        topology: "fan-out.yaml",
        set: set.into(),
        spout: "keys",
        payload: 16 + bytes,
        totals: true,
        ..word_count(&[])
    }
}

fn small_buffers(egret: Egret) -> Egret {
    Egret { small_buffers: true, ..egret }
}

fn storm(workers: u32, acked: bool, batch: u32) -> Subject {
    let (spouts, bolts, pending) = (1, 1, 10_000);
    Subject::Storm(Storm { spouts, bolts, workers, acked, pending, batch, pace: None })
}

fn paced_storm(pace: Pace) -> Subject {
    let (spouts, bolts, workers, pending) = (1, 1, 2, 10_000);
    let (acked, pace) = (true, Some(pace));
    Subject::Storm(Storm { spouts, bolts, workers, acked, pending, batch: 1, pace })
}

fn flink(tasks: u32, checkpoints: bool) -> Subject {
    Subject::Flink { sources: tasks, counters: tasks, checkpoints }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn variant(name: impl Into<String>, subject: impl Into<Subject>) -> Variant {
    Variant { name: name.into(), subject: subject.into() }
}

impl From<Egret> for Subject {
    fn from(egret: Egret) -> Subject {
        Subject::Egret(egret)
    }
}

fn scenario(name: &'static str, about: &'static str, variants: Vec<Variant>) -> Scenario {
    Scenario { name, about, variants, rounds: 1 }
}

/// Every scenario, in the order in which they run.
pub(crate) fn all() -> Vec<Scenario> {
    [rates(), latencies(), prices(), own()].concat()
}

/// Rates beside those of others.
fn rates() -> Vec<Scenario> {
    let four = ["spouts.words.parallelism=2", "bolts.count.parallelism=2"];
    let storm_four = Storm {
        spouts: 2,
        bolts: 2,
        workers: 2,
        acked: true,
        pending: 10_000,
        batch: 1000,
        pace: None,
    };
    vec![
        scenario(
            "two-pods",
            "word count, acks, 10,000 pending: two pods, Storm with two workers",
            vec![
                variant("egret", word_count(&[])),
                variant("storm batch 1", storm(2, true, 1)),
                variant("storm batch 100", storm(2, true, 100)),
                variant("storm batch 1000", storm(2, true, 1000)),
            ],
        ),
        scenario(
            "one-pod",
            "the same in one pod (three processes, TLS), Storm in one process (nothing serialized)",
            vec![variant("egret", word_count(&["pods=1"])), variant("storm", storm(1, true, 1000))],
        ),
        scenario(
            "at-most-once",
            "word count without acks: two pods, Storm with two workers and in one process",
            vec![
                variant("egret", at_most_once(&[])),
                variant("storm", storm(2, false, 1000)),
                variant("storm one process", storm(1, false, 1000)),
            ],
        ),
        scenario(
            "four-tasks",
            "word count, acks, two spouts and two bolts",
            vec![
                variant("egret", word_count(&four)),
                variant("storm", Subject::Storm(storm_four)),
                variant("flink, checkpoints", flink(2, true)),
            ],
        ),
        scenario(
            "flink",
            "word count in two pods, Flink's mini cluster, and timely dataflow as the limit",
            vec![
                variant("egret", word_count(&[])),
                variant("flink, checkpoints", flink(1, true)),
                variant("flink, none", flink(1, false)),
                variant("timely", Subject::Timely),
            ],
        ),
    ]
}

/// Latency beside that of others.
fn latencies() -> Vec<Scenario> {
    vec![
        scenario(
            "latency",
            "1,000 tuples per second, acks, two pods: time from when each was due",
            vec![
                variant("egret", paced(Pace::Rate(1000.0))),
                variant("storm", paced_storm(Pace::Rate(1000.0))),
            ],
        ),
        scenario(
            "half-load",
            "latency at half of the own maximum",
            vec![
                variant("egret, maximum", paced(Pace::Saturated)),
                variant("egret, half", paced(Pace::HalfOf("egret, maximum"))),
                variant("storm, maximum", paced_storm(Pace::Saturated)),
                variant("storm, half", paced_storm(Pace::HalfOf("storm, maximum"))),
            ],
        ),
    ]
}

/// What is paid for acks, and for being seen.
fn prices() -> Vec<Scenario> {
    vec![
        Scenario {
            rounds: 3,
            ..scenario(
                "acks",
                "the price of acks: the same word count tracked and untracked",
                vec![variant("acked", word_count(&[])), variant("unacked", at_most_once(&[]))],
            )
        },
        Scenario {
            rounds: 10,
            ..scenario(
                "watched",
                "the price of being seen: metrics, probes, the page and tuples of an edge each \
                 second, or nobody",
                vec![
                    variant("unwatched", word_count(&[])),
                    variant("watched", Egret { watched: true, ..word_count(&[]) }),
                ],
            )
        },
    ]
}

/// What Egret is compared with itself, or with the bytes that QUIC alone moves.
fn own() -> Vec<Scenario> {
    let sizes = |sizes: &[u32]| -> Vec<Variant> {
        sizes.iter().map(|bytes| variant(format!("{bytes} B"), payload(*bytes))).collect()
    };
    let pending = [100, 1_000, 10_000, 100_000];
    let stalled = Egret {
        topology: "stall.yaml",
        spout: "steady",
        totals: false,
        stalls: true,
        ..word_count(&[])
    };
    let idle = Egret { topology: "idle.yaml", totals: false, ..word_count(&[]) };
    vec![
        scenario(
            "ceiling",
            "share of what raw quinn moves over three hops with the same settings",
            [
                vec![
                    variant("quinn, frames of 32 KiB", Subject::Ceiling { frame: 32 << 10 }),
                    variant("quinn, frames of 4 KiB", Subject::Ceiling { frame: 4 << 10 }),
                ],
                sizes(&[20, 128, 1024, 8192]),
            ]
            .concat(),
        ),
        scenario(
            "pending",
            "what maxPending does to rate and latency",
            pending.map(|n| variant(format!("{n}"), with(paced(Pace::Saturated), n))).into(),
        ),
        scenario(
            "stall",
            "two paths through the same two stream managers; the bolt of one sleeps 10 s",
            vec![variant("egret", stalled)],
        ),
        scenario("idle", "ten instances and one tuple per second", vec![variant("egret", idle)]),
        scenario("payload", "tuples of 16 B to 64 KiB", sizes(&[16, 128, 1024, 8192, 65_536])),
        scenario(
            "fan-out",
            "one spout to 64 tasks by key, uniform and skewed (Zipf 1.1)",
            vec![
                variant("1 task", fan_out(1, 0.0, 0)),
                variant("64, uniform", fan_out(64, 0.0, 0)),
                variant("64, skewed", fan_out(64, 1.1, 0)),
                variant("64, skewed, 1 KiB", fan_out(64, 1.1, 1024)),
                variant("64, skewed, 64 KiB", fan_out(64, 1.1, 65_536)),
            ],
        ),
        scenario(
            "buffers",
            "UDP receive buffers of 208 KiB, as a node grants that raises no limit",
            vec![
                variant("4 MiB", word_count(&[])),
                variant("208 KiB", small_buffers(word_count(&[]))),
                variant("4 MiB, 8 KiB payload", payload(8192)),
                variant("208 KiB, 8 KiB payload", small_buffers(payload(8192))),
                variant("208 KiB, 64 skewed", small_buffers(fan_out(64, 1.1, 1024))),
            ],
        ),
    ]
}

fn with(mut egret: Egret, pending: u32) -> Egret {
    egret.set.push(format!("maxPending={pending}"));
    egret
}

/// The ceiling, Egret, and Storm at its best: under three minutes.
pub(crate) fn quick() -> Vec<Scenario> {
    let ceiling = Subject::Ceiling { frame: 32 << 10 };
    vec![
        scenario(
            "two-pods",
            "word count, acks, 10,000 pending: two pods, Storm with two workers",
            vec![
                variant("egret", word_count(&[])),
                variant("storm batch 1000", storm(2, true, 1000)),
            ],
        ),
        scenario(
            "ceiling",
            "share of what raw quinn moves over three hops with the same settings",
            vec![variant("quinn, frames of 32 KiB", ceiling), variant("128 B", payload(128))],
        ),
        scenario(
            "acks",
            "the price of acks: the same word count tracked and untracked",
            vec![variant("acked", word_count(&[])), variant("unacked", at_most_once(&[]))],
        ),
        scenario(
            "latency",
            "1,000 tuples per second, acks, two pods: time from when each was due",
            vec![variant("egret", paced(Pace::Rate(1000.0)))],
        ),
    ]
}

/// What the guard compares: the cost of a tuple with the cost of its bytes.
pub(crate) fn guard() -> Scenario {
    Scenario {
        rounds: 3,
        ..scenario(
            "guard",
            "the cost of a tuple beside that of bytes that QUIC alone moves",
            vec![
                variant("quinn", Subject::Ceiling { frame: 32 << 10 }),
                variant("words", word_count(&[])),
                variant("1 KiB", payload(1024)),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, path::Path};

    #[test]
    fn names_are_unique_and_topologies_exist() {
        let names: BTreeSet<&str> = all().iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), all().len());
        for scenario in [all(), quick(), vec![guard()]].concat() {
            let names: BTreeSet<&str> =
                scenario.variants.iter().map(|variant| variant.name.as_str()).collect();
            assert_eq!(names.len(), scenario.variants.len(), "{}", scenario.name);
            for variant in &scenario.variants {
                if let Subject::Egret(egret) = &variant.subject {
                    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
                    let file = root.join("topologies").join(egret.topology);
                    assert!(file.exists(), "{}", file.display());
                }
                if let Some(Pace::HalfOf(other)) = variant.subject.pace() {
                    assert!(names.contains(other), "{}: {other}", scenario.name);
                }
            }
        }
    }
}
