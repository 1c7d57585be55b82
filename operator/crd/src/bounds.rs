//! The limits of each field, as the schema has them. The numbers are those of validation.

use crate::{definition::BadSchema, schema::at};
use egret_topology::limits::{
    MAX_COMPONENTS, MAX_ENV, MAX_FIELDS, MAX_IDENTIFIER, MAX_INPUTS, MAX_LABELS, MAX_NAME,
    MAX_OBJECT_NAME, MAX_PARALLELISM, MAX_PENDING, MAX_PODS, MAX_PULL_SECRETS, MAX_RATE,
    MAX_STREAMS, MAX_TASKS, MAX_TEXT, MAX_TRIES, MAX_UTILIZATION, MAX_VOLUMES, MIN_UTILIZATION,
};
use serde_json::{Map, Value, json};

/// A topology's, component's or volume's name: one DNS label that starts with a letter.
pub(crate) const LABEL: &str = "^[a-z]([-a-z0-9]*[a-z0-9])?$";
/// A stream's, field's, grouping's, registered component's or variable's name.
const IDENTIFIER: &str = "^[A-Za-z_][-A-Za-z0-9_.]*$";
/// The name of a Kubernetes object.
const OBJECT: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// A key of a Secret or ConfigMap.
const KEY: &str = "^[-._a-zA-Z0-9]+$";
/// Numbers with units in their order, as in `1m30s`.
const DURATION: &str = "^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?([0-9]{1,5}ms)?$";
/// A number that is not negative, with a suffix or an exponent.
const QUANTITY: &str = concat!(
    r"^\+?([0-9]{1,15}(\.[0-9]{0,15})?|\.[0-9]{1,15})",
    "([numkMGTPE]|[KMGTPE]i|[eE](-0?[0-9]|[+]?(0?[0-9]|1[0-8])))?$"
);
/// Where spans go: no user, no password, no query.
const ENDPOINT: &str = r#"^http://[A-Za-z0-9\[][^\s"<>\\^`{|}#?@]*$"#;

/// The longest duration: four numbers of five digits with their units.
const MAX_DURATION_TEXT: usize = 25;
/// The longest quantity: 15 digits with sign, point and suffix.
const MAX_QUANTITY_TEXT: usize = 24;
/// A condition's message; Kubernetes' own limit.
const MAX_MESSAGE: usize = 32_768;
/// What the operator writes as one word or count.
const MAX_STATUS_WORD: usize = 64;

/// Puts all bounds into the schema.
pub(crate) fn apply(schema: &mut Value) -> Result<(), BadSchema> {
    let mut put = |path: &str, bounds: Value| {
        let Value::Object(bounds) = bounds else { return Ok(()) };
        at(schema, path)?.extend(bounds);
        Ok(())
    };
    spec(&mut put)?;
    for component in ["spec.spouts[]", "spec.bolts[]"] {
        let mut within = |path: &str, bounds| put(&format!("{component}.{path}"), bounds);
        part(&mut within)?;
    }
    bolt(&mut put)?;
    status(&mut put)?;
    require(schema, "spec", "spouts")?;
    require(schema, "spec.bolts[]", "inputs")
}

type Put<'a> = &'a mut dyn FnMut(&str, Value) -> Result<(), BadSchema>;

fn spec(put: Put<'_>) -> Result<(), BadSchema> {
    put("spec.image", image())?;
    put("spec.imagePullSecrets", map_list(MAX_PULL_SECRETS, &["name"]))?;
    put("spec.imagePullSecrets[].name", text(OBJECT, MAX_OBJECT_NAME))?;
    put("spec.maxPending", number(1, MAX_PENDING))?;
    put("spec.messageTimeout", duration())?;
    put("spec.drainTimeout", duration())?;
    put("spec.updateStrategy.maxUnavailable", number(1, MAX_TASKS))?;
    put("spec.updateStrategy.progressDeadline", duration())?;
    put("spec.restartedAt", json!({"maxLength": MAX_NAME}))?;
    put("spec.pods", number(1, MAX_PODS))?;
    put("spec.tracing.sampleRate", json!({"minimum": 0, "maximum": 1}))?;
    put("spec.tracing.endpoint", text(ENDPOINT, MAX_TEXT))?;
    put("spec.podCapacity.cpu", quantity())?;
    put("spec.podCapacity.memory", quantity())?;
    put("spec.spouts", components(1))?;
    put("spec.spouts[].maxRate", number(1, MAX_RATE))?;
    put("spec.spouts[].maxTries", number(1, MAX_TRIES))?;
    put("spec.bolts", components(0))?;
    put("spec.volumes", map_list(MAX_VOLUMES, &["name"]))?;
    put("spec.volumes[].name", text(LABEL, MAX_NAME))?;
    for map in ["labels", "annotations"] {
        let path = format!("spec.podTemplate.metadata.{map}");
        put(&path, json!({"maxProperties": MAX_LABELS}))?;
        put(&format!("{path}{{}}"), json!({"maxLength": MAX_TEXT}))?;
    }
    Ok(())
}

/// What spouts and bolts have in common.
fn part(put: Put<'_>) -> Result<(), BadSchema> {
    put("name", text(LABEL, MAX_NAME))?;
    put("parallelism", number(1, MAX_PARALLELISM))?;
    put("component", text(IDENTIFIER, MAX_IDENTIFIER))?;
    put("image", image())?;
    put("streams", map_list(MAX_STREAMS, &["name"]))?;
    put("streams[].name", text(IDENTIFIER, MAX_IDENTIFIER))?;
    put("streams[].fields", set_list())?;
    put("streams[].fields[]", text(IDENTIFIER, MAX_IDENTIFIER))?;
    for amounts in ["requests", "limits"] {
        for amount in ["cpu", "memory"] {
            put(&format!("resources.{amounts}.{amount}"), quantity())?;
        }
    }
    put("env", map_list(MAX_ENV, &["name"]))?;
    put("env[].name", text(IDENTIFIER, MAX_IDENTIFIER))?;
    put("env[].value", json!({"maxLength": MAX_TEXT}))?;
    for source in ["secretKeyRef", "configMapKeyRef"] {
        put(&format!("env[].valueFrom.{source}.name"), text(OBJECT, MAX_OBJECT_NAME))?;
        put(&format!("env[].valueFrom.{source}.key"), text(KEY, MAX_OBJECT_NAME))?;
    }
    put("envFrom", atomic_list(MAX_VOLUMES))?;
    put("envFrom[].prefix", text(IDENTIFIER, MAX_IDENTIFIER))?;
    put("envFrom[].secretRef.name", text(OBJECT, MAX_OBJECT_NAME))?;
    put("envFrom[].configMapRef.name", text(OBJECT, MAX_OBJECT_NAME))?;
    put("volumeMounts", map_list(MAX_VOLUMES, &["mountPath"]))?;
    put("volumeMounts[].name", text(LABEL, MAX_NAME))?;
    put("volumeMounts[].mountPath", text("^/[^:]*$", MAX_TEXT))?;
    put("volumeMounts[].subPath", json!({"maxLength": MAX_TEXT}))
}

fn bolt(put: Put<'_>) -> Result<(), BadSchema> {
    let mut inputs = map_list(MAX_INPUTS, &["from", "stream"]);
    inputs["minItems"] = 1.into();
    put("spec.bolts[].inputs", inputs)?;
    put("spec.bolts[].inputs[].from", text(LABEL, MAX_NAME))?;
    put("spec.bolts[].inputs[].stream", text(IDENTIFIER, MAX_IDENTIFIER))?;
    put("spec.bolts[].inputs[].fields", set_list())?;
    put("spec.bolts[].inputs[].fields[]", text(IDENTIFIER, MAX_IDENTIFIER))?;
    put("spec.bolts[].inputs[].custom", text(IDENTIFIER, MAX_IDENTIFIER))?;
    put("spec.bolts[].tick", duration())?;
    for count in ["min", "max"] {
        put(&format!("spec.bolts[].autoscale.{count}"), number(1, MAX_PARALLELISM))?;
    }
    let share = json!({"minimum": MIN_UTILIZATION, "maximum": MAX_UTILIZATION});
    put("spec.bolts[].autoscale.targetUtilization", share)?;
    put("spec.bolts[].autoscale.latency", duration())?;
    put("spec.bolts[].autoscale.cooldown", duration())
}

fn status(put: Put<'_>) -> Result<(), BadSchema> {
    for word in ["state", "pods", "tasks"] {
        put(&format!("status.{word}"), json!({"maxLength": MAX_STATUS_WORD}))?;
    }
    put("status.selector", json!({"maxLength": MAX_TEXT}))?;
    put("status.autoscale", map_list(MAX_COMPONENTS, &["component"]))?;
    put("status.autoscale[].component", json!({"maxLength": MAX_NAME}))?;
    for words in ["reason", "lastChange"] {
        put(&format!("status.autoscale[].{words}"), json!({"maxLength": MAX_TEXT}))?;
    }
    put("status.autoscale[].lastChangeTime", json!({"format": "date-time"}))?;
    put("status.conditions", map_list(16, &["type"]))?;
    put("status.conditions[].type", json!({"maxLength": 316}))?;
    put("status.conditions[].status", json!({"enum": ["True", "False", "Unknown"]}))?;
    put("status.conditions[].lastTransitionTime", json!({"format": "date-time"}))?;
    put("status.conditions[].reason", json!({"minLength": 1, "maxLength": 1024}))?;
    put("status.conditions[].message", json!({"maxLength": MAX_MESSAGE}))
}

fn require(schema: &mut Value, path: &str, field: &str) -> Result<(), BadSchema> {
    let fields: &mut Map<String, Value> = at(schema, path)?;
    let required = fields.entry("required").or_insert_with(|| json!([]));
    if let Value::Array(list) = required
        && !list.contains(&field.into())
    {
        list.push(field.into());
    }
    if let Some(property) = fields["properties"].get_mut(field).and_then(Value::as_object_mut) {
        property.remove("default");
    }
    Ok(())
}

fn text(pattern: &str, most: usize) -> Value {
    json!({"pattern": pattern, "minLength": 1, "maxLength": most})
}

fn image() -> Value {
    text(r"^\S+$", MAX_TEXT)
}

fn duration() -> Value {
    text(DURATION, MAX_DURATION_TEXT)
}

fn quantity() -> Value {
    json!({"pattern": QUANTITY, "maxLength": MAX_QUANTITY_TEXT})
}

fn number(least: u32, most: u32) -> Value {
    json!({"minimum": least, "maximum": most})
}

fn components(least: usize) -> Value {
    let mut list = map_list(MAX_COMPONENTS, &["name"]);
    if least > 0 {
        list["minItems"] = least.into();
    }
    list
}

/// A list that is merged by keys, each of which occurs once.
fn map_list(most: usize, keys: &[&str]) -> Value {
    json!({
        "maxItems": most,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": keys,
    })
}

/// Names of fields, each once.
fn set_list() -> Value {
    json!({"maxItems": MAX_FIELDS, "x-kubernetes-list-type": "set"})
}

fn atomic_list(most: usize) -> Value {
    json!({"maxItems": most, "x-kubernetes-list-type": "atomic"})
}
