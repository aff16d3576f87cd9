//! Jobs, and the transaction in which a job is accepted and its room is opened.

use std::sync::Arc;

use realtime_core::{
    change::{NewParticipant, NewRoom},
    handover::Handover,
    id::{ClientId, RoomId, UserId},
    message::Body,
    participant::Role,
    room::{RoomKind, Subject},
};
use realtime_store_sea::{HostError, HostTransaction, SeaStore};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QuerySelect,
    Schema, TransactionTrait,
};

use crate::job::{ActiveModel, Column, Entity, Model};

/// How often a transaction is begun anew that the database took back.
const ATTEMPTS: u32 = 5;
/// Bytes of a message of ours at most: as the server allows its clients by default.
const BODY_BYTES: usize = 8 * 1024;

/// Why a job was not accepted. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// No such job.
    #[error("there is no such job")]
    Unknown,
    /// Somebody else was faster.
    #[error("somebody else has accepted it")]
    Taken,
    /// A name that cannot be one.
    #[error("{0}")]
    Invalid(String),
    /// The database failed on the host's own rows.
    #[error(transparent)]
    Database(#[from] DbErr),
    /// The room was refused, or the database failed on it.
    #[error(transparent)]
    Room(#[from] HostError),
}

/// Told of what a committed transaction did to rooms.
pub type HandOver = Arc<dyn Fn(&Handover) + Send + Sync>;

/// The host's jobs.
#[derive(Clone)]
pub struct Jobs {
    db: DatabaseConnection,
    store: Arc<SeaStore>,
    hand_over: HandOver,
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jobs").finish_non_exhaustive()
    }
}

impl Jobs {
    /// Jobs in the database that `store` was opened with. Creates the table.
    ///
    /// `hand_over` is called after each commit: `Realtime::deliver`, unless the process
    /// that delivers is another one.
    ///
    /// # Errors
    /// As the database reports.
    pub async fn new(
        db: DatabaseConnection,
        store: Arc<SeaStore>,
        hand_over: HandOver,
    ) -> Result<Self, DbErr> {
        let schema = Schema::new(db.get_database_backend());
        let mut table = schema.create_table_from_entity(Entity);
        db.execute(table.if_not_exists()).await?;
        Ok(Self {
            db,
            store,
            hand_over,
        })
    }

    /// Books a job; answers with its number. No room yet: there is nobody to talk to.
    ///
    /// # Errors
    /// As the database reports.
    pub async fn book(&self, client: UserId) -> Result<i64, JobError> {
        let job = ActiveModel {
            id: NotSet,
            client: Set(client.as_str().to_owned()),
            cleaner: NotSet,
        };
        Ok(Entity::insert(job).exec(&self.db).await?.last_insert_id)
    }

    /// A cleaner accepts a job: the row and the room change together, or not at all.
    /// Answers with the room, also to the cleaner who has accepted it before.
    ///
    /// # Errors
    /// [`JobError`]; nothing was stored.
    pub async fn accept(&self, id: i64, cleaner: &UserId) -> Result<RoomId, JobError> {
        let mut attempt = 1;
        loop {
            match self.try_accept(id, cleaner).await {
                // A deadlock, say: only we know what all belongs to the transaction.
                Err(JobError::Room(error)) if error.is_transient() && attempt < ATTEMPTS => {
                    attempt += 1;
                }
                done => return done,
            }
        }
    }

    async fn try_accept(&self, id: i64, cleaner: &UserId) -> Result<RoomId, JobError> {
        let options = self.store.transaction_options();
        let tx = self.db.begin_with_options(options).await?;

        // The host's own rows first …
        let job = Entity::find_by_id(id).lock_exclusive().one(&tx).await?;
        let job = job.ok_or(JobError::Unknown)?;
        let taken = job
            .cleaner
            .as_deref()
            .is_some_and(|by| by != cleaner.as_str());
        if taken {
            return Err(JobError::Taken);
        }
        let accepted = ActiveModel {
            cleaner: Set(Some(cleaner.as_str().to_owned())),
            ..job.clone().into()
        };
        accepted.update(&tx).await?;

        // … then the room, in the same transaction. An error on the way drops `tx`, which
        // takes all of it back.
        let mut rooms = self.store.within(&tx);
        let room = open_room(&mut rooms, &job, cleaner).await?;
        let handover = rooms.finish();
        tx.commit().await?;

        // Only now does anybody hear of it. If this process dies right here, the sweep of
        // every server over this database delivers.
        (self.hand_over)(&handover);
        Ok(room)
    }

    /// How many jobs were accepted.
    ///
    /// # Errors
    /// As the database reports.
    pub async fn accepted(&self) -> Result<Vec<Model>, DbErr> {
        Entity::find()
            .filter(Column::Cleaner.is_not_null())
            .all(&self.db)
            .await
    }
}

/// The subject of a job's room.
///
/// # Errors
/// Never: a number is one.
pub fn subject(id: i64) -> Result<Subject, JobError> {
    Subject::parse("job", &id.to_string()).map_err(|error| JobError::Invalid(error.to_string()))
}

async fn open_room<C: ConnectionTrait>(
    rooms: &mut HostTransaction<'_, C>,
    job: &Model,
    cleaner: &UserId,
) -> Result<RoomId, JobError> {
    let invalid = |error: &dyn std::fmt::Display| JobError::Invalid(error.to_string());
    let client = UserId::parse(&job.client).map_err(|error| invalid(&error))?;
    let member = |user: &UserId| NewParticipant {
        user: user.clone(),
        role: Role::Member,
        name: None,
    };
    let opened = rooms
        .open(NewRoom {
            kind: RoomKind::Direct,
            subject: Some(subject(job.id)?),
            key: None,
            title: None,
            metadata: None,
            participants: vec![member(&client), member(cleaner)],
        })
        .await?;
    // Our name for the message: however often we say it, it is said once.
    let name = ClientId::parse(&format!("job-{}-accepted", job.id));
    let name = name.map_err(|error| invalid(&error))?;
    let says = Body::parse(format!("{cleaner} has accepted the job."), BODY_BYTES);
    let says = says.map_err(|error| invalid(&error))?;
    rooms.announce(opened.room.id, name, says, None).await?;
    Ok(opened.room.id)
}
