//! The latest tuple per value of the first field, shown as a table.

use super::{PrintConfig, on_one_line};
use crate::render;
use anyhow::{Result, anyhow, ensure};
use egret_sdk::{Tuple, ValueRef};
use std::{cmp::Ordering, collections::HashMap, fmt};

/// Characters of a cell that are shown: a few columns still fit a terminal.
const MAX_CELL: usize = 60;

/// Rows by their first field.
#[derive(Debug)]
pub(super) struct Table {
    title: Option<String>,
    columns: Vec<String>,
    by: usize,
    limit: usize,
    max_rows: usize,
    rows: HashMap<Vec<u8>, Row>,
}

#[derive(Debug)]
struct Row {
    cells: Vec<Cell>,
    weight: Weight,
}

#[derive(Debug)]
struct Cell {
    text: String,
    is_number: bool,
}

/// What rows are compared by: numbers are above everything else.
#[derive(Debug)]
enum Weight {
    Text(String),
    Number(f64),
}

impl Row {
    /// The greater comes first; equal ones in order of their first cells.
    fn order(&self, other: &Row) -> Ordering {
        let by_weight = match (&self.weight, &other.weight) {
            (Weight::Number(a), Weight::Number(b)) => b.total_cmp(a),
            (Weight::Text(a), Weight::Text(b)) => b.cmp(a),
            (Weight::Number(_), Weight::Text(_)) => Ordering::Less,
            (Weight::Text(_), Weight::Number(_)) => Ordering::Greater,
        };
        let first = |row: &Row| row.cells.first().map(|cell| cell.text.clone());
        by_weight.then_with(|| first(self).cmp(&first(other)))
    }
}

impl Table {
    pub(super) fn new(config: &PrintConfig, columns: &[String]) -> Result<Table> {
        let by = match &config.by {
            Some(by) => columns.iter().position(|column| column == by).ok_or_else(|| {
                anyhow!("`by`: the input has no field `{by}`; it has: {}", columns.join(", "))
            })?,
            None => columns.len().saturating_sub(1),
        };
        ensure!(config.max_rows >= 1, "`maxRows` must be at least 1");
        Ok(Table {
            title: config.title.clone(),
            columns: columns.to_vec(),
            by,
            limit: config.limit,
            max_rows: config.max_rows,
            rows: HashMap::new(),
        })
    }

    /// Keeps a tuple in the place of the one with the same first field.
    pub(super) fn put(&mut self, tuple: &Tuple<'_>) -> Result<()> {
        let mut key = Vec::new();
        render::text(tuple.at(0)?, &mut key)?;
        let cells = (0..self.columns.len()).map(|column| cell(tuple.at(column)?)).collect();
        let weight = match tuple.at(self.by)? {
            ValueRef::Int(int) | ValueRef::Timestamp(int) => Weight::Number(int as f64),
            ValueRef::Float(float) => Weight::Number(float),
            other => Weight::Text(cell(other)?.text),
        };
        self.rows.insert(key, Row { cells: Result::from_iter::<Vec<_>>(cells)?, weight });
        if self.rows.len() > self.max_rows {
            self.drop_lesser_half();
        }
        Ok(())
    }

    /// Half at once, so that a row costs little on average. Never one that would be shown.
    fn drop_lesser_half(&mut self) {
        let keep = self.max_rows.div_ceil(2).max(self.limit.min(self.max_rows));
        let mut rows: Vec<(Vec<u8>, Row)> = self.rows.drain().collect();
        rows.sort_unstable_by(|(_, a), (_, b)| a.order(b));
        rows.truncate(keep);
        self.rows.extend(rows);
    }
}

fn cell(value: ValueRef<'_>) -> Result<Cell> {
    let mut bytes = Vec::new();
    render::text(value, &mut bytes)?;
    let mut text = on_one_line(&bytes);
    if let Some((cut, _)) = text.char_indices().nth(MAX_CELL) {
        text.truncate(cut);
        text.push('…');
    }
    Ok(Cell { text, is_number: matches!(value, ValueRef::Int(_) | ValueRef::Float(_)) })
}

/// Title, head and the greatest rows, in columns.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows: Vec<&Row> = self.rows.values().collect();
        rows.sort_unstable_by(|a, b| a.order(b));
        rows.truncate(self.limit);
        if let Some(title) = &self.title {
            writeln!(f, "{title}")?;
        }
        let width = |text: &str| text.chars().count();
        let columns: Vec<(usize, bool)> = (0..self.columns.len())
            .map(|column| {
                let cells = || rows.iter().map(|row| &row.cells[column]);
                let widest = cells().map(|cell| width(&cell.text)).max().unwrap_or(0);
                (widest.max(width(&self.columns[column])), cells().all(|cell| cell.is_number))
            })
            .collect();
        let head = self.columns.iter().map(String::as_str).collect();
        let cells = rows.iter().map(|row| row.cells.iter().map(|c| c.text.as_str()).collect());
        for line in std::iter::once::<Vec<&str>>(head).chain(cells) {
            let mut text = String::new();
            for (cell, (width, is_number)) in line.into_iter().zip(&columns) {
                text.push_str(&match is_number {
                    true => format!("{cell:>width$}  "),
                    false => format!("{cell:<width$}  "),
                });
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}
