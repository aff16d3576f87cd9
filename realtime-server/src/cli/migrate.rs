//! `migrate`: brings the schema up to date, or says what that would be.

use std::fmt::Write;

use clap::Args;
use realtime_store_sea::Plan;

use super::{DatabaseFlags, Failure, Flags, database, logging, print, serve};

#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    #[command(flatten)]
    database: DatabaseFlags,
    /// Changes nothing: prints what would be changed, as SQL
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: MigrateArgs) -> Result<(), Failure> {
    let config = Flags::from(args.database).load()?;
    logging::start(&config.log)?;
    let options = database::options(&config.database);
    let url = config.database.url.expose();
    let runtime = serve::start_runtime()?;
    let plan = runtime.block_on(realtime_store_sea::migrate(url, &options, args.dry_run));
    runtime.shutdown_timeout(serve::LAST_MOMENT);
    let plan = plan.map_err(|error| database::failure(&error))?;
    print(report(&plan, args.dry_run))
}

/// One line a change; a dry run says what each would be.
fn report(plan: &Plan, dry_run: bool) -> String {
    if plan.changes.is_empty() {
        return "the schema is up to date".to_owned();
    }
    let mut text = String::new();
    for change in &plan.changes {
        // Writing to a string does not fail.
        if dry_run {
            let _ = writeln!(text, "-- missing: {}", change.name);
            for statement in &change.statements {
                let _ = writeln!(text, "{statement};");
            }
        } else {
            let _ = writeln!(text, "changed: {}", change.name);
        }
    }
    text.truncate(text.trim_end().len());
    text
}
