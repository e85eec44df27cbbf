//! A plot of the ladder, as SVG.

use std::fmt::Write;

use crate::ladder::Cell;

const SIZE: (f64, f64) = (720.0, 420.0);
const MARGIN: (f64, f64) = (70.0, 40.0);
/// Milliseconds at the bottom and the top.
const RANGE: (f64, f64) = (1.0, 100_000.0);
const COLOURS: [&str; 4] = ["#1b6ca8", "#d98200", "#b3261e", "#555555"];

/// How long a row takes to a node, median and 99 %, by size and loss.
pub(crate) fn plot(cells: &[Cell]) -> String {
    let mut svg = String::new();
    // Writing to a string does not fail.
    let _ = draw(&mut svg, cells);
    svg
}

fn draw(svg: &mut String, cells: &[Cell]) -> std::fmt::Result {
    let (width, height) = SIZE;
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">"#
    )?;
    writeln!(svg, r#"<rect width="{width}" height="{height}" fill="white"/>"#)?;
    let mut sizes: Vec<usize> = cells.iter().map(|cell| cell.nodes).collect();
    sizes.dedup();
    axes(svg, &sizes)?;
    let mut losses: Vec<u32> = cells.iter().map(|cell| cell.loss).collect();
    losses.sort_unstable();
    losses.dedup();
    for ((place, loss), colour) in losses.iter().enumerate().zip(COLOURS.iter().cycle()) {
        for (percent, dash) in [(50, "none"), (99, "6 4")] {
            let points: Vec<String> = cells
                .iter()
                .filter(|cell| cell.loss == *loss)
                .map(|cell| format!("{:.1},{:.1}", x(cell.nodes, &sizes), y(cell.spread.at(percent))))
                .collect();
            let points = points.join(" ");
            writeln!(
                svg,
                r#"<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>"#
            )?;
        }
        let at = MARGIN.1 + 16.0 * place as f64;
        writeln!(svg, r#"<text x="{}" y="{at}" fill="{colour}">{loss} % loss</text>"#, MARGIN.0 + 12.0)?;
    }
    writeln!(svg, "</svg>")
}

fn axes(svg: &mut String, sizes: &[usize]) -> std::fmt::Result {
    let (left, right, bottom) = (MARGIN.0, SIZE.0 - 20.0, SIZE.1 - MARGIN.1);
    let mut millis = RANGE.0;
    while millis <= RANGE.1 {
        let at = y(millis);
        writeln!(svg, r##"<line x1="{left}" x2="{right}" y1="{at}" y2="{at}" stroke="#dddddd"/>"##)?;
        let label = if millis >= 1_000.0 { format!("{} s", millis / 1e3) } else { format!("{millis} ms") };
        writeln!(svg, r#"<text x="{}" y="{}" text-anchor="end">{label}</text>"#, left - 8.0, at + 4.0)?;
        millis *= 10.0;
    }
    for size in sizes {
        let at = x(*size, sizes);
        writeln!(svg, r#"<text x="{at}" y="{}" text-anchor="middle">{size} nodes</text>"#, bottom + 18.0)?;
    }
    writeln!(
        svg,
        r#"<text x="{left}" y="18">From a write until a node holds the row: median (solid) and 99 % (dashed)</text>"#
    )
}

fn x(nodes: usize, sizes: &[usize]) -> f64 {
    let ends = (sizes.first().copied().unwrap_or(1) as f64, sizes.last().copied().unwrap_or(1) as f64);
    let share = (nodes as f64 / ends.0).ln() / (ends.1 / ends.0).ln().max(f64::MIN_POSITIVE);
    MARGIN.0 + 30.0 + share * (SIZE.0 - MARGIN.0 - 90.0)
}

fn y(millis: f64) -> f64 {
    let share = (millis.clamp(RANGE.0, RANGE.1) / RANGE.0).ln() / (RANGE.1 / RANGE.0).ln();
    SIZE.1 - MARGIN.1 - share * (SIZE.1 - 2.0 * MARGIN.1)
}
