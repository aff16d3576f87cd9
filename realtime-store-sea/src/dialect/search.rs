//! How each database searches. What it is given to index and to find are [terms] of ours,
//! which hold nothing but `a-z`, `0-9` and `_`: no language of questions has anything to
//! interpret, no list of stop words or least length applies, and the same is found
//! everywhere.
//!
//! - **SQLite**: an FTS5 table without content and positions. Its row number tells slot
//!   and message.
//! - **PostgreSQL**: a `tsvector` and a GIN index, written at once: its list of what is
//!   still to be sorted in would be read by every question.
//! - **MariaDB and MySQL**: a `FULLTEXT` index of InnoDB, asked in boolean mode. The
//!   question must be a constant there, so that all slots are one text.
//!
//! [terms]: crate::search::term

use sea_orm::{Statement, Value};

use super::{Dialect, Rows, columns::Schema};
use crate::limits::SLOT_SEQS;

/// What is indexed of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) slot: i64,
    pub(crate) seq: i64,
    pub(crate) sent_at: i64,
    /// With blanks in between.
    pub(crate) terms: String,
}

/// Something that an entry must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) term: String,
    /// Whether it may be the beginning of a term.
    pub(crate) prefix: bool,
}

/// A slot to be searched, and which of its messages count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) slot: i64,
    pub(crate) room: uuid::Uuid,
    /// The first `seq` that belongs to the slot.
    pub(crate) base: i64,
    /// From and up to which `seq` somebody may see.
    pub(crate) visible: (i64, i64),
}

/// Between which positions is searched, neither of them included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) after_at: i64,
    /// Time, room and number of a message.
    pub(crate) before: (i64, uuid::Uuid, i64),
}

/// Which messages of a span count, and which come first. `$at` is when a message was
/// sent, `$seq` its number.
const COUNTS: &str = "$seq BETWEEN v.low AND v.high \
    AND $at > v.after_at AND ($at < v.before_at OR ($at = v.before_at \
    AND (v.room_id < v.before_room OR (v.room_id = v.before_room AND $seq < v.before_seq)))) \
    ORDER BY $at DESC, v.room_id DESC, $seq DESC LIMIT";

impl Schema {
    /// The statements that make the table of entries.
    pub(crate) fn search_entries(self) -> Vec<String> {
        match self.dialect {
            Dialect::Sqlite => vec![
                "CREATE VIRTUAL TABLE IF NOT EXISTS rt_search_entry USING fts5(terms, \
                 content='', contentless_delete=1, detail=none, \
                 tokenize=\"ascii tokenchars '_'\")"
                    .to_owned(),
            ],
            Dialect::Postgres => vec![
                "CREATE TABLE IF NOT EXISTS rt_search_entry (slot bigint NOT NULL, \
                 seq bigint NOT NULL, sent_at bigint NOT NULL, terms tsvector NOT NULL, PRIMARY KEY (slot, seq))"
                    .to_owned(),
                "CREATE INDEX IF NOT EXISTS rt_search_entry_terms ON rt_search_entry \
                 USING gin (terms) WITH (fastupdate = off)"
                    .to_owned(),
            ],
            Dialect::MySql => vec![format!(
                "CREATE TABLE IF NOT EXISTS rt_search_entry (slot bigint NOT NULL, \
                 seq bigint NOT NULL, sent_at bigint NOT NULL, terms longtext NOT NULL, PRIMARY KEY (slot, seq), \
                 FULLTEXT KEY rt_search_entry_terms (terms)) \
                 ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {}",
                self.collation
            )],
        }
    }
}

impl Dialect {
    /// Statements that note rooms of which nothing is in the index, unless they are noted.
    pub(crate) fn add_search_rooms(self, rows: Rows<1>) -> Vec<Statement> {
        let select = "SELECT v.room_id, 0, 0 FROM v WHERE v.room_id IS NOT NULL";
        let into = "INTO rt_search_room (room_id, rev, first_seq)";
        match self {
            Self::Sqlite => {
                let insert = format!("INSERT OR IGNORE {into} {select}");
                self.with_rows(rows, &insert).collect()
            }
            Self::Postgres => {
                let insert = format!("INSERT {into} {select} ON CONFLICT DO NOTHING");
                self.with_rows(rows, &insert).collect()
            }
            // There `WITH` stands before the `SELECT`.
            Self::MySql => {
                let mut statements: Vec<Statement> = self.with_rows(rows, select).collect();
                for statement in &mut statements {
                    statement
                        .sql
                        .insert_str(0, &format!("INSERT IGNORE {into} "));
                }
                statements
            }
        }
    }

    /// Statements that add entries which are not there.
    pub(crate) fn add_entries(self, entries: Vec<Entry>) -> Vec<Statement> {
        match self {
            Self::Sqlite => {
                let mut rows = Rows::new(["rowid", "terms"]);
                for entry in entries {
                    rows.push([row_number(entry.slot, entry.seq).into(), entry.terms.into()]);
                }
                self.insert("rt_search_entry", rows).collect()
            }
            Self::Postgres => {
                let insert = "INSERT INTO rt_search_entry (slot, seq, sent_at, terms) \
                              SELECT v.slot, v.seq, v.sent_at, CAST(v.terms AS tsvector) FROM v";
                self.with_rows(whole(entries), insert).collect()
            }
            Self::MySql => self.insert("rt_search_entry", whole(entries)).collect(),
        }
    }

    /// Statements that take entries out, if they are there.
    pub(crate) fn remove_entries(self, keys: &[(i64, i64)]) -> Vec<Statement> {
        match self {
            Self::Sqlite => {
                let mut rows = Rows::new(["rowid"]);
                for (slot, seq) in keys {
                    rows.push([row_number(*slot, *seq).into()]);
                }
                self.delete("rt_search_entry", rows).collect()
            }
            Self::Postgres | Self::MySql => {
                let mut rows = Rows::new(["slot", "seq"]);
                for (slot, seq) in keys {
                    rows.push([(*slot).into(), (*seq).into()]);
                }
                self.delete("rt_search_entry", rows).collect()
            }
        }
    }

    /// The statement that takes out the entries of a slot from one message to another.
    pub(crate) fn remove_range(self, slot: i64, from: i64, to: i64) -> Statement {
        match self {
            Self::Sqlite => self.statement(
                "DELETE FROM rt_search_entry WHERE rowid BETWEEN ? AND ?",
                [row_number(slot, from).into(), row_number(slot, to).into()],
            ),
            Self::Postgres | Self::MySql => self.statement(
                "DELETE FROM rt_search_entry WHERE slot = ? AND seq BETWEEN ? AND ?",
                [slot.into(), from.into(), to.into()],
            ),
        }
    }

    /// Statements that find the room and number of the newest `limit` messages of these
    /// slots that have everything wanted.
    pub(crate) fn candidates(
        self,
        asked: &[Asked],
        wanted: &[Wanted],
        span: &Span,
        limit: usize,
    ) -> Vec<Statement> {
        let mut rows = Rows::new([
            "slot",
            "room_id",
            "base",
            "low",
            "high",
            "after_at",
            "before_at",
            "before_room",
            "before_seq",
            "question",
        ]);
        for one in asked {
            let question = match self {
                Self::Sqlite | Self::Postgres => Some(self.question(one.slot, wanted)),
                Self::MySql => None,
            };
            rows.push([
                one.slot.into(),
                one.room.into(),
                one.base.into(),
                one.visible.0.into(),
                one.visible.1.into(),
                span.after_at.into(),
                span.before.0.into(),
                span.before.1.into(),
                span.before.2.into(),
                question.into(),
            ]);
        }
        let mut statements: Vec<Statement> = self.with_rows(rows, &self.finding(limit)).collect();
        match self {
            Self::Sqlite | Self::Postgres => {}
            Self::MySql => {
                let groups = asked.iter().map(|one| self.question(one.slot, wanted));
                let question: Value = groups.collect::<Vec<_>>().join(" ").into();
                for statement in &mut statements {
                    let values = statement
                        .values
                        .get_or_insert_with(|| sea_orm::Values(vec![]));
                    values.0.push(question.clone());
                }
            }
        }
        statements
    }

    fn finding(self, limit: usize) -> String {
        match self {
            // Its index holds nothing but terms: when a message was sent is looked up.
            Self::Sqlite => format!(
                "SELECT v.room_id, m.seq, m.sent_at FROM v CROSS JOIN rt_search_entry e \
                 CROSS JOIN rt_message m ON m.room_id = v.room_id \
                 AND m.seq = v.base + (e.rowid & {mask}) \
                 WHERE v.slot IS NOT NULL AND e.rt_search_entry MATCH v.question \
                 AND {counts} {limit}",
                mask = SLOT_SEQS - 1,
                counts = counts("m.sent_at", "m.seq"),
            ),
            Self::Postgres => format!(
                "SELECT v.room_id, e.seq, e.sent_at FROM v \
                 JOIN rt_search_entry e ON e.terms @@ CAST(v.question AS tsquery) \
                 WHERE {counts} {limit}",
                counts = counts("e.sent_at", "e.seq"),
            ),
            Self::MySql => format!(
                "SELECT v.room_id, e.seq, e.sent_at FROM rt_search_entry e \
                 STRAIGHT_JOIN v ON v.slot = e.slot \
                 WHERE MATCH(e.terms) AGAINST (? IN BOOLEAN MODE) AND {counts} {limit}",
                counts = counts("e.sent_at", "e.seq"),
            ),
        }
    }

    /// What is wanted of one slot, in the language of the database.
    fn question(self, slot: i64, wanted: &[Wanted]) -> String {
        let term = |wanted: &Wanted| {
            let (term, star) = (&wanted.term, wanted.prefix);
            match self {
                Self::Sqlite => format!("\"{slot}_{term}\"{}", if star { "*" } else { "" }),
                Self::Postgres => format!("'{slot}_{term}'{}", if star { ":*" } else { "" }),
                Self::MySql => format!("+{slot}_{term}{}", if star { "*" } else { "" }),
            }
        };
        let terms: Vec<String> = wanted.iter().map(term).collect();
        match self {
            Self::Sqlite => terms.join(" AND "),
            Self::Postgres => terms.join(" & "),
            Self::MySql => format!("({})", terms.join(" ")),
        }
    }
}

fn counts(at: &str, seq: &str) -> String {
    COUNTS.replace("$at", at).replace("$seq", seq)
}

fn whole(entries: Vec<Entry>) -> Rows<4> {
    let mut rows = Rows::new(["slot", "seq", "sent_at", "terms"]);
    for entry in entries {
        rows.push([
            entry.slot.into(),
            entry.seq.into(),
            entry.sent_at.into(),
            entry.terms.into(),
        ]);
    }
    rows
}

/// The row of an entry in SQLite's table.
const fn row_number(slot: i64, seq: i64) -> i64 {
    slot.saturating_mul(SLOT_SEQS)
        .saturating_add(seq % SLOT_SEQS)
}
