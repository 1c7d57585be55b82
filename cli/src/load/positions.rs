//! From the path of a field to its line and column.
//!
//! The YAML parser proper gives values without positions. This pass over the same text keeps the
//! positions and no values, and on the way refuses what is not worth parsing: several documents,
//! nesting beyond reason, and aliases that unfold into more than any topology needs.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};
use std::collections::{BTreeMap, HashMap};

/// Levels of nesting: config may have 16 below `spec.bolts[0].config`.
const MAX_DEPTH: usize = 64;

/// Values, with those behind aliases counted each time. The largest topology has some thousands.
const MAX_VALUES: usize = 100_000;

/// Where the fields of a YAML file are.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    places: BTreeMap<String, Place>,
}

/// A line and a column, from 1.
pub(crate) type Mark = (usize, usize);

#[derive(Debug)]
struct Place {
    at: Mark,
    /// Where the name of the field is, or the same place if it has none.
    key: Mark,
    /// A scalar without quotes.
    plain: bool,
}

/// Why a text is no single YAML document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) at: Mark,
    pub(crate) what: String,
    pub(crate) remedy: Option<&'static str>,
}

impl Positions {
    /// Where the value of this field is, or of the nearest field around it.
    pub(crate) fn of(&self, path: &str) -> Option<Mark> {
        self.nearest(path, |place| place.at)
    }

    /// Where the name of this field is.
    pub(crate) fn of_key(&self, path: &str) -> Option<Mark> {
        self.nearest(path, |place| place.key)
    }

    /// Whether the field's value is a scalar without quotes, whose type is to be guessed.
    pub(crate) fn is_plain(&self, path: &str) -> bool {
        self.places.get(path).is_some_and(|place| place.plain)
    }

    fn nearest(&self, mut path: &str, mark: impl Fn(&Place) -> Mark) -> Option<Mark> {
        loop {
            if let Some(place) = self.places.get(path) {
                return Some(mark(place));
            }
            if path.is_empty() {
                return None;
            }
            path = &path[..path.rfind(['.', '[']).unwrap_or(0)];
        }
    }

    /// Finds the positions of everything in a text.
    pub(crate) fn scan(text: &str) -> Result<Positions, Unreadable> {
        let mut scan = Scan::default();
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| Unreadable {
                at: mark(error.marker()),
                what: format!("this is not YAML: {}", error.info()),
                remedy: None,
            })?;
            scan.take(&event, span)?;
        }
        Ok(scan.positions)
    }
}

/// The way down to the value that is read.
#[derive(Default)]
struct Scan {
    positions: Positions,
    open: Vec<Open>,
    path: String,
    documents: usize,
    values: usize,
    /// How many values there are behind each anchor that is closed.
    anchors: HashMap<usize, usize>,
}

/// A list or map that is not closed.
struct Open {
    /// Length of the path of the collection itself.
    path: usize,
    /// Its anchor, and the count of values before it.
    anchor: usize,
    before: usize,
    inside: Inside,
}

enum Inside {
    List {
        next: usize,
    },
    /// With the name of the field whose value comes next, and its position.
    Map {
        key: Option<Mark>,
    },
}

impl Scan {
    fn take(&mut self, event: &Event<'_>, span: Span) -> Result<(), Unreadable> {
        let at = mark(&span.start);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Unreadable {
                        at,
                        what: "a second document starts here".to_owned(),
                        remedy: Some("keep each topology in a file of its own"),
                    });
                }
            }
            Event::Scalar(text, style, anchor, _) => {
                if let Some(Open { inside: Inside::Map { key: key @ None }, .. }) =
                    self.open.last_mut()
                {
                    *key = Some(at);
                    if !self.path.is_empty() {
                        self.path.push('.');
                    }
                    self.path.push_str(text);
                    return Ok(());
                }
                self.count(1, at)?;
                self.anchors.insert(*anchor, 1);
                self.place(at, *style == ScalarStyle::Plain);
                self.leave();
            }
            Event::Alias(anchor) => {
                let Some(values) = self.anchors.get(anchor).copied() else {
                    return Err(Unreadable {
                        at,
                        what: "this alias stands within what it repeats".to_owned(),
                        remedy: None,
                    });
                };
                self.count(values, at)?;
                self.place(at, false);
                self.leave();
            }
            Event::SequenceStart(anchor, _) => {
                self.enter(*anchor, at, Inside::List { next: 0 })?;
            }
            Event::MappingStart(anchor, _) => {
                self.enter(*anchor, at, Inside::Map { key: None })?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    self.anchors.insert(open.anchor, self.values - open.before);
                    self.path.truncate(open.path);
                }
                self.leave();
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn enter(&mut self, anchor: usize, at: Mark, inside: Inside) -> Result<(), Unreadable> {
        if let Some(Open { inside: Inside::Map { key: None }, .. }) = self.open.last() {
            return Err(Unreadable {
                at,
                what: "a list or map cannot be the name of a field".to_owned(),
                remedy: Some("put text with braces in quotes"),
            });
        }
        if self.open.len() == MAX_DEPTH {
            let what = format!("this nests deeper than {MAX_DEPTH} levels");
            return Err(Unreadable { at, what, remedy: None });
        }
        let before = self.values;
        self.count(1, at)?;
        // A map's field is best shown by its name: the value starts on another line.
        let key = match self.open.last() {
            Some(Open { inside: Inside::Map { key: Some(key) }, .. }) => *key,
            _ => at,
        };
        self.item();
        self.positions.places.insert(self.path.clone(), Place { at: key, key, plain: false });
        self.open.push(Open { path: self.path.len(), anchor, before, inside });
        Ok(())
    }

    /// Notes the position of a leaf.
    fn place(&mut self, at: Mark, plain: bool) {
        let key = match self.open.last() {
            Some(Open { inside: Inside::Map { key: Some(key) }, .. }) => *key,
            _ => at,
        };
        self.item();
        self.positions.places.insert(self.path.clone(), Place { at, key, plain });
    }

    /// Adds the index of an item to the path.
    fn item(&mut self) {
        if let Some(Open { inside: Inside::List { next }, .. }) = self.open.last() {
            self.path.push_str(&format!("[{next}]"));
        }
    }

    /// After a value: back to the path of the collection that it is in.
    fn leave(&mut self) {
        let Some(open) = self.open.last_mut() else { return };
        self.path.truncate(open.path);
        match &mut open.inside {
            Inside::List { next } => *next += 1,
            Inside::Map { key } => *key = None,
        }
    }

    fn count(&mut self, values: usize, at: Mark) -> Result<(), Unreadable> {
        self.values = self.values.saturating_add(values);
        if self.values > MAX_VALUES {
            let what = format!("with its aliases unfolded, this has more than {MAX_VALUES} values");
            return Err(Unreadable { at, what, remedy: None });
        }
        Ok(())
    }
}

fn mark(marker: &Marker) -> Mark {
    (marker.line(), marker.col() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
metadata: {name: x}
spec:
  spouts:
  - name: lines
    config:
      \"path\": 'a b'
  - &two
    name: two
  bolts: [*two, {name: three}]
";

    #[test]
    fn every_field_has_its_line_and_column() {
        let positions = Positions::scan(TEXT).unwrap();
        for (path, at) in [
            ("metadata.name", (1, 18)),
            ("spec", (2, 1)),
            ("spec.spouts", (3, 3)),
            ("spec.spouts[0]", (4, 5)),
            ("spec.spouts[0].name", (4, 11)),
            ("spec.spouts[0].config", (5, 5)),
            ("spec.spouts[0].config.path", (6, 15)),
            ("spec.spouts[1].name", (8, 11)),
            ("spec.bolts[0]", (9, 11)),
            ("spec.bolts[1].name", (9, 24)),
        ] {
            assert_eq!(positions.of(path), Some(at), "{path}");
        }
        assert_eq!(positions.of_key("spec.spouts[0].name"), Some((4, 5)));
        assert!(positions.is_plain("spec.spouts[0].name"));
        assert!(!positions.is_plain("spec.spouts[0].config.path"));
    }

    #[test]
    fn a_field_that_is_not_there_is_where_it_would_be() {
        let positions = Positions::scan(TEXT).unwrap();
        assert_eq!(positions.of("spec.spouts[0].inputs[3].from"), Some((4, 5)));
        assert_eq!(positions.of("spec.bolts[0].name"), Some((9, 11)), "behind an alias");
        assert_eq!(positions.of("status.x"), Some((1, 1)));
    }

    #[test]
    fn a_second_document_is_refused() {
        let error = Positions::scan("a: 1\n---\nb: 2\n").unwrap_err();
        assert_eq!((error.at.0, error.what.as_str()), (2, "a second document starts here"));
    }

    #[test]
    fn aliases_that_unfold_beyond_reason_are_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..10 {
            let ten = vec![format!("*a{}", i - 1); 10].join(", ");
            text.push_str(&format!("a{i}: &a{i} [{ten}]\n"));
        }
        let error = Positions::scan(&text).unwrap_err();
        assert!(error.what.contains("more than 100000 values"), "{}", error.what);
        assert!(Positions::scan("a: &a [*a]").is_err(), "an alias of itself");
    }

    #[test]
    fn nesting_beyond_reason_is_refused() {
        assert!(Positions::scan(&"[".repeat(100_000)).is_err());
        let error = Positions::scan(&"[".repeat(MAX_DEPTH + 1)).unwrap_err();
        assert!(error.what.contains("deeper than 64"), "{}", error.what);
    }
}
