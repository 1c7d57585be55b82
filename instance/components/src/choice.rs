//! The field of the input that a bolt looks at: by name, or the first.

use anyhow::{Result, bail};
use egret_sdk::{Context, FieldError, Tuple, ValueRef};

/// A field of the input, checked against every input when the task starts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice(Option<String>);

impl Choice {
    /// The field that config field `config_field` names; the first one if it names none.
    pub(crate) fn new(context: &Context, config_field: &str, name: Option<&str>) -> Result<Choice> {
        for input in &context.inputs {
            let fields = &input.stream.fields;
            let found = match name {
                Some(name) => fields.iter().any(|field| field == name),
                None => !fields.is_empty(),
            };
            if !found {
                bail!(
                    "config of component `{}` is wrong at `{config_field}`: stream `{}` of its \
                    input \
                     `{}` has no field `{}`; it has: {}",
                    context.component,
                    input.stream.name,
                    input.component,
                    name.unwrap_or("#0"),
                    fields.join(", "),
                );
            }
        }
        Ok(Choice(name.map(str::to_owned)))
    }

    /// The field's value in this tuple.
    #[inline]
    pub(crate) fn of<'a>(&self, tuple: &Tuple<'a>) -> Result<ValueRef<'a>, FieldError> {
        match &self.0 {
            Some(name) => tuple.get(name),
            None => tuple.at(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;
    use serde_json::json;

    #[test]
    fn a_field_that_an_input_lacks_is_refused_with_the_fields_it_has() {
        let context = fake::bolt_context(json!({}), &["word", "count"]);
        let error = Choice::new(&context, "by", Some("size")).unwrap_err().to_string();
        assert!(error.contains("at `by`"), "{error}");
        assert!(error.contains("no field `size`; it has: word, count"), "{error}");
        assert!(Choice::new(&context, "by", Some("count")).is_ok());
        assert!(Choice::new(&context, "by", None).is_ok());
    }
}
