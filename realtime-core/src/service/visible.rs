//! A page of a room, as somebody sees it to whom only a part of the room is visible.
//! Messages are numbered without a hole, so that what lies outside is cut off by its
//! number, and nothing of it can be inferred.

use crate::{
    participant::Visible,
    seq::Seq,
    store::{HistoryPage, Window},
};

/// Where to read for a window that somebody asked for: a position outside of what they
/// see counts as its end.
pub(super) fn clipped(window: Window, visible: Visible) -> Window {
    let last = visible.to.unwrap_or(Seq::new(u64::MAX));
    let clamp = |seq: Seq| seq.min(last.next()).max(visible.from);
    match (window, visible.to) {
        (Window::Latest, None) => Window::Latest,
        (Window::Latest, Some(to)) => Window::Before(to.next()),
        (Window::Before(seq), _) => Window::Before(clamp(seq)),
        (Window::After(seq), _) => Window::After(seq.min(last).max(visible.from.previous())),
        (Window::Around(seq), _) => Window::Around(clamp(seq)),
    }
}

/// What a page that was read at a [clipped](clipped) window shows. Of an empty one,
/// whether there is anything on either side has still to be found out.
pub(super) fn cut(mut page: HistoryPage, visible: Visible) -> HistoryPage {
    page.messages.retain(|message| visible.has(message.seq));
    page.last_seq = visible.to.map_or(page.last_seq, |to| to.min(page.last_seq));
    match (page.messages.first(), page.messages.last()) {
        (Some(first), Some(last)) => {
            page.has_older &= first.seq > visible.from;
            page.has_newer = last.seq < page.last_seq;
        }
        (None, _) | (_, None) => {
            page.has_older = false;
            page.has_newer = false;
        }
    }
    page
}

/// Where to look for what lies on the side of an empty page to which it did not reach.
pub(super) fn beside(window: Window) -> Option<Window> {
    match window {
        Window::Latest => None,
        Window::Before(seq) => Some(Window::After(seq.previous())),
        Window::After(seq) => Some(Window::Before(seq.next())),
        // It reaches forward from this message, and found none.
        Window::Around(seq) => Some(Window::Before(seq)),
    }
}

/// Notes what was found where an empty page did not reach.
pub(super) fn complete(
    page: &mut HistoryPage,
    window: Window,
    beside: &HistoryPage,
    visible: Visible,
) {
    let found = beside.messages.iter().any(|next| visible.has(next.seq));
    match window {
        Window::Before(_) => page.has_newer = found,
        Window::Latest | Window::After(_) | Window::Around(_) => page.has_older = found,
    }
}

#[cfg(test)]
mod tests;
