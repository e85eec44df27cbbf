//! Figures measured several times.

use std::fmt::{self, Display, Formatter};

/// What one column of a row was measured at.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    sorted: Vec<f64>,
}

impl Figures {
    pub(crate) fn new(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        Self { sorted: figures }
    }

    /// The middle one, or the mean of the two in the middle.
    pub(crate) fn median(&self) -> f64 {
        let count = self.sorted.len();
        let middle = self.sorted.get((count.saturating_sub(1)) / 2..=count / 2).unwrap_or_default();
        middle.iter().sum::<f64>() / middle.len() as f64
    }
}

impl Display for Figures {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.sorted.is_empty() {
            return f.write_str("–");
        }
        f.write_str(&short(self.median()))?;
        match (self.sorted.first(), self.sorted.last()) {
            (Some(least), Some(most)) if least < most => write!(f, " ({}–{})", short(*least), short(*most)),
            _ => Ok(()),
        }
    }
}

/// Three digits, or all before the point.
pub(crate) fn short(figure: f64) -> String {
    let decimals = match figure.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{figure:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_told_with_the_extremes() {
        assert_eq!(Figures::new(vec![3.0, 1.0, 250.0]).to_string(), "3.00 (1.00–250)");
        assert_eq!(Figures::new(vec![1.0, 2.0]).to_string(), "1.50 (1.00–2.00)");
        assert_eq!(Figures::new(vec![12.34]).to_string(), "12.3");
    }
}
