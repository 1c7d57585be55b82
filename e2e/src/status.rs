//! What there is of a cluster, in words.

use crate::{Cluster, Error, Result, layout::Machine, machine};

/// A few lines for a person.
pub fn status() -> Result<String> {
    let cluster = match Cluster::connect() {
        Err(Error::NoCluster) => return Ok("there is no cluster".into()),
        other => other?,
    };
    let mut text = format!("KUBECONFIG={}\n", cluster.kubeconfig().display());
    if cluster.is_own() {
        for machine in Machine::ALL {
            let life = machine::pid(machine).map_or("does not run".to_owned(), |pid| {
                format!("runs as {} with {}", pid.as_raw_nonzero(), machine.address())
            });
            text.push_str(&format!(
                "{}: {life}, {}\n",
                machine.name(),
                machine.directory().display()
            ));
        }
    }
    text.push_str(&cluster.kubectl(&["get", "nodes", "--output", "wide"])?);
    text.push_str(&cluster.kubectl(&["get", "pods", "--all-namespaces", "--output", "wide"])?);
    Ok(text.trim_end().to_owned())
}
