//! What waits for one connection: bounded in bytes, so that a slow reader hurts
//! nobody.
//!
//! The ladder: over the first mark, signals (`typing`, `presence`) are dropped; over
//! the second, durable lines are refused, and the hub lets that reader read from the
//! store once its socket has drained; who takes nothing at all for a while is closed
//! by the transport.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures::task::AtomicWaker;
use tokio::sync::Notify;

use crate::protocol::{CloseCode, Line};

/// Lines of room that an idle mailbox keeps; more is given back once it is empty.
const KEPT_LINES: usize = 64;

/// The waiting lines of one connection.
#[derive(Debug)]
pub struct Mailbox {
    queue: Mutex<Queue>,
    reader: AtomicWaker,
    drained: Notify,
    soft: usize,
    hard: usize,
}

#[derive(Debug, Default)]
struct Queue {
    lines: VecDeque<Line>,
    bytes: usize,
    closing: Option<CloseCode>,
    gone: bool,
}

/// What became of a line that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the hub must act on each")]
pub enum Offer {
    /// It waits, or the connection is closing and wants no more.
    Taken,
    /// Too much waits already.
    Full,
}

impl Mailbox {
    /// An empty mailbox with its two marks, in bytes.
    pub fn new(soft: usize, hard: usize) -> Self {
        Self {
            queue: Mutex::default(),
            reader: AtomicWaker::new(),
            drained: Notify::new(),
            soft,
            hard,
        }
    }

    /// Offers a durable line. Never waits.
    pub fn offer(&self, line: &Line) -> Offer {
        self.put(line, self.hard)
    }

    /// Offers a line that may be dropped. Never waits.
    pub fn offer_signal(&self, line: &Line) -> Offer {
        self.put(line, self.soft)
    }

    /// Puts a line that must get through, whatever waits: answers, and pages of a
    /// catch-up. Who calls this bounds how many there are.
    pub fn insist(&self, line: &Line) {
        self.put(line, usize::MAX);
    }

    fn put(&self, line: &Line, mark: usize) -> Offer {
        let mut queue = self.queue();
        if queue.gone || queue.closing.is_some() {
            return Offer::Taken;
        }
        if queue.bytes.saturating_add(line.len()) > mark {
            return Offer::Full;
        }
        queue.bytes += line.len();
        queue.lines.push_back(line.clone());
        let was_empty = queue.lines.len() == 1;
        drop(queue);
        // Who has lines waiting was woken when the first of them came.
        if was_empty {
            self.reader.wake();
        }
        Offer::Taken
    }

    /// Asks for closing. What waits is still taken first; the first code counts.
    pub fn close(&self, code: CloseCode) {
        self.queue().closing.get_or_insert(code);
        self.reader.wake();
    }

    /// The reader is gone: nothing is kept any longer.
    pub fn abandon(&self) {
        let mut queue = self.queue();
        queue.gone = true;
        queue.bytes = 0;
        queue.lines = VecDeque::new();
        drop(queue);
        self.drained.notify_waiters();
    }

    /// Whether the connection is closing or gone.
    pub fn is_closed(&self) -> bool {
        let queue = self.queue();
        queue.gone || queue.closing.is_some()
    }

    /// Whether as much waits as may: what is left of a catch-up's page has to wait too.
    pub(crate) fn is_full(&self) -> bool {
        self.queue().bytes >= self.hard
    }

    /// How many bytes wait.
    pub fn bytes(&self) -> usize {
        self.queue().bytes
    }

    /// Takes lines of up to `max_bytes` (at least one line) into `into`.
    /// `Ready(Some(code))`: nothing more will come, close with this code.
    pub fn poll_lines(
        &self,
        cx: &mut Context<'_>,
        max_bytes: usize,
        into: &mut Vec<Line>,
    ) -> Poll<Option<CloseCode>> {
        let mut queue = self.queue();
        if queue.lines.is_empty() {
            if let Some(code) = queue.closing {
                return Poll::Ready(Some(code));
            }
            // Registered under the lock: who puts the first line comes after.
            self.reader.register(cx.waker());
            return Poll::Pending;
        }
        let above = queue.bytes > self.soft;
        let mut taken = 0;
        while let Some(line) = queue.lines.front() {
            if taken > 0 && taken + line.len() > max_bytes {
                break;
            }
            taken += line.len();
            into.extend(queue.lines.pop_front());
        }
        queue.bytes -= taken;
        if queue.lines.is_empty() && queue.lines.capacity() > KEPT_LINES {
            queue.lines = VecDeque::new();
        }
        let drained = queue.bytes <= self.soft;
        drop(queue);
        if above && drained {
            self.drained.notify_waiters();
        }
        Poll::Ready(None)
    }

    /// Waits until less than the first mark waits, or the reader is gone.
    ///
    /// # Cancel safety
    /// Cancel safe: nothing is taken.
    pub async fn drained(&self) {
        loop {
            let notified = self.drained.notified();
            let mut notified = std::pin::pin!(notified);
            notified.as_mut().enable();
            if self.has_room() {
                return;
            }
            notified.await;
        }
    }

    /// Whether less than the first mark waits, or nobody reads any longer.
    pub(crate) fn has_room(&self) -> bool {
        let queue = self.queue();
        queue.bytes <= self.soft || queue.gone
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing between lock and unlock can leave the queue half changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn take(mailbox: &Mailbox, max: usize) -> (Vec<String>, Option<CloseCode>) {
        let mut lines = Vec::new();
        let code = poll_fn(|cx| mailbox.poll_lines(cx, max, &mut lines)).await;
        (lines.iter().map(ToString::to_string).collect(), code)
    }

    #[test]
    fn signals_are_dropped_before_durable_lines_are_refused() {
        let mailbox = Mailbox::new(4, 8);
        assert_eq!(mailbox.offer(&"abc".into()), Offer::Taken);
        assert_eq!(mailbox.offer_signal(&"xy".into()), Offer::Full);
        assert_eq!(mailbox.offer(&"defgh".into()), Offer::Taken);
        assert_eq!(mailbox.offer(&"i".into()), Offer::Full);
        assert_eq!(mailbox.bytes(), 8);
    }

    #[tokio::test]
    async fn what_waits_is_taken_before_the_close() {
        let mailbox = Mailbox::new(100, 100);
        mailbox.offer(&"one".into());
        mailbox.offer(&"two".into());
        mailbox.close(CloseCode::Drain);
        mailbox.close(CloseCode::Flood);
        mailbox.offer(&"late".into());
        assert_eq!(take(&mailbox, 4).await, (vec!["one".to_owned()], None));
        assert_eq!(take(&mailbox, 4).await, (vec!["two".to_owned()], None));
        assert_eq!(take(&mailbox, 4).await, (vec![], Some(CloseCode::Drain)));
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken() {
        let mailbox = std::sync::Arc::new(Mailbox::new(100, 100));
        let reader = tokio::spawn({
            let mailbox = mailbox.clone();
            async move { take(&mailbox, 100).await }
        });
        tokio::task::yield_now().await;
        mailbox.offer(&"hi".into());
        assert_eq!(reader.await.unwrap().0, ["hi"]);
    }

    #[tokio::test]
    async fn drained_waits_for_the_reader() {
        let mailbox = std::sync::Arc::new(Mailbox::new(2, 100));
        mailbox.offer(&"abcdef".into());
        let waiter = tokio::spawn({
            let mailbox = mailbox.clone();
            async move { mailbox.drained().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        take(&mailbox, 100).await;
        waiter.await.unwrap();
    }
}
