//! Built objects: read back through the typed API, restricted, and the same every time.

use super::*;
use crate::{
    pack,
    record::{Images, Stage},
    validate::{Allowed, builtin, validate},
};
use egret_crd::Topology;
use egret_link::{Authority, Pem};
use egret_topology::{
    id::{PodId, TaskId},
    packing_plan::PackedPod,
};
use k8s_openapi::{
    DeepMerge,
    api::{
        core::v1::{ConfigMap, Pod, Secret},
        networking::v1::NetworkPolicy,
        policy::v1::PodDisruptionBudget,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use std::{fs, path::Path, time::Duration};

struct World {
    logical: Logical,
    record: Record,
}

impl World {
    fn new(spec: Value) -> World {
        World::of(&Topology::new("word-count", serde_json::from_value(spec).unwrap()))
    }

    fn of(topology: &Topology) -> World {
        let logical = validate(topology, &builtin().unwrap(), &Allowed::default()).unwrap();
        let mut record = Record::new("u-1", 0);
        record.enter(Stage::Starting, 0);
        let images = Images { stream_manager: "manager:1".into(), instance: "instance:1".into() };
        pack::take_over(&mut record, &logical, &images, true).unwrap();
        World { logical, record }
    }

    fn owner(&self) -> Owner<'_> {
        Owner { name: &self.logical.name, namespace: "ns", uid: "u-1" }
    }

    fn pods(&self) -> Vec<Value> {
        let others = &Default::default();
        let (owner, logical, record) = (self.owner(), &self.logical, &self.record);
        let of = Blueprint { owner, logical, record, others };
        self.record.packing.pods.iter().map(|packed| pod(&of, packed).unwrap()).collect()
    }
}

fn word_count() -> World {
    World::new(json!({
        "pods": 2,
        "spouts": [{"name": "lines", "parallelism": 2, "config": {"path": "x"}}],
        "bolts": [
            {"name": "split", "parallelism": 2, "inputs": [{"from": "lines"}],
             "resources": {"requests": {"cpu": "1500m"}, "limits": {"memory": "1Gi"}}},
            {"name": "print", "inputs": [{"from": "split", "grouping": "Global"}]},
        ],
    }))
}

/// The object through the typed API and back: a misspelt field would be lost on the way.
fn typed<T: DeserializeOwned + Serialize + DeepMerge>(value: &Value) -> T {
    let typed: T = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(&serde_json::to_value(&typed).unwrap(), value);
    typed
}

#[test]
fn every_good_sample_becomes_pods_that_the_api_knows() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("crd/samples/good");
    for sample in fs::read_dir(samples).unwrap() {
        let text = fs::read_to_string(sample.unwrap().path()).unwrap();
        let topology: Topology = serde_yaml::from_str(&text).unwrap();
        for pod in World::of(&topology).pods() {
            typed::<Pod>(&pod);
        }
    }
}

#[test]
fn a_pod_that_pulls_an_image_is_restricted_and_none_of_the_topology() {
    let world = word_count();
    let pulls = pull(&world.owner(), &world.logical.on_cluster, PodId(1), "node-a", "i:2");
    let typed = typed::<Pod>(&pulls);
    let labels = typed.metadata.labels.unwrap();
    assert!(!labels.contains_key(names::TOPOLOGY), "no budget and no policy is for it");
    assert_eq!(labels[names::PULLS_FOR], "word-count");
    let spec = typed.spec.unwrap();
    assert_eq!(spec.node_name.as_deref(), Some("node-a"));
    assert_eq!(spec.restart_policy.as_deref(), Some("Never"));
    let container = spec.containers[0].security_context.as_ref().unwrap();
    assert_eq!(container.allow_privilege_escalation, Some(false));
    assert_eq!(spec.security_context.unwrap().run_as_non_root, Some(true));
}

#[test]
fn pods_avoid_nodes_that_were_lost() {
    let mut world = word_count();
    for pod in world.pods() {
        let spec = typed::<Pod>(&pod).spec.unwrap();
        assert!(spec.affinity.is_none() && spec.topology_spread_constraints.is_some());
    }
    world.record.lose(PodId(0), "node-a", 1);
    world.record.lose(PodId(0), "node-b", 1);
    for pod in world.pods() {
        let spec = typed::<Pod>(&pod).spec.unwrap();
        let terms = spec.affinity.unwrap().node_affinity.unwrap();
        let terms = terms.preferred_during_scheduling_ignored_during_execution.unwrap();
        let fields = terms[0].preference.match_fields.as_ref().unwrap();
        // The API server takes one name for each.
        let names: Vec<_> = fields.iter().map(|it| it.values.clone().unwrap()).collect();
        assert_eq!(names, [["node-a"], ["node-b"]]);
        assert_eq!(spec.topology_spread_constraints, Some(vec![]));
    }
}

#[test]
fn a_pod_says_where_its_metrics_are() {
    for pod in word_count().pods() {
        let annotations = &pod["metadata"]["annotations"];
        assert_eq!(annotations["prometheus.io/scrape"], "true");
        let port: u64 = annotations["prometheus.io/port"].as_str().unwrap().parse().unwrap();
        let ports = pod["spec"]["initContainers"][0]["ports"].as_array().unwrap();
        let metrics = ports.iter().find(|port| port["name"] == "metrics").unwrap();
        assert_eq!(metrics["containerPort"], port);
    }
}

#[test]
fn a_pod_is_a_sidecar_and_one_container_per_task() {
    let world = word_count();
    let pods: Vec<Pod> = world.pods().iter().map(typed).collect();
    let names: Vec<_> = pods.iter().map(|pod| pod.metadata.name.clone().unwrap()).collect();
    assert_eq!(names, ["word-count-0-1", "word-count-1-1"]);
    let mut tasks = 0;
    for pod in &pods {
        let spec = pod.spec.as_ref().unwrap();
        let sidecar = &spec.init_containers.as_ref().unwrap()[0];
        assert_eq!(sidecar.name, "stream-manager");
        assert_eq!(sidecar.restart_policy.as_deref(), Some("Always"));
        assert_eq!(sidecar.image.as_deref(), Some("manager:1"));
        for container in &spec.containers {
            assert_eq!(container.image.as_deref(), Some("instance:1"));
            assert_eq!(container.args.as_ref().unwrap()[0], "run");
            tasks += 1;
        }
    }
    assert_eq!(tasks, 5);
}

#[test]
fn pods_are_restricted_and_have_no_token() {
    for pod in word_count().pods().iter().map(typed::<Pod>) {
        let spec = pod.spec.unwrap();
        assert_eq!(spec.automount_service_account_token, Some(false));
        assert_eq!(spec.service_account_name, None);
        assert_eq!(spec.security_context.unwrap().run_as_non_root, Some(true));
        let containers = spec.init_containers.unwrap().into_iter().chain(spec.containers);
        for container in containers {
            let context = container.security_context.unwrap();
            assert_eq!(context.allow_privilege_escalation, Some(false));
            assert_eq!(context.read_only_root_filesystem, Some(true));
            assert_eq!(context.run_as_non_root, Some(true));
            assert_eq!(context.capabilities.unwrap().drop.unwrap(), ["ALL"]);
            assert_eq!(context.seccomp_profile.unwrap().type_, "RuntimeDefault");
            let resources = container.resources.unwrap();
            assert!(resources.limits.unwrap().contains_key("memory"));
            assert!(resources.requests.unwrap().contains_key("cpu"));
        }
    }
}

#[test]
fn each_container_mounts_its_own_identity_only() {
    for pod in word_count().pods().iter().map(typed::<Pod>) {
        let spec = pod.spec.unwrap();
        let volumes = spec.volumes.unwrap();
        let keys = |mounted: &str| {
            let volume = volumes.iter().find(|volume| volume.name == mounted).unwrap();
            let items = volume.secret.as_ref().unwrap().items.as_ref().unwrap();
            items.iter().map(|item| item.key.clone()).collect::<Vec<_>>()
        };
        let containers = spec.init_containers.unwrap().into_iter().chain(spec.containers);
        for container in containers {
            let mounts = container.volume_mounts.unwrap();
            let identity: Vec<_> =
                mounts.iter().filter(|mount| mount.mount_path == names::IDENTITY_DIR).collect();
            let [identity] = identity[..] else { panic!("{mounts:?}") };
            let args = container.args.unwrap();
            let who = match args.iter().position(|arg| arg == "--task") {
                Some(at) => format!("task-{}", args[at + 1]),
                None => "pod".to_owned(),
            };
            let expected = ["ca.pem".into(), format!("{who}.cert.pem"), format!("{who}.key.pem")];
            assert_eq!(keys(&identity.name), expected);
        }
    }
}

#[test]
fn building_again_gives_the_same_objects() {
    assert_eq!(word_count().pods(), word_count().pods());
}

#[test]
fn a_volume_is_in_the_pods_that_mount_it_only() {
    let world = World::new(json!({
        "pods": 2,
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
            {"name": "unused", "emptyDir": {}},
        ],
        "spouts": [{"name": "lines", "volumeMounts": [
            {"name": "data", "mountPath": "/data", "readOnly": true}]}],
        "bolts": [{"name": "print", "inputs": [{"from": "lines"}]}],
    }));
    let with: Vec<bool> = world
        .pods()
        .iter()
        .map(|pod| pod["spec"]["volumes"].as_array().unwrap().iter().any(|v| v["name"] == "data"))
        .collect();
    assert_eq!(with, [true, false]);
    assert!(!world.pods().iter().any(|pod| pod.to_string().contains("unused")));
}

#[test]
fn a_value_is_never_expanded() {
    let world = World::new(json!({
        "spouts": [{"name": "words", "env": [{"name": "A", "value": "$(HOME) costs $5"}]}],
    }));
    let env = &world.pods()[0]["spec"]["containers"][0]["env"][0]["value"];
    assert_eq!(env, "$$(HOME) costs $5");
}

fn identities(packed: &PackedPod) -> Identities {
    let authority = Authority::new("u-1").unwrap();
    let issue = |identity: egret_link::Identity| -> Pem {
        authority.issue(&identity, Duration::from_secs(60)).unwrap()
    };
    let uid = || "u-1".to_owned();
    let task = |task: TaskId| (task, issue(egret_link::Identity::Task { uid: uid(), task }));
    Identities {
        pod: packed.id,
        manager: issue(egret_link::Identity::Pod { uid: uid(), pod: packed.id }),
        tasks: packed.tasks.iter().map(|packed| task(packed.task)).collect(),
        renew_at: 5,
    }
}

#[test]
fn a_secret_has_all_that_its_pod_mounts() {
    let world = word_count();
    let packed = &world.record.packing.pods[0];
    let identities = identities(packed);
    assert!(identities.are_of(packed));
    assert!(!identities.are_of(&world.record.packing.pods[1]));
    let secret: Secret = typed(&identity(&world.owner(), &identities));
    let data = secret.data.unwrap();
    for volume in world.pods()[0]["spec"]["volumes"].as_array().unwrap() {
        for item in volume["secret"]["items"].as_array().into_iter().flatten() {
            assert!(data.contains_key(item["key"].as_str().unwrap()), "{item}");
        }
    }
    assert_eq!(secret.metadata.name.as_deref(), Some("word-count-0-identity"));
}

#[test]
fn everything_else_is_known_to_the_api_and_owned_by_the_topology() {
    let world = word_count();
    let owner = world.owner();
    let policy = network_policy(&owner, "egret-system", Some("monitoring"));
    let budget = disruption_budget(&owner);
    let map = record(&owner, &world.record);
    typed::<PodDisruptionBudget>(&budget);
    typed::<ConfigMap>(&map);
    let typed: NetworkPolicy = typed(&policy);
    let ingress = typed.spec.unwrap().ingress.unwrap();
    assert_eq!(ingress[0].ports.as_ref().unwrap()[0].protocol.as_deref(), Some("UDP"));
    assert_eq!(ingress.len(), 2);
    for object in [&policy, &budget, &map, &world.pods()[0]] {
        assert_eq!(object["metadata"]["ownerReferences"][0]["uid"], "u-1");
        assert_eq!(object["metadata"]["labels"][names::TOPOLOGY], "word-count");
    }
    let without = network_policy(&owner, "egret-system", None);
    assert_eq!(without["spec"]["ingress"].as_array().unwrap().len(), 1);
}

#[test]
fn instances_are_told_how_long_they_have_to_end() {
    let graces = |spec: Value| {
        let pods = World::new(spec).pods();
        let containers = pods.iter().flat_map(|pod| pod["spec"]["containers"].as_array().unwrap());
        let last = containers.map(|container| container["env"].as_array().unwrap().last().unwrap());
        last.cloned().collect::<Vec<Value>>()
    };
    let spec =
        json!({"spouts": [{"name": "words", "env": [{"name": names::GRACE, "value": "1"}]}]});
    assert_eq!(graces(spec.clone()), [json!({"name": names::GRACE, "value": "60"})]);
    let mut other = spec;
    other["podTemplate"] = json!({"spec": {"terminationGracePeriodSeconds": 300}});
    assert_eq!(graces(other), [json!({"name": names::GRACE, "value": "300"})]);
}
