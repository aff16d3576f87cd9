//! Everything that is known of a person, as a stream of lines: one JSON object each
//! (NDJSON). What is held in memory is one page of the store and one part of it as
//! text, and the next page is only read once the reader has taken the last.
//!
//! The last line says `complete`. A stream without it was cut; one that cannot be
//! finished says `error` instead.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use realtime_core::{
    Error, Realtime,
    change::Rejection,
    id::UserId,
    protocol::{ErrorCode, WireError},
    store::{ExportCursor, ExportPage, Exported},
};
use serde::Serialize;

use super::{Answer, EXPORT_PART, EXPORT_PAUSE, EXPORTS, Problem, Response, typed};
use crate::App;

const CONTENT_TYPE: &str = "application/x-ndjson";
/// Browsers save it, and do not show it.
const DISPOSITION: HeaderValue =
    HeaderValue::from_static("attachment; filename=\"realtime-export.ndjson\"");

/// The last line.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Last {
    /// That was all: so many lines before this one.
    Complete { lines: u64 },
    /// There is more, and it could not be had.
    Error(WireError),
}

/// Who is being exported: one page of each is in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exports(Arc<Mutex<HashSet<UserId>>>);

/// A place among them; dropping it frees it.
#[derive(Debug)]
struct Place {
    exports: Exports,
    user: UserId,
}

impl Exports {
    /// `None`: there are as many as there may be, or this one is under way.
    fn enter(&self, user: &UserId) -> Option<Place> {
        let mut under_way = self.under_way();
        if under_way.len() >= EXPORTS || !under_way.insert(user.clone()) {
            return None;
        }
        Some(Place {
            exports: self.clone(),
            user: user.clone(),
        })
    }

    fn under_way(&self) -> MutexGuard<'_, HashSet<UserId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.exports.under_way().remove(&self.user);
    }
}

/// What is known of somebody; `None`: nothing at all.
pub(crate) async fn of(app: &App, user: &UserId) -> Result<Option<Response>, Problem> {
    let Some(place) = app.exports().enter(user) else {
        let problem = Problem::new(ErrorCode::Busy, "too many exports at once");
        return Err(problem.retry_after(EXPORT_PAUSE));
    };
    let Some(page) = app.realtime().export(user, None).await? else {
        return Ok(None);
    };
    let lines = Lines::new(app.realtime().clone(), place, page);
    let parts = stream::unfold(lines, |mut lines| async move {
        let part = lines.part().await?;
        Some((part, lines))
    });
    let body = StreamBody::new(parts.map(|part| Ok(Frame::data(part))));
    let mut response = typed(StatusCode::OK, CONTENT_TYPE, "");
    *response.body_mut() = body.boxed_unsync();
    dispose(&mut response);
    Ok(Some(response))
}

/// Nothing is known.
pub(crate) fn nothing() -> Answer {
    let mut bytes = Vec::new();
    line(&mut bytes, &Last::Complete { lines: 0 }).map_err(|_| Problem::internal())?;
    let mut response = typed(StatusCode::OK, CONTENT_TYPE, bytes);
    dispose(&mut response);
    Ok(response)
}

fn dispose(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_DISPOSITION, DISPOSITION);
}

/// What is left to be told.
struct Lines {
    realtime: Realtime,
    /// Until the last line.
    place: Option<Place>,
    items: std::vec::IntoIter<Exported>,
    next: Option<ExportCursor>,
    told: u64,
}

impl Lines {
    fn new(realtime: Realtime, place: Place, page: ExportPage) -> Self {
        Self {
            realtime,
            place: Some(place),
            items: page.items.into_iter(),
            next: page.next,
            told: 0,
        }
    }

    /// The next part; `None` after the last line.
    async fn part(&mut self) -> Option<Bytes> {
        self.place.as_ref()?;
        let mut part = Vec::with_capacity(EXPORT_PART);
        if let Err(error) = self.fill(&mut part).await {
            tracing::warn!(%error, "an export was not finished");
            // An error is texts and numbers: it always encodes.
            let _ = line(&mut part, &Last::Error(error.to_wire()));
            self.place = None;
        }
        Some(part.into())
    }

    async fn fill(&mut self, part: &mut Vec<u8>) -> Result<(), Error> {
        while part.len() < EXPORT_PART {
            if let Some(item) = self.items.next() {
                line(part, &item)?;
                self.told += 1;
                continue;
            }
            let Some(place) = &self.place else {
                return Ok(());
            };
            let Some(next) = self.next.take() else {
                line(part, &Last::Complete { lines: self.told })?;
                self.place = None;
                return Ok(());
            };
            let page = self.realtime.export(&place.user, Some(next)).await?;
            // Erased while they were exported.
            let page = page.ok_or(Error::Rejected(Rejection::NotFound))?;
            self.items = page.items.into_iter();
            self.next = page.next;
        }
        Ok(())
    }
}

fn line(into: &mut Vec<u8>, value: &impl Serialize) -> Result<(), Error> {
    serde_json::to_writer(&mut *into, value).map_err(|error| Error::Internal(error.into()))?;
    into.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_have_an_end_and_nobody_has_two() {
        let exports = Exports::default();
        let user = |number: usize| UserId::parse(&format!("u{number}")).unwrap();
        let mut places: Vec<_> = (0..EXPORTS).map(|n| exports.enter(&user(n))).collect();
        assert!(places.iter().all(Option::is_some));
        assert!(exports.enter(&user(EXPORTS)).is_none(), "one too many");
        places.truncate(1);
        assert!(exports.enter(&user(0)).is_none(), "twice the same");
        assert!(exports.enter(&user(EXPORTS)).is_some());
        drop(places);
        assert!(exports.enter(&user(0)).is_some());
    }
}
