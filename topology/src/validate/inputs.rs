//! Inputs of bolts: that what they name exists, and that each grouping has what it needs.

use super::{Draft, Problems, names};
use crate::{
    grouping::Grouping,
    limits,
    plan::{ComponentKind, PlannedInput},
    resource::{GroupingName, Input},
    stream::Stream,
    suggest,
};
use std::collections::{BTreeMap, BTreeSet};

/// For each component and input the index of the source, `None` where there is no such component.
pub(super) fn sources(drafts: &[Draft<'_>], problems: &mut Problems) -> Vec<Vec<Option<usize>>> {
    let mut by_name = BTreeMap::new();
    for (i, draft) in drafts.iter().enumerate() {
        by_name.entry(draft.common.name).or_insert(i);
    }
    let mut sources = Vec::new();
    for draft in drafts {
        if draft.kind == ComponentKind::Bolt && draft.inputs.is_empty() {
            problems.add_with(
                format!("{}.inputs", draft.path),
                format!(
                    "the bolt `{}` has no input, so it would never receive a tuple",
                    draft.common.name
                ),
                "write `inputs: [{from: COMPONENT}]`",
            );
        }
        let mut seen = BTreeSet::new();
        let mut list = Vec::new();
        for (i, input) in draft.inputs.iter().enumerate() {
            let path = format!("{}.inputs[{i}].from", draft.path);
            let source = by_name.get(input.from.as_str()).copied();
            if source.is_none() {
                let others = by_name.keys().copied().filter(|name| *name != draft.common.name);
                problems.add_with(
                    path,
                    format!("there is no component `{}`", input.from),
                    suggest::remedy(&input.from, "components", others),
                );
            } else if !seen.insert((&input.from, &input.stream)) {
                problems.add_with(
                    path,
                    format!(
                        "the stream `{}` of `{}` is an input already",
                        input.stream, input.from
                    ),
                    "each stream may be an input of a bolt once",
                );
            }
            list.push(source);
        }
        sources.push(list);
    }
    sources
}

/// The inputs as planned. What is returned is complete if no problem was reported.
pub(super) fn check(
    drafts: &[Draft<'_>],
    sources: &[Vec<Option<usize>>],
    streams: &[Option<Vec<Stream>>],
    problems: &mut Problems,
) -> Vec<Vec<PlannedInput>> {
    let mut planned = Vec::new();
    for (draft, sources) in drafts.iter().zip(sources) {
        let mut list = Vec::new();
        for (i, (input, source)) in draft.inputs.iter().zip(sources).enumerate() {
            let path = format!("{}.inputs[{i}]", draft.path);
            let grouping = grouping(&path, input, problems);
            let Some(from) = *source else { continue };
            let Some(streams) = &streams[from] else { continue };
            let Some(stream) = find_stream(&path, input, streams, problems) else { continue };
            check_against(&path, input, &streams[stream], problems);
            list.extend(grouping.map(|grouping| PlannedInput { from, stream, grouping }));
        }
        planned.push(list);
    }
    planned
}

fn find_stream(
    path: &str,
    input: &Input,
    streams: &[Stream],
    problems: &mut Problems,
) -> Option<usize> {
    let found = streams.iter().position(|stream| stream.name == input.stream);
    if found.is_none() {
        let (from, known) = (&input.from, streams.iter().map(|stream| stream.name.as_str()));
        problems.add_with(
            format!("{path}.stream"),
            format!("`{from}` has no stream `{}`", input.stream),
            suggest::remedy(&input.stream, &format!("streams of `{from}`"), known),
        );
    }
    found
}

/// What the grouping asks of the stream.
fn check_against(path: &str, input: &Input, stream: &Stream, problems: &mut Problems) {
    let (from, name) = (&input.from, &stream.name);
    for (i, field) in input.fields.iter().enumerate() {
        if stream.field(field).is_none() {
            problems.add_with(
                format!("{path}.fields[{i}]"),
                format!("the stream `{name}` of `{from}` has no field `{field}`"),
                suggest::remedy(field, "fields", stream.fields.iter().map(String::as_str)),
            );
        }
    }
    match (input.grouping == GroupingName::Direct, stream.direct) {
        (true, false) => problems.add_with(
            format!("{path}.grouping"),
            format!("the stream `{name}` of `{from}` is not direct: its tuples name no task"),
            "use another grouping, or declare the stream with `direct: true`",
        ),
        (false, true) => problems.add_with(
            format!("{path}.grouping"),
            format!("the stream `{name}` of `{from}` is direct: its tuples name their task"),
            "write `grouping: Direct`",
        ),
        _ => {}
    }
}

/// The grouping with its arguments, if it has what it needs.
fn grouping(path: &str, input: &Input, problems: &mut Problems) -> Option<Grouping> {
    let keyed = matches!(input.grouping, GroupingName::Fields | GroupingName::PartialKey);
    let custom = input.grouping == GroupingName::Custom;
    if !keyed && !input.fields.is_empty() {
        problems.add_with(
            format!("{path}.fields"),
            format!("grouping `{:?}` does not go by fields", input.grouping),
            "leave them out, or write `grouping: Fields`",
        );
    }
    if !custom && input.custom.is_some() {
        problems.add_with(
            format!("{path}.custom"),
            format!("grouping `{:?}` is not a custom one", input.grouping),
            "leave it out, or write `grouping: Custom`",
        );
    }
    let fields = || input.fields.clone();
    Some(match input.grouping {
        GroupingName::All => Grouping::All,
        GroupingName::Custom => {
            let Some(name) = &input.custom else {
                problems.add_with(
                    format!("{path}.grouping"),
                    "grouping `Custom` needs the name of a registered grouping",
                    "write it as `custom: NAME`",
                );
                return None;
            };
            names::check_identifier(&format!("{path}.custom"), "grouping", name, problems);
            Grouping::Custom { custom: name.clone() }
        }
        GroupingName::Direct => Grouping::Direct,
        GroupingName::Fields if key_is_given(path, input, problems) => {
            Grouping::Fields { fields: fields() }
        }
        GroupingName::PartialKey if key_is_given(path, input, problems) => {
            Grouping::PartialKey { fields: fields() }
        }
        GroupingName::Fields | GroupingName::PartialKey => return None,
        GroupingName::Global => Grouping::Global,
        GroupingName::LocalOrShuffle => Grouping::LocalOrShuffle,
        GroupingName::Shuffle => Grouping::Shuffle,
    })
}

fn key_is_given(path: &str, input: &Input, problems: &mut Problems) -> bool {
    let (count, most) = (input.fields.len(), limits::MAX_FIELDS);
    if count == 0 {
        problems.add_with(
            format!("{path}.grouping"),
            format!("grouping `{:?}` needs the fields of its key", input.grouping),
            "write them as `fields: [FIELD]`",
        );
    } else if count > most {
        let what = format!("{count} are too many; at most {most} are allowed");
        problems.add(format!("{path}.fields"), what);
    }
    let mut seen = BTreeSet::new();
    for (i, field) in input.fields.iter().enumerate().take(most) {
        if !seen.insert(field) {
            problems.add(format!("{path}.fields[{i}]"), format!("`{field}` is listed twice"));
        }
    }
    count > 0 && count <= most
}
