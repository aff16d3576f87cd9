//! What a peer sends, held against its budget.
//!
//! tungstenite counts no frames: it swallows empty continuation frames and pings for
//! ever, inside one call. This stands below it and sees every byte first.

use std::time::Duration;

use tokio::time::Instant;

use super::{follow::Follower, settings::Budget};

/// Levels leak once a second: fine enough for a budget, and exact in integers.
const LEAK_EVERY: Duration = Duration::from_secs(1);

/// The peer has sent more, or more slowly, than its budget allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the peer is over its budget")]
pub(super) struct OverBudget;

/// The count of one connection.
#[derive(Debug)]
pub(super) struct Meter {
    follower: Follower,
    frames: u64,
    bytes: u64,
    leaked_at: Instant,
    message_began: Option<Instant>,
    is_over: bool,
}

impl Meter {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            follower: Follower::default(),
            frames: 0,
            bytes: 0,
            leaked_at: now,
            message_began: None,
            is_over: false,
        }
    }

    /// Counts bytes that have just been read.
    pub(super) fn record(
        &mut self,
        read: &[u8],
        now: Instant,
        budget: &Budget,
    ) -> Result<(), OverBudget> {
        self.leak(now, budget);
        self.bytes = self.bytes.saturating_add(read.len() as u64);
        let frames = self.follower.advance(read);
        self.frames = self.frames.saturating_add(frames);
        if self.follower.is_between_messages() {
            self.message_began = None;
        } else {
            self.message_began.get_or_insert(now);
        }
        self.is_over |= self.frames > budget.frame_burst || self.bytes > budget.byte_burst;
        if self.is_over {
            Err(OverBudget)
        } else {
            Ok(())
        }
    }

    /// Whether the budget has been exceeded.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether everything that was read was whole messages.
    pub(super) fn is_between_messages(&self) -> bool {
        self.follower.is_between_messages()
    }

    /// When the message that is arriving must have arrived.
    pub(super) fn deadline(&self, budget: &Budget) -> Option<Instant> {
        self.message_began.map(|began| began + budget.message_time)
    }

    fn leak(&mut self, now: Instant, budget: &Budget) {
        let seconds = now.saturating_duration_since(self.leaked_at).as_secs();
        if seconds > 0 {
            let leaked = |rate: u64| seconds.saturating_mul(rate);
            self.frames = self.frames.saturating_sub(leaked(budget.frames_per_second));
            self.bytes = self.bytes.saturating_sub(leaked(budget.bytes_per_second));
            self.leaked_at += LEAK_EVERY.saturating_mul(u32::try_from(seconds).unwrap_or(u32::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY_CONTINUATION: [u8; 6] = [0x00, 0x80, 1, 2, 3, 4];
    const PING: [u8; 6] = [0x89, 0x80, 1, 2, 3, 4];

    fn budget() -> Budget {
        Budget {
            frames_per_second: 2,
            frame_burst: 10,
            bytes_per_second: 100,
            byte_burst: 1_000,
            message_time: Duration::from_secs(15),
        }
    }

    #[test]
    fn empty_continuations_and_pings_count_as_frames() {
        for frame in [EMPTY_CONTINUATION, PING] {
            let start = Instant::now();
            let mut meter = Meter::new(start);
            for _ in 0..10 {
                meter.record(&frame, start, &budget()).unwrap();
            }
            assert_eq!(meter.record(&frame, start, &budget()), Err(OverBudget));
            assert!(meter.is_over());
        }
    }

    #[test]
    fn bytes_count_even_inside_one_frame() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        let header = [0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4];
        meter.record(&header, start, &budget()).unwrap();
        meter.record(&[0; 986], start, &budget()).unwrap();
        assert_eq!(meter.record(&[0], start, &budget()), Err(OverBudget));
    }

    #[test]
    fn a_steady_pace_within_the_budget_is_never_too_much() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        for second in 0..1_000 {
            let now = start + Duration::from_secs(second);
            for _ in 0..2 {
                meter.record(&PING, now, &budget()).unwrap();
            }
        }
    }

    #[test]
    fn a_pace_above_the_budget_is_too_much_in_the_end() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        let over = (0..1_000).find(|second| {
            let now = start + Duration::from_secs(*second);
            (0..3).any(|_| meter.record(&PING, now, &budget()).is_err())
        });
        // One more than leaks away each second, and ten may stand: 8 + 3 is too much.
        assert_eq!(over, Some(8));
    }

    #[test]
    fn a_message_must_arrive_in_time_whatever_stands_inside_it() {
        let start = Instant::now();
        let later = |seconds| start + Duration::from_secs(seconds);
        let mut meter = Meter::new(start);
        assert_eq!(meter.deadline(&budget()), None);
        meter.record(&[0x01], later(1), &budget()).unwrap();
        meter
            .record(&[0x80, 1, 2, 3, 4], later(5), &budget())
            .unwrap();
        meter.record(&PING, later(9), &budget()).unwrap();
        assert_eq!(meter.deadline(&budget()), Some(later(16)));
        assert!(!meter.is_between_messages());
        meter
            .record(&[0x80, 0x80, 1, 2, 3, 4], later(10), &budget())
            .unwrap();
        assert_eq!(meter.deadline(&budget()), None);
        assert!(meter.is_between_messages());
    }
}
