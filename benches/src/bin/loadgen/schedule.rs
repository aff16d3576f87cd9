//! When what is due: open-loop send times and other moments.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Send times that do not wait for answers: the k-th message of a sender is
/// due at `start + phase + k * interval`, however late the one before was.
/// Latency counts from the due time, so a server that stalls cannot hide the
/// messages that should have been sent meanwhile (coordinated omission).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct OpenLoop {
    start: Instant,
    phase: Duration,
    per_second: f64,
}

impl OpenLoop {
    /// The schedule of sender `index` of `count`, whose phases are spread evenly
    /// over one interval.
    pub(crate) fn new(start: Instant, per_second: f64, index: usize, count: usize) -> Self {
        let interval = Duration::from_secs_f64(1.0 / per_second);
        let phase = interval.mul_f64(index as f64 / count.max(1) as f64);
        Self {
            start,
            phase,
            per_second,
        }
    }

    /// When message `number`, counted from 0, is due.
    pub(crate) fn due(&self, number: u32) -> Instant {
        // Not a sum of intervals: rounding must not add up over a long run.
        self.start + self.phase + Duration::from_secs_f64(f64::from(number) / self.per_second)
    }
}

/// Moments and what is due then; the earliest first.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    heap: BinaryHeap<Reverse<(Instant, T)>>,
}

impl<T: Ord> Agenda<T> {
    /// Nothing is due.
    pub(crate) const fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
        }
    }

    /// Puts `entry` on the agenda.
    pub(crate) fn add(&mut self, at: Instant, entry: T) {
        self.heap.push(Reverse((at, entry)));
    }

    /// When the next entry is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes the next entry that is due by `now`, with its moment.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Instant, T)> {
        if self.next_due()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_share_an_interval_evenly() {
        let start = Instant::now();
        let millis = |index, number| {
            let schedule = OpenLoop::new(start, 10.0, index, 4);
            (schedule.due(number) - start).as_micros()
        };
        assert_eq!(
            [millis(0, 0), millis(1, 0), millis(2, 0), millis(3, 0)],
            [0, 25_000, 50_000, 75_000]
        );
        assert_eq!([millis(0, 1), millis(3, 7)], [100_000, 775_000]);
    }

    #[test]
    fn a_long_schedule_does_not_drift() {
        let start = Instant::now();
        let schedule = OpenLoop::new(start, 3.0, 0, 1);
        let due = schedule.due(3_000_000) - start;
        assert!(due.abs_diff(Duration::from_secs(1_000_000)) < Duration::from_micros(1));
    }

    #[test]
    fn the_agenda_gives_what_is_due_in_order_of_time() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut agenda = Agenda::new();
        for (millis, entry) in [(30, 'c'), (10, 'a'), (20, 'b')] {
            agenda.add(at(millis), entry);
        }
        assert_eq!(agenda.next_due(), Some(at(10)));
        assert_eq!(agenda.pop_due(at(20)), Some((at(10), 'a')));
        assert_eq!(agenda.pop_due(at(20)), Some((at(20), 'b')));
        assert_eq!(agenda.pop_due(at(20)), None);
        assert_eq!(agenda.pop_due(at(30)), Some((at(30), 'c')));
        assert_eq!(agenda.next_due(), None);
    }
}
