//! What topologies, their pods and the operator may not do.

use base64::{Engine, engine::general_purpose::STANDARD};
use egret_e2e::{
    Cluster, Deployed, Namespace,
    images::BUSYBOX,
    installed::{self, NAMESPACE},
};
use egret_link::{Authority, Credentials, Endpoint, Identity, Pem, Windows, control, version_of};
use egret_topology::id::{PodId, TaskId};
use egret_wire::control::{ALPN_CONTROL, ALPN_INSTANCE, ALPN_PEER};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair,
    date_time_ymd,
};
use serde_json::Value;
use std::{
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

const PATIENCE: Duration = Duration::from_secs(90);

const SPEC: &str = "
pods: 2
spouts: [{name: words, config: {rate: 100}}]
bolts: [{name: count, inputs: [{from: words, grouping: Fields, fields: [word]}]}]
";

fn running<'a>(namespace: &'a Namespace, name: &str) -> Deployed<'a> {
    let topology = namespace.deploy(name, SPEC).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    topology
}

#[test]
fn pods_hold_no_token_no_right_and_no_foreign_key() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    // It admits pods under the level `restricted` only.
    let namespace = Namespace::new(&cluster, "restricted").unwrap();
    running(&namespace, "t");
    let pods = namespace.kubectl(&["get", "pods", "--output=json"]).unwrap();
    let pods: Value = serde_json::from_str(&pods).unwrap();
    for pod in pods["items"].as_array().unwrap() {
        let spec = &pod["spec"];
        assert_eq!(spec["automountServiceAccountToken"], false);
        let volumes = spec["volumes"].as_array().unwrap();
        assert!(volumes.iter().all(|volume| volume["projected"].is_null()), "{volumes:?}");
        let containers = spec["containers"].as_array().unwrap().iter();
        for container in containers.chain(spec["initContainers"].as_array().unwrap()) {
            let context = &container["securityContext"];
            assert_eq!(context["readOnlyRootFilesystem"], true, "{container}");
            assert_eq!(context["capabilities"]["drop"][0], "ALL", "{container}");
            assert!(container["resources"]["limits"]["memory"].is_string(), "{container}");
            let mounts = container["volumeMounts"].as_array().unwrap().iter();
            let identities = mounts.filter(|mount| {
                let name = mount["name"].as_str().unwrap();
                name == "egret-identity" || name.starts_with("egret-task-")
            });
            assert_eq!(identities.count(), 1, "its own identity only: {container}");
        }
    }
}

#[test]
fn the_operator_may_do_what_it_needs_and_no_more() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "rights").unwrap();
    let operator = format!("--as=system:serviceaccount:{NAMESPACE}:egret-operator");
    let pod = format!("--as=system:serviceaccount:{}:default", namespace.name());
    let may = |whom: &str, what: &str| {
        let (what, part) = what.split_once('/').unwrap_or((what, ""));
        let part = format!("--subresource={part}");
        let mut args = vec!["auth", "can-i", whom, &part];
        args.extend(what.split(' '));
        // It ends with a failure if the answer is no.
        match namespace.kubectl(&args) {
            Ok(answer) => answer.trim() == "yes",
            Err(error) => {
                assert!(error.to_string().contains("\nno"), "{error}");
                false
            }
        }
    };
    for what in ["create pods", "delete pods", "create secrets", "patch topologies/status"] {
        assert!(may(&operator, what), "the operator may not {what}");
    }
    for what in [
        "list secrets",
        "watch secrets",
        "delete secrets",
        "create topologies",
        "delete topologies",
        "create pods/exec",
        "get pods/log",
        "create deployments.apps",
        "create serviceaccounts/token",
        "create rolebindings.rbac.authorization.k8s.io",
        "list nodes",
        "delete namespaces",
        "impersonate users",
        "create customresourcedefinitions.apiextensions.k8s.io",
    ] {
        assert!(!may(&operator, what), "the operator may {what}");
    }
    for what in ["list pods", "get secrets", "get topologies", "create pods", "get configmaps"] {
        assert!(!may(&pod, what), "a pod may {what}");
    }
}

#[test]
fn the_operator_itself_is_restricted() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let args = ["get", installed::DEPLOYMENT, "--output=json"];
    let deployment: Value =
        serde_json::from_str(&cluster.operator_kubectl(&args).unwrap()).unwrap();
    let spec = &deployment["spec"]["template"]["spec"];
    let context = &spec["containers"][0]["securityContext"];
    assert_eq!(context["readOnlyRootFilesystem"], true);
    assert_eq!(context["allowPrivilegeEscalation"], false);
    assert!(spec["hostNetwork"].is_null());
}

#[test]
fn a_pod_without_a_certificate_gets_no_word_out_of_a_stream_manager() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    let (namespace, elsewhere) = (
        Namespace::new(&cluster, "spoken-to").unwrap(),
        Namespace::new(&cluster, "stranger").unwrap(),
    );
    let topology = running(&namespace, "t");
    let address = format!("{}:4738", topology.pods().unwrap()[0].ip);
    elsewhere.apply(&stranger()).unwrap();
    elsewhere.wait("pod/stranger", "condition=Ready", PATIENCE).unwrap();
    let ask = ["exec", "stranger", "--", "probe", "ask", "udp", &address, "hello"];
    let answer = elsewhere.kubectl(&ask);
    assert!(answer.is_err(), "it answers {answer:?}");
}

fn stranger() -> String {
    format!(
        r"apiVersion: v1
kind: Pod
metadata: {{name: stranger}}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 1
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    seccompProfile: {{type: RuntimeDefault}}
  containers:
  - name: stranger
    image: {BUSYBOX}
    imagePullPolicy: IfNotPresent
    command: [sleep, '3600']
    securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
"
    )
}

#[tokio::test]
async fn a_certificate_of_another_authority_or_one_that_has_ended_opens_no_link() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "forged").unwrap();
    let topology = running(&namespace, "t");
    let uid = topology.object().unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
    let address = SocketAddr::new(topology.pods().unwrap()[0].ip.parse().unwrap(), 4738);
    // The certificate of the authority is no secret; its key is.
    let path = "jsonpath={.data.ca\\.pem}";
    let ca = namespace.kubectl(&["get", "secret", "t-0-identity", "--output", path]).unwrap();
    let ca = String::from_utf8(STANDARD.decode(ca).unwrap()).unwrap();
    let forger = Authority::new(&uid).unwrap();
    for (identity, alpn) in [
        (Identity::Operator { uid: uid.clone() }, ALPN_CONTROL),
        (Identity::Pod { uid: uid.clone(), pod: PodId(1) }, ALPN_PEER),
        (Identity::Task { uid: uid.clone(), task: TaskId(0) }, ALPN_INSTANCE),
    ] {
        let mut pem = forger.issue(&identity, Duration::from_secs(3600)).unwrap();
        pem.ca.clone_from(&ca);
        let answer = hello(address, &uid, &pem, alpn).await;
        assert!(answer.is_err(), "{identity} is answered {answer:?}");
    }
    let operator = Identity::Operator { uid: uid.clone() };
    for (ended, wanted) in [(true, false), (false, true)] {
        let pem = issued(&cluster, &operator, &ca, ended);
        let answer = hello(address, &uid, &pem, ALPN_CONTROL).await;
        assert_eq!(answer.is_ok(), wanted, "ended: {ended}, and it is answered {answer:?}");
    }
    let refused = "egret_links_closed_total{topology=\"t\",pod=\"0\",reason=\"refused\"} 4";
    let metrics = topology.pods().unwrap()[0].metrics().unwrap();
    let told = metrics.lines().find(|line| line.starts_with("egret_links_closed_total"));
    assert!(metrics.lines().any(|line| line == refused), "{told:?}");
}

/// A certificate of the right authority that has ended an hour ago, or ends in an hour.
fn issued(cluster: &Cluster, identity: &Identity, ca: &str, ended: bool) -> Pem {
    let uid = identity.uid();
    let secrets = ["get", "secrets", "--output=json"];
    let secrets: Value =
        serde_json::from_str(&cluster.operator_kubectl(&secrets).unwrap()).unwrap();
    let of = |secret: &&Value| secret["metadata"]["name"].as_str().unwrap().contains(uid);
    let secret = secrets["items"].as_array().unwrap().iter().find(of).unwrap();
    let data = secret["data"].as_object().unwrap();
    let key = data.iter().find(|(name, _)| name.contains("key")).unwrap().1.as_str().unwrap();
    let key = String::from_utf8(STANDARD.decode(key).unwrap()).unwrap();
    let mut issuer = CertificateParams::default();
    issuer.distinguished_name = DistinguishedName::new();
    issuer.distinguished_name.push(DnType::CommonName, format!("egret {uid}"));
    let issuer = Issuer::new(issuer, KeyPair::from_pem(&key).unwrap());
    let hour = Duration::from_secs(3600);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut leaf = CertificateParams::new(vec![identity.to_dns()]).unwrap();
    leaf.not_before = date_time_ymd(1970, 1, 1) + now - 2 * hour;
    let end = if ended { now - hour } else { now + hour };
    leaf.not_after = date_time_ymd(1970, 1, 1) + end;
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let own = KeyPair::generate().unwrap();
    let cert = leaf.signed_by(&own, &issuer).unwrap().pem();
    Pem { ca: ca.to_owned(), cert, key: own.serialize_pem() }
}

/// What a stream manager answers to somebody with these credentials.
async fn hello(
    address: SocketAddr,
    uid: &str,
    pem: &Pem,
    alpn: &[u8],
) -> Result<Option<Value>, String> {
    let credentials = Credentials::from_pem(pem).unwrap();
    let endpoint = Endpoint::dialing_to(address, &credentials, Windows::default()).unwrap();
    let whom = Identity::Pod { uid: uid.to_owned(), pod: PodId(0) };
    let said = async {
        let connection = endpoint.connect(address, &whom, alpn).await?;
        let (mut sender, mut receiver) = control::open::<Value, Value>(&connection).await?;
        let version = version_of(&connection);
        let hello = serde_json::json!({"type": "hello", "version": version, "uid": uid});
        sender.send(&hello).await?;
        receiver.recv().await
    };
    said.await.map_err(|error: egret_link::Error| error.to_string())
}
