//! A model of the API server: objects with versions, optimistic concurrency, ownership, and a
//! mishap at a request that a test names.

use http::{Method, Request, Response, StatusCode};
use kube::client::Body;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::sync::Notify;

/// Plural, namespace, name.
pub(crate) type Key = (String, String, String);

/// What befalls a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// The operator dies before the request arrives.
    KillBefore,
    /// It is carried out, and the operator dies before it hears of that.
    KillAfter,
    /// It is carried out, and the answer is lost.
    Lost,
    /// It is not carried out: somebody else was faster, as far as the answer says.
    Conflict,
    /// What it reads or begins from is gone.
    Gone,
    /// The server is overloaded.
    Busy,
    /// A read is answered with what was there before the last write.
    Stale,
}

impl Mishap {
    pub(crate) const ALL: [Mishap; 7] = [
        Mishap::KillBefore,
        Mishap::KillAfter,
        Mishap::Lost,
        Mishap::Conflict,
        Mishap::Gone,
        Mishap::Busy,
        Mishap::Stale,
    ];
}

/// All objects, and what has happened to them.
#[derive(Default)]
pub(crate) struct Api {
    pub(crate) objects: BTreeMap<Key, Value>,
    /// Each object as it was before the last write.
    before: BTreeMap<Key, Option<Value>>,
    version: u64,
    /// Requests so far, and writes among them that have changed something.
    pub(crate) requests: usize,
    pub(crate) writes: Vec<String>,
    /// Names of pods that were ever there.
    pods: BTreeSet<Key>,
    pub(crate) mishap: Option<(usize, Mishap)>,
    /// Rules that were broken.
    pub(crate) broken: Vec<String>,
}

/// The server, shared with the client that speaks to it.
#[derive(Clone, Default)]
pub(crate) struct Server {
    api: Arc<Mutex<Api>>,
    kill: Arc<Notify>,
}

/// A request, read.
struct Call {
    method: Method,
    key: Key,
    status: bool,
    merge: bool,
    query: String,
    body: Value,
}

impl Server {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Api> {
        self.api.lock().unwrap()
    }

    /// Returns when the operator dies.
    pub(crate) async fn kill(&self) {
        self.kill.notified().await;
    }

    /// Answers a request; never, if the operator dies over it.
    pub(crate) async fn answer(self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await.unwrap();
        let path: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
        let at = path.iter().position(|part| *part == "namespaces").unwrap();
        let part = |n: usize| path.get(at + n).map(|part| (*part).to_owned()).unwrap_or_default();
        let kind = parts.headers.get("content-type").and_then(|kind| kind.to_str().ok());
        let call = Call {
            method: parts.method,
            key: (part(2), part(1), part(3)),
            status: part(4) == "status",
            merge: kind.is_some_and(|kind| kind.contains("merge-patch")),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
        };
        let answer = self.lock().take(&call);
        match answer {
            Some((code, value)) => {
                let body = Body::from(serde_json::to_vec(&value).unwrap());
                let json = ("content-type", "application/json");
                let builder = Response::builder().status(code).header(json.0, json.1);
                builder.body(body).unwrap()
            }
            None => {
                self.kill.notify_one();
                std::future::pending().await
            }
        }
    }
}

type Answer = (StatusCode, Value);

impl Api {
    fn take(&mut self, call: &Call) -> Option<Answer> {
        self.requests += 1;
        let mishap = self.mishap.filter(|(at, _)| *at == self.requests).map(|(_, mishap)| mishap);
        match mishap {
            None => Some(self.serve(call)),
            Some(Mishap::KillBefore) => None,
            Some(Mishap::KillAfter) => {
                self.serve(call);
                None
            }
            Some(Mishap::Lost) => {
                self.serve(call);
                Some(failure(504, "Timeout"))
            }
            Some(Mishap::Conflict) => Some(failure(409, "Conflict")),
            Some(Mishap::Gone) => Some(failure(410, "Expired")),
            Some(Mishap::Busy) => Some(failure(503, "ServiceUnavailable")),
            Some(Mishap::Stale) if call.method == Method::GET => {
                let old = self.before.get(&call.key).cloned().flatten();
                Some(old.map_or_else(|| self.serve(call), |old| (StatusCode::OK, old)))
            }
            Some(Mishap::Stale) => Some(self.serve(call)),
        }
    }

    fn serve(&mut self, call: &Call) -> Answer {
        if call.key.0 == "events" {
            return (StatusCode::CREATED, call.body.clone());
        }
        match call.method {
            Method::GET if call.key.2.is_empty() => (StatusCode::OK, self.list(call)),
            Method::GET => self.read(call),
            Method::POST => self.create(call),
            Method::PUT => self.replace(call),
            Method::PATCH => self.patch(call),
            Method::DELETE => self.delete(call),
            _ => failure(405, "MethodNotAllowed"),
        }
    }

    fn read(&self, call: &Call) -> Answer {
        match self.objects.get(&call.key) {
            Some(object) => (StatusCode::OK, object.clone()),
            None => failure(404, "NotFound"),
        }
    }

    fn list(&self, call: &Call) -> Value {
        let named = call.query.split("metadata.name%3D").nth(1);
        let named = named.map(|rest| rest.split('&').next().unwrap_or_default());
        let (plural, namespace, _) = &call.key;
        let of = self.objects.iter().filter(|((p, n, name), _)| {
            p == plural && n == namespace && named.is_none_or(|named| name == named)
        });
        let items: Vec<&Value> = of.map(|(_, object)| object).collect();
        json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items})
    }

    fn create(&mut self, call: &Call) -> Answer {
        let name = call.body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let key = (call.key.0.clone(), call.key.1.clone(), name);
        if self.objects.contains_key(&key) {
            return failure(409, "AlreadyExists");
        }
        let mut object = call.body.clone();
        object["metadata"]["uid"] = format!("{}-{}", key.0, self.version + 1).into();
        if key.0 == "pods" {
            self.judge_new_pod(&key);
        }
        (StatusCode::CREATED, self.put(key, object))
    }

    fn replace(&mut self, call: &Call) -> Answer {
        let Some(there) = self.objects.get(&call.key) else { return failure(404, "NotFound") };
        let asked = &call.body["metadata"]["resourceVersion"];
        if !asked.is_null() && *asked != there["metadata"]["resourceVersion"] {
            return failure(409, "Conflict");
        }
        let mut object = call.body.clone();
        object["metadata"]["uid"] = there["metadata"]["uid"].clone();
        self.judge_record(&there.clone(), &object);
        (StatusCode::OK, self.put(call.key.clone(), object))
    }

    fn patch(&mut self, call: &Call) -> Answer {
        let there = self.objects.get(&call.key).cloned();
        let Some(mut object) = there else {
            if call.key.0 == "topologies" {
                return failure(404, "NotFound");
            }
            return self.create(call);
        };
        let asked = &call.body["metadata"];
        for (field, code) in [("resourceVersion", "Conflict"), ("uid", "Conflict")] {
            if !asked[field].is_null() && asked[field] != object["metadata"][field] {
                return failure(409, code);
            }
        }
        if call.status {
            object["status"] = call.body["status"].clone();
        } else if call.merge {
            object["metadata"]["finalizers"] = asked["finalizers"].clone();
        } else if call.key.0 == "topologies" {
            if let Err(code) = self.apply_numbers(call, &mut object) {
                return failure(code, "Conflict");
            }
        } else {
            let uid = object["metadata"]["uid"].clone();
            object = call.body.clone();
            object["metadata"]["uid"] = uid;
        }
        let written = self.put(call.key.clone(), object);
        self.collect();
        (StatusCode::OK, written)
    }

    /// Server-side apply, as far as numbers of tasks go: of what another manager has set it is a
    /// conflict.
    fn apply_numbers(&mut self, call: &Call, object: &mut Value) -> Result<(), u16> {
        let manager = call.query.split('&').find_map(|part| part.strip_prefix("fieldManager="));
        let manager = manager.unwrap_or_default();
        if call.query.contains("force") {
            self.broken.push(format!("{manager} forces"));
        }
        let before = object["spec"].clone();
        let asked = call.body["spec"]["bolts"].as_array().cloned().unwrap_or_default();
        let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        for bolt in object["spec"]["bolts"].as_array_mut().into_iter().flatten() {
            let name = bolt["name"].as_str().unwrap().to_owned();
            let (ours, others): (Vec<&Value>, Vec<&Value>) = entries
                .iter()
                .filter(|entry| manages(entry, &name))
                .partition(|entry| entry["manager"] == manager);
            let theirs = !others.is_empty();
            let Some(asked) = asked.iter().find(|asked| asked["name"] == bolt["name"]) else {
                if !ours.is_empty() && !theirs {
                    bolt.as_object_mut().unwrap().remove("parallelism");
                }
                continue;
            };
            if theirs && bolt["parallelism"] != asked["parallelism"] {
                return Err(409);
            }
            bolt["parallelism"] = asked["parallelism"].clone();
        }
        let others = entries.into_iter().filter(|entry| entry["manager"] != manager);
        let ours = managed_by(manager, &call.body["spec"]);
        object["metadata"]["managedFields"] = others.chain([ours]).collect();
        if object["spec"] != before {
            let generation = object["metadata"]["generation"].as_u64().unwrap_or(0) + 1;
            object["metadata"]["generation"] = generation.into();
        }
        Ok(())
    }

    fn delete(&mut self, call: &Call) -> Answer {
        let Some(mut object) = self.objects.get(&call.key).cloned() else {
            return failure(404, "NotFound");
        };
        let uid = &call.body["preconditions"]["uid"];
        if !uid.is_null() && *uid != object["metadata"]["uid"] {
            return failure(409, "Conflict");
        }
        if call.key.0 != "pods" {
            self.forget(&call.key);
        } else if object["metadata"]["deletionTimestamp"].is_null() {
            // The kubelet takes its time.
            object["metadata"]["deletionTimestamp"] = gone_by(&object).into();
            self.put(call.key.clone(), object.clone());
        }
        (StatusCode::OK, object)
    }

    /// Writes an object, unless it is the same as before.
    pub(crate) fn put(&mut self, key: Key, mut object: Value) -> Value {
        let there = self.objects.get(&key).cloned();
        let version = there.as_ref().map(|there| there["metadata"]["resourceVersion"].clone());
        object["metadata"]["resourceVersion"] = version.clone().unwrap_or_default();
        if version.is_some() && there.as_ref() == Some(&object) {
            return object;
        }
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.writes.push(format!("{} {}", key.0, key.2));
        self.before.insert(key.clone(), there);
        self.objects.insert(key, object.clone());
        object
    }

    pub(crate) fn forget(&mut self, key: &Key) {
        let there = self.objects.remove(key);
        self.writes.push(format!("no {} {}", key.0, key.2));
        self.before.insert(key.clone(), there);
    }

    /// What the garbage collector does: a topology that is deleted and has no finalizer goes, and
    /// takes along what it owns.
    pub(crate) fn collect(&mut self) {
        let gone = |(key, object): (&Key, &Value)| {
            let metadata = &object["metadata"];
            let kept = metadata["finalizers"].as_array().is_some_and(|list| !list.is_empty());
            let deleted = key.0 == "topologies" && !metadata["deletionTimestamp"].is_null();
            (deleted && !kept).then(|| (key.clone(), metadata["uid"].clone()))
        };
        let Some((key, uid)) = self.objects.iter().find_map(gone) else { return };
        self.forget(&key);
        let owned = |object: &Value| {
            let owners = object["metadata"]["ownerReferences"].as_array();
            owners.is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == uid))
        };
        let of: Vec<Key> =
            self.objects.iter().filter(|(_, o)| owned(o)).map(|(key, _)| key.clone()).collect();
        of.iter().for_each(|key| self.forget(key));
    }

    /// What was recorded, as text of JSON in the only ConfigMap.
    pub(crate) fn record(&self) -> Option<Value> {
        record_in(self.objects.iter().find(|(key, _)| key.0 == "configmaps")?.1)
    }

    /// Invariant 28: a pod is made only after it was recorded, and no name is used twice.
    fn judge_new_pod(&mut self, key: &Key) {
        if !self.pods.insert(key.clone()) {
            self.broken.push(format!("pod {} is made a second time", key.2));
        }
        let record = self.record().unwrap_or_default();
        if !names_of(&record).contains(&key.2) {
            self.broken.push(format!("pod {} is made, and was not recorded before", key.2));
        }
    }

    fn judge_record(&mut self, before: &Value, after: &Value) {
        let (Some(before), Some(after)) = (record_in(before), record_in(after)) else { return };
        for number in ["revision", "epoch", "births"] {
            if before["uid"] == after["uid"] && after[number].as_u64() < before[number].as_u64() {
                self.broken.push(format!("{number} falls: {} {}", before[number], after[number]));
            }
        }
    }
}

fn key_of(bolt: &str) -> String {
    format!("k:{}", json!({"name": bolt}))
}

/// Whether an entry of `managedFields` has the number of tasks of a bolt.
pub(crate) fn manages(entry: &Value, bolt: &str) -> bool {
    entry["fieldsV1"]["f:spec"]["f:bolts"][key_of(bolt)]["f:parallelism"].is_object()
}

/// What a manager manages who sets this spec, as far as numbers of tasks go.
pub(crate) fn managed_by(manager: &str, spec: &Value) -> Value {
    let mut fields = json!({});
    for bolt in spec["bolts"].as_array().into_iter().flatten() {
        let numbered = !bolt["parallelism"].is_null();
        let of = if numbered { json!({"f:parallelism": {}}) } else { json!({}) };
        fields[key_of(bolt["name"].as_str().unwrap())] = of;
    }
    json!({"manager": manager, "operation": "Apply", "fieldsV1": {"f:spec": {"f:bolts": fields}}})
}

/// By when a pod is gone that is asked to end now.
pub(crate) fn gone_by(pod: &Value) -> String {
    let grace = pod["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
    let by = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(grace);
    by.round(jiff::Unit::Second).unwrap().to_string()
}

fn record_in(map: &Value) -> Option<Value> {
    let data = map["data"].as_object()?.values().next()?;
    serde_json::from_str(data.as_str()?).ok()
}

/// Names of the pods that a record wants.
pub(crate) fn names_of(record: &Value) -> Vec<String> {
    let count = record["packing"]["pods"].as_array().map_or(0, Vec::len);
    let pods = record["pods"].as_array().into_iter().flatten().take(count).enumerate();
    let pods = pods.map(|(at, pod)| format!("t-{at}-{}", pod["life"]));
    // Those that have no place yet.
    let next = record["edit"]["pods"].as_array().into_iter().flatten();
    let next = next.map(|next| format!("t-{}-{}", next["pod"], next["place"]["life"]));
    pods.chain(next).collect()
}

fn failure(code: u16, reason: &str) -> Answer {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reason, "message": format!("{reason}, as a test wants it"),
    });
    (StatusCode::from_u16(code).unwrap(), status)
}
