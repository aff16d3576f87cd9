//! The tables, one entity each. Times are milliseconds since 1970, UTC; `seq`,
//! `rev` and codes are integers; JSON is kept as the text it came as.
//!
//! No column points into a table of the host's, and none of ours is declared a
//! foreign key: every row is written by one transaction that has read its parents.

pub(crate) mod chore;
pub(crate) mod edition;
pub(crate) mod event;
pub(crate) mod message;
pub(crate) mod meta;
pub(crate) mod participant;
pub(crate) mod room;
pub(crate) mod user;
