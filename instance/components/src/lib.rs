//! Ready-made components: spouts and bolts that a topology can name without a binary of its own.
//!
//! They are written on the SDK only, so each is also an example of one. `docs/components.md` lists
//! their configs in one table.
//!
//! ```
//! let registry = egret_components::registry();
//! assert!(registry.make_spout("lines").is_some());
//! assert!(registry.make_bolt("count").is_some());
//! ```

mod choice;
mod count;
mod discard;
#[cfg(test)]
mod fake;
mod file;
mod filter;
mod lines;
mod print;
mod render;
mod size;
mod split;
mod words;

pub use count::{Count, CountConfig};
pub use discard::{Discard, DiscardConfig};
pub use file::{FileConfig, FileFormat, FileMode, FileSink};
pub use filter::{Filter, FilterConfig};
pub use lines::{Lines, LinesConfig, LongLines, Paths};
pub use print::{Print, PrintConfig, PrintFormat, PrintMode};
pub use size::Size;
pub use split::{Split, SplitConfig};
pub use words::{Words, WordsConfig};

use egret_sdk::{Declared, Registry, Stream};

/// A registry of all ready-made components. A binary may register its own beside them.
pub fn registry() -> Registry {
    let mut registry = Registry::new();
    let word = || Stream::default_of(["word"]);
    let counts = ["word", "count"];
    registry
        .spout("lines", Declared::fixed([Stream::default_of(["line"])]), Box::<Lines>::default)
        .spout("words", Declared::fixed([word()]), Box::<Words>::default)
        .bolt("split", Declared::fixed([word()]), Box::<Split>::default)
        .bolt(
            "count",
            Declared::fixed([Stream::default_of(counts), Stream::named(count::TOP, counts)]),
            Box::<Count>::default,
        )
        .bolt("filter", Declared::SameAsInput, Box::<Filter>::default)
        .bolt("print", Declared::none(), Box::<Print>::default)
        .bolt("file", Declared::none(), Box::<FileSink>::default)
        .bolt("discard", Declared::none(), Box::<Discard>::default);
    registry
}
