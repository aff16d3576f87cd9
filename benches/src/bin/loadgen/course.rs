//! The course of a run that sends: send, wait for what is under way, listen a
//! little longer, end.

use std::time::{Duration, Instant};

use crate::limits::{DRAIN_TICK, SETTLE};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Messages are sent.
    Sending {
        until: Instant,
    },
    /// No more are sent; what is under way still counts.
    Draining {
        look: Instant,
        deadline: Instant,
    },
    /// Everything has come; nothing more should.
    Settling {
        until: Instant,
    },
    Done,
}

/// Whether everything that was sent is where it belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// Everything is there.
    Settled,
    /// Something is under way.
    UnderWay,
    /// Nothing more can come.
    Hopeless,
}

/// Where a run is.
#[derive(Debug)]
pub(crate) struct Course {
    phase: Phase,
    drain: Duration,
}

impl Course {
    /// Sending begins now and lasts until `until`; then at most `drain` is waited.
    pub(crate) const fn new(until: Instant, drain: Duration) -> Self {
        Self {
            phase: Phase::Sending { until },
            drain,
        }
    }

    /// Whether a message due `at` is still sent. One that was due before the end
    /// is, even if the generator comes to it later.
    pub(crate) fn sends_at(&self, at: Instant) -> bool {
        match self.phase {
            Phase::Sending { until } => at < until,
            Phase::Draining { .. } | Phase::Settling { .. } | Phase::Done => false,
        }
    }

    /// Whether the run is over.
    pub(crate) fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// When [`advance`](Self::advance) has something to do next.
    pub(crate) const fn next_due(&self) -> Option<Instant> {
        match self.phase {
            Phase::Sending { until } | Phase::Settling { until } => Some(until),
            Phase::Draining { look, .. } => Some(look),
            Phase::Done => None,
        }
    }

    /// It is `now`. True at the one moment when everything has come; `outlook`
    /// is asked only while draining.
    pub(crate) fn advance(&mut self, now: Instant, outlook: impl FnOnce() -> Outlook) -> bool {
        match self.phase {
            Phase::Sending { until } if now >= until => {
                self.phase = Phase::Draining {
                    look: now,
                    deadline: now + self.drain,
                };
            }
            Phase::Draining { look, deadline } if now >= look => match outlook() {
                Outlook::Settled => {
                    self.phase = Phase::Settling {
                        until: now + SETTLE,
                    };
                    return true;
                }
                Outlook::UnderWay if now < deadline => {
                    self.phase = Phase::Draining {
                        look: now + DRAIN_TICK,
                        deadline,
                    };
                }
                Outlook::UnderWay | Outlook::Hopeless => self.phase = Phase::Done,
            },
            Phase::Settling { until } if now >= until => self.phase = Phase::Done,
            Phase::Sending { .. }
            | Phase::Draining { .. }
            | Phase::Settling { .. }
            | Phase::Done => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAIN: Duration = Duration::from_secs(5);

    fn unasked() -> Outlook {
        unreachable!("nothing is asked while sending or settling")
    }

    #[test]
    fn a_run_sends_drains_settles_and_ends() {
        let end = Instant::now();
        let mut course = Course::new(end, DRAIN);
        assert!(course.sends_at(end - DRAIN_TICK));
        assert!(!course.sends_at(end));
        assert!(!course.advance(end - DRAIN_TICK, unasked));
        assert!(!course.advance(end, unasked));
        assert!(!course.sends_at(end - DRAIN_TICK), "the end has passed");

        assert!(!course.advance(end, || Outlook::UnderWay));
        assert_eq!(course.next_due(), Some(end + DRAIN_TICK));
        assert!(course.advance(end + DRAIN_TICK, || Outlook::Settled));
        let last = end + DRAIN_TICK + SETTLE;
        assert!(!course.advance(last - DRAIN_TICK, unasked));
        assert!(!course.is_done());
        assert!(!course.advance(last, unasked));
        assert!(course.is_done());
        assert_eq!(course.next_due(), None);
    }

    #[test]
    fn a_run_does_not_wait_for_ever_nor_for_nobody() {
        let end = Instant::now();
        for (outlook, at) in [(Outlook::UnderWay, end + DRAIN), (Outlook::Hopeless, end)] {
            let mut course = Course::new(end, DRAIN);
            assert!(!course.advance(end, unasked));
            assert!(!course.advance(at, || outlook));
            assert!(course.is_done(), "{outlook:?}");
        }
    }
}
