//! What `egret` does on a cluster, as people type it.

use crate::egret::{command, egret, fails, prints, text};
use egret_e2e::{Cluster, Namespace, wait::Wait};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::fs::symlink,
    process::{Command, Stdio},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(90);

const SPEC: &str = "
pods: 2
spouts: [{name: words, config: {rate: 20}}]
bolts: [{name: print, parallelism: 2, inputs: [{from: words}]}]
";

/// The container whose line it is.
fn container(line: &str) -> String {
    line.split_once(' ').unwrap().0.split_once('/').unwrap().1.to_owned()
}

fn json(printed: &str) -> Value {
    serde_json::from_str(printed).unwrap()
}

#[test]
fn a_topology_is_watched_steered_and_deleted() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "cli").unwrap();
    let topology = namespace.deploy("t", SPEC).unwrap();
    let prints = |args: &[&str]| prints(&cluster, &namespace, args);
    let waited = prints(&["resume", "t", "--wait"]);
    assert!(waited.ends_with("topology t is Running\n"), "{waited}");

    // Ready tells of tasks; the kubelet sees by itself, some time later, that a pod is.
    let all_seen = |object: &Value| (object["status"]["pods"] == "2/2").then_some(());
    topology.until("2/2 pods", PATIENCE, all_seen).unwrap();
    let status = json(&prints(&["status", "t", "--output", "json"]));
    assert_eq!(status["ready"], "True");
    assert_eq!((&status["pods"], &status["tasks"]), (&"2/2".into(), &"3/3".into()));
    let pods = topology.pods().unwrap();
    let words = prints(&["status", "t"]);
    assert!(words.contains("Ready         True"), "{words}");
    assert!(pods.iter().all(|pod| words.contains(&pod.name)), "{words}");

    let tasks = json(&prints(&["tasks", "t", "--output", "json"]));
    let told: Vec<_> = tasks
        .as_array()
        .unwrap()
        .iter()
        .map(|task| {
            let pod = pods.iter().find(|pod| task["pod"] == pod.name.as_str()).unwrap();
            assert_eq!(task["node"], pod.node.as_str(), "{task}");
            (task["task"].as_u64().unwrap(), task["component"].as_str().unwrap(), &task["state"])
        })
        .collect();
    let running = Value::from("Running");
    assert_eq!(told, [(0, "words", &running), (1, "print", &running), (2, "print", &running)]);

    let paused = prints(&["pause", "t", "--wait"]);
    assert!(paused.ends_with("topology t is Paused\n"), "{paused}");
    assert_eq!(topology.condition("Ready", "True", PATIENCE).unwrap(), "Paused");
    let again = prints(&["pause", "t"]);
    assert_eq!(again, "topology t: state Paused is asked for already\n");

    let stopped = prints(&["stop", "t", "--wait"]);
    assert!(stopped.ends_with("topology t is Stopped\n"), "{stopped}");
    let list = prints(&["status"]);
    assert!(list.lines().nth(1).unwrap().starts_with("t      False   Stopped   0/0"), "{list}");

    let deleted = prints(&["delete", "t", "--wait"]);
    assert!(deleted.ends_with("topology t is deleted\n"), "{deleted}");
    assert_eq!(namespace.kubectl(&["get", "topologies", "--output", "name"]).unwrap(), "");
}

#[test]
fn a_topology_is_shown_in_the_terminal_and_as_a_page() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "cli-look").unwrap();
    let topology = namespace.deploy("t", SPEC).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    let table = prints(&cluster, &namespace, &["top", "t"]);
    for row in ["words ", "print ", "words[0] ", "print[0] ", "print[1] "] {
        assert!(table.lines().any(|line| line.starts_with(row)), "{row}: {table}");
    }

    let args = ["ui", "t", "--listen", "127.0.0.1:0"];
    let mut page =
        command(&cluster, namespace.name(), &args).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(page.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let address = said.split(['/', ' ']).find(|word| word.starts_with("127.0.0.1:")).unwrap();
    let ask = |target: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str::<Value>(body).unwrap_or(Value::Null)
    };
    let wait = |what: &str, holds: &dyn Fn() -> Result<(), String>| {
        Wait::new(namespace.name(), what, PATIENCE).until(holds).unwrap();
    };
    wait("rates of all edges and answers of both pods", &|| {
        let snapshot = ask("/api/snapshot");
        let rate = snapshot["edges"][0]["rate"].as_f64().unwrap_or(0.0);
        let pods = snapshot["pods"].as_array().cloned().unwrap_or_default();
        let answer = pods.iter().filter(|pod| pod["answers"] == true && pod["node"].is_string());
        let all = answer.count() == 2 && rate > 5.0 && snapshot["troubles"] == json("[]");
        if all { Ok(()) } else { Err(snapshot.to_string()) }
    });
    wait("lines of a task", &|| {
        let log = ask("/api/log?task=1").to_string();
        if log.contains("word=") { Ok(()) } else { Err(log) }
    });
    wait("tuples of an edge", &|| {
        let samples = ask("/api/samples?from=words&stream=default&to=print");
        if samples["samples"][0]["values"][0]["kind"] == "string" {
            Ok(())
        } else {
            Err(samples.to_string())
        }
    });
    page.kill().unwrap();
    page.wait().unwrap();
}

#[test]
fn a_report_has_everything_that_belongs_to_a_topology_and_no_secret() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "report").unwrap();
    let secret = "env: [{name: DATABASE_URL, value: correct-horse-battery}]";
    let spec = SPEC.replace("parallelism: 2,", &format!("parallelism: 2, {secret},"));
    let topology = namespace.deploy("t", &spec).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    // Kubelets show no log of a container before they have seen that it runs.
    let all = |object: &Value| (object["status"]["pods"] == "2/2").then_some(());
    topology.until("2/2", PATIENCE, all).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("r.tar.gz");
    prints(&cluster, &namespace, &["report", "t", "--output", file.to_str().unwrap()]);
    let mut unpack = Command::new("tar");
    unpack.arg("-xzf").arg(&file).arg("-C").arg(directory.path());
    assert!(unpack.status().unwrap().success());
    let read = |part: &str| {
        let path = directory.path().join("egret-report-t").join(part);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{part}: {error}"))
    };
    for (part, words) in [
        ("README.txt", "topology.yaml"),
        ("cluster.yaml", "kubernetes: v1."),
        ("topology.yaml", "name: DATABASE_URL"),
        ("plan.yaml", "packing:"),
        ("events.yaml", "reason: Running"),
        ("pods.yaml", "name: t-1-1"),
        ("snapshot.yaml", "findings:"),
        ("metrics/t-0-1.txt", "egret_pod_ready"),
        ("logs/t-0-1/stream-manager.log", "plan"),
        ("operator/pods.yaml", "egret-operator"),
    ] {
        let text = read(part);
        assert!(text.contains(words), "{part} has no `{words}`: {text}");
        assert!(!text.contains("correct-horse-battery"), "{part}");
        if part.ends_with(".yaml") {
            let parsed: Result<Value, _> = serde_yaml::from_str(&text);
            assert!(parsed.is_ok_and(|value| !value.is_null()), "{part} is no YAML: {text}");
        }
    }
    assert!(!read("README.txt").contains("could not be had"), "{}", read("README.txt"));
}

#[test]
fn logs_of_all_tasks_are_merged_chosen_and_followed_into_other_pods() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "cli-logs").unwrap();
    let topology = namespace.deploy("t", SPEC).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    let prints = |args: &[&str]| prints(&cluster, &namespace, args);
    let whose = |lines: &str| -> BTreeSet<String> { lines.lines().map(container).collect() };
    // A followed log shows both tasks, and then a task in the pod that replaces one.
    let args = ["logs", "t", "--component", "print", "--follow", "--since", "30s"];
    let mut follow =
        command(&cluster, namespace.name(), &args).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut seen = BTreeSet::new();
    while seen.len() < 2 {
        seen.extend(whose(&lines.next().unwrap()));
    }
    assert_eq!(seen, ["print-0", "print-1"].map(str::to_owned).into());
    let old = topology.pods().unwrap();
    namespace.kubectl(&["delete", "pod", &old[0].name, "--wait=false"]).unwrap();
    let of_old = |line: &String| old.iter().any(|pod| line.starts_with(&format!("{}/", pod.name)));
    let new = lines.find(|line| !of_old(line) && line.contains("word=")).unwrap();
    assert!(new.contains("/print-"), "{new}");
    follow.kill().unwrap();
    follow.wait().unwrap();

    topology.condition("Ready", "True", PATIENCE).unwrap();
    let all = prints(&["logs", "t", "--timestamps"]);
    assert_eq!(whose(&all), ["print-0", "print-1", "words-0"].map(str::to_owned).into());
    let times: Vec<&str> = all.lines().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert!(times.is_sorted(), "{all}");
    let one = prints(&["logs", "t", "--task", "0", "--tail", "1", "--stream-managers"]);
    assert_eq!(whose(&one), ["stream-manager", "words-0"].map(str::to_owned).into());
    assert_eq!(one.lines().count(), 2, "{one}");
}

#[test]
fn log_levels_change_while_everything_runs_on() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "cli-levels").unwrap();
    let topology = namespace.deploy("t", SPEC).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    let pods = topology.pods().unwrap();
    let prints = |args: &[&str]| prints(&cluster, &namespace, args);
    let who_logs = |what: &str, who: &[&str]| {
        let what = format!("INFO the log level is {what} now");
        let wait = Wait::new(namespace.name(), &what, PATIENCE);
        let args = ["logs", "t", "--stream-managers"];
        wait.until(|| {
            let all = prints(&args);
            let lines = all.lines().filter(|line| line.ends_with(&what));
            let whose: BTreeSet<String> = lines.map(container).collect();
            let expected = who.iter().map(|&name| name.to_owned()).collect();
            if whose == expected { Ok(()) } else { Err(format!("{whose:?}")) }
        })
        .unwrap();
    };
    prints(&["log-level", "t", "debug", "--component", "print"]);
    who_logs("debug", &["print-0", "print-1"]);
    prints(&["log-level", "t", "trace"]);
    who_logs("trace", &["print-0", "print-1", "stream-manager", "words-0"]);
    let default = prints(&["log-level", "t", "default"]);
    assert_eq!(default, "topology t: log level default is asked for\n");
    who_logs("info", &["print-0", "print-1", "stream-manager", "words-0"]);
    assert_eq!(topology.pods().unwrap(), pods, "nothing was restarted");
    let args = ["log-level", "t", "loud"];
    let (code, words) = fails(&mut command(&cluster, namespace.name(), &args));
    assert_eq!(code, 2);
    assert!(words.contains("`loud` is no log level"), "{words}");
}

#[test]
fn a_restricted_pod_tells_where_its_cpu_time_goes() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "cli-profile").unwrap();
    let spec = "spouts: [{name: words}]\n\
                bolts: [{name: count, inputs: [{from: words, grouping: Fields, fields: [word]}]}]";
    let topology = namespace.deploy("t", spec).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    for (process, function) in [("count", "egret_components::count"), ("stream-manager", "egret_")]
    {
        // A profile of two seconds has few samples where a busy machine gives the process few.
        let wait = Wait::new(process, &format!("samples in {function}"), PATIENCE);
        let args = ["profile", "t", process, "--seconds", "2"];
        wait.until(|| {
            let table = prints(&cluster, &namespace, &args);
            if table.contains(function) { Ok(()) } else { Err(table) }
        })
        .unwrap();
    }
}

#[test]
fn changes_are_listed_restarted_paused_and_taken_back() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "cli-rollout").unwrap();
    let topology = namespace.deploy("t", SPEC).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    let before = topology.pods().unwrap();
    let prints = |args: &[&str]| prints(&cluster, &namespace, args);
    let rests = || prints(&["rollout", "status", "t", "--wait"]);
    assert!(rests().ends_with("(Settled)\n"));
    let set = |seed: u64| {
        let patch = json!({"spec": {"updateStrategy": {"paused": false}, "spouts":
            [{"name": "words", "config": {"rate": 20, "seed": seed}}]}});
        let args = ["patch", "topology", "t", "--type=merge", "--patch", &patch.to_string()];
        namespace.kubectl(&args).unwrap();
    };
    set(7);
    assert!(rests().ends_with("(Settled)\n"));
    topology.tells(&["RolledOut"], PATIENCE).unwrap();
    let listed = prints(&["rollout", "history", "t"]);
    assert!(listed.contains("2 (now)") && listed.contains("spouts[words].config.seed"), "{listed}");
    let version = prints(&["rollout", "history", "t", "--revision", "2"]);
    assert!(version.contains("seed: 7"), "{version}");

    prints(&["rollout", "pause", "t"]);
    prints(&["rollout", "undo", "t"]);
    let waits = || {
        let words = prints(&["rollout", "status", "t"]);
        if words.contains("and changes pause") { Ok(()) } else { Err(words) }
    };
    Wait::new("t", "a change that pauses", PATIENCE).until(waits).unwrap();
    prints(&["rollout", "resume", "t"]);
    assert!(rests().ends_with("(Settled)\n"));
    let undone = topology.object().unwrap()["spec"]["spouts"][0]["config"].clone();
    assert_eq!(undone, json!({"rate": 20}));
    prints(&["rollout", "restart", "t"]);
    assert!(rests().ends_with("(Settled)\n"));
    assert_eq!(topology.pods().unwrap(), before, "processes start anew, and nothing else");
    let refused = fails(&mut command(
        &cluster,
        namespace.name(),
        &["rollout", "undo", "t", "--to-revision", "99"],
    ));
    assert!(refused.0 == 1 && refused.1.contains("there is no revision 99"), "{}", refused.1);
}

#[test]
fn errors_that_ended_lives_of_tasks_are_listed() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "cli-errors").unwrap();
    let spec = "spouts: [{name: lines, config: {path: /nobody/has/it}}]\n\
                bolts: [{name: end, component: discard, inputs: [{from: lines}]}]";
    namespace.deploy("t", spec).unwrap();
    let listed = || {
        let output = command(&cluster, namespace.name(), &["errors", "t"]).output().unwrap();
        let words = text(&output.stdout) + &text(&output.stderr);
        let told = words.contains("lines[0] in t-0-1: ") && words.contains("/nobody/has/it");
        if told { Ok(()) } else { Err(words) }
    };
    Wait::new("t", "an error of lines[0]", PATIENCE).until(listed).unwrap();
    let of_another = prints(&cluster, &namespace, &["errors", "t", "--component", "end"]);
    assert_eq!(of_another, "no task of t has ended with an error\n");
}

#[test]
fn a_name_that_is_not_there_is_answered_with_those_that_are() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "cli-names").unwrap();
    namespace.deploy("word-count", &format!("state: Stopped\n{}", SPEC.trim_start())).unwrap();
    let name = namespace.name();
    let (code, words) = fails(&mut command(&cluster, name, &["pause", "word-cuont"]));
    assert_eq!(code, 1);
    assert!(words.contains(&format!("no topology `word-cuont` in namespace {name}")), "{words}");
    assert!(words.contains("did you mean `word-count`?"), "{words}");
    let elsewhere = fails(&mut command(&cluster, "default", &["tasks", "word-count"])).1;
    assert!(elsewhere.contains(&format!("-n {name}")), "{elsewhere}");
    let args = ["logs", "word-count", "--component", "prnt"];
    let component = fails(&mut command(&cluster, name, &args)).1;
    assert!(component.contains("did you mean `print`?"), "{component}");
    let pods = fails(&mut command(&cluster, name, &["logs", "word-count"])).1;
    assert!(pods.contains("topology word-count has no pods"), "{pods}");
    let usage = fails(&mut command(&cluster, name, &["pause"]));
    assert_eq!(usage.0, 2, "{}", usage.1);
}

#[test]
fn a_cluster_that_does_not_answer_as_it_should_is_told_with_what_to_do() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "cli-wrong").unwrap();
    let name = namespace.name();
    let view = ["config", "view", "--raw", "--minify", "--output", "json"];
    let kubeconfig = cluster.kubectl(&view).unwrap();
    let known: serde_json::Value = serde_json::from_str(&kubeconfig).unwrap();
    let known = &known["clusters"][0]["cluster"];
    let (server, ca) = (&known["server"], &known["certificate-authority-data"]);
    let (server, ca) = (server.as_str().unwrap(), ca.as_str().unwrap());
    let directory = env::temp_dir().join(name);
    fs::create_dir_all(&directory).unwrap();
    let with = |kubeconfig: &str, args: &[&str]| {
        let path = directory.join("kubeconfig");
        fs::write(&path, kubeconfig).unwrap();
        fails(command(&cluster, name, args).arg("--kubeconfig").arg(path))
    };
    let nobody = with(&kubeconfig.replace(server, "https://127.0.0.1:1"), &["status"]);
    assert_eq!(nobody.0, 1);
    assert!(nobody.1.contains("https://127.0.0.1:1 (context"), "{}", nobody.1);
    assert!(nobody.1.contains("cannot be reached"), "{}", nobody.1);
    // Below another path the API server knows no topologies, as where they are not installed.
    let elsewhere = with(&kubeconfig.replace(server, &format!("{server}/nowhere")), &["status"]);
    assert!(elsewhere.1.contains("topologies.egret.dev is not installed"), "{}", elsewhere.1);
    let context = with(&kubeconfig, &["status", "--context", "nowhere"]);
    assert_eq!(context.0, 2);
    assert!(context.1.contains("has no context `nowhere`"), "{}", context.1);

    // Somebody who may nothing: the namespace's own service account.
    let token = namespace.kubectl(&["create", "token", "default"]).unwrap();
    let user = format!("- name: nobody\n  user: {{token: {}}}", token.trim());
    let stranger = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
         clusters:\n- name: c\n  cluster: {{server: \"{server}\", \
         certificate-authority-data: {ca}}}\n\
         contexts:\n- name: c\n  context: {{cluster: c, user: nobody}}\nusers:\n{user}\n"
    );
    let forbidden = with(&stranger, &["status"]);
    assert_eq!(forbidden.0, 1);
    let what = format!("you may not list topologies.egret.dev in namespace {name}");
    assert!(forbidden.1.contains(&what), "{}", forbidden.1);
    assert!(forbidden.1.contains("auth can-i list topologies.egret.dev"), "{}", forbidden.1);
    let token = with(&stranger.replace(token.trim(), "nonsense"), &["status"]);
    assert!(token.1.contains("does not know you"), "{}", token.1);
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn kubectl_finds_egret_as_a_plugin() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "cli-plugin").unwrap();
    namespace.deploy("t", &format!("state: Stopped\n{}", SPEC.trim_start())).unwrap();
    let directory = env::temp_dir().join(namespace.name());
    fs::create_dir_all(&directory).unwrap();
    symlink(egret(), directory.join("kubectl-egret")).unwrap();
    let path = env::var_os("PATH").unwrap_or_default();
    let paths = env::join_paths([directory.clone()].into_iter().chain(env::split_paths(&path)));
    let paths = paths.unwrap();
    let kubectl = cluster.bin().map_or("kubectl".into(), |bin| bin.join("kubectl"));
    let plugin = |args: &[&str]| {
        let mut command = Command::new(&kubectl);
        command.arg("egret").args(args).env("KUBECONFIG", cluster.kubeconfig());
        command.env("PATH", &paths);
        text(&command.output().unwrap().stdout)
    };
    let status = plugin(&["status", "t", "-n", namespace.name()]);
    let first = format!("Topology   t in namespace {}\n", namespace.name());
    assert!(status.starts_with(&first), "{status}");
    let help = plugin(&["pause", "--help"]);
    assert!(help.contains("Usage: kubectl egret pause"), "{help}");
    fs::remove_dir_all(directory).unwrap();
}
