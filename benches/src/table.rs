//! The table that is printed.

use crate::{
    figures::{Figures, short},
    programs::{Family, Kind},
};

/// One line of a table.
#[derive(Debug)]
pub(crate) struct Row {
    work: String,
    unit: &'static str,
    /// What is aimed at; empty if nothing is.
    aim: &'static str,
    more_is_better: bool,
    /// In the order of [`Kind::ALL`].
    columns: [Figures; 3],
}

impl Row {
    /// Picks one figure of each measurement, of which less is better.
    pub(crate) fn new<T>(
        work: impl Into<String>,
        unit: &'static str,
        measured: &[Vec<T>; 3],
        figure: impl Fn(&T) -> f64,
    ) -> Self {
        Self {
            work: work.into(),
            unit,
            aim: "",
            more_is_better: false,
            columns: measured.each_ref().map(|column| Figures::new(column.iter().map(&figure).collect())),
        }
    }

    /// The same row with what is aimed at.
    pub(crate) fn aim(self, aim: &'static str) -> Self {
        Self { aim, ..self }
    }

    /// The same row, of which more is better.
    pub(crate) fn more_is_better(self) -> Self {
        Self { more_is_better: true, ..self }
    }

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![format!("{}, {}", self.work, self.unit)];
        cells.extend(self.columns.iter().map(Figures::to_string));
        let ratio = self.ratio();
        cells.push(if ratio.is_finite() { short(ratio) } else { "–".to_owned() });
        cells
    }

    /// How many times better ours is than the better Go program.
    fn ratio(&self) -> f64 {
        let [older, newer, ours] = self.columns.each_ref().map(Figures::median);
        if self.more_is_better { ours / older.max(newer) } else { older.min(newer) / ours }
    }
}

/// Prints the rows below a heading, as Markdown.
pub(crate) fn print(family: Family, rows: &[Row]) {
    let mut heading = vec!["work".to_owned()];
    heading.extend(Kind::ALL.map(|kind| kind.title(family).to_owned()));
    heading.push("ratio".to_owned());
    let mut lines: Vec<Vec<String>> = std::iter::once(heading).chain(rows.iter().map(Row::cells)).collect();
    if rows.iter().any(|row| !row.aim.is_empty()) {
        let aims = std::iter::once("aim").chain(rows.iter().map(|row| row.aim));
        lines.iter_mut().zip(aims).for_each(|(line, aim)| line.push(aim.to_owned()));
    }
    let widths = widths(&lines);
    for (i, line) in lines.iter().enumerate() {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!(" {cell:<width$} "));
        println!("|{}|", cells.collect::<Vec<_>>().join("|"));
        if i == 0 {
            println!("|{}|", widths.iter().map(|width| "-".repeat(width + 2)).collect::<Vec<_>>().join("|"));
        }
    }
}

fn widths(lines: &[Vec<String>]) -> Vec<usize> {
    let mut widths = Vec::new();
    for line in lines {
        widths.resize(line.len(), 0);
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    widths
}
