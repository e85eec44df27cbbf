//! What a client waits for, and until when.

use crate::machine::Instant;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Connect,
    Read,
    Write,
    Retry,
}

impl Timer {
    const ALL: [Self; 4] = [Self::Connect, Self::Read, Self::Write, Self::Retry];
}

/// The deadlines of a client, one for each [`Timer`]: so few that they are looked through.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    connect: Option<Instant>,
    read: Option<Instant>,
    write: Option<Instant>,
    retry: Option<Instant>,
}

impl Deadlines {
    fn place(&mut self, timer: Timer) -> &mut Option<Instant> {
        match timer {
            Timer::Connect => &mut self.connect,
            Timer::Read => &mut self.read,
            Timer::Write => &mut self.write,
            Timer::Retry => &mut self.retry,
        }
    }

    pub(super) fn get(&self, timer: Timer) -> Option<Instant> {
        match timer {
            Timer::Connect => self.connect,
            Timer::Read => self.read,
            Timer::Write => self.write,
            Timer::Retry => self.retry,
        }
    }

    /// Sets or moves a deadline.
    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        *self.place(timer) = Some(at);
    }

    /// Sets a deadline unless there is an earlier one.
    pub(super) fn hasten(&mut self, timer: Timer, at: Instant) {
        let place = self.place(timer);
        *place = Some(place.map_or(at, |known| known.min(at)));
    }

    pub(super) fn cancel(&mut self, timer: Timer) {
        *self.place(timer) = None;
    }

    fn earliest(&self) -> Option<(Instant, Timer)> {
        Timer::ALL.into_iter().filter_map(|timer| Some((self.get(timer)?, timer))).min()
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.earliest().map(|(at, _)| at)
    }

    /// Takes the earliest that is due at `now`.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let (_, timer) = self.earliest().filter(|(at, _)| *at <= now)?;
        self.cancel(timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_deadline_is_told_and_due_first() {
        let at = Instant::from_nanos;
        let mut deadlines = Deadlines::default();
        assert_eq!((deadlines.next(), deadlines.pop_due(at(9))), (None, None));
        deadlines.set(Timer::Read, at(7));
        deadlines.set(Timer::Write, at(5));
        deadlines.hasten(Timer::Write, at(6));
        deadlines.hasten(Timer::Read, at(4));
        deadlines.hasten(Timer::Retry, at(8));
        deadlines.set(Timer::Connect, at(3));
        deadlines.cancel(Timer::Connect);
        assert_eq!((deadlines.next(), deadlines.get(Timer::Write)), (Some(at(4)), Some(at(5))));
        let due = |deadlines: &mut Deadlines, now| deadlines.pop_due(at(now));
        assert_eq!(due(&mut deadlines, 3), None);
        assert_eq!([7; 3].map(|now| due(&mut deadlines, now)), [Some(Timer::Read), Some(Timer::Write), None]);
        assert_eq!(due(&mut deadlines, 8), Some(Timer::Retry));
    }
}
