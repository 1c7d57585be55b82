//! What is wrong with what the user wrote, and where it was written.

use std::fmt;

/// Everything that is wrong, in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where it was written.
    pub(crate) origin: Origin,
    /// The field, such as `spec.bolts[1].inputs[0].from`.
    pub(crate) field: Option<String>,
    /// What is wrong.
    pub(crate) what: String,
    /// What to do.
    pub(crate) remedy: Option<String>,
}

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// In a file, from line and column 1; line 0 means the whole file.
    File { name: String, line: usize, column: usize },
    /// In an option of the command line.
    Option(String),
}

impl Origin {
    /// A file as a whole.
    pub(crate) fn whole(name: &str) -> Origin {
        Origin::File { name: name.to_owned(), line: 0, column: 0 }
    }
}

impl Problem {
    /// A problem of no field.
    pub(crate) fn new(origin: Origin, what: impl Into<String>) -> Problem {
        Problem { origin, field: None, what: what.into(), remedy: None }
    }

    /// The same, with what to do.
    pub(crate) fn with(mut self, remedy: impl Into<String>) -> Problem {
        self.remedy = Some(remedy.into());
        self
    }

    /// The same, of this field.
    pub(crate) fn of(mut self, field: impl Into<String>) -> Problem {
        self.field = Some(field.into()).filter(|field| !field.is_empty());
        self
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Problems {
        Problems(vec![problem])
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { name, line: 0, .. } => f.write_str(name),
            Origin::File { name, line, column } => write!(f, "{name}:{line}:{column}"),
            Origin::Option(option) => f.write_str(option),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.what)?;
        write!(f, "  --> {}", self.origin)?;
        if let Some(field) = &self.field {
            write!(f, " ({field})")?;
        }
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(f, "\n  help: {remedy}"))
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.0 {
            writeln!(f, "{problem}")?;
        }
        Ok(())
    }
}
