//! A kubelet for pods of the model: real processes, each pod with a loopback address of its own.

use crate::world::World;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU8, Ordering},
    time::{Duration, Instant},
};

const EGRET: &str = env!("CARGO_BIN_EXE_egret");
const PORT: u16 = 4738;
const ADMIN: u16 = 4739;

/// The processes of one pod.
struct Running {
    ip: Ipv4Addr,
    grace: Duration,
    /// Its image is pulled until then.
    starts: Instant,
    manager: Option<Child>,
    instances: BTreeMap<String, Child>,
    /// Exit codes of those that have ended.
    ended: BTreeMap<String, i32>,
    /// When its tasks were asked to end, and when the last of them had.
    asked: Option<Instant>,
    idle: Option<Instant>,
}

/// How long a kubelet takes to see that a container has ended.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// All pods there are.
pub(crate) struct Kubelet {
    dir: PathBuf,
    pods: BTreeMap<String, Running>,
    /// How long a pod takes to be pulled.
    pub(crate) pull: Duration,
    /// How long each pod that is gone took to end.
    pub(crate) gone: BTreeMap<String, Duration>,
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        for pod in self.pods.values_mut() {
            for child in pod.instances.values_mut().chain(&mut pod.manager) {
                // It may be dead already.
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

impl Kubelet {
    pub(crate) fn new(dir: &Path) -> Kubelet {
        let (dir, pods, gone) = (dir.to_owned(), BTreeMap::new(), BTreeMap::new());
        Kubelet { dir, pods, pull: Duration::ZERO, gone }
    }

    /// Starts what shall run, ends what shall go, and tells the API server.
    pub(crate) fn look(&mut self, world: &mut World) {
        let objects = world.server.lock().objects.clone();
        for (key, object) in objects.iter().filter(|(key, _)| key.0 == "pods") {
            let going = !object["metadata"]["deletionTimestamp"].is_null();
            if !self.pods.contains_key(&key.2) && !going {
                self.take(&key.2, object);
            }
            let Some(pod) = self.pods.get_mut(&key.2) else {
                world.server.lock().forget(key);
                continue;
            };
            if pod.manager.is_none() && !going && pod.starts <= Instant::now() {
                let id = &object["metadata"]["labels"]["egret.dev/pod"];
                let name = format!("t-{}-identity", id.as_str().unwrap());
                let secret = ("secrets".to_owned(), key.1.clone(), name);
                pod.start(&self.dir.join(&key.2), object, &objects[&secret]);
            }
            if going && self.ends(&key.2) {
                world.server.lock().forget(key);
                continue;
            }
            let Some(pod) = self.pods.get_mut(&key.2) else { continue };
            let mut told = object.clone();
            told["status"] = pod.status(object);
            world.server.lock().put(key.clone(), told);
        }
        // Deleted without a grace period: nobody knows of it, and it has what it would have had.
        let known = |name: &String| objects.keys().any(|key| key.0 == "pods" && key.2 == *name);
        let unknown: Vec<String> = self.pods.keys().filter(|name| !known(name)).cloned().collect();
        for name in &unknown {
            self.ends(name);
        }
        world.see_pods();
    }

    /// Ends a pod step by step. True: it is gone.
    fn ends(&mut self, name: &str) -> bool {
        let Some(pod) = self.pods.get_mut(name) else { return false };
        if !pod.end(name) {
            return false;
        }
        let took = pod.asked.map(|at| at.elapsed()).unwrap_or_default();
        self.gone.insert(name.to_owned(), took);
        self.pods.remove(name);
        true
    }

    /// The node of a pod shuts down, of which nobody tells the API server.
    pub(crate) fn shut_down(&mut self, name: &str) {
        self.pods.get_mut(name).unwrap().ask_to_end();
    }

    fn take(&mut self, name: &str, object: &Value) {
        let grace = object["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap();
        let pod = Running {
            ip: address(),
            grace: Duration::from_secs(grace),
            starts: Instant::now() + self.pull,
            manager: None,
            instances: BTreeMap::new(),
            ended: BTreeMap::new(),
            asked: None,
            idle: None,
        };
        self.pods.insert(name.to_owned(), pod);
    }
}

/// A loopback address that no other pod has, of this process or another.
fn address() -> Ipv4Addr {
    static GIVEN: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, high | 128, low, GIVEN.fetch_add(1, Ordering::Relaxed))
}

fn name_of(container: &Value) -> String {
    container["name"].as_str().unwrap().to_owned()
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    pod["spec"]["containers"].as_array().unwrap().iter()
}

/// The arguments of a container, with others for what is elsewhere here.
fn args(container: &Value, others: &[(&str, String)]) -> Vec<String> {
    let args = container["args"].as_array().unwrap().iter();
    let mut args: Vec<String> = args.map(|arg| arg.as_str().unwrap().to_owned()).collect();
    args.retain(|arg| arg != "run");
    for (option, value) in others {
        match args.iter().position(|arg| arg == option) {
            Some(at) => args[at + 1].clone_from(value),
            None => args.extend([(*option).to_owned(), value.clone()]),
        }
    }
    args
}

fn spawn(role: &str, container: &Value, args: &[String], log: &Path) -> Child {
    let log = fs::File::create(log).unwrap();
    let mut command = Command::new(EGRET);
    command.arg(role).args(args).stdin(Stdio::null());
    for variable in container["env"].as_array().into_iter().flatten() {
        command.env(variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap());
    }
    command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

fn identity(dir: &Path, secret: &Value, who: &str) {
    fs::create_dir_all(dir).unwrap();
    let names = [
        ("ca.pem", "ca.pem".to_owned()),
        ("cert.pem", format!("{who}.cert.pem")),
        ("key.pem", format!("{who}.key.pem")),
    ];
    for (file, key) in names {
        let text = STANDARD.decode(secret["data"][&key].as_str().unwrap()).unwrap();
        fs::write(dir.join(file), text).unwrap();
    }
}

fn terminate(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
}

impl Running {
    fn start(&mut self, dir: &Path, object: &Value, secret: &Value) {
        let at = |port: u16| format!("{}:{port}", self.ip);
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        identity(&dir.join("identity"), secret, "pod");
        let others = [
            ("--listen", at(PORT)),
            ("--admin", at(ADMIN)),
            ("--inspect", "off".to_owned()),
            ("--dir", text(dir.to_owned())),
        ];
        let manager = &object["spec"]["initContainers"][0];
        let log = dir.join("manager.log");
        self.manager = Some(spawn("__stream-manager", manager, &args(manager, &others), &log));
        for container in containers(object) {
            let name = name_of(container);
            let mine = dir.join(&name);
            let task = args(container, &[]);
            let task = task.iter().skip_while(|arg| *arg != "--task").nth(1).unwrap();
            identity(&mine, secret, &format!("task-{task}"));
            let others = [("--manager", at(PORT)), ("--identity", text(mine.clone()))];
            let log = dir.join(format!("{name}.log"));
            let child = spawn("__instance", container, &args(container, &others), &log);
            self.instances.insert(name, child);
        }
    }

    /// Ends the tasks, and then the stream manager. True: all have ended.
    fn end(&mut self, name: &str) -> bool {
        let asked = self.ask_to_end();
        assert!(asked.elapsed() < self.grace, "{name} would be killed");
        self.bury();
        if !self.instances.is_empty() {
            return false;
        }
        let Some(manager) = &mut self.manager else { return true };
        if self.idle.get_or_insert_with(Instant::now).elapsed() < LOOK_EVERY {
            return false;
        }
        if self.ended.insert("stream-manager".to_owned(), 0).is_none() {
            terminate(manager);
        }
        manager.try_wait().unwrap().is_some()
    }

    fn ask_to_end(&mut self) -> Instant {
        *self.asked.get_or_insert_with(|| {
            self.instances.values().for_each(terminate);
            Instant::now()
        })
    }

    fn bury(&mut self) {
        let ended = &mut self.ended;
        self.instances.retain(|name, child| match child.try_wait().unwrap() {
            Some(status) => {
                ended.insert(name.clone(), status.code().unwrap_or(137));
                false
            }
            None => true,
        });
    }

    fn status(&mut self, object: &Value) -> Value {
        self.bury();
        if self.manager.is_none() {
            return json!({"phase": "Pending"});
        }
        let state = |name: &str| match self.ended.get(name) {
            Some(code) => json!({"terminated": {"exitCode": code}}),
            None => json!({"running": {}}),
        };
        let containers = containers(object).map(|container| {
            let name = name_of(container);
            json!({"name": name, "image": "i", "imageID": "", "ready": true, "restartCount": 0,
                   "containerID": format!("c://{name}"), "state": state(&name)})
        });
        let containers: Vec<Value> = containers.collect();
        json!({"phase": "Running", "podIP": self.ip.to_string(), "containerStatuses": containers})
    }
}
