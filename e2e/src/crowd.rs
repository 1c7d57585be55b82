//! Much at once: a topology of many tasks, one of very many that is planned only, and thousands of
//! resources that are refused, while others flow and begin.

use crate::{
    Cluster, Namespace, Result, condition,
    error::file,
    installed::operator_memory,
    layout::Machine,
    load::{COPIES, Load},
    random::Random,
    wait::Wait,
};
use std::time::{Duration, Instant};

/// On two processors, hundreds of containers take minutes to start.
const PATIENCE: Duration = Duration::from_secs(900);
/// Resources that are refused, and how many are applied at once.
const HOSTILE: usize = 10_000;
const BATCH: usize = 500;
/// What is healthy may take so many times as long.
const SLOWER: f64 = 2.0;
/// What the operator may have, as manifests say.
const OPERATOR: f64 = 256e6;
/// Small topologies whose start is measured, before and among those that are refused.
const STARTS: usize = 3;

/// Runs it all, and tells figures. Whether everything healthy was fast enough, and the operator
/// small enough.
pub fn crowd(cluster: &Cluster, seed: u64, mut told: impl FnMut(&str, String)) -> Result<bool> {
    run_many(cluster, &mut told)?;
    plan_many(cluster, &mut told)?;
    hostile(cluster, seed, &mut told)
}

/// Two hundred tasks that work.
fn run_many(cluster: &Cluster, told: &mut impl FnMut(&str, String)) -> Result<()> {
    let namespace = Namespace::new(cluster, "many")?;
    let began = Instant::now();
    let topology = namespace.deploy("many", &spec(8, 40, 80))?;
    topology.condition("Ready", "True", PATIENCE)?;
    told("200 tasks in 8 pods: applied to Ready", seconds(began.elapsed()));
    let pods = topology.pods()?;
    let executed = || -> Result<f64> {
        let one = |pod: &crate::Life| {
            pod.metric("egret_tuples_executed_total").map_err(file("ask", &pod.name))
        };
        pods.iter().map(one).sum()
    };
    let before = executed()?;
    Wait::new("many", "50,000 tuples more", PATIENCE).until(|| {
        let more = executed().map_err(|error| error.to_string())? - before;
        if more > 5e4 { Ok(()) } else { Err(format!("{more}")) }
    })?;
    told("memory of the operator with them", megabytes(operator_memory()));
    namespace.kubectl_with("", PATIENCE, &["delete", &topology.resource(), "--timeout=300s"])?;
    topology.until_pods("no pods", PATIENCE, <[_]>::is_empty).map(drop)
}

/// Two thousand tasks that a quota keeps from having pods.
fn plan_many(cluster: &Cluster, told: &mut impl FnMut(&str, String)) -> Result<()> {
    let namespace = Namespace::new(cluster, "planned")?;
    namespace.apply(
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: none}\nspec: {hard: {pods: 0}}\n",
    )?;
    let began = Instant::now();
    let topology = namespace.deploy("planned", &spec(40, 400, 800))?;
    topology.until("a plan", PATIENCE, |object| {
        // It is, once the first of its pods is asked for.
        let quota = condition(object, "Progressing")["message"].as_str()?.contains("quota");
        quota.then_some(())
    })?;
    told(
        "2,000 tasks in 40 pods, none of which a quota admits: applied to planned",
        seconds(began.elapsed()),
    );
    told("memory of the operator with them", megabytes(operator_memory()));
    namespace.kubectl_with("", PATIENCE, &["delete", &topology.resource(), "--timeout=300s"])?;
    Ok(())
}

/// Thousands that are refused, while a topology flows and others begin.
fn hostile(cluster: &Cluster, seed: u64, told: &mut impl FnMut(&str, String)) -> Result<bool> {
    let (mut healthy, bad) =
        (Namespace::new(cluster, "healthy")?, Namespace::new(cluster, "hostile")?);
    let input = healthy.volume("input", Machine::A)?.join("in.txt");
    let output = healthy.volume("output", Machine::B)?.join("out.txt");
    healthy.claim("input")?;
    healthy.claim("output")?;
    let mut load = Load::on(&input, output)?;
    healthy.deploy("t", COPIES)?.condition("Ready", "True", PATIENCE)?;
    load.flows(PATIENCE)?;
    load.longest()?;
    let alone = starts(&healthy, "before")?;
    let calm = load.longest()?;
    told("a topology begins, nobody else asks for anything", seconds(alone));
    told("a line took at most meanwhile", seconds(calm));
    told("memory of the operator before", megabytes(operator_memory()));
    let mut random = Random::new(seed);
    let (began, mut among, mut most) = (Instant::now(), Duration::ZERO, 0_f64);
    for batch in 0..HOSTILE / BATCH {
        let all = (batch * BATCH..(batch + 1) * BATCH).map(|n| enemy(n, &mut random));
        let manifests = all.collect::<String>();
        bad.kubectl_with(&manifests, PATIENCE, &["create", "--filename", "-"])?;
        if batch == HOSTILE / BATCH / 2 {
            among = starts(&healthy, "among")?;
        }
        most = most.max(operator_memory());
    }
    told("10,000 resources that must be refused are created in", seconds(began.elapsed()));
    let refused = refused(&bad, HOSTILE)?;
    told("until the last of them is refused", seconds(began.elapsed()));
    most = most.max(operator_memory());
    told("a topology begins in their midst", seconds(among));
    let longest = load.longest()?;
    told("a line took at most meanwhile", seconds(longest));
    told("memory of the operator at most", megabytes(most));
    let removed = Instant::now();
    // It would wait for one after the other.
    bad.kubectl_with("", PATIENCE, &["delete", "topologies", "--all", "--wait=false"])?;
    Wait::new("the API server", "none of them", PATIENCE).until(|| {
        let left = bad.kubectl(&["get", "topologies", "--output", "name"]);
        let left = left.map_err(|error| error.to_string())?;
        if left.trim().is_empty() { Ok(()) } else { Err(format!("{}", left.lines().count())) }
    })?;
    told("all of them are deleted in", seconds(removed.elapsed()));
    let account = load.end(PATIENCE)?;
    told("lines that arrived meanwhile, each of them", account.lines.to_string());
    let slow = among.as_secs_f64() > SLOWER * alone.as_secs_f64();
    Ok(refused && !slow && most < OPERATOR)
}

/// How long small topologies take from being applied to being ready, in the middle.
fn starts(namespace: &Namespace, name: &str) -> Result<Duration> {
    let mut times = Vec::new();
    for n in 0..STARTS {
        let began = Instant::now();
        let spec = "deletionPolicy: Immediate\nspouts: [{name: words, config: {rate: 10}}]\n";
        let topology = namespace.deploy(&format!("{name}-{n}"), spec)?;
        topology.condition("Ready", "True", PATIENCE)?;
        times.push(began.elapsed());
        namespace.kubectl(&["delete", &topology.resource(), "--timeout=60s"])?;
    }
    times.sort();
    Ok(times[STARTS / 2])
}

/// Waits until the operator has refused all of them.
fn refused(namespace: &Namespace, all: usize) -> Result<bool> {
    let path = "jsonpath={range .items[*]}{.status.conditions[?(@.type==\"Accepted\")].status}\
                {\"\\n\"}{end}";
    let args = ["get", "topologies", "--chunk-size=0", "--output", path];
    Wait::new("the operator", "all of them refused", PATIENCE).until(|| {
        let text = namespace
            .kubectl_with("", Duration::from_secs(120), &args)
            .map_err(|error| error.to_string())?;
        let count = |status: &str| text.lines().filter(|line| *line == status).count();
        match count("True") {
            0 if count("False") >= all => Ok(true),
            0 => Err(format!("{} are", count("False"))),
            _ => Ok(false),
        }
    })
}

/// A resource that the API server admits, and that must be refused.
fn enemy(n: usize, random: &mut Random) -> String {
    let word: String = (0..20).map(|_| char::from(b'a' + random.below(26) as u8)).collect();
    let words = "spouts: [{name: words}]";
    let spec = match random.below(4) {
        // Nobody knows the component.
        0 => format!("spouts: [{{name: {word}}}]"),
        // In a ring, of an image that nobody knows.
        1 => format!(
            "image: {word}\n  {words}\n  bolts:\n  \
             - {{name: a, component: filter, inputs: [{{from: words}}, {{from: b}}]}}\n  \
             - {{name: b, component: filter, inputs: [{{from: a}}]}}"
        ),
        // There is no such field, or stream.
        2 => format!(
            "{words}\n  bolts:\n  - name: count\n    \
             inputs: [{{from: words, grouping: Fields, fields: [{word}]}}]"
        ),
        _ => format!(
            "{words}\n  bolts: [{{name: discard, inputs: [{{from: words, stream: {word}}}]}}]"
        ),
    };
    format!(
        "---\napiVersion: egret.dev/v1alpha1\nkind: Topology\nmetadata: {{name: h{n}}}\n\
         spec:\n  {spec}\n"
    )
}

/// So many pods and tasks: `filters` twice, and as many as `counts` behind them, and spouts.
fn spec(pods: usize, filters: usize, counts: usize) -> String {
    let small = "resources: {requests: {cpu: 1m, memory: 8Mi}, limits: {memory: 64Mi}}";
    format!(
        "pods: {pods}\ndeletionPolicy: Immediate\nspouts:\n- name: words\n  \
         parallelism: {filters}\n  config: {{rate: 4000}}\n  {small}\nbolts:\n\
         - name: keep\n  component: filter\n  parallelism: {counts}\n  \
         inputs: [{{from: words}}]\n  {small}\n- name: count\n  parallelism: {counts}\n  \
         inputs: [{{from: keep, grouping: Fields, fields: [word]}}]\n  {small}\n"
    )
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn megabytes(bytes: f64) -> String {
    format!("{:.0} MB", bytes / 1e6)
}
