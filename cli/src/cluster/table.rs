//! Tables of text: each column as wide as its longest cell.

use super::style::Style;
use crate::output::visible;

/// Between two columns.
const GAP: &str = "   ";

/// A table that grows row by row.
#[derive(Clone, Debug)]
pub(super) struct Table<const COLUMNS: usize> {
    head: [&'static str; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(super) fn new(head: [&'static str; COLUMNS]) -> Table<COLUMNS> {
        Table { head, rows: Vec::new() }
    }

    /// Adds a row. What is empty is shown as a dash, so that columns can be counted.
    pub(super) fn row(&mut self, cells: [String; COLUMNS]) {
        let shown = |cell: String| match cell.is_empty() {
            true => "-".to_owned(),
            false => visible(cell.trim()),
        };
        self.rows.push(cells.map(shown));
    }

    /// The table, each line after `indent`.
    pub(super) fn render(&self, style: Style, indent: &str) -> String {
        let mut widths = self.head.map(str::len);
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let line = |cells: [&str; COLUMNS]| {
            let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
            padded.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
        };
        let mut text = format!("{indent}{}\n", style.dim(&line(self.head)));
        for row in &self.rows {
            let cells = row.each_ref().map(String::as_str);
            text.push_str(&format!("{indent}{}\n", line(cells)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_cell_and_lines_have_no_tail() {
        let mut table = Table::new(["POD", "NODE", "X"]);
        table.row(["word-count-0-1".into(), "a".into(), String::new()]);
        table.row(["w".into(), "longer".into(), "1".into()]);
        let expected = "  POD              NODE     X\n  word-count-0-1   a        -\n  w   \
                        \u{20}            longer   1\n";
        assert_eq!(table.render(Style::PLAIN, "  "), expected);
    }
}
