//! The API server refuses what `egret validate` refuses: the same table of samples.

use egret_e2e::{Cluster, Deployed, Namespace, condition};
use std::{fs, path::Path, time::Duration};

const PATIENCE: Duration = Duration::from_secs(60);

struct Sample {
    name: String,
    text: String,
}

impl Sample {
    /// What stands behind a word in the head of the file.
    fn expects(&self, whom: &str) -> &str {
        let head = format!("# {whom}: ");
        let line = self.text.lines().find_map(|line| line.strip_prefix(&head));
        line.unwrap_or_else(|| panic!("{} does not say what `{whom}` answers", self.name))
    }
}

fn samples(kind: &str) -> Vec<Sample> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../operator/crd/samples").join(kind);
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut samples: Vec<Sample> = entries
        .map(|path| Sample {
            text: fs::read_to_string(&path).unwrap(),
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
        })
        .collect();
    samples.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(samples.len() > 3);
    samples
}

fn try_on(namespace: &Namespace, sample: &Sample) -> egret_e2e::Result<String> {
    let args = ["apply", "--dry-run=server", "--filename", "-"];
    namespace.kubectl_with(&sample.text, PATIENCE, &args)
}

#[test]
fn good_samples_are_accepted() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "good").unwrap();
    for sample in samples("good") {
        try_on(&namespace, &sample).unwrap_or_else(|error| panic!("{}: {error}", sample.name));
    }
}

#[test]
fn bad_samples_are_refused_with_the_right_words() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "bad").unwrap();
    for sample in samples("bad") {
        let (expected, answer) = (sample.expects("api"), try_on(&namespace, &sample));
        match (expected, answer) {
            ("accepts", answer) => drop(answer.unwrap()),
            (expected, Ok(answer)) => panic!("{}: `{answer}`, not `{expected}`", sample.name),
            (expected, Err(error)) => {
                let said = error.to_string();
                assert!(said.contains(expected), "{}: `{expected}` in {said}", sample.name);
            }
        }
    }
}

#[test]
fn what_rules_cannot_tell_the_operator_refuses_in_the_words_of_validation() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "refused").unwrap();
    let accepted = samples("bad").into_iter().filter(|sample| sample.expects("api") == "accepts");
    let accepted: Vec<Sample> = accepted.collect();
    assert!(!accepted.is_empty());
    for sample in &accepted {
        namespace.apply(&sample.text).unwrap();
    }
    for sample in &accepted {
        let topology: Deployed<'_> = namespace.deployed(&sample.name);
        let expected = sample.expects("validate");
        let told = topology.until(expected, PATIENCE, |object| {
            let accepted = condition(object, "Accepted");
            let told = accepted["message"].as_str()?.contains(expected);
            (accepted["status"] == "False" && told).then(|| object["status"]["state"].clone())
        });
        assert_eq!(told.unwrap(), "Invalid", "{}", sample.name);
        assert_eq!(topology.pods().unwrap(), []);
    }
}
