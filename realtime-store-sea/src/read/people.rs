//! Participants, and who knows whom.

use std::collections::HashSet;

use realtime_core::{
    id::{RoomId, UserId},
    limits::{PARTICIPANTS_PAGE, page_rows},
    participant::Participant,
    store::StoreError,
    time::Timestamp,
};
use sea_orm::ConnectionTrait;

use crate::{
    dialect::Rows,
    entity::participant,
    query::Query,
    read::changes::{each_participant, place},
    rows::{self, Columns, time},
};

/// One participant, active or not.
pub(crate) async fn participant<C: ConnectionTrait>(
    query: &Query<'_, C>,
    room: RoomId,
    user: &UserId,
) -> Result<Option<Participant>, StoreError> {
    let sql = format!(
        "SELECT {}, u.external_id, u.display_name FROM rt_user u \
         {} rt_participant p ON p.room_id = ? AND p.user_id = u.id WHERE u.external_id = ?",
        participant::COLUMNS,
        query.dialect.lookup()
    );
    let values = [room.as_uuid().into(), user.as_str().into()];
    let found = query.one(&sql, values).await?;
    found
        .map(|row| rows::named_participant(&mut Columns::of(&row)))
        .transpose()
}

/// A page of a room's active participants by user id.
pub(crate) async fn participants<C: ConnectionTrait>(
    query: &Query<'_, C>,
    room: RoomId,
    after: Option<&UserId>,
    limit: u32,
) -> Result<Vec<Participant>, StoreError> {
    let sql = format!(
        "SELECT {}, u.external_id, u.display_name FROM rt_participant p \
         {} rt_user u ON u.id = p.user_id AND u.external_id > ? \
         WHERE p.room_id = ? AND p.state = 0 ORDER BY u.external_id LIMIT ?",
        participant::COLUMNS,
        query.dialect.lookup()
    );
    // No id is empty, so every one comes after this.
    let after = after.map_or("", UserId::as_str);
    let values = [
        after.into(),
        room.as_uuid().into(),
        i64::from(page_rows(limit, PARTICIPANTS_PAGE)).into(),
    ];
    each_participant(&query.all(&sql, values).await?)
}

/// Those of `others` who share a room with the user, in the order of the question.
pub(crate) async fn acquaintances<C: ConnectionTrait>(
    query: &Query<'_, C>,
    user: &UserId,
    others: &[UserId],
) -> Result<Vec<UserId>, StoreError> {
    let mut asked = HashSet::new();
    let mut people = Rows::new(["n", "external_id", "me"]);
    for (index, other) in others.iter().enumerate() {
        if asked.insert(other) {
            let index = i64::try_from(index).unwrap_or(i64::MAX);
            people.push([index.into(), other.as_str().into(), user.as_str().into()]);
        }
    }
    let join = query.dialect.lookup();
    let from = format!(
        "rt_user me ON me.external_id = v.me {join} rt_user o ON o.external_id = v.external_id \
         WHERE EXISTS (SELECT 1 FROM rt_participant a \
         {join} {} AND b.state = 0 WHERE a.user_id = me.id AND a.state = 0)",
        query.dialect.seat("b", "a.room_id", "o.id")
    );
    let mut known = vec![false; others.len()];
    for row in query.find(people, "v.n", &from).await? {
        *place(&mut known, Columns::of(&row).take()?)? = true;
    }
    Ok(others
        .iter()
        .zip(known)
        .filter(|(_, known)| *known)
        .map(|(other, _)| other.clone())
        .collect())
}

/// When users were last online, in the order of the question.
pub(crate) async fn last_seen<C: ConnectionTrait>(
    query: &Query<'_, C>,
    users: &[UserId],
) -> Result<Vec<Option<Timestamp>>, StoreError> {
    let mut seen = vec![None; users.len()];
    let mut people = Rows::new(["n", "external_id"]);
    for (index, user) in users.iter().enumerate() {
        let index = i64::try_from(index).unwrap_or(i64::MAX);
        people.push([index.into(), user.as_str().into()]);
    }
    let from = "rt_user u ON u.external_id = v.external_id";
    for row in query.find(people, "v.n, u.last_seen_at", from).await? {
        let mut columns = Columns::of(&row);
        let at: &mut Option<Timestamp> = place(&mut seen, columns.take()?)?;
        *at = columns.take::<Option<i64>>()?.map(time);
    }
    Ok(seen)
}
