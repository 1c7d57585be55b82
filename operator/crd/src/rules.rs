//! CEL rules: what a schema cannot say, in the words of validation.
//!
//! The API server estimates the cost of each rule from the bounds of what it ranges over, and
//! refuses a definition whose rules could be too expensive. So rules range over components and
//! their inputs, but never over each stream of each source of each input: that is left to the
//! operator.

use crate::{bounds::LABEL, definition::BadSchema, schema::at};
use egret_topology::limits::{MAX_NAME, MAX_TASKS, MIN_COOLDOWN_MS};
use serde_json::{Value, json};

struct Rule {
    rule: String,
    message: &'static str,
    /// The field to name, if it is not that with the rule.
    field: Option<&'static str>,
}

fn rule(rule: impl Into<String>, message: &'static str) -> Rule {
    Rule { rule: rule.into(), message, field: None }
}

fn rule_of(field: &'static str, rule: impl Into<String>, message: &'static str) -> Rule {
    Rule { rule: rule.into(), message, field: Some(field) }
}

/// Puts all rules into the schema.
pub(crate) fn apply(schema: &mut Value) -> Result<(), BadSchema> {
    let mut put = |path: &str, rules: Vec<Rule>| {
        let written = rules.into_iter().map(|Rule { rule, message, field }| {
            let mut written = json!({"rule": rule, "message": message});
            if let Some(field) = field {
                written["fieldPath"] = field.into();
            }
            written
        });
        let list: Vec<Value> = written.collect();
        at(schema, path)?.insert("x-kubernetes-validations".to_owned(), list.into());
        Ok(())
    };
    put("", vec![name()])?;
    put("spec", spec())?;
    put("spec.messageTimeout", vec![some_time()])?;
    put("spec.drainTimeout", vec![some_time()])?;
    put("spec.updateStrategy.progressDeadline", vec![some_time()])?;
    put("spec.podCapacity", positive())?;
    put("spec.volumes[]", vec![own_volume()])?;
    for map in ["labels", "annotations"] {
        put(&format!("spec.podTemplate.metadata.{map}"), vec![own_key()])?;
    }
    for component in ["spec.spouts[]", "spec.bolts[]"] {
        let part = |path: &str| format!("{component}.{path}");
        put(&part("resources"), within_limits())?;
        put(&part("resources.requests"), positive())?;
        put(&part("resources.limits"), positive())?;
        put(&part("env[]"), vec![one_value()])?;
        put(&part("env[].valueFrom"), vec![one_of("secretKeyRef", "configMapKeyRef")])?;
        put(&part("envFrom[]"), vec![one_of("secretRef", "configMapRef")])?;
        put(&part("volumeMounts[]"), mount())?;
    }
    put("spec.bolts[]", vec![no_loop(), shared_work()])?;
    put("spec.bolts[].tick", vec![some_time()])?;
    put("spec.bolts[].autoscale", vec![least_and_most()])?;
    put("spec.bolts[].autoscale.latency", vec![some_time()])?;
    put("spec.bolts[].autoscale.cooldown", vec![cooldown()])?;
    put("spec.bolts[].inputs[]", grouping())
}

fn name() -> Rule {
    rule(
        format!("size(self.metadata.name) <= {MAX_NAME} && self.metadata.name.matches('{LABEL}')"),
        "metadata.name has at most 40 lower-case letters, digits and `-`, starting with a letter \
         and not ending with `-`: names of pods start with it",
    )
}

/// As many tasks as there may ever be, or as few: what bolts are given later must be possible too.
fn tasks(beyond: &str, count: &str) -> String {
    format!(
        "(self.spouts.map(s, s.parallelism).sum() + (has(self.bolts) ? self.bolts.map(b, \
         has(b.autoscale) && (!has(b.parallelism) || b.autoscale.{count} {beyond} b.parallelism) ? \
         b.autoscale.{count} : (has(b.parallelism) ? b.parallelism : 1)).sum() : 0))"
    )
}

fn spec() -> Vec<Rule> {
    let (least, most) = (tasks("<", "min"), tasks(">", "max"));
    let mounted = |kind: &str| {
        format!(
            "!has(self.{kind}) || self.{kind}.all(c, !has(c.volumeMounts) || c.volumeMounts.all(m, \
             has(self.volumes) && self.volumes.exists(v, v.name == m.name)))"
        )
    };
    vec![
        rule_of(
            ".delivery",
            "self.delivery != 'EffectivelyOnce'",
            "`EffectivelyOnce` does not exist yet: it needs checkpoints of state; write \
             `AtLeastOnce`, and make the effects of your sinks repeatable",
        ),
        rule_of(
            ".delivery",
            "self.delivery == oldSelf.delivery || self.state == 'Stopped'",
            "delivery can change only while state is `Stopped`",
        ),
        rule_of(
            ".tracing",
            "!has(self.tracing) || double(self.tracing.sampleRate) == 0.0 || self.delivery != \
             'AtMostOnce'",
            "tuples carry no roots under `AtMostOnce`, so there is nothing to trace them by; write \
             `delivery: AtLeastOnce`, or leave `tracing` out",
        ),
        rule_of(
            ".bolts",
            "self.delivery != 'AtMostOnce' || !has(self.bolts) || !self.bolts.exists(b, \
             has(b.autoscale) && has(b.autoscale.latency))",
            "no tuple tree is tracked under `AtMostOnce`, so there is no complete latency; write \
             `delivery: AtLeastOnce`, or leave autoscale.latency out",
        ),
        rule_of(
            ".spouts",
            "self.delivery != 'AtMostOnce' || !self.spouts.exists(s, has(s.maxTries))",
            "nothing is tried again under `AtMostOnce`, so nothing can fail too often; write \
             `delivery: AtLeastOnce`, or leave maxTries out",
        ),
        rule_of(
            ".podCapacity",
            "!has(self.podCapacity) || self.packing != 'RoundRobin'",
            "`RoundRobin` spreads tasks evenly whatever a pod may hold; leave podCapacity out, or \
             set `packing: FirstFitDecreasing`",
        ),
        rule_of(
            ".pods",
            format!("self.packing != 'RoundRobin' || self.pods <= {least}"),
            "more pods than tasks: some would be empty",
        ),
        rule(
            format!("{most} <= {MAX_TASKS}"),
            "at most 8192 tasks are allowed; lower the parallelism of some components",
        ),
        rule_of(
            ".bolts",
            "!has(self.bolts) || self.bolts.all(b, !self.spouts.exists(s, s.name == b.name))",
            "names are unique among spouts and bolts",
        ),
        rule_of(
            ".bolts",
            "!has(self.bolts) || self.bolts.all(b, b.inputs.all(i, self.spouts.exists(s, s.name == \
             i.from) || self.bolts.exists(c, c.name == i.from)))",
            "inputs[].from must name a spout or bolt of this topology",
        ),
        rule_of(".spouts", mounted("spouts"), "volumeMounts[].name must name one of spec.volumes"),
        rule_of(".bolts", mounted("bolts"), "volumeMounts[].name must name one of spec.volumes"),
    ]
}

fn shared_work() -> Rule {
    rule_of(
        ".autoscale",
        "!has(self.autoscale) || self.inputs.exists(i, !(i.grouping in ['All', 'Global']))",
        "all inputs are grouped by `All` or `Global`: more tasks would share no work; use another \
         grouping, or leave autoscale out",
    )
}

fn least_and_most() -> Rule {
    rule_of(".min", "self.min <= self.max", "`min` is at most `max`")
}

fn cooldown() -> Rule {
    const _: () = assert!(MIN_COOLDOWN_MS == 30_000);
    rule(
        "duration(self) >= duration('30s') && duration(self) <= duration('24h')",
        "a cool-down is from 30 s to a day",
    )
}

fn some_time() -> Rule {
    rule(
        "duration(self) > duration('0s') && duration(self) <= duration('24h')",
        "a duration is more than nothing and at most a day",
    )
}

fn positive() -> Vec<Rule> {
    let positive = |name| {
        format!(
            "!has(self.{name}) || (isQuantity(string(self.{name})) && \
             quantity(string(self.{name})).isGreaterThan(quantity('0')))"
        )
    };
    vec![
        rule_of(".cpu", positive("cpu"), "a quantity is more than zero"),
        rule_of(".memory", positive("memory"), "a quantity is more than zero"),
    ]
}

fn within_limits() -> Vec<Rule> {
    let within = |name| {
        format!(
            "!has(self.requests) || !has(self.limits) || !has(self.requests.{name}) || \
             !has(self.limits.{name}) || quantity(string(self.requests.{name})).compareTo(\
             quantity(string(self.limits.{name}))) <= 0"
        )
    };
    vec![
        rule_of(".requests", within("cpu"), "more cpu is requested than limits allow"),
        rule_of(".requests", within("memory"), "more memory is requested than limits allow"),
    ]
}

fn own_volume() -> Rule {
    rule_of(
        ".name",
        "!self.name.startsWith('egret-')",
        "names that start with `egret-` are Egret's own",
    )
}

fn own_key() -> Rule {
    rule("self.all(k, !k.startsWith('egret.dev/'))", "what starts with `egret.dev/` is Egret's own")
}

fn one_value() -> Rule {
    rule(
        "!has(self.valueFrom) || !has(self.value) || self.value == ''",
        "`value` and `valueFrom` exclude each other",
    )
}

fn one_of(one: &'static str, other: &'static str) -> Rule {
    let message = match one {
        "secretRef" => "write exactly one of `secretRef` and `configMapRef`",
        _ => "write exactly one of `secretKeyRef` and `configMapKeyRef`",
    };
    rule(format!("has(self.{one}) != has(self.{other})"), message)
}

fn mount() -> Vec<Rule> {
    vec![
        rule_of(
            ".mountPath",
            "self.mountPath != '/var/lib/egret' && !self.mountPath.startsWith('/var/lib/egret/')",
            "`/var/lib/egret` is Egret's own",
        ),
        rule_of(
            ".subPath",
            // Looking at each part of a split path is beyond the API server's budget.
            "!has(self.subPath) || !self.subPath.matches('^/|(^|/)[.][.](/|$)')",
            "a path within the volume is relative, without `..`",
        ),
    ]
}

fn no_loop() -> Rule {
    rule_of(
        ".inputs",
        "self.inputs.all(i, i.from != self.name)",
        "tuples would go round in a cycle: the bolt is its own input",
    )
}

fn grouping() -> Vec<Rule> {
    let fields = "has(self.fields) && size(self.fields) > 0";
    let keyed = "self.grouping in ['Fields', 'PartialKey']";
    vec![
        rule_of(
            ".grouping",
            format!("!({keyed}) || ({fields})"),
            "groupings `Fields` and `PartialKey` need the fields of their key; write them as \
             `fields: [FIELD]`",
        ),
        rule_of(
            ".fields",
            format!("{keyed} || !({fields})"),
            "only groupings `Fields` and `PartialKey` go by fields; leave them out, or write \
             `grouping: Fields`",
        ),
        rule_of(
            ".custom",
            "self.grouping == 'Custom' || !has(self.custom)",
            "only grouping `Custom` has a name; leave it out, or write `grouping: Custom`",
        ),
        rule_of(
            ".grouping",
            "self.grouping != 'Custom' || has(self.custom)",
            "grouping `Custom` needs the name of a registered grouping; write it as `custom: NAME`",
        ),
    ]
}
