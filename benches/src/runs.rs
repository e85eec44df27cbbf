//! Repeating a measurement for every implementation.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    Failure,
    programs::{Family, Kind, Programs},
};

/// How measurements are repeated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Runs<'a> {
    pub(crate) programs: &'a Programs,
    pub(crate) family: Family,
    pub(crate) kinds: &'a [Kind],
    pub(crate) count: u32,
}

impl Runs<'_> {
    /// What each run gives, by implementation. They take turns, so that a busy minute of the machine meets all.
    pub(crate) fn each<T>(
        &self,
        name: &str,
        mut measure: impl FnMut(&Programs, Kind) -> Result<T, Failure>,
    ) -> Result<[Vec<T>; 3], Failure> {
        let progress = progress(u64::from(self.count) * self.kinds.len() as u64, name)?;
        let mut measured = [const { Vec::new() }; 3];
        for _ in 0..self.count {
            let columns = Kind::ALL.into_iter().zip(&mut measured);
            for (kind, column) in columns.filter(|(kind, _)| self.kinds.contains(kind)) {
                let who = kind.title(self.family);
                progress.set_message(format!("{name}: {who}"));
                let figure = measure(self.programs, kind);
                column.push(figure.map_err(|error| format!("{name}, {who}: {error}"))?);
                progress.inc(1);
            }
        }
        progress.finish_and_clear();
        Ok(measured)
    }
}

fn progress(steps: u64, name: &str) -> Result<ProgressBar, Failure> {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {msg}")?;
    let bar = ProgressBar::new(steps).with_style(style).with_message(name.to_owned());
    bar.enable_steady_tick(Duration::from_millis(500));
    Ok(bar)
}
