//! `--env-file`: `${KEY}` and `${KEY:-default}` in the strings of a topology file.
//!
//! Only a file that the user names is a source, not the environment of the process, so that a run
//! can be repeated. Without `--env-file` nothing is replaced, and the file means what it means to
//! kubectl. `$${` stands for `${`. A value is put in as text, never as YAML, except that a scalar
//! without quotes that is one `${...}` alone takes the type of what is put in: `parallelism:
//! ${TASKS}` is a number.

use super::{
    overrides::scalar,
    positions::Positions,
    problem::{Origin, Problem},
};
use egret_topology::suggest;
use serde_yaml::Value;
use std::collections::BTreeMap;

/// Keys and values of an environment file.
pub(crate) type Environment = BTreeMap<String, String>;

/// Reads lines of `KEY=VALUE`; empty lines and `#` comments are skipped, quotes around a value are
/// taken off, `export ` before a key is allowed. The last of two equal keys stands.
pub(crate) fn parse(name: &str, text: &str) -> Result<Environment, Vec<Problem>> {
    let (mut environment, mut problems) = (Environment::new(), Vec::new());
    for (i, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        match line.split_once('=') {
            Some((key, value)) if is_key(key.trim()) => {
                environment.insert(key.trim().to_owned(), unquoted(value.trim()).to_owned());
            }
            _ => {
                let origin = Origin::File { name: name.to_owned(), line: i + 1, column: 1 };
                let what = "this line is not KEY=VALUE";
                problems
                    .push(Problem::new(origin, what).with(
                        "a key has letters, digits and `_`, and does not start with a digit",
                    ));
            }
        }
    }
    if problems.is_empty() { Ok(environment) } else { Err(problems) }
}

fn is_key(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn unquoted(value: &str) -> &str {
    ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value)
}

/// A problem of a substitution, by the path of its field.
pub(crate) struct Unknown {
    pub(crate) path: String,
    pub(crate) what: String,
    pub(crate) remedy: String,
}

/// Replaces in all strings of a value; names of fields stay.
pub(crate) fn substitute(
    value: &mut Value,
    path: &str,
    positions: &Positions,
    environment: &Environment,
    unknown: &mut Vec<Unknown>,
) {
    match value {
        Value::String(text) if text.contains("${") => match replaced(text, environment) {
            Ok(new) => {
                let alone = positions.is_plain(path) && text.find('}') == Some(text.len() - 1);
                *value =
                    if alone && text.starts_with("${") { scalar(&new) } else { Value::String(new) };
            }
            Err((what, remedy)) => unknown.push(Unknown { path: path.to_owned(), what, remedy }),
        },
        Value::Sequence(items) => {
            for (i, item) in items.iter_mut().enumerate() {
                substitute(item, &format!("{path}[{i}]"), positions, environment, unknown);
            }
        }
        Value::Mapping(fields) => {
            for (key, field) in fields.iter_mut() {
                let key = key.as_str().unwrap_or_default();
                let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                substitute(field, &path, positions, environment, unknown);
            }
        }
        _ => {}
    }
}

/// The text with everything put in, or what is wrong and what to do.
fn replaced(text: &str, environment: &Environment) -> Result<String, (String, String)> {
    const ESCAPE: &str = "for a literal `${` write `$${`";
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            out.push_str(&rest[..at - 1]);
            out.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let Some((inside, tail)) = rest[at + 2..].split_once('}') else {
            return Err(("a `${` is not closed by `}`".to_owned(), ESCAPE.to_owned()));
        };
        let (key, default) = match inside.split_once(":-") {
            Some((key, default)) => (key, Some(default)),
            None => (inside, None),
        };
        if !is_key(key) {
            return Err((format!("`{key}` cannot be a key"), ESCAPE.to_owned()));
        }
        // As in a shell, `:-` stands in for an empty value too.
        let value = environment.get(key).map(String::as_str);
        let value = value.filter(|value| default.is_none() || !value.is_empty()).or(default);
        let Some(value) = value else {
            let known = suggest::remedy(key, "keys", environment.keys().map(String::as_str));
            let remedy = format!("{known}; or give a default, as in `${{{key}:-default}}`");
            return Err((format!("`{key}` is not in the environment file"), remedy));
        };
        out.push_str(value);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        parse("e", "# comment\n\nDIR=/data\nexport TASKS = 3\nQUOTED=\"a b\"\nEMPTY=\n").unwrap()
    }

    fn after(yaml: &str) -> Result<Value, Vec<String>> {
        let mut value: Value = serde_yaml::from_str(yaml).unwrap();
        let mut unknown = Vec::new();
        let positions = Positions::scan(yaml).unwrap();
        substitute(&mut value, "", &positions, &environment(), &mut unknown);
        let words = |u: &Unknown| format!("{}: {} ({})", u.path, u.what, u.remedy);
        if unknown.is_empty() { Ok(value) } else { Err(unknown.iter().map(words).collect()) }
    }

    #[test]
    fn keys_and_defaults_are_put_in() {
        for (text, expected) in [
            ("${DIR}/x", "/data/x"),
            ("${DIR}${DIR}", "/data/data"),
            ("${NONE:-y}", "y"),
            ("${EMPTY:-y}", "y"),
            ("[${EMPTY}]", "[]"),
            ("${QUOTED}", "a b"),
            ("$DIR $${DIR} $", "$DIR ${DIR} $"),
        ] {
            assert_eq!(replaced(text, &environment()), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_plain_scalar_takes_the_type_of_what_is_put_in() {
        let value = after("a: ${TASKS}\nb: '${TASKS}'\nc: x${TASKS}\n").unwrap();
        assert_eq!(value["a"], Value::from(3));
        assert_eq!(value["b"], Value::from("3"));
        assert_eq!(value["c"], Value::from("x3"));
    }

    #[test]
    fn unknown_keys_are_named_with_their_field() {
        assert_eq!(
            after("a: [{b: '${DIRS}'}, '${x y}']").unwrap_err(),
            [
                "a[0].b: `DIRS` is not in the environment file (did you mean `DIR`? the keys are \
                 DIR, EMPTY, QUOTED, TASKS; or give a default, as in `${DIRS:-default}`)",
                "a[1]: `x y` cannot be a key (for a literal `${` write `$${`)",
            ]
        );
    }

    #[test]
    fn a_line_that_is_no_assignment_is_named() {
        let problems = parse("e", "A=1\nB\n1C=2\n").unwrap_err();
        let lines: Vec<String> = problems.iter().map(|p| p.origin.to_string()).collect();
        assert_eq!(lines, ["e:2:1", "e:3:1"]);
    }
}
