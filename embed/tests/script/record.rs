//! Scripts are recorded beside other nodes of ours: what those send becomes the script's inputs.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use networkdb_embed::{Endpoint, Event, EventKind, How, Instant, Kind, Node, Output};

use super::{Given, Runner, Shown, after};

/// One way, in virtual time.
const DELAY: Duration = Duration::from_millis(1);

pub struct Recorder {
    script: Runner,
    here: SocketAddr,
    /// When the script's node wants to be stepped.
    wanted: Option<Instant>,
    told: Instant,
    events: Vec<Event>,
    others: BTreeMap<SocketAddr, Other>,
    now: Instant,
    /// Both ends of each stream, by either.
    streams: BTreeMap<(SocketAddr, u64), (SocketAddr, u64)>,
    /// Ends after which nothing more is sent.
    finished: Vec<(SocketAddr, u64)>,
    accepted: BTreeMap<SocketAddr, u64>,
    /// What arrives next: where, and the line that says so.
    due: Vec<(SocketAddr, String)>,
}

struct Other {
    node: Node,
    deadline: Option<Instant>,
}

impl Recorder {
    /// A script about a node at `here`; `about` becomes its first lines.
    pub fn new(about: &str, kind: Kind, here: &str, config: &str) -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        let mut script = Runner::default();
        for line in about.lines() {
            script.line(&format!("# {line}"));
        }
        script.line("");
        script.line(&format!("seed {}", "07".repeat(32)));
        script.line(&format!("at {}", now.as_nanos()));
        script.line(&format!("node {} {config}", kind.name()));
        Self {
            script,
            here: here.parse().unwrap(),
            wanted: Some(now),
            told: now,
            events: Vec::new(),
            others: BTreeMap::new(),
            now,
            streams: BTreeMap::new(),
            finished: Vec::new(),
            accepted: BTreeMap::new(),
            due: Vec::new(),
        }
    }

    /// Another node beside it.
    pub fn other(&mut self, kind: Kind, addr: &str, config: &str) {
        let seed = [u8::try_from(self.others.len()).unwrap() + 1; 32];
        let node = Node::create(kind, config, seed, self.now).unwrap();
        self.others.insert(addr.parse().unwrap(), Other { node, deadline: Some(self.now) });
    }

    /// From now on nothing comes from it, and nothing reaches it.
    pub fn silence(&mut self, addr: &str) {
        self.others.remove(&addr.parse().unwrap());
    }

    /// The other node itself; it is stepped next.
    pub fn at(&mut self, addr: &str) -> (&Node, Instant) {
        let other = self.others.get_mut(&addr.parse().unwrap()).unwrap();
        other.deadline = Some(self.now);
        (&other.node, self.now)
    }

    pub fn command_at(&mut self, addr: &str, request: &str) {
        let (node, now) = self.at(addr);
        node.command(now, request).unwrap();
    }

    /// A line that is done at once: a command, a write, a publication, a comment.
    pub fn line(&mut self, line: &str) {
        if !line.is_empty() && !line.starts_with('#') {
            self.tell_time();
            self.wanted = Some(self.now);
        }
        let shown = self.script.line(line);
        self.take(shown);
    }

    /// Runs until the script's node has told of such an event, for a minute at most.
    pub fn until(&mut self, what: impl Fn(&Event) -> bool) {
        let end = after(self.now, Duration::from_secs(60));
        while self.now < end {
            if self.events.iter().any(&what) {
                self.events.clear();
                return;
            }
            self.turn();
        }
        panic!("no such event in\n{}", self.script.text);
    }

    pub fn until_kind(&mut self, kind: EventKind) {
        self.until(|event| event.kind == kind);
    }

    /// Runs for so long.
    pub fn pass(&mut self, time: Duration) {
        let end = after(self.now, time);
        while self.next() <= end {
            self.turn();
        }
        self.now = end;
    }

    pub fn end(self) -> String {
        self.script.text
    }

    fn next(&self) -> Instant {
        if !self.due.is_empty() {
            return after(self.now, DELAY);
        }
        let deadlines = self.others.values().filter_map(|other| other.deadline).chain(self.wanted);
        deadlines.min().unwrap().max(self.now)
    }

    fn turn(&mut self) {
        self.now = self.next();
        let due = std::mem::take(&mut self.due);
        let (here, now) = (self.here, self.now);
        let mine: Vec<_> = due.iter().filter(|(to, _)| *to == here).map(|(_, line)| line).collect();
        if !mine.is_empty() || self.wanted.is_some_and(|wanted| wanted <= now) {
            self.tell_time();
            for line in mine {
                self.script.line(line);
            }
            let shown = self.script.line("step");
            self.wanted = shown.deadline;
            self.take(shown);
        }
        let addrs: Vec<_> = self.others.keys().copied().collect();
        for addr in addrs {
            let inputs = due.iter().filter(|(to, _)| *to == addr).filter_map(|(_, line)| Given::read(line));
            let inputs: Vec<_> = inputs.collect();
            let other = self.others.get_mut(&addr).unwrap();
            let mut outputs = Vec::new();
            other.deadline =
                other.node.step(now, inputs.iter().filter_map(Given::input), &mut outputs).unwrap();
            while other.node.next_event().unwrap().is_some() {}
            for output in outputs {
                self.carry(addr, output);
            }
        }
    }

    fn tell_time(&mut self) {
        if self.told != self.now {
            self.script.line("");
            self.script.line(&format!("at {}", self.now.as_nanos()));
            self.told = self.now;
        }
    }

    fn take(&mut self, shown: Shown) {
        self.events.extend(shown.events);
        for output in shown.outputs {
            self.carry(self.here, output);
        }
    }

    fn carry(&mut self, from: SocketAddr, output: Output) {
        match output {
            Output::Datagram { to, bytes } => {
                self.due.push((to, format!("datagram {from} {}", hex::encode(bytes))));
            }
            Output::Open(id, endpoint) => self.open(from, id.0, endpoint),
            Output::Write(id, bytes) => {
                let Some(&(to, theirs)) = self.streams.get(&(from, id.0)) else { return };
                self.due.push((from, format!("sent {} {}", id.0, bytes.len())));
                self.due.push((to, format!("received {theirs} {}", hex::encode(bytes))));
            }
            Output::Reading(..) => {}
            Output::Close(id, how) => self.close(from, id.0, how),
        }
    }

    fn open(&mut self, from: SocketAddr, id: u64, endpoint: Endpoint) {
        let to = match endpoint {
            Endpoint::Addr(to) if to == self.here || self.others.contains_key(&to) => to,
            Endpoint::Addr(_) => return self.over(from, id, "failed", " 1"),
            Endpoint::Name { .. } => return self.over(from, id, "failed", " 2"),
        };
        let count = self.accepted.entry(to).or_default();
        let theirs = 2 * *count + 1;
        *count += 1;
        self.streams.insert((from, id), (to, theirs));
        self.streams.insert((to, theirs), (from, id));
        self.due.push((to, format!("accepted {theirs} {from}")));
        self.due.push((from, format!("opened {id} {to}")));
    }

    fn close(&mut self, from: SocketAddr, id: u64, how: How) {
        let Some(&(to, theirs)) = self.streams.get(&(from, id)) else { return };
        if how == How::Abort {
            self.over(to, theirs, "failed", " 4");
            self.due.push((from, format!("gone {id}")));
            self.streams.remove(&(from, id));
        } else {
            self.finished.push((from, id));
            self.due.push((to, format!("finished {theirs}")));
            if self.finished.contains(&(to, theirs)) {
                self.due.extend([(from, format!("gone {id}")), (to, format!("gone {theirs}"))]);
                self.streams.remove(&(from, id));
                self.streams.remove(&(to, theirs));
            }
        }
    }

    /// The last words about a stream.
    fn over(&mut self, at: SocketAddr, id: u64, word: &str, detail: &str) {
        self.due.push((at, format!("{word} {id}{detail}")));
        self.due.push((at, format!("gone {id}")));
        self.streams.remove(&(at, id));
    }
}
