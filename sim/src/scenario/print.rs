//! A scenario as text.

use std::{fmt, time::Duration};

use super::{Act, Question, Scenario};
use crate::{
    faults::{Action, KeyStep, NodeId, Whom, Write},
    network::{Latency, Link},
    settings::Settings,
};

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)?;
        settings(f, &self.settings)?;
        for (at, act) in &self.acts {
            writeln!(f, "at {} {act}", Time(*at))?;
        }
        write!(f, "----\n{}", self.expected)
    }
}

fn settings(f: &mut fmt::Formatter<'_>, settings: &Settings) -> fmt::Result {
    let usual = Settings::default();
    writeln!(f, "seed {}\nnodes {}", settings.seed, settings.nodes)?;
    if settings.networks != usual.networks {
        writeln!(f, "networks {}", settings.networks)?;
    }
    if settings.keys {
        writeln!(f, "keys on")?;
    }
    if !settings.compression {
        writeln!(f, "compression off")?;
    }
    for (what, time, usual) in [
        ("stagger", settings.stagger, usual.stagger),
        ("tombstone", settings.tombstone, usual.tombstone),
        ("bulk-sync", settings.bulk_sync, usual.bulk_sync),
    ] {
        if time != usual {
            writeln!(f, "{what} {}", Time(time))?;
        }
    }
    if settings.watch_queue != usual.watch_queue {
        writeln!(f, "watch-queue {}", settings.watch_queue)?;
    }
    if settings.link != usual.link {
        writeln!(f, "link{}", Of(settings.link))?;
    }
    Ok(())
}

/// A duration in the largest unit that keeps it whole.
struct Time(Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        for (unit, name) in [(1_000_000_000_u128, "s"), (1_000_000, "ms"), (1_000, "us")] {
            if nanos.is_multiple_of(unit) {
                return write!(f, "{}{name}", nanos / unit);
            }
        }
        write!(f, "{nanos}ns")
    }
}

/// The settings of a link that are not as usual.
struct Of(Link);

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (link, usual) = (&self.0, Link::default());
        match link.latency {
            latency if latency == usual.latency => {}
            Latency::Fixed(time) => write!(f, " latency {}", Time(time))?,
            Latency::Uniform(least, most) => write!(f, " latency {}..{}", Time(least), Time(most))?,
            Latency::LongTail(median) => write!(f, " latency ~{}", Time(median))?,
        }
        for (what, chance) in
            [("loss", link.loss), ("duplicate", link.duplication), ("reorder", link.reordering)]
        {
            if chance > 0 {
                write!(f, " {what} {}%", f64::from(chance) / 10_000.0)?;
            }
        }
        if link.bandwidth != usual.bandwidth {
            write!(f, " bandwidth {}", link.bandwidth)?;
        }
        if link.mtu != usual.mtu {
            write!(f, " mtu {}", link.mtu)?;
        }
        Ok(())
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Do(action) => action.fmt(f),
            Self::Ask(question) => question.fmt(f),
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Members => f.write_str("show members"),
            Self::Rows(network) => write!(f, "show rows net{network}"),
            Self::Alone => f.write_str("show alone"),
            Self::Deaths => f.write_str("show deaths"),
            Self::Warnings => f.write_str("show warnings"),
            Self::Agree(bound) => write!(f, "agree within {}", Time(*bound)),
        }
    }
}

fn list(nodes: &[NodeId]) -> String {
    nodes.iter().map(|node| format!("n{node}")).collect::<Vec<_>>().join(",")
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::One(node) => write!(f, "n{node}"),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash { node, vanish } => {
                write!(f, "crash n{node}{}", if *vanish { " vanish" } else { "" })
            }
            Self::Restart { node, moved, renamed } => {
                let (moved, renamed) =
                    (if *moved { " moved" } else { "" }, if *renamed { " renamed" } else { "" });
                write!(f, "restart n{node}{moved}{renamed}")
            }
            Self::Pause(node) => write!(f, "pause n{node}"),
            Self::Resume(node) => write!(f, "resume n{node}"),
            Self::Jump(node, millis) => {
                let sign = if *millis < 0 { "-" } else { "" };
                write!(f, "jump n{node} {sign}{}", Time(Duration::from_millis(millis.unsigned_abs())))
            }
            Self::Drift(node, ppm) => write!(f, "drift n{node} {ppm}ppm"),
            Self::Partition(groups) => {
                let groups: Vec<String> = groups.iter().map(|group| list(group)).collect();
                write!(f, "partition {}", groups.join(" | "))
            }
            Self::Cut(from, to) => write!(f, "cut {} > {}", list(from), list(to)),
            Self::Heal => f.write_str("heal"),
            Self::Link(from, to, link) => write!(f, "link {from} > {to}{}", Of(*link)),
            Self::Restore => f.write_str("restore"),
            Self::Reads(node, rate) => write!(f, "reads n{node} {rate}"),
            Self::Watches(node, on) => write!(f, "watches n{node} {}", if *on { "on" } else { "off" }),
            Self::Key(whom, step, number) => {
                let step = match step {
                    KeyStep::Add => "add",
                    KeyStep::Use => "use",
                    KeyStep::Remove => "remove",
                };
                write!(f, "key {whom} {step} {number}")
            }
            Self::Join(node, network) => write!(f, "join n{node} net{network}"),
            Self::Leave(node, network) => write!(f, "leave n{node} net{network}"),
            Self::LeaveCluster(node) => write!(f, "leave n{node}"),
            Self::Write(node, network, key, write) => match write {
                Write::Create(len) => write!(f, "create n{node} net{network} k{key} {len}"),
                Write::Update(len) => write!(f, "update n{node} net{network} k{key} {len}"),
                Write::Delete => write!(f, "delete n{node} net{network} k{key}"),
            },
        }
    }
}
