//! `egret log-level`: let the processes of a topology log more, or less, while they run.

use super::{Target, tasks::known, topology::Topology};
use crate::output;
use clap::Args;
use egret_process::Exit;
use egret_topology::log_level::{ANNOTATION, Level, LogLevels};
use serde_json::{Value, json};

/// Change what the processes of a topology log, while they run
///
/// It is kept as an annotation of the topology, so that processes that come later log the same.
/// Nothing is restarted. What components print themselves is not concerned.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  egret log-level word-count debug
  egret log-level word-count debug --component count
  egret log-level word-count default")]
pub(crate) struct Options {
    /// Name of the topology
    name: String,

    /// off, error, warn, info, debug, trace; or default, as if nothing had been asked for
    #[arg(value_parser = To::parse)]
    level: To,

    /// Only of the tasks of this component; may be repeated
    #[arg(long, short, value_name = "NAME")]
    component: Vec<String>,

    #[command(flatten)]
    target: Target,
}

/// The level that is asked for; none: nothing is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct To(Option<Level>);

impl To {
    fn parse(text: &str) -> Result<To, String> {
        if text.eq_ignore_ascii_case("default") {
            return Ok(To(None));
        }
        text.parse()
            .map(|level| To(Some(level)))
            .map_err(|error: egret_topology::log_level::BadLevel| format!("{error}, and default"))
    }
}

pub(crate) fn main(options: &Options) -> Exit {
    super::run(&options.target, async |session| {
        let topology = session.topology(&options.name).await?;
        known(&topology, &options.component)?;
        let levels = changed(&topology, options.level, &options.component);
        session.patch(&options.name, &patch(&levels)).await?;
        if topology.is_left_alone() {
            eprintln!("{}", topology.left_alone());
        }
        let asked = match levels.is_empty() {
            true => "default".to_owned(),
            false => levels.to_string(),
        };
        Ok(output::print(&format!("topology {}: log level {asked} is asked for\n", options.name)))
    })
}

/// The levels of a topology after the change. What cannot be read is forgotten.
fn changed(topology: &Topology, To(level): To, components: &[String]) -> LogLevels {
    let before = topology.annotation(ANNOTATION).and_then(|text| text.parse().ok());
    let mut levels: LogLevels = before.unwrap_or_default();
    if components.is_empty() {
        levels.set_everywhere(level);
    }
    for component in components {
        levels.set(component, level);
    }
    levels
}

fn patch(levels: &LogLevels) -> Value {
    let value = Some(levels.to_string()).filter(|text| !text.is_empty());
    json!({"metadata": {"annotations": {ANNOTATION: value}}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(before: &str, level: &str, components: &[&str]) -> String {
        let topology: Topology =
            json!({"metadata": {"name": "t", "annotations": {ANNOTATION: before}}}).into();
        let components: Vec<String> = components.iter().map(|&name| name.to_owned()).collect();
        changed(&topology, To::parse(level).unwrap(), &components).to_string()
    }

    #[test]
    fn a_level_for_all_replaces_and_one_for_a_component_is_added() {
        assert_eq!(after("info,a=trace", "debug", &[]), "debug");
        assert_eq!(after("info,a=trace", "debug", &["b", "c"]), "info,a=trace,b=debug,c=debug");
        assert_eq!(after("info,a=trace", "default", &["a"]), "info");
        assert_eq!(after("nonsense", "warn", &["a"]), "a=warn");
        assert_eq!(after("info,a=trace", "default", &[]), "");
    }

    #[test]
    fn nothing_asked_for_is_no_annotation() {
        assert_eq!(
            patch(&LogLevels::default())["metadata"]["annotations"][ANNOTATION],
            Value::Null
        );
        let levels: LogLevels = "warn".parse().unwrap();
        assert_eq!(patch(&levels)["metadata"]["annotations"][ANNOTATION], "warn");
    }

    #[test]
    fn what_is_no_level_is_answered_with_the_levels() {
        let words = To::parse("verbose").unwrap_err();
        assert!(words.contains("off, error, warn, info, debug, trace, and default"), "{words}");
    }
}
