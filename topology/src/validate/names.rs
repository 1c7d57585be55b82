//! Names: their form, and that no two components share one.

use super::{Draft, Problems};
use crate::limits;
use std::collections::BTreeMap;

/// Every component's name.
pub(super) fn check(drafts: &[Draft<'_>], problems: &mut Problems) {
    let mut first: BTreeMap<&str, &Draft<'_>> = BTreeMap::new();
    for draft in drafts {
        let path = format!("{}.name", draft.path);
        let name = draft.common.name;
        check_label(&path, name, problems);
        match first.get(name) {
            Some(other) => problems.add_with(
                path,
                format!("`{name}` is already the name of {}", other.path),
                "names are unique among spouts and bolts",
            ),
            None => {
                first.insert(name, draft);
            }
        }
    }
}

/// A topology's or component's name: a DNS label, so that it can be part of object names.
pub(super) fn check_label(path: &str, name: &str, problems: &mut Problems) {
    const FORM: &str = "use lower-case letters, digits and `-`, starting with a letter and not \
                        ending with `-`";
    let most = limits::MAX_NAME;
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() {
        problems.add_with(path, "the name is empty", FORM);
    } else if name.len() > most {
        let len = name.len();
        problems.add(path, format!("`{name}` has {len} characters; at most {most} are allowed"));
    } else if !name.starts_with(|c: char| c.is_ascii_lowercase())
        || name.ends_with('-')
        || !name.chars().all(inner)
    {
        problems.add_with(path, format!("`{name}` cannot be a name"), FORM);
    }
}

/// A stream's, field's or grouping's name.
pub(super) fn check_identifier(path: &str, what: &str, name: &str, problems: &mut Problems) {
    let most = limits::MAX_IDENTIFIER;
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() {
        problems.add(path, format!("the {what}'s name is empty"));
    } else if name.len() > most {
        let len = name.len();
        problems.add(path, format!("`{name}` has {len} characters; at most {most} are allowed"));
    } else if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        || !name.chars().all(inner)
    {
        problems.add_with(
            path,
            format!("`{name}` cannot be a {what}'s name"),
            "use letters, digits, `_`, `-` and `.`, starting with a letter or `_`",
        );
    }
}
