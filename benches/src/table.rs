//! The table that is printed.

use crate::{
    figures::{Figures, short},
    programs::Kind,
};

/// One line of the table; less is better in all.
#[derive(Debug)]
pub(crate) struct Row {
    work: String,
    unit: &'static str,
    /// In the order of [`Kind::ALL`].
    columns: [Figures; 3],
}

impl Row {
    /// Picks one figure of each measurement.
    pub(crate) fn new<T>(
        work: impl Into<String>,
        unit: &'static str,
        measured: &[Vec<T>; 3],
        figure: impl Fn(&T) -> f64,
    ) -> Self {
        Self {
            work: work.into(),
            unit,
            columns: measured.each_ref().map(|column| Figures::new(column.iter().map(&figure).collect())),
        }
    }

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![format!("{}, {}", self.work, self.unit)];
        cells.extend(self.columns.iter().map(Figures::to_string));
        cells.push(short(self.ratio()));
        cells
    }

    /// How many times more the better Go node takes.
    fn ratio(&self) -> f64 {
        let [go28, go2, ours] = self.columns.each_ref().map(Figures::median);
        go28.min(go2) / ours
    }
}

/// Prints the rows below a heading, as Markdown.
pub(crate) fn print(rows: &[Row]) {
    let mut heading = vec!["work".to_owned()];
    heading.extend(Kind::ALL.map(|kind| kind.title().to_owned()));
    heading.push("ratio".to_owned());
    let lines: Vec<Vec<String>> = std::iter::once(heading).chain(rows.iter().map(Row::cells)).collect();
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
