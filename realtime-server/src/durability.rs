//! How much an answer is worth: what the database itself states, in words for logs,
//! metrics and health.

use prometheus_client::{
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};
use realtime_store_sea::{Durability, Survives};

type Labels = Vec<(&'static str, String)>;

/// The word for it in metrics and health.
pub(crate) const fn word(survives: Survives) -> &'static str {
    match survives {
        Survives::PowerLoss => "power_loss",
        Survives::ProcessCrash => "process_crash",
        Survives::Nothing => "nothing",
    }
}

/// What to tell an operator; `None`: it is as good as it gets.
pub(crate) const fn warning(survives: Survives) -> Option<&'static str> {
    match survives {
        Survives::PowerLoss => None,
        Survives::ProcessCrash => Some("what is acknowledged may be lost with the power"),
        Survives::Nothing => Some("what is acknowledged may be lost when the database ends"),
    }
}

/// Says in the log what an answer survives, and warns if that is less than it could be.
pub fn log(durability: &Durability) {
    let Durability {
        survives, settings, ..
    } = durability;
    match warning(*survives) {
        None => tracing::info!(?settings, "what is acknowledged survives a loss of power"),
        Some(warning) => tracing::warn!(?settings, "{warning}"),
    }
}

/// The metrics of it: facts, with the value 1.
pub(crate) fn register(durability: &Durability, registry: &mut Registry) {
    let database = durability.database.to_string();
    let survives = Family::<Labels, Gauge>::default();
    let labels = vec![
        ("database", database.clone()),
        ("survives", word(durability.survives).to_owned()),
    ];
    survives.get_or_create(&labels).set(1);
    registry.register(
        "realtime_store_durability",
        "What a change that was answered survives, by the database's own settings",
        survives,
    );
    let settings = Family::<Labels, Gauge>::default();
    for (setting, value) in &durability.settings {
        let labels = vec![
            ("database", database.clone()),
            ("setting", (*setting).to_owned()),
            ("value", value.clone()),
        ];
        settings.get_or_create(&labels).set(1);
    }
    registry.register(
        "realtime_store_setting",
        "The settings of the database that decide on that",
        settings,
    );
}
