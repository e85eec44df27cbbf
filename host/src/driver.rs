//! The driver: carries a machine's outputs to sockets and what arrives back into the machine.

use std::{collections::HashMap, future::pending, io, sync::Arc};

use networkdb_core::machine::{Endpoint, How, Input, Instant, Machine, Output, StreamId, StreamInput};
use tokio::{
    sync::Notify,
    task::{AbortHandle, JoinHandle, JoinSet},
    time::sleep_until,
};

use crate::{
    accept::{Accepted, Incoming},
    connection::{Connection, Link},
    datagrams::Datagrams,
    ports::Ports,
    shared::{Clock, Shared},
    tls::Tls,
};

/// Datagrams given to the machine under one lock.
const BATCH: usize = 64;
/// How far the first stream of a round is from that of the last round: a prime, so that each stream's turn comes.
const TURN: usize = 2_654_435_761;

/// A machine at work on its sockets. Dropping it stops the work at once.
#[derive(Debug)]
pub struct Host<M> {
    shared: Arc<Shared<M>>,
    stop: Arc<Notify>,
    driver: JoinHandle<()>,
}

impl<M: Machine + Send + 'static> Host<M> {
    /// Starts a machine on `ports`, inside a tokio runtime, with a clock of its own. `build` makes it.
    ///
    /// # Errors
    /// What `build` says, or the runtime's refusal of the ports.
    pub fn start<E: From<io::Error>>(
        ports: impl Into<Ports>,
        build: impl FnOnce(Instant) -> Result<M, E>,
    ) -> Result<Self, E> {
        Self::start_by(Clock::default(), ports, build)
    }

    /// The same by a given clock.
    ///
    /// # Errors
    /// What `build` says, or the runtime's refusal of the ports.
    pub fn start_by<E: From<io::Error>>(
        clock: Clock,
        ports: impl Into<Ports>,
        build: impl FnOnce(Instant) -> Result<M, E>,
    ) -> Result<Self, E> {
        let shared = Arc::new(Shared::new(clock, build)?);
        let stop = Arc::new(Notify::new());
        let driver = Driver::new(ports.into(), Arc::clone(&shared))?;
        let driver = tokio::spawn(driver.run(Arc::clone(&stop)));
        Ok(Self { shared, stop, driver })
    }

    /// The machine.
    pub fn shared(&self) -> &Arc<Shared<M>> {
        &self.shared
    }

    /// Ends all tasks, closes all sockets, and returns when that is done.
    pub async fn stop(mut self) {
        self.stop.notify_one();
        // It ends by itself; an error could only say that it panicked, and then it has ended too.
        let _ = (&mut self.driver).await;
    }
}

impl<M> Drop for Host<M> {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

struct Open {
    link: Arc<Link>,
    task: AbortHandle,
}

struct Driver<M: Machine> {
    shared: Arc<Shared<M>>,
    udp: Option<Datagrams>,
    incoming: Incoming,
    tls: Option<Tls>,
    open: HashMap<StreamId, Open>,
    /// One task a connection; each returns the id that is over.
    tasks: JoinSet<StreamId>,
    accepted: u64,
    outputs: Vec<Output>,
    /// Streams written to in this round.
    dirty: Vec<StreamId>,
    /// Changes with each round.
    turn: usize,
}

impl<M: Machine + Send + 'static> Driver<M> {
    fn new(ports: Ports, shared: Arc<Shared<M>>) -> io::Result<Self> {
        Ok(Self {
            shared,
            udp: ports.udp.map(Datagrams::new).transpose()?,
            incoming: ports.accepts.begin()?,
            tls: ports.tls,
            open: HashMap::new(),
            tasks: JoinSet::new(),
            accepted: 0,
            outputs: Vec::new(),
            dirty: Vec::new(),
            turn: 0,
        })
    }

    async fn run(mut self, stop: Arc<Notify>) {
        // A fresh socket counts as full until the runtime has seen it writable once.
        let usable = match &self.udp {
            Some(udp) => udp.writable().await.is_ok(),
            None => true,
        };
        if usable {
            tokio::select! {
                () = stop.notified() => {}
                () = self.serve() => {}
            }
        }
        self.tasks.shutdown().await;
    }

    async fn serve(&mut self) {
        loop {
            let deadline = self.settle().and_then(|at| self.shared.clock.system_time(at));
            tokio::select! {
                () = self.shared.wake.notified() => {}
                () = readable(self.udp.as_ref()) => self.receive(),
                accepted = self.incoming.next() => self.accept(accepted),
                Some(ended) = self.tasks.join_next() => self.forget(ended.ok()),
                () = wait_until(deadline) => self.shared.batch(|machine, now| machine.handle(now, Input::Tick)),
            }
        }
    }

    /// Carries out all outputs, with the lock free while sockets are used; returns the machine's deadline.
    fn settle(&mut self) -> Option<Instant> {
        loop {
            let mut outputs = std::mem::take(&mut self.outputs);
            let deadline = self.shared.drain(&mut outputs);
            if outputs.is_empty() {
                self.outputs = outputs;
                self.shared.announce(true);
                return deadline;
            }
            for output in outputs.drain(..) {
                self.carry_out(output);
            }
            self.outputs = outputs;
            self.flush();
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Datagram { to, bytes } => match &mut self.udp {
                Some(udp) => udp.send(to, &bytes),
                None => self.shared.count_dropped(1),
            },
            Output::Open(id, endpoint) => self.dial(id, endpoint),
            Output::Write(id, bytes) => {
                if let Some(link) = self.touch(id) {
                    link.write(bytes);
                }
            }
            Output::Reading(id, on) => {
                if let Some(open) = self.open.get(&id) {
                    open.link.set_reading(on);
                }
            }
            Output::Close(id, How::Finish) => {
                if let Some(link) = self.touch(id) {
                    link.finish();
                }
            }
            Output::Close(id, How::Abort) => {
                if let Some(open) = self.open.remove(&id) {
                    open.task.abort();
                }
            }
        }
    }

    fn dial(&mut self, id: StreamId, endpoint: Endpoint) {
        self.spawn(id, |connection| connection.dial(endpoint));
    }

    fn spawn<F>(&mut self, id: StreamId, work: impl FnOnce(Connection<M>) -> F)
    where
        F: Future<Output = StreamId> + Send + 'static,
    {
        let link = Arc::new(Link::new(id));
        let connection =
            Connection { link: Arc::clone(&link), shared: Arc::clone(&self.shared), tls: self.tls.clone() };
        let task = self.tasks.spawn(work(connection));
        self.open.insert(id, Open { link, task });
    }

    /// The link of a stream, which this round's flush will visit.
    fn touch(&mut self, id: StreamId) -> Option<&Link> {
        let open = self.open.get(&id)?;
        if self.dirty.last() != Some(&id) {
            self.dirty.push(id);
        }
        Some(&open.link)
    }

    /// Sends what the outputs of a round have left to be sent.
    fn flush(&mut self) {
        if let Some(udp) = &mut self.udp {
            self.shared.count_dropped(udp.flush());
        }
        self.turn = self.turn.wrapping_add(TURN);
        begin_elsewhere(&mut self.dirty, self.turn);
        let sent: Vec<_> = self
            .dirty
            .drain(..)
            .filter_map(|id| Some((id, self.open.get(&id)?.link.flush())))
            .filter(|(_, count)| *count > 0)
            .collect();
        if !sent.is_empty() {
            self.shared.batch(|machine, now| {
                for (id, count) in sent {
                    machine.handle(now, Input::Stream(id, StreamInput::Sent(count)));
                }
            });
        }
    }

    fn receive(&mut self) {
        let Self { udp: Some(udp), shared, .. } = self else { return };
        let mut arrived = udp.receive().peekable();
        while arrived.peek().is_some() {
            shared.batch(|machine, now| {
                for (from, bytes) in arrived.by_ref().take(BATCH) {
                    machine.handle(now, Input::Datagram { from, bytes });
                }
            });
        }
    }

    fn accept(&mut self, (stream, from): Accepted) {
        let id = StreamId(2 * self.accepted + 1);
        self.accepted += 1;
        self.shared.batch(|machine, now| {
            machine.handle(now, Input::Stream(id, StreamInput::Accepted { from }));
        });
        self.spawn(id, |connection| connection.accept(stream, from));
    }

    fn forget(&mut self, ended: Option<StreamId>) {
        if let Some(id) = ended {
            self.open.remove(&id);
        }
    }
}

impl<M: Machine> Drop for Driver<M> {
    fn drop(&mut self) {
        self.shared.announce(false);
    }
}

async fn readable(udp: Option<&Datagrams>) {
    match udp {
        // An error shows when it is read.
        Some(udp) => drop(udp.readable().await),
        None => pending().await,
    }
}

async fn wait_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

/// Puts the streams of a round in order, each once. The first is another in each round: what goes to a thousand takes some
/// milliseconds, and nobody is always among the last.
fn begin_elsewhere(streams: &mut Vec<StreamId>, turn: usize) {
    streams.sort_unstable();
    streams.dedup();
    let first = turn % streams.len().max(1);
    streams.rotate_left(first);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_stream_is_always_among_the_last() {
        for count in 1..50 {
            let mut last = HashMap::new();
            for round in 0..count {
                let mut streams: Vec<_> = (0..count).rev().chain(0..count).map(StreamId).collect();
                begin_elsewhere(&mut streams, TURN.wrapping_mul(round as usize));
                assert_eq!(streams.len() as u64, count);
                *last.entry(streams.pop()).or_insert(0) += 1;
            }
            assert!(last.values().all(|times| *times == 1), "{count}: {last:?}");
        }
    }
}
