//! Output streams: what the resource lists, else what the binary declares.

use super::{Draft, Problems, names};
use crate::{
    declaration::{Catalog, Declared, KEY_FIELDS},
    limits,
    plan::ComponentKind,
    resource::{GroupingName, Resource, StreamSpec},
    stream::Stream,
    suggest,
};
use std::collections::BTreeSet;

/// The streams of each component; `None` where they cannot be known and that has been reported.
pub(super) fn resolve(
    drafts: &[Draft<'_>],
    sources: &[Vec<Option<usize>>],
    order: &[usize],
    resource: &Resource,
    catalog: &Catalog,
    problems: &mut Problems,
) -> Vec<Option<Vec<Stream>>> {
    let consumed: BTreeSet<usize> = sources.iter().flatten().flatten().copied().collect();
    let mut resolved: Vec<Option<Vec<Stream>>> = vec![None; drafts.len()];
    // What is in a cycle comes last: its inputs are unknown, which is not reported again.
    let rest = (0..drafts.len()).filter(|c| !order.contains(c));
    for c in order.iter().copied().chain(rest) {
        let draft = &drafts[c];
        let listed = draft.common.streams.map(|streams| list(draft, streams, problems));
        let inputs = input_fields(draft, &sources[c], &resolved);
        let image = draft.common.image.is_some() || resource.spec.image.is_some();
        let outputs = Outputs { draft, catalog, inputs, image, consumed: consumed.contains(&c) };
        resolved[c] = match listed {
            Some(listed) => {
                outputs.compare(&listed, problems);
                Some(listed)
            }
            None => outputs.streams(problems),
        };
    }
    resolved
}

/// The streams that the resource lists.
fn list(draft: &Draft<'_>, specs: &[StreamSpec], problems: &mut Problems) -> Vec<Stream> {
    let path = format!("{}.streams", draft.path);
    if specs.len() > limits::MAX_STREAMS {
        let (count, most) = (specs.len(), limits::MAX_STREAMS);
        problems.add(path, format!("{count} are too many; at most {most} are allowed"));
        return Vec::new();
    }
    let mut seen = BTreeSet::new();
    for (i, spec) in specs.iter().enumerate() {
        let path = format!("{path}[{i}]");
        names::check_identifier(&format!("{path}.name"), "stream", &spec.name, problems);
        if !seen.insert(&spec.name) {
            problems.add(format!("{path}.name"), format!("`{}` is listed twice", spec.name));
        }
        if spec.fields.len() > limits::MAX_FIELDS {
            let (count, most) = (spec.fields.len(), limits::MAX_FIELDS);
            let what = format!("{count} are too many; at most {most} are allowed");
            problems.add(format!("{path}.fields"), what);
            continue;
        }
        let mut fields = BTreeSet::new();
        for (j, field) in spec.fields.iter().enumerate() {
            let path = format!("{path}.fields[{j}]");
            names::check_identifier(&path, "field", field, problems);
            if !fields.insert(field) {
                problems.add(path, format!("`{field}` is listed twice"));
            }
        }
    }
    let stream = |StreamSpec { name, fields, direct }: &StreamSpec| Stream {
        name: name.clone(),
        fields: fields.clone(),
        direct: *direct,
    };
    specs.iter().map(stream).collect()
}

/// Of each input, the fields of its stream and its key fields; `None` if not all can be known.
fn input_fields(
    draft: &Draft<'_>,
    sources: &[Option<usize>],
    resolved: &[Option<Vec<Stream>>],
) -> Option<Vec<InputFields>> {
    let of = |(input, source): (&crate::resource::Input, &Option<usize>)| {
        let streams = resolved[(*source)?].as_ref()?;
        let all = streams.iter().find(|stream| stream.name == input.stream)?.fields.clone();
        let keyed = matches!(input.grouping, GroupingName::Fields | GroupingName::PartialKey);
        let key = if keyed { input.fields.clone() } else { all.clone() };
        Some(InputFields { all, key })
    };
    draft.inputs.iter().zip(sources).map(of).collect()
}

#[derive(PartialEq)]
struct InputFields {
    all: Vec<String>,
    key: Vec<String>,
}

/// What the binaries know of a component, and what it would need.
struct Outputs<'a> {
    draft: &'a Draft<'a>,
    catalog: &'a Catalog,
    inputs: Option<Vec<InputFields>>,
    image: bool,
    consumed: bool,
}

impl Outputs<'_> {
    /// The streams of a component that lists none.
    fn streams(&self, problems: &mut Problems) -> Option<Vec<Stream>> {
        let registered = self.draft.registered();
        let Some(declaration) = self.catalog.get(registered) else {
            return self.unknown(problems);
        };
        if !self.kind_fits(declaration.kind, problems) {
            return None;
        }
        match &declaration.streams {
            Declared::FromConfig if self.consumed => {
                problems.add_with(
                    self.draft.path.clone(),
                    format!("the streams of `{registered}` depend on its config"),
                    "list them under `streams`",
                );
                None
            }
            Declared::FromConfig => Some(Vec::new()),
            declared => match self.expand(declared) {
                Expanded::Streams(streams) => Some(streams),
                Expanded::Unknown => None,
                Expanded::InputsDiffer => {
                    problems.add_with(
                        format!("{}.inputs", self.draft.path),
                        format!(
                            "`{registered}` emits the fields of its input, but its inputs have \
                             different ones"
                        ),
                        "list its output under `streams`, or use one bolt per input",
                    );
                    None
                }
            },
        }
    }

    /// A component that no binary at hand registers.
    fn unknown(&self, problems: &mut Problems) -> Option<Vec<Stream>> {
        if self.image && !self.consumed {
            return Some(Vec::new());
        }
        let (kind, registered) = (kind_name(self.draft.kind), self.draft.registered());
        let (what, remedy) = if self.image {
            let what = format!("the streams of the {kind} `{registered}` are not known");
            let remedy = "pass --instance BIN with its binary, or list its output under `streams`";
            (what, remedy.to_owned())
        } else {
            let known = self.catalog.names(self.draft.kind);
            let known = suggest::remedy(registered, &format!("known {kind}s"), known);
            let what = format!("no {kind} `{registered}` is known");
            (what, format!("{known}; for one of your own pass --instance BIN"))
        };
        problems.add_with(self.draft.registered_path(), what, remedy);
        None
    }

    /// What is listed must be what the binary declares: registration would refuse it.
    fn compare(&self, listed: &[Stream], problems: &mut Problems) {
        let registered = self.draft.registered();
        let Some(declaration) = self.catalog.get(registered) else { return };
        if !self.kind_fits(declaration.kind, problems) {
            return;
        }
        let Expanded::Streams(declared) = self.expand(&declaration.streams) else { return };
        let sorted = |streams: &[Stream]| {
            let mut streams = streams.to_vec();
            streams.sort_by(|a, b| a.name.cmp(&b.name));
            streams
        };
        if sorted(listed) != sorted(&declared) {
            problems.add_with(
                format!("{}.streams", self.draft.path),
                format!(
                    "the topology lists {}, but `{registered}` declares {}",
                    in_words(listed),
                    in_words(&declared)
                ),
                "correct the list, or leave it out",
            );
        }
    }

    fn kind_fits(&self, declared: ComponentKind, problems: &mut Problems) -> bool {
        let kind = self.draft.kind;
        if declared != kind {
            let known = self.catalog.names(kind).collect::<Vec<_>>().join(", ");
            let (kind, declared) = (kind_name(kind), kind_name(declared));
            problems.add_with(
                self.draft.registered_path(),
                format!("`{}` is a {declared}, used as a {kind}", self.draft.registered()),
                format!("list it under `{declared}s`; the known {kind}s are {known}"),
            );
        }
        declared == kind
    }

    fn expand(&self, declared: &Declared) -> Expanded {
        let streams = match declared {
            Declared::FromConfig => return Expanded::Unknown,
            Declared::SameAsInput => {
                return match self.input(|input| &input.all) {
                    Ok(fields) => Expanded::Streams(vec![Stream::default_of(fields.clone())]),
                    Err(other) => other,
                };
            }
            Declared::Fixed(streams) => streams,
        };
        let mut streams = streams.clone();
        for stream in &mut streams {
            while let Some(at) = stream.field(KEY_FIELDS) {
                match self.input(|input| &input.key) {
                    Ok(key) if !key.iter().any(|field| field == KEY_FIELDS) => {
                        stream.fields.splice(at..=at, key.iter().cloned());
                    }
                    Ok(_) => return Expanded::Unknown,
                    Err(other) => return other,
                }
            }
        }
        Expanded::Streams(streams)
    }

    /// The fields that all inputs agree on.
    fn input(&self, part: impl Fn(&InputFields) -> &Vec<String>) -> Result<&Vec<String>, Expanded> {
        let inputs = self.inputs.as_ref().ok_or(Expanded::Unknown)?;
        let first = part(inputs.first().ok_or(Expanded::Unknown)?);
        let same = inputs.iter().all(|input| part(input) == first);
        if same { Ok(part(&inputs[0])) } else { Err(Expanded::InputsDiffer) }
    }
}

enum Expanded {
    Streams(Vec<Stream>),
    /// Something that it depends on has a problem of its own.
    Unknown,
    InputsDiffer,
}

fn kind_name(kind: ComponentKind) -> &'static str {
    match kind {
        ComponentKind::Bolt => "bolt",
        ComponentKind::Spout => "spout",
    }
}

/// Streams in words: `default [word, count], late [word] (direct)`.
fn in_words(streams: &[Stream]) -> String {
    if streams.is_empty() {
        return "none".to_owned();
    }
    let one = |stream: &Stream| {
        let direct = if stream.direct { " (direct)" } else { "" };
        format!("{} [{}]{direct}", stream.name, stream.fields.join(", "))
    };
    streams.iter().map(one).collect::<Vec<_>>().join(", ")
}
