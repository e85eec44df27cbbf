//! A scenario from its text.

use std::{fmt, str::FromStr, time::Duration};

use super::{Act, Question, Scenario};
use crate::{
    faults::{Action, KeyStep, NetworkId, NodeId, Whom, Write},
    network::{Latency, Link},
    settings::Settings,
};

/// What is wrong with a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// What was found or is missing.
    pub reason: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for ParseError {}

type Parsed<T> = Result<T, String>;

impl FromStr for Scenario {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (script, expected) = match text.split_once("----\n") {
            Some((script, expected)) => (script, expected.to_owned()),
            None => (text, String::new()),
        };
        let mut scenario = Self { expected, ..Self::default() };
        let mut title = true;
        for (number, line) in (1..).zip(script.lines()) {
            let words = line.split('#').next().unwrap_or_default();
            if words.trim().is_empty() {
                if title {
                    scenario.title.push_str(line);
                    scenario.title.push('\n');
                }
                continue;
            }
            title = false;
            take_line(&mut scenario, words).map_err(|reason| ParseError { line: number, reason })?;
        }
        Ok(scenario)
    }
}

fn take_line(scenario: &mut Scenario, line: &str) -> Parsed<()> {
    let mut words = Words(line.split_whitespace());
    let first = words.next()?;
    if first != "at" {
        setting(&mut scenario.settings, first, &mut words)?;
        return words.end();
    }
    let at = words.time()?;
    for act in acts(&mut words)? {
        if scenario.acts.last().is_some_and(|(last, _)| *last > at) {
            return Err("this is before the line above".into());
        }
        scenario.acts.push((at, act));
    }
    words.end()
}

fn setting(settings: &mut Settings, name: &str, words: &mut Words<'_>) -> Parsed<()> {
    match name {
        "seed" => settings.seed = words.parse()?,
        "nodes" => settings.nodes = words.parse()?,
        "networks" => settings.networks = words.parse()?,
        "keys" => settings.keys = words.on()?,
        "compression" => settings.compression = words.on()?,
        "stagger" => settings.stagger = words.time()?,
        "tombstone" => settings.tombstone = words.time()?,
        "bulk-sync" => settings.bulk_sync = words.time()?,
        "watch-queue" => settings.watch_queue = words.parse()?,
        "link" => settings.link = words.link()?,
        _ => return Err(format!("`{name}` is no setting")),
    }
    Ok(())
}

fn acts(words: &mut Words<'_>) -> Parsed<Vec<Act>> {
    let name = words.next()?;
    let act = match name {
        "show" => question(words)?.into(),
        "agree" => {
            words.literal("within")?;
            Question::Agree(words.time()?).into()
        }
        "write" => return rows(words),
        _ => action(name, words)?.into(),
    };
    Ok(vec![act])
}

fn question(words: &mut Words<'_>) -> Parsed<Question> {
    Ok(match words.next()? {
        "members" => Question::Members,
        "rows" => Question::Rows(words.network()?),
        "alone" => Question::Alone,
        "deaths" => Question::Deaths,
        "warnings" => Question::Warnings,
        other => return Err(format!("`{other}` cannot be shown")),
    })
}

fn action(name: &str, words: &mut Words<'_>) -> Parsed<Action> {
    Ok(match name {
        "crash" => Action::Crash { node: words.node()?, vanish: words.flag("vanish") },
        "restart" => {
            let node = words.node()?;
            Action::Restart { node, moved: words.flag("moved"), renamed: words.flag("renamed") }
        }
        "pause" => Action::Pause(words.node()?),
        "resume" => Action::Resume(words.node()?),
        "jump" => Action::Jump(words.node()?, words.signed_millis()?),
        "drift" => {
            let node = words.node()?;
            let ppm = words.next()?;
            Action::Drift(node, number(ppm.strip_suffix("ppm").unwrap_or(ppm))?)
        }
        "partition" => Action::Partition(words.groups()?),
        "cut" => {
            let from = nodes(words.next()?)?;
            words.literal(">")?;
            Action::Cut(from, nodes(words.next()?)?)
        }
        "heal" => Action::Heal,
        "link" => {
            let from = words.whom()?;
            words.literal(">")?;
            Action::Link(from, words.whom()?, words.link()?)
        }
        "restore" => Action::Restore,
        "reads" => Action::Reads(words.node()?, words.parse()?),
        "watches" => Action::Watches(words.node()?, words.on()?),
        "key" => Action::Key(words.whom()?, words.key_step()?, words.parse()?),
        "join" => Action::Join(words.node()?, words.network()?),
        "leave" => {
            let node = words.node()?;
            match words.0.next() {
                Some(network) => Action::Leave(node, numbered("net", network)?),
                None => Action::LeaveCluster(node),
            }
        }
        "create" => {
            let (node, network, key) = words.row()?;
            Action::Write(node, network, key, Write::Create(words.parse()?))
        }
        "update" => {
            let (node, network, key) = words.row()?;
            Action::Write(node, network, key, Write::Update(words.parse()?))
        }
        "delete" => {
            let (node, network, key) = words.row()?;
            Action::Write(node, network, key, Write::Delete)
        }
        _ => return Err(format!("`{name}` cannot be done")),
    })
}

/// Many rows at once.
fn rows(words: &mut Words<'_>) -> Parsed<Vec<Act>> {
    let (node, network, range) = (words.node()?, words.network()?, words.next()?);
    let (first, last) = range.split_once("..").ok_or("rows are written as k0..k9")?;
    let (first, last): (u8, u8) = (numbered("k", first)?, numbered("k", last)?);
    let len = words.parse()?;
    Ok((first..=last).map(|key| Action::Write(node, network, key, Write::Create(len)).into()).collect())
}

fn number<T: FromStr>(text: &str) -> Parsed<T> {
    text.parse().map_err(|_| format!("`{text}` is no number that fits here"))
}

fn numbered<T: FromStr>(prefix: &str, text: &str) -> Parsed<T> {
    number(text.strip_prefix(prefix).ok_or_else(|| format!("`{text}` should begin with `{prefix}`"))?)
}

fn nodes(text: &str) -> Parsed<Vec<NodeId>> {
    text.split(',').map(|node| numbered("n", node)).collect()
}

fn time(text: &str) -> Parsed<Duration> {
    for (unit, nanos) in [("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)] {
        if let Some(count) = text.strip_suffix(unit).and_then(|count| count.parse::<u64>().ok()) {
            return Ok(Duration::from_nanos(count.saturating_mul(nanos)));
        }
    }
    Err(format!("`{text}` is no time, as in 10s, 250ms or 200us"))
}

/// The words of a line.
struct Words<'a>(std::str::SplitWhitespace<'a>);

impl<'a> Words<'a> {
    fn next(&mut self) -> Parsed<&'a str> {
        self.0.next().ok_or_else(|| "something is missing at the end".into())
    }

    fn end(&mut self) -> Parsed<()> {
        self.0.next().map_or(Ok(()), |word| Err(format!("`{word}` is too much")))
    }

    fn literal(&mut self, wanted: &str) -> Parsed<()> {
        let word = self.next()?;
        if word == wanted { Ok(()) } else { Err(format!("`{word}` should be `{wanted}`")) }
    }

    fn flag(&mut self, name: &str) -> bool {
        let mut ahead = self.0.clone();
        let found = ahead.next() == Some(name);
        if found {
            self.0 = ahead;
        }
        found
    }

    fn parse<T: FromStr>(&mut self) -> Parsed<T> {
        number(self.next()?)
    }

    fn time(&mut self) -> Parsed<Duration> {
        time(self.next()?)
    }

    fn signed_millis(&mut self) -> Parsed<i64> {
        let word = self.next()?;
        let millis = |text| time(text).map(|time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
        word.strip_prefix('-').map_or_else(|| millis(word), |rest| millis(rest).map(|time| -time))
    }

    fn on(&mut self) -> Parsed<bool> {
        match self.next()? {
            "on" => Ok(true),
            "off" => Ok(false),
            other => Err(format!("`{other}` is neither on nor off")),
        }
    }

    fn node(&mut self) -> Parsed<NodeId> {
        numbered("n", self.next()?)
    }

    fn network(&mut self) -> Parsed<NetworkId> {
        numbered("net", self.next()?)
    }

    fn whom(&mut self) -> Parsed<Whom> {
        match self.next()? {
            "all" => Ok(Whom::All),
            one => numbered("n", one).map(Whom::One),
        }
    }

    fn row(&mut self) -> Parsed<(NodeId, NetworkId, u8)> {
        Ok((self.node()?, self.network()?, numbered("k", self.next()?)?))
    }

    fn key_step(&mut self) -> Parsed<KeyStep> {
        match self.next()? {
            "add" => Ok(KeyStep::Add),
            "use" => Ok(KeyStep::Use),
            "remove" => Ok(KeyStep::Remove),
            other => Err(format!("`{other}` is no step of a rotation")),
        }
    }

    fn groups(&mut self) -> Parsed<Vec<Vec<NodeId>>> {
        let mut groups = vec![nodes(self.next()?)?];
        while self.flag("|") {
            groups.push(nodes(self.next()?)?);
        }
        Ok(groups)
    }

    fn link(&mut self) -> Parsed<Link> {
        let mut link = Link::default();
        while let Some(name) = self.0.next() {
            match name {
                "latency" => link.latency = latency(self.next()?)?,
                "loss" => link.loss = chance(self.next()?)?,
                "duplicate" => link.duplication = chance(self.next()?)?,
                "reorder" => link.reordering = chance(self.next()?)?,
                "bandwidth" => link.bandwidth = self.parse()?,
                "mtu" => link.mtu = self.parse()?,
                _ => return Err(format!("a link has no `{name}`")),
            }
        }
        Ok(link)
    }
}

fn latency(text: &str) -> Parsed<Latency> {
    if let Some(median) = text.strip_prefix('~') {
        return time(median).map(Latency::LongTail);
    }
    match text.split_once("..") {
        Some((least, most)) => Ok(Latency::Uniform(time(least)?, time(most)?)),
        None => time(text).map(Latency::Fixed),
    }
}

/// Percent, as millionths.
fn chance(text: &str) -> Parsed<u32> {
    let percent: f64 = number(text.strip_suffix('%').ok_or_else(|| format!("`{text}` is no percentage"))?)?;
    if (0.0..=100.0).contains(&percent) {
        Ok((percent * 10_000.0).round() as u32)
    } else {
        Err(format!("`{text}` is no share"))
    }
}
