//! Random schedules.
//!
//! The outcome of a schedule must not hang on which of two packets comes first. So, within a round:
//!
//! - a row is touched by one node, but for *contended* ones: those two nodes write at once, and which value stays is
//!   left open until one of them writes alone in the next round;
//! - who joins or leaves a network touches none of its common rows, and nobody touches the rows it owns.
//!
//! And between rounds:
//!
//! - a node that is cut off is so for a round, in which nobody comes, goes or moves, nor in the next; rows it owns,
//!   like those of one that moves, are left alone;
//! - a row whose owner has left its network is not written until the owner is back: it brings its tombstone along, and
//!   which is the later one hangs on clocks that nobody can see;
//! - a node that comes again has a new name: some of Go's may have missed its goodbye, and would give what they
//!   remember to whoever has the name;
//! - rows that only their node ever touches have no such bounds: it writes them in networks it never joined, too.

use std::collections::{BTreeMap, BTreeSet};

use networkdb_core::machine::Rng;

use super::schedule::{Op, RowId, Schedule, Step};

/// Rounds after the start, and calls in each.
const ROUNDS: usize = 10;
const CALLS: usize = 12;

/// How long a round lasts: longer than the time between bulk syncs, which is 30 s.
const LASTS_MS: u64 = 40_000;

/// The same for a round in which a node is cut off, and for the next: one that hears nobody doubts itself, and probes
/// and suspects up to nine times slower; those who are lost are tried less and less often.
const CUT_LASTS_MS: u64 = 200_000;

/// Draws a schedule.
pub fn draw(seed: u64) -> Schedule {
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(seed.to_le_bytes()).for_each(|(to, from)| *to = from);
    let mut rng = Rng::new(bytes);
    let networks = ["red", "green", "blue"].map(String::from)[..=rng.below(3)].to_vec();
    let tables = ["t0", "t1", "t2"].map(String::from)[..=rng.below(3)].to_vec();
    let places = (0..3 + rng.below(3)).map(Place::new).collect();
    let schedule = Schedule { seed, networks, tables, ..Schedule::default() };
    let mut draw =
        Draw { rng, places, rows: BTreeMap::new(), open: BTreeMap::new(), cut: None, values: 0, schedule };
    draw.start_all();
    (0..ROUNDS).for_each(|_| draw.round());
    draw.schedule
}

/// Where a node is, is not yet, or is no more.
#[derive(Debug)]
struct Place {
    id: usize,
    name: String,
    lives: u32,
    up: bool,
    joined: BTreeSet<String>,
}

impl Place {
    fn new(id: usize) -> Self {
        Self { id, name: format!("n{id}"), lives: 0, up: false, joined: BTreeSet::new() }
    }
}

/// A common row, as all nodes of its network hold it when a round begins.
#[derive(Clone, Debug, Default)]
struct Common {
    /// Who wrote it last, tombstones too, if that is still held anywhere.
    owner: Option<String>,
    live: bool,
}

/// A row's network, table and key.
type Key = (String, String, String);

fn id_of((network, table, key): &Key) -> RowId {
    format!("{network}/{table}/{key}")
}

struct Draw {
    rng: Rng,
    places: Vec<Place>,
    rows: BTreeMap<Key, Common>,
    /// Rows contended in the last round, and the places of those who did.
    open: BTreeMap<Key, [usize; 2]>,
    cut: Option<usize>,
    values: u32,
    schedule: Schedule,
}

/// A round while it is drawn.
#[derive(Default)]
struct Drawn {
    steps: Vec<Step>,
    /// Places whose node leaves, and who moves in which network.
    leaving: BTreeSet<usize>,
    moving: BTreeSet<(usize, String)>,
    touched: BTreeMap<Key, usize>,
    contended: BTreeMap<Key, [usize; 2]>,
    values: BTreeMap<RowId, BTreeSet<String>>,
}

impl Draw {
    fn start_all(&mut self) {
        let mut drawn = Drawn::default();
        for place in 0..self.places.len() {
            let seeds = (0..place).collect();
            self.places[place].up = true;
            drawn.steps.push(Step { seeds, ..self.step(Op::Start, place) });
        }
        self.finish(drawn);
    }

    fn round(&mut self) {
        let mut drawn = Drawn::default();
        if !self.cut_or_mend(&mut drawn) {
            (0..self.places.len()).for_each(|place| self.move_node(place, &mut drawn));
        }
        self.close_contended(&mut drawn);
        for _ in 0..self.rng.below(CALLS) {
            match self.rng.below(10) {
                0..4 => self.touch_own(&mut drawn),
                4..8 => self.touch_common(&mut drawn),
                8 => self.read(&mut drawn),
                _ if self.cut.is_none() => self.contend(&mut drawn),
                _ => {}
            }
        }
        self.finish(drawn);
    }

    /// What a round has changed is taken up once all of it is drawn.
    fn finish(&mut self, drawn: Drawn) {
        for step in &drawn.steps {
            let name = &step.name;
            let place = &mut self.places[step.place];
            match step.op {
                Op::NetworkJoin => drop(place.joined.insert(step.network.clone())),
                Op::NetworkLeave if place.joined.remove(&step.network) => {
                    let rows = self.rows.iter_mut().filter(|(row, _)| row.0 == step.network);
                    owned(rows, name).for_each(|row| row.live = false);
                }
                Op::Leave => {
                    (place.up, place.joined) = (false, BTreeSet::new());
                    owned(self.rows.iter_mut(), name).for_each(|row| *row = Common::default());
                }
                _ => {}
            }
        }
        self.open = drawn.contended;
        self.schedule.contended.push(drawn.values);
        let cut = drawn.steps.iter().any(|step| matches!(step.op, Op::Cut | Op::Mend));
        self.schedule.lasts_ms.push(if cut { CUT_LASTS_MS } else { LASTS_MS });
        self.schedule.rounds.push(drawn.steps);
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.rng.below(100) < percent
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        if of.is_empty() { None } else { Some(of[self.rng.below(of.len())].clone()) }
    }

    fn step(&self, op: Op, place: usize) -> Step {
        let [network, table, key, value] = [const { String::new() }; 4];
        Step {
            op,
            place,
            name: self.places[place].name.clone(),
            seeds: Vec::new(),
            network,
            table,
            key,
            value,
        }
    }

    fn row_step(&mut self, op: Op, place: usize, (network, table, key): Key) -> Step {
        self.values += 1;
        let value = if op <= Op::Update { format!("v{}", self.values) } else { String::new() };
        Step { network, table, key, value, ..self.step(op, place) }
    }

    /// Cuts a node off, or ends that; `false` if neither.
    fn cut_or_mend(&mut self, drawn: &mut Drawn) -> bool {
        if let Some(place) = self.cut.take() {
            drawn.steps.push(self.step(Op::Mend, place));
            self.stay(place, drawn);
            self.read_hidden(place, drawn);
            return true;
        }
        let here =
            self.able(drawn).into_iter().filter(|place| !self.open.values().any(|by| by.contains(place)));
        let here: Vec<usize> = here.collect();
        if here.len() < 3 || !self.chance(10) {
            return false;
        }
        self.cut = self.pick(&here);
        if let Some(place) = self.cut {
            drawn.steps.push(self.step(Op::Cut, place));
            self.stay(place, drawn);
        }
        true
    }

    /// Its common rows are left alone, and it leaves others' alone.
    fn stay(&self, place: usize, drawn: &mut Drawn) {
        drawn.moving.extend(self.schedule.networks.iter().map(|network| (place, network.clone())));
    }

    /// Somebody reads a row of the node that is still held for failed.
    fn read_hidden(&mut self, place: usize, drawn: &mut Drawn) {
        let owned =
            |row: &&(&Key, &Common)| row.1.live && row.1.owner.as_ref() == Some(&self.places[place].name);
        let Some(key) = self.rows.iter().find(|row| owned(&row)).map(|(key, _)| key.clone()) else { return };
        if let Some(reader) = self.pick(&self.settled(&key.0, drawn)) {
            let step = self.row_step(Op::Get, reader, key);
            drawn.steps.push(step);
        }
    }

    /// Starts a node, lets it leave, or lets it join and leave networks.
    fn move_node(&mut self, at: usize, drawn: &mut Drawn) {
        if self.open.values().any(|by| by.contains(&at)) {
            return;
        }
        if !self.places[at].up {
            if self.chance(40) {
                self.start(at, drawn);
            }
            return;
        }
        let others =
            self.places.iter().filter(|place| place.up && !drawn.leaving.contains(&place.id)).count();
        if others > 2 && self.chance(6) {
            drawn.leaving.insert(at);
            return drawn.steps.push(self.step(Op::Leave, at));
        }
        for network in self.schedule.networks.clone() {
            self.move_in(network, at, drawn);
        }
    }

    /// Lets a node join or leave a network. Some calls are of no use: they fail.
    fn move_in(&mut self, network: String, at: usize, drawn: &mut Drawn) {
        let joined = self.places[at].joined.contains(&network);
        let (op, percent, wrong) = if joined {
            (Op::NetworkLeave, 10, Op::NetworkJoin)
        } else {
            (Op::NetworkJoin, 35, Op::NetworkLeave)
        };
        let op = if self.chance(percent) { Some(op) } else { self.chance(3).then_some(wrong) };
        if let Some(op) = op {
            drawn.moving.insert((at, network.clone()));
            drawn.steps.push(Step { network, ..self.step(op, at) });
        }
    }

    /// Under a new name, as Docker does.
    fn start(&mut self, at: usize, drawn: &mut Drawn) {
        let seeds = self.places.iter().filter(|place| place.up && !drawn.leaving.contains(&place.id));
        let seeds: Vec<usize> = seeds.map(|place| place.id).collect();
        let place = &mut self.places[at];
        place.lives += 1;
        place.name = format!("n{at}-{}", place.lives);
        place.up = true;
        // It does nothing else in this round.
        drawn.leaving.insert(at);
        drawn.steps.push(Step { seeds, ..self.step(Op::Start, at) });
    }

    fn able(&self, drawn: &Drawn) -> Vec<usize> {
        let able = self.places.iter().filter(|place| place.up && !drawn.leaving.contains(&place.id));
        able.map(|place| place.id).collect()
    }

    /// Nodes that were in a network when the round began and stay.
    fn settled(&self, network: &str, drawn: &Drawn) -> Vec<usize> {
        let stays = |place: &usize| !drawn.moving.contains(&(*place, network.to_owned()));
        let joined = |place: &usize| self.places[*place].joined.contains(network);
        self.able(drawn).into_iter().filter(|place| joined(place) && stays(place)).collect()
    }

    fn network_and_table(&mut self) -> (String, String) {
        let (networks, tables) = (self.schedule.networks.clone(), self.schedule.tables.clone());
        let network = self.rng.below(networks.len());
        (networks[network].clone(), tables[self.rng.below(tables.len())].clone())
    }

    /// A row nobody else touches; whatever has to fail fails.
    fn touch_own(&mut self, drawn: &mut Drawn) {
        let Some(place) = self.pick(&self.able(drawn)) else { return };
        let (network, table) = self.network_and_table();
        let key = format!("own-{}-{}", self.places[place].name, self.rng.below(2));
        let op = [Op::Create, Op::Create, Op::Update, Op::Delete, Op::Get][self.rng.below(5)];
        let step = self.row_step(op, place, (network, table, key));
        drawn.steps.push(step);
    }

    /// A common row that may be written in this round, and who may.
    fn common(&mut self, drawn: &Drawn) -> Option<(Key, Vec<usize>)> {
        let (network, table) = self.network_and_table();
        let settled = self.settled(&network, drawn);
        let key = (network, table, format!("k{}", self.rng.below(3)));
        let here = |owner: &String| settled.iter().any(|place| self.places[*place].name == *owner);
        let ready = self.rows.get(&key).and_then(|row| row.owner.as_ref()).is_none_or(here);
        (ready && !self.open.contains_key(&key) && !drawn.contended.contains_key(&key))
            .then_some((key, settled))
    }

    fn touch_common(&mut self, drawn: &mut Drawn) {
        let Some((key, settled)) = self.common(drawn) else { return };
        let place = drawn.touched.get(&key).copied().or_else(|| self.pick(&settled));
        let Some(place) = place else { return };
        let live = self.rows.get(&key).is_some_and(|row| row.live);
        let fitting = if live { [Op::Update, Op::Delete] } else { [Op::Create, Op::Create] };
        let any = [Op::Create, Op::Update, Op::Delete, Op::Get];
        let op = if self.chance(80) { fitting[self.rng.below(2)] } else { any[self.rng.below(4)] };
        self.write(op, place, key, drawn);
    }

    fn write(&mut self, op: Op, place: usize, key: Key, drawn: &mut Drawn) {
        drawn.touched.insert(key.clone(), place);
        let step = self.row_step(op, place, key.clone());
        let row = self.rows.entry(key).or_default();
        let works = if op == Op::Create { !row.live } else { row.live && op != Op::Get };
        if works {
            *row = Common { owner: Some(step.name.clone()), live: op != Op::Delete };
        }
        drawn.steps.push(step);
    }

    /// Anybody reads a row, in the network or not.
    fn read(&mut self, drawn: &mut Drawn) {
        let (Some((key, _)), Some(place)) = (self.common(drawn), self.pick(&self.able(drawn))) else {
            return;
        };
        let moves = drawn.moving.contains(&(place, key.0.clone()));
        if !moves && !drawn.touched.contains_key(&key) {
            let step = self.row_step(Op::Get, place, key);
            drawn.steps.push(step);
        }
    }

    /// Two nodes write a row at once.
    fn contend(&mut self, drawn: &mut Drawn) {
        let Some((key, mut settled)) = self.common(drawn) else { return };
        if settled.len() < 2 || drawn.touched.contains_key(&key) {
            return;
        }
        self.rng.shuffle(&mut settled);
        let by = [settled[0], settled[1]];
        let live = self.rows.get(&key).is_some_and(|row| row.live);
        let op = if live { Op::Update } else { Op::Create };
        for place in by {
            let step = self.row_step(op, place, key.clone());
            drawn.values.entry(id_of(&key)).or_default().insert(step.value.clone());
            drawn.steps.push(step);
        }
        self.rows.insert(key.clone(), Common { owner: None, live: true });
        drawn.contended.insert(key, by);
    }

    /// One of those who contended writes alone.
    fn close_contended(&mut self, drawn: &mut Drawn) {
        for (key, by) in self.open.clone() {
            self.write(Op::Update, by[0], key, drawn);
        }
    }
}

fn owned<'a>(
    rows: impl Iterator<Item = (&'a Key, &'a mut Common)>,
    name: &str,
) -> impl Iterator<Item = &'a mut Common> {
    rows.filter(move |(_, row)| row.owner.as_deref() == Some(name)).map(|(_, row)| row)
}
