//! The `filter` bolt: lets through what satisfies its conditions.

use crate::{choice::Choice, render};
use anyhow::{Context as _, bail};
use egret_sdk::{Bolt, BoltOutput, Context, Result, Tuple, ValueRef};
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

/// Memory of a compiled pattern. Matching takes linear time whatever the pattern; this bounds its
/// space.
const MAX_PATTERN: usize = 10 << 20;

/// Config of `filter`. All conditions that are given must hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FilterConfig {
    /// The field to look at. Default: the first.
    pub field: Option<String>,
    /// It contains this text.
    pub contains: Option<String>,
    /// It is this text, number or truth value.
    pub equals: Option<serde_json::Value>,
    /// It matches this regular expression somewhere (`^...$` for the whole).
    pub matches: Option<String>,
    /// Lets through what does not satisfy the conditions. Default: false.
    #[serde(default)]
    pub not: bool,
}

/// Emits each tuple whose field satisfies the conditions, all of it and as it is, on `default` with
/// the fields of the input. Without conditions it lets everything through.
///
/// Values that are not text are compared in the form that `print` shows. What is emitted is
/// anchored to its tuple, which is acked in either case.
#[derive(Debug, Default)]
pub struct Filter {
    field: Choice,
    contains: Option<memchr::memmem::Finder<'static>>,
    equals: Option<Vec<u8>>,
    matches: Option<Regex>,
    not: bool,
    rendered: Vec<u8>,
}

impl Filter {
    fn has_conditions(&self) -> bool {
        self.contains.is_some() || self.equals.is_some() || self.matches.is_some()
    }

    fn holds(&self, value: &[u8]) -> bool {
        let all = self.contains.as_ref().is_none_or(|text| text.find(value).is_some())
            && self.equals.as_ref().is_none_or(|text| text == value)
            && self.matches.as_ref().is_none_or(|pattern| pattern.is_match(value));
        all != self.not
    }
}

impl Bolt for Filter {
    fn prepare(&mut self, context: &mut Context) -> Result<()> {
        let config: FilterConfig = context.config()?;
        let at = |field: &str| {
            format!("config of component `{}` is wrong at `{field}`", context.component)
        };
        self.field = Choice::new(context, "field", config.field.as_deref())?;
        self.not = config.not;
        self.contains =
            config.contains.map(|text| memchr::memmem::Finder::new(text.as_bytes()).into_owned());
        self.equals = match config.equals {
            None => None,
            Some(serde_json::Value::String(text)) => Some(text.into_bytes()),
            Some(
                value @ (serde_json::Value::Bool(_)
                | serde_json::Value::Number(_)
                | serde_json::Value::Null),
            ) => Some(value.to_string().into_bytes()),
            Some(_) => bail!("{}: it is a text, a number or a truth value", at("equals")),
        };
        self.matches = config
            .matches
            .map(|pattern| RegexBuilder::new(&pattern).size_limit(MAX_PATTERN).build())
            .transpose()
            .with_context(|| at("matches"))?;
        if self.not && !self.has_conditions() {
            bail!("{}: without a condition nothing would pass", at("not"));
        }
        Ok(())
    }

    fn execute(&mut self, tuple: &Tuple<'_>, out: &mut BoltOutput<'_>) -> Result<()> {
        let passes = !self.has_conditions()
            || match self.field.of(tuple)? {
                ValueRef::String(text) => self.holds(text.as_bytes()),
                ValueRef::Bytes(bytes) => self.holds(bytes),
                other => {
                    let mut rendered = std::mem::take(&mut self.rendered);
                    rendered.clear();
                    render::text(other, &mut rendered)?;
                    let holds = self.holds(&rendered);
                    self.rendered = rendered;
                    holds
                }
            };
        if passes {
            out.emit(tuple)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{self, Fake};
    use egret_sdk::Value;
    use serde_json::{Value as Json, json};

    fn passing(config: Json, lines: &[&str]) -> Vec<String> {
        let (mut fake, mut filter) = (Fake::default(), Filter::default());
        filter.prepare(&mut fake::bolt_context(config, &["line"])).unwrap();
        for line in lines {
            fake.execute(&mut filter, &["line"], (*line,), 0).unwrap();
        }
        fake.first_fields("default")
            .into_iter()
            .map(|line| String::from_utf8(line).unwrap())
            .collect()
    }

    fn refused(config: Json) -> String {
        let mut context = fake::bolt_context(config, &["line"]);
        format!("{:#}", Filter::default().prepare(&mut context).unwrap_err())
    }

    #[test]
    fn without_conditions_everything_passes_as_it_is() {
        let (mut fake, mut filter) = (Fake::default(), Filter::default());
        filter.prepare(&mut fake::bolt_context(json!({}), &["a", "b"])).unwrap();
        let values = vec![Value::List(vec![Value::Null]), Value::Bytes(vec![0xff])];
        fake.execute(&mut filter, &["a", "b"], &values, 0).unwrap();
        assert_eq!(fake.emitted[0].values, values);
    }

    #[test]
    fn each_condition_holds_for_what_it_says() {
        let lines = ["duck", "a duck", "goose", "7"];
        assert_eq!(passing(json!({"contains": "duck"}), &lines), ["duck", "a duck"]);
        assert_eq!(passing(json!({"equals": "duck"}), &lines), ["duck"]);
        assert_eq!(passing(json!({"equals": 7}), &lines), ["7"]);
        assert_eq!(passing(json!({"matches": "^.oo|7"}), &lines), ["goose", "7"]);
    }

    #[test]
    fn all_conditions_must_hold_and_not_inverts_them_together() {
        let lines = ["duck", "a duck", "goose"];
        let both = json!({"contains": "duck", "matches": "^a"});
        assert_eq!(passing(both, &lines), ["a duck"]);
        let neither = json!({"contains": "duck", "matches": "^a", "not": true});
        assert_eq!(passing(neither, &lines), ["duck", "goose"]);
    }

    #[test]
    fn numbers_are_compared_as_they_are_shown() {
        let (mut fake, mut filter) = (Fake::default(), Filter::default());
        let config = json!({"field": "n", "equals": -7});
        filter.prepare(&mut fake::bolt_context(config, &["line", "n"])).unwrap();
        for n in [7i64, -7] {
            fake.execute(&mut filter, &["line", "n"], ("x", n), 0).unwrap();
        }
        assert_eq!(fake.emitted.len(), 1);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_field() {
        assert!(refused(json!({"matches": "("})).contains("at `matches`: "));
        assert!(refused(json!({"not": true})).contains("at `not`"));
        assert!(refused(json!({"equals": [1]})).contains("at `equals`"));
        assert!(refused(json!({"field": "x"})).contains("it has: line"));
    }
}
