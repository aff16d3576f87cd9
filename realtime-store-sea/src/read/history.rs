//! Pages of messages.

use realtime_core::{
    id::RoomId,
    limits::{HISTORY_PAGE, page_rows},
    message::Message,
    seq::{Rev, Seq},
    store::{HistoryPage, StoreError, Window},
};
use sea_orm::ConnectionTrait;

use crate::{
    codes::{self, stored},
    entity::{message, user::SENDER},
    query::{Query, Snapshot},
    read::changes::each_message,
    rows::Columns,
};

/// Which messages a room has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kept {
    first: Seq,
    last: Seq,
}

/// The messages of a page, from the first to the one before `end`. An empty page
/// has a place, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Page {
    first: Seq,
    end: Seq,
}

pub(crate) async fn history(
    snapshot: &Snapshot,
    room: RoomId,
    window: Window,
    limit: u32,
) -> Result<HistoryPage, StoreError> {
    let query = snapshot.query();
    let sql = "SELECT r.first_seq, r.last_seq, r.last_rev FROM rt_room r WHERE r.id = ?";
    let Some(found) = query.one(sql, [room.as_uuid().into()]).await? else {
        return Ok(page_of_nothing());
    };
    let mut columns = Columns::of(&found);
    let kept = Kept {
        first: codes::seq(columns.take()?)?,
        last: codes::seq(columns.take()?)?,
    };
    let rev = codes::rev(columns.take()?)?;
    let page = kept.page(window, u64::from(page_rows(limit, HISTORY_PAGE)));
    Ok(HistoryPage {
        messages: messages(&query, room, page).await?,
        has_older: kept.has_before(page.first),
        has_newer: kept.has_from(page.end),
        last_seq: kept.last,
        rev,
    })
}

fn page_of_nothing() -> HistoryPage {
    HistoryPage {
        messages: Vec::new(),
        has_older: false,
        has_newer: false,
        last_seq: Seq::ZERO,
        rev: Rev::ZERO,
    }
}

async fn messages<C: ConnectionTrait>(
    query: &Query<'_, C>,
    room: RoomId,
    page: Page,
) -> Result<Vec<Message>, StoreError> {
    if page.first >= page.end {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT {}, {SENDER} FROM rt_message m \
         LEFT JOIN rt_user u ON u.id = m.sender_id \
         WHERE m.room_id = ? AND m.seq BETWEEN ? AND ? ORDER BY m.seq",
        message::COLUMNS
    );
    let values = [
        room.as_uuid().into(),
        stored(page.first.get()).into(),
        stored(page.end.previous().get()).into(),
    ];
    each_message(&query.all(&sql, values).await?)
}

impl Kept {
    fn has_before(self, seq: Seq) -> bool {
        self.first <= self.last && self.first < seq
    }

    fn has_from(self, seq: Seq) -> bool {
        self.first <= self.last && seq <= self.last
    }

    /// What lies before `middle`, nearest last, and what lies from it on.
    fn page(self, window: Window, limit: u64) -> Page {
        let (middle, before, from) = match window {
            Window::Latest => (self.last.next(), limit, 0),
            Window::Before(seq) => (seq, limit, 0),
            Window::After(seq) => (seq.next(), 0, limit),
            Window::Around(seq) => (seq, limit / 2, limit - limit / 2),
        };
        let end = self.last.next();
        // What exists before the middle ends here, and what exists from it on begins.
        let below = middle.min(end).max(self.first);
        let above = middle.max(self.first).min(end);
        let first = Seq::new(below.get().saturating_sub(before)).max(self.first);
        let last = above.plus(from).min(end);
        let is_empty = (before == 0 || first >= below) && (from == 0 || last <= above);
        if is_empty {
            return Page {
                first: middle,
                end: middle,
            };
        }
        Page {
            first: if before == 0 { above } else { first },
            end: if from == 0 { below } else { last },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by looking at each message.
    fn brute(kept: Kept, window: Window, limit: u64) -> Vec<u64> {
        let all: Vec<u64> = (kept.first.get()..=kept.last.get()).collect();
        let (middle, before, from) = match window {
            Window::Latest => (kept.last.get() + 1, limit, 0),
            Window::Before(seq) => (seq.get(), limit, 0),
            Window::After(seq) => (seq.get() + 1, 0, limit),
            Window::Around(seq) => (seq.get(), limit / 2, limit - limit / 2),
        };
        let older: Vec<u64> = all.iter().copied().filter(|seq| *seq < middle).collect();
        let newer = all.iter().copied().filter(|seq| *seq >= middle);
        let skipped = older.len().saturating_sub(usize::try_from(before).unwrap());
        let mut page = older[skipped..].to_vec();
        page.extend(newer.take(usize::try_from(from).unwrap()));
        page
    }

    #[test]
    fn a_window_is_what_counting_finds() {
        for (first, last) in [(1, 0), (1, 1), (1, 7), (4, 9)] {
            let kept = Kept {
                first: Seq::new(first),
                last: Seq::new(last),
            };
            for seq in (0..12).map(Seq::new) {
                for limit in 1..6 {
                    for window in [
                        Window::Latest,
                        Window::Before(seq),
                        Window::After(seq),
                        Window::Around(seq),
                    ] {
                        let page = kept.page(window, limit);
                        let found: Vec<u64> = (page.first.get()..page.end.get()).collect();
                        let case = format!("{kept:?} {window:?} {limit}");
                        assert_eq!(found, brute(kept, window, limit), "{case}");
                        let mut all = first..=last;
                        let older = all.clone().any(|seq| seq < page.first.get());
                        assert_eq!(kept.has_before(page.first), older, "{case}");
                        let newer = all.any(|seq| seq >= page.end.get());
                        assert_eq!(kept.has_from(page.end), newer, "{case}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_end_of_numbers_is_no_place_to_fall_off() {
        let kept = Kept {
            first: Seq::FIRST,
            last: Seq::new(5),
        };
        let page = kept.page(Window::Before(Seq::new(u64::MAX)), 2);
        assert_eq!((page.first, page.end), (Seq::new(4), Seq::new(6)));
        let page = kept.page(Window::After(Seq::new(u64::MAX)), 2);
        assert_eq!(page.first, page.end);
    }
}
