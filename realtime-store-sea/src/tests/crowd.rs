//! A room of 100,000 messages, and somebody in 1,001 rooms, made by the database itself.

use realtime_core::id::RoomId;

use super::fixture::{Fixture, group, open};
use crate::{dialect::Dialect, query::Query, rows::single};

/// Messages in the large room.
pub(super) const MESSAGES: i64 = 100_000;
/// Of these, how many were edited.
const EDITED: i64 = 1_000;
/// Rooms besides it in which ann and ben are.
pub(super) const ROOMS: i64 = 1_000;
/// Messages in each of these; ben has read half of them.
const SAID: i64 = 6;
/// Messages of the large room that ben has not read.
const UNREAD: i64 = 10;
/// Others, each in a room of their own in which nothing was said.
const OTHERS: i64 = 20_000;

/// Fills a database, and answers which room is the large one: with ann, ben and cleo in it.
pub(super) async fn crowded(fixture: &Fixture) -> RoomId {
    let room = open(&fixture.store, group(["ann", "ben", "cleo"])).await;
    let (ann, ben) = (number(fixture, "ann").await, number(fixture, "ben").await);
    let words = Words::of(fixture.dialect());
    let one = words.literal(room);
    let mut all = others(&words);
    all.extend(large_room(&words, &one, ann, ben));
    all.extend(small_rooms(&words, &one, ann, ben));
    for sql in all {
        fixture.sql(&sql).await;
    }
    room
}

/// Everybody else, and their rooms.
fn others(words: &Words) -> Vec<String> {
    let (id, others) = (words.random_id, (words.series)(OTHERS));
    vec![
        format!(
            "INSERT INTO rt_user (external_id, last_rev, created_at, updated_at) \
             SELECT CONCAT('other-', n), 1, 0, 0 FROM {others} AS s"
        ),
        format!(
            "INSERT INTO rt_room (id, kind, state, subject_type, subject_id, first_seq, last_seq, \
             last_rev, meta_rev, receipt_rev, participant_count, created_at, updated_at) \
             SELECT {id}, 1, 0, 'other', CONCAT('other-', n), 1, 0, 1, 1, 0, 1, n, n \
             FROM {others} AS s"
        ),
        "INSERT INTO rt_participant (room_id, user_id, role, state, delivered_seq, read_seq, \
         rev, member_rev, joined_at) \
         SELECT r.id, u.id, 0, 0, 0, 0, 1, 1, 0 FROM rt_room r \
         JOIN rt_user u ON u.external_id = r.subject_id WHERE r.subject_type = 'other'"
            .to_owned(),
    ]
}

fn large_room(words: &Words, one: &str, ann: i64, ben: i64) -> [String; 4] {
    let (id, yes, messages) = (words.random_id, words.yes, (words.series)(MESSAGES));
    [
        format!(
            "INSERT INTO rt_message (room_id, seq, rev, sent_rev, id, sender_id, kind, counts, \
             client_id, sent_at, body) \
             SELECT {one}, n, n + 1, n + 1, {id}, {ann}, 0, {yes}, CONCAT('old-', n), n, \
             CONCAT('message ', n) FROM {messages} AS s"
        ),
        format!(
            "UPDATE rt_message SET rev = {MESSAGES} + 1 + seq / 100, edited_at = 1 \
             WHERE room_id = {one} AND MOD(seq, 100) = 0"
        ),
        format!(
            "UPDATE rt_room SET last_seq = {MESSAGES}, last_rev = {MESSAGES} + 1 + {EDITED}, \
             last_message_at = {MESSAGES} WHERE id = {one}"
        ),
        format!(
            "UPDATE rt_participant SET read_seq = {MESSAGES} - {UNREAD}, \
             delivered_seq = {MESSAGES} WHERE room_id = {one} AND user_id = {ben}"
        ),
    ]
}

fn small_rooms(words: &Words, one: &str, ann: i64, ben: i64) -> [String; 4] {
    let (id, yes) = (words.random_id, words.yes);
    let (rooms, said) = ((words.series)(ROOMS), (words.series)(SAID));
    [
        format!(
            "INSERT INTO rt_room (id, kind, state, first_seq, last_seq, last_rev, meta_rev, \
             receipt_rev, participant_count, last_message_at, created_at, updated_at) \
             SELECT {id}, 1, 0, 1, {SAID}, {SAID} + 1, 1, 0, 2, n, n, n FROM {rooms} AS s"
        ),
        seats(ann, SAID, one),
        seats(ben, SAID / 2, one),
        format!(
            "INSERT INTO rt_message (room_id, seq, rev, sent_rev, id, sender_id, kind, counts, \
             client_id, sent_at, body) \
             SELECT r.id, n, n + 1, n + 1, {id}, {ann}, 0, {yes}, CONCAT('old-', n), n, 'hello' \
             FROM rt_room r CROSS JOIN {said} AS s \
             WHERE r.id <> {one} AND r.subject_type IS NULL"
        ),
    ]
}

fn seats(user: i64, read: i64, but: &str) -> String {
    format!(
        "INSERT INTO rt_participant (room_id, user_id, role, state, delivered_seq, read_seq, \
         rev, member_rev, joined_at) \
         SELECT r.id, {user}, 0, 0, {read}, {read}, 1, 1, 0 FROM rt_room r \
         WHERE r.id <> {but} AND r.subject_type IS NULL"
    )
}

async fn number(fixture: &Fixture, name: &str) -> i64 {
    let query = Query {
        db: fixture.writer(),
        dialect: fixture.dialect(),
    };
    let sql = "SELECT id FROM rt_user WHERE external_id = ?";
    let found = query.one(sql, [name.into()]).await.unwrap();
    single(found).unwrap().unwrap()
}

/// How to fill a table on each database.
struct Words {
    dialect: Dialect,
    series: fn(i64) -> String,
    random_id: &'static str,
    yes: &'static str,
}

impl Words {
    fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Sqlite => panic!("a file is filled by the store"),
            Dialect::Postgres => Self {
                dialect,
                series: |to| format!("(SELECT n FROM generate_series(1, {to}) AS g(n))"),
                random_id: "gen_random_uuid()",
                yes: "true",
            },
            Dialect::MySql => Self {
                dialect,
                series: |to| format!("(SELECT seq AS n FROM seq_1_to_{to})"),
                random_id: "UNHEX(MD5(CONCAT(RAND(), RAND(), RAND(), n)))",
                yes: "1",
            },
        }
    }

    fn literal(&self, room: RoomId) -> String {
        match self.dialect {
            Dialect::Sqlite | Dialect::MySql => format!("x'{}'", room.as_uuid().simple()),
            Dialect::Postgres => format!("'{}'::uuid", room.as_uuid()),
        }
    }
}
