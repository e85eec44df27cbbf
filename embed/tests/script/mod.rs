//! Scripts: one node, what is done to it, and below each line the trace of what it did. The grammar is in
//! `tests/scenarios/steps/README.md`.

pub mod record;
pub mod scenes;

use std::{collections::BTreeSet, fmt::Write as _, net::SocketAddr, time::Duration};

use networkdb_embed::{
    Code, EntryKey, Event, Fault, How, Input, Instant, Kind, Node, Output, SerializedUpdate, StreamId,
    StreamInput, Write,
};

/// The script anew, with the trace of this run.
pub fn run(script: &str) -> String {
    let mut runner = Runner::default();
    for line in script.lines().filter(|line| !line.starts_with("  ")) {
        runner.line(line);
    }
    runner.text
}

/// A node that does what lines say, and the script so far.
#[derive(Default)]
pub struct Runner {
    pub text: String,
    pub now: Instant,
    seed: [u8; 32],
    node: Option<Node>,
    given: Vec<Given>,
    gone: BTreeSet<StreamId>,
}

/// What a step showed.
#[derive(Default)]
pub struct Shown {
    pub outputs: Vec<Output>,
    pub deadline: Option<Instant>,
    pub events: Vec<Event>,
}

/// An input of the next step.
pub enum Given {
    Tick,
    Datagram(SocketAddr, Vec<u8>),
    Accepted(StreamId, SocketAddr),
    Opened(StreamId, SocketAddr),
    Received(StreamId, Vec<u8>),
    Sent(StreamId, usize),
    Finished(StreamId),
    Failed(StreamId, Fault),
    Gone(StreamId),
}

impl Given {
    /// What a line says, if it is an input.
    pub fn read(line: &str) -> Option<Self> {
        let words: Vec<_> = line.split(' ').collect();
        let stream = |text: &str| StreamId(text.parse().unwrap());
        Some(match words[..] {
            ["tick"] => Self::Tick,
            ["datagram", from, bytes] => Self::Datagram(from.parse().unwrap(), unhex(bytes)),
            ["accepted", id, from] => Self::Accepted(stream(id), from.parse().unwrap()),
            ["opened", id, at] => Self::Opened(stream(id), at.parse().unwrap()),
            ["received", id, bytes] => Self::Received(stream(id), unhex(bytes)),
            ["sent", id, len] => Self::Sent(stream(id), len.parse().unwrap()),
            ["finished", id] => Self::Finished(stream(id)),
            ["failed", id, code] => Self::Failed(stream(id), fault(code)),
            ["gone", id] => Self::Gone(stream(id)),
            _ => return None,
        })
    }

    /// The same for a node; nothing for what only a host in C says.
    pub fn input(&self) -> Option<Input<'_>> {
        Some(match self {
            Self::Tick => Input::Tick,
            Self::Datagram(from, bytes) => Input::Datagram { from: *from, bytes },
            Self::Accepted(id, from) => Input::Stream(*id, StreamInput::Accepted { from: *from }),
            Self::Opened(id, at) => Input::Stream(*id, StreamInput::Opened { at: *at }),
            Self::Received(id, bytes) => Input::Stream(*id, StreamInput::Received(bytes)),
            Self::Sent(id, len) => Input::Stream(*id, StreamInput::Sent(*len)),
            Self::Finished(id) => Input::Stream(*id, StreamInput::Finished),
            Self::Failed(id, fault) => Input::Stream(*id, StreamInput::Failed(*fault)),
            Self::Gone(_) => return None,
        })
    }
}

/// A fault by its number in the header.
fn fault(number: &str) -> Fault {
    let faults =
        [Fault::Other, Fault::Refused, Fault::Unreachable, Fault::TimedOut, Fault::Reset, Fault::Untrusted];
    faults[number.parse::<usize>().unwrap()]
}

fn unhex(text: &str) -> Vec<u8> {
    if text == "-" { Vec::new() } else { hex::decode(text).unwrap() }
}

impl Runner {
    /// Does what a line says and writes it and its trace.
    pub fn line(&mut self, line: &str) -> Shown {
        self.text += line;
        self.text += "\n";
        if let Some(input) = Given::read(line) {
            self.given.push(input);
            return Shown::default();
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "" => {}
            comment if comment.starts_with('#') => {}
            "seed" => self.seed = unhex(rest).try_into().unwrap(),
            "at" => self.now = Instant::from_nanos(rest.parse().unwrap()),
            "node" => self.create(rest),
            "step" => return self.step(),
            "command" => {
                let answer = self.node().command(self.now, rest).map_err(|error| error.code);
                return self.answered(answer);
            }
            "write" => {
                let result = self.write(rest);
                return self.answered(result);
            }
            "publish" => {
                let result = self.publish(rest);
                return self.answered(result);
            }
            _ => panic!("no such line: {line}"),
        }
        Shown::default()
    }

    fn node(&self) -> &Node {
        self.node.as_ref().expect("a node was created")
    }

    fn create(&mut self, rest: &str) {
        let (kind, config) = rest.split_once(' ').unwrap();
        let kind = (1..).map_while(Kind::from_number).find(|one| one.name() == kind).unwrap();
        let created = Node::create(kind, config, self.seed, self.now).map_err(|error| error.code);
        self.status(created.as_ref().err().copied(), "");
        self.node = created.ok();
    }

    fn write(&self, rest: &str) -> Result<String, Code> {
        let [how, network, table, key, value] = rest.split(' ').collect::<Vec<_>>()[..] else {
            panic!("write {rest}")
        };
        let how = match how {
            "put" => Write::Put,
            "create" => Write::Create,
            "update" => Write::Update,
            "delete" => Write::Delete,
            _ => panic!("no such way to write: {how}"),
        };
        let key = EntryKey::new(network, table, key);
        self.node().write(self.now, how, &key, unhex(value).into()).map(|()| String::new())
    }

    fn publish(&self, rest: &str) -> Result<String, Code> {
        let mut words = rest.split(' ');
        let (syncer_type, key) = (words.next().unwrap(), words.next().unwrap());
        let value = words.next().map(unhex);
        let update =
            SerializedUpdate { key: key.as_bytes(), value: value.as_deref(), ..SerializedUpdate::default() };
        self.node().publish(self.now, syncer_type, [update]).1.map(|()| String::new())
    }

    fn step(&mut self) -> Shown {
        let given = std::mem::take(&mut self.given);
        let mut outputs = Vec::new();
        let inputs = given.iter().filter_map(Given::input);
        let deadline = self.node().step(self.now, inputs, &mut outputs).unwrap();
        let gone = given.iter().filter_map(|one| if let Given::Gone(id) = one { Some(*id) } else { None });
        self.gone.extend(gone);
        outputs.retain(|output| stream(output).is_none_or(|id| !self.gone.contains(&id)));
        for output in &outputs {
            self.output(output);
        }
        let never = || "never".to_owned();
        let shown = deadline.map_or_else(never, |deadline| deadline.as_nanos().to_string());
        writeln!(self.text, "  > deadline {shown}").unwrap();
        Shown { outputs, deadline, events: self.events() }
    }

    fn answered(&mut self, answer: Result<String, Code>) -> Shown {
        let text = answer.as_deref().unwrap_or_default();
        self.status(answer.as_ref().err().copied(), text);
        Shown { events: self.events(), ..Shown::default() }
    }

    fn status(&mut self, error: Option<Code>, answer: &str) {
        let status = error.unwrap_or(Code::Ok) as i32;
        writeln!(self.text, "{}", format!("  = {status} {answer}").trim_end()).unwrap();
    }

    fn output(&mut self, output: &Output) {
        let shown = match output {
            Output::Datagram { to, bytes } => format!("datagram {to} {}", hex::encode(bytes)),
            Output::Open(id, endpoint) => format!("open {} {endpoint}", id.0),
            Output::Write(id, bytes) => format!("write {} {}", id.0, hex::encode(bytes)),
            Output::Reading(id, on) => format!("reading {} {}", id.0, if *on { "on" } else { "off" }),
            Output::Close(id, How::Finish) => format!("close {} finish", id.0),
            Output::Close(id, How::Abort) => format!("close {} abort", id.0),
        };
        writeln!(self.text, "  > {shown}").unwrap();
    }

    fn events(&mut self) -> Vec<Event> {
        let events: Vec<_> = std::iter::from_fn(|| self.node().next_event().unwrap()).collect();
        for event in &events {
            self.event(event);
        }
        events
    }

    fn event(&mut self, event: &Event) {
        let mut line = format!("  ! {}", event.kind as u16);
        let numbers = [
            ("code", event.code as u64),
            ("id", event.id),
            ("number", event.number),
            ("detail", event.detail.into()),
        ];
        for (name, number) in numbers.into_iter().filter(|(_, number)| *number != 0) {
            write!(line, " {name}={number}").unwrap();
        }
        if let Some(addr) = event.addr {
            write!(line, " addr={addr}").unwrap();
        }
        let filled = |bytes: &bytes::Bytes| Some(bytes.clone()).filter(|bytes| !bytes.is_empty());
        let fields = [
            ("network", filled(&event.network)),
            ("table", filled(&event.table)),
            ("key", filled(&event.key)),
            ("value", event.value.clone()),
            ("previous", event.previous.clone()),
            ("revision", filled(&event.revision)),
            ("version", filled(&event.version)),
        ];
        for (name, bytes) in fields.into_iter().filter_map(|(name, bytes)| Some((name, bytes?))) {
            write!(line, " {name}={}", hex::encode(bytes)).unwrap();
        }
        self.text += &line;
        self.text += "\n";
    }
}

fn stream(output: &Output) -> Option<StreamId> {
    match output {
        Output::Datagram { .. } => None,
        Output::Open(id, _) | Output::Write(id, _) | Output::Reading(id, _) | Output::Close(id, _) => {
            Some(*id)
        }
    }
}

/// So much later.
pub fn after(instant: Instant, time: Duration) -> Instant {
    Instant::from_nanos(instant.as_nanos() + u64::try_from(time.as_nanos()).unwrap())
}
