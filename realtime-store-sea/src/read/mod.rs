//! Reading. Ranges are closed on both sides, which numbers without holes allow: a
//! plan made without knowing the values then still reads no more than the page.

pub(crate) mod changes;
pub(crate) mod history;
pub(crate) mod list;
pub(crate) mod people;
pub(crate) mod unread;
