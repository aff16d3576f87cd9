//! `restored`: declares that the database was restored from a backup.

use super::{DatabaseFlags, Failure, Flags, database, logging, print, serve};

pub(super) fn run(flags: DatabaseFlags) -> Result<(), Failure> {
    let config = Flags::from(flags).load()?;
    logging::start(&config.log)?;
    let runtime = serve::start_runtime()?;
    let declared = runtime.block_on(async {
        // Otherwise a schema that lacks anything is refused in any case.
        if config.database.migrate {
            database::require_ours(&config.database).await?;
        }
        let store = database::open(&config.database).await?;
        let declared = store.declare_restored().await;
        let closed = store.close().await;
        let incarnation = declared.map_err(|error| {
            Failure::of(
                "it is not known whether the database was declared restored",
                &error,
            )
        })?;
        closed.map_err(|error| Failure::of("cannot close the database", &error))?;
        Ok(incarnation)
    });
    runtime.shutdown_timeout(serve::LAST_MOMENT);
    let incarnation: realtime_core::id::Incarnation = declared?;
    print(format_args!(
        "new incarnation: {incarnation}\n\
         Clients hold the old one. They are told to start afresh when they connect, and load \
         their rooms anew."
    ))
}
