//! What the demo shows: a picture that refreshes on a terminal, plain lines elsewhere.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use super::cluster::View;

/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// The output of the demo.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: bool,
    /// Lines of the picture on the terminal.
    drawn: usize,
    last_line: Option<Instant>,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self { terminal: io::stdout().is_terminal(), drawn: 0, last_line: None }
    }

    /// Prints one line.
    pub(super) fn line(&mut self, text: &str) {
        print(&format!("{text}\n"));
        self.drawn = 0;
    }

    /// Shows the present state: over the last picture on a terminal, else as a line once a second.
    pub(super) fn draw(&mut self, view: &View) {
        if self.terminal {
            let lines = picture(view);
            let up = if self.drawn > 0 { format!("\x1b[{}A", self.drawn) } else { String::new() };
            print(&format!("{up}\x1b[2K{}\n", lines.join("\n\x1b[2K")));
            self.drawn = lines.len();
        } else if self.last_line.is_none_or(|at| at.elapsed() >= LINE_EVERY) {
            self.last_line = Some(Instant::now());
            print(&format!("{}\n", line_of(view)));
        }
    }

    /// The last words.
    pub(super) fn summary(&mut self, view: &View) {
        let verdict =
            if view.agreed { "all nodes hold equal tables" } else { "the nodes hold DIFFERENT tables" };
        self.line(&format!("summary: {}; {verdict}", line_of(view)));
    }
}

fn print(text: &str) {
    let mut out = io::stdout();
    // A demo nobody watches any more still ends in its own time.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn picture(view: &View) -> Vec<String> {
    let mut lines = vec![format!("{:8} {:21} {:>7} {:>7}  DIGEST", "NODE", "ADDRESS", "MEMBERS", "ROWS")];
    lines.extend(view.nodes.iter().map(|node| {
        let short = node.digest.get(..12).unwrap_or_default();
        format!("{:8} {:21} {:>7} {:>7}  {short}", node.name, node.addr.to_string(), node.members, node.rows)
    }));
    lines.push(format!("{} writes, spread to the other nodes: {}", view.writes, spread(view)));
    lines
}

fn line_of(view: &View) -> String {
    let numbers = |read: fn(&super::cluster::NodeView) -> usize| {
        view.nodes.iter().map(|node| read(node).to_string()).collect::<Vec<_>>().join("/")
    };
    let (members, rows) = (numbers(|node| node.members), numbers(|node| node.rows));
    format!("members {members}, rows {rows}, {} writes, spread {}", view.writes, spread(view))
}

fn spread(view: &View) -> String {
    match view.latency {
        Some((p50, p99)) => format!("p50 {:.1} ms, p99 {:.1} ms", millis(p50), millis(p99)),
        None => "not measured yet".to_owned(),
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
