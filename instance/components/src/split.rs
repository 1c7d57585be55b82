//! The `split` bolt: text into words.

use crate::choice::Choice;
use anyhow::bail;
use egret_sdk::{Bolt, BoltOutput, Context, EmitError, Result, Tuple, ValueRef};
use serde::Deserialize;

/// The bytes 09 to 0D and 20: what C calls white space.
const WHITE_SPACE: &str = "\t\n\u{b}\u{c}\r ";

/// Config of `split`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SplitConfig {
    /// The field to split, text or bytes. Default: the first.
    pub field: Option<String>,
    /// The ASCII characters at which to split. Default: tab, line feed, vertical tab, form feed,
    /// carriage return and space.
    pub separators: Option<String>,
}

/// Splits a field into words and emits each that is not empty, on `default` with the field `word`.
///
/// Words of a field of bytes are text if they are UTF-8 and else bytes. The words are anchored to
/// their tuple, which is acked once they are emitted; a field that is neither text nor bytes fails
/// it.
#[derive(Debug)]
pub struct Split {
    field: Choice,
    separates: [bool; 256],
}

impl Default for Split {
    fn default() -> Split {
        Split { field: Choice::default(), separates: [false; 256] }
    }
}

impl Bolt for Split {
    fn prepare(&mut self, context: &mut Context) -> Result<()> {
        let config: SplitConfig = context.config()?;
        self.field = Choice::new(context, "field", config.field.as_deref())?;
        let separators = config.separators.as_deref().unwrap_or(WHITE_SPACE);
        if separators.is_empty() || !separators.is_ascii() {
            bail!(
                "config of component `{}` is wrong at `separators`: {separators:?} must hold at \
                least \
                 one character, all of them ASCII",
                context.component,
            );
        }
        for byte in separators.bytes() {
            self.separates[usize::from(byte)] = true;
        }
        Ok(())
    }

    fn execute(&mut self, tuple: &Tuple<'_>, out: &mut BoltOutput<'_>) -> Result<()> {
        match self.field.of(tuple)? {
            // Separators are ASCII, so every cut is between characters.
            ValueRef::String(text) => self.words(text.as_bytes(), |range| {
                out.emit((&text[range],))?;
                Ok(())
            })?,
            ValueRef::Bytes(bytes) => self.words(bytes, |range| {
                let word = &bytes[range];
                match std::str::from_utf8(word) {
                    Ok(word) => out.emit((word,))?,
                    Err(_) => out.emit((word,))?,
                };
                Ok(())
            })?,
            other => bail!("`split` takes text or bytes, the field is {}", other.type_name()),
        }
        Ok(())
    }
}

impl Split {
    #[inline]
    fn words(
        &self,
        bytes: &[u8],
        mut word: impl FnMut(std::ops::Range<usize>) -> Result<(), EmitError>,
    ) -> Result<(), EmitError> {
        let mut start = 0;
        for (at, byte) in bytes.iter().enumerate() {
            if self.separates[usize::from(*byte)] {
                if at > start {
                    word(start..at)?;
                }
                start = at + 1;
            }
        }
        if bytes.len() > start {
            word(start..bytes.len())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{self, Fake};
    use egret_sdk::{Fields, Value};
    use serde_json::{Value as Json, json};

    fn split(config: Json, line: impl Fields) -> Result<Fake> {
        let mut fake = Fake::default();
        let mut bolt = Split::default();
        bolt.prepare(&mut fake::bolt_context(config, &["line"]))?;
        fake.execute(&mut bolt, &["line"], line, 1)?;
        Ok(fake)
    }

    #[test]
    fn words_are_what_stands_between_white_space() {
        let fake = split(json!({}), ("  a\tbc\u{b}\u{c}d\r\n é\u{a0}f ",)).unwrap();
        let words: Vec<Vec<u8>> =
            ["a", "bc", "d", "é\u{a0}f"].iter().map(|word| word.as_bytes().to_vec()).collect();
        assert_eq!(fake.first_fields("default"), words);
    }

    #[test]
    fn only_the_given_separators_separate() {
        let fake = split(json!({"separators": ",;"}), ("a b,,c;",)).unwrap();
        assert_eq!(fake.first_fields("default"), [b"a b".to_vec(), b"c".to_vec()]);
    }

    #[test]
    fn words_of_bytes_are_text_where_they_can_be() {
        let fake = split(json!({}), (&b"ok \xff!"[..],)).unwrap();
        assert_eq!(fake.emitted[0].values, [Value::String("ok".into())]);
        assert_eq!(fake.emitted[1].values, [Value::Bytes(b"\xff!".to_vec())]);
    }

    #[test]
    fn an_empty_line_has_no_words() {
        assert!(split(json!({}), ("",)).unwrap().emitted.is_empty());
        assert!(split(json!({}), (" \t ",)).unwrap().emitted.is_empty());
    }

    #[test]
    fn numbers_and_separators_beyond_ascii_are_refused() {
        let error = split(json!({}), (7i64,)).unwrap_err().to_string();
        assert!(error.contains("the field is i64"), "{error}");
        for separators in ["", "é"] {
            let error = split(json!({"separators": separators}), ("a",)).unwrap_err().to_string();
            assert!(error.contains("at `separators`"), "{error}");
        }
    }
}
