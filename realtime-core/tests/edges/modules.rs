//! The edges inside `realtime-core`: which module may use which.

use super::paths::{of_crate, paths};

/// Each module of `realtime-core` with what it may use of ours: a module, or, where
/// that is all, an item of one.
///
/// The layers: numbers and names; domain nouns; ports (`store`, `broker`, `ports`),
/// which speak of the domain; `protocol`, which speaks of the domain and of what reads
/// answer; `session`, pure; what runs (`hub`, `committer`, …), over the ports; the use
/// cases and connections, over everything.
#[rustfmt::skip]
pub(crate) const EDGES: &[(&str, &[&str])] = &[
    ("limits", &[]),
    ("seq", &[]),
    ("time", &[]),
    ("id", &["limits"]),

    ("room", &["id", "limits", "seq", "time"]),
    ("participant", &["id", "seq", "time"]),
    ("presence", &["id", "time"]),
    ("message", &["id", "room::Metadata", "seq", "time"]),
    ("event", &["id", "message", "participant", "presence", "room", "seq"]),
    ("change", &["event", "id", "message", "participant", "room", "seq", "time"]),

    ("store", &["change", "event", "id", "message", "participant", "room", "seq", "time"]),
    ("handover", &["change::Committed", "event::Topic", "seq::Rev", "store::Outcome"]),
    ("broker", &["event", "id", "seq", "store::Cause"]),
    ("ports", &["id", "presence", "store::Cause", "time"]),

    ("protocol", &["change::Answer", "event", "id", "limits", "message", "participant", "presence",
        "room", "seq", "time",
        "store::ChangeSet", "store::HistoryPage", "store::RoomView", "store::Unread"]),
    ("session", &["id", "limits", "ports::Identity", "protocol", "time::Timestamp"]),
    ("error", &["change::Rejection", "ports", "protocol", "store"]),

    ("search", &["error::Error", "id", "limits", "message::Message", "seq::Seq", "store::StoreError",
        "time::Timestamp"]),

    ("metrics", &[]),
    ("supervise", &["metrics"]),
    ("mailbox", &["protocol"]),
    ("publisher", &["broker", "event", "limits", "metrics", "seq"]),
    ("committer", &["change", "error", "limits", "metrics", "store", "time"]),
    ("hub", &["broker", "event", "id", "limits", "mailbox", "metrics", "participant", "protocol",
        "seq", "store", "time"]),
    ("people", &["event", "hub::Subscriber", "id", "seq"]),
    ("sweeper", &["event", "id", "limits", "seq", "service::Realtime", "store"]),

    ("service", &["broker", "change", "committer", "error", "event", "handover", "hub", "id", "limits",
        "memory", "message", "metrics", "participant", "people", "ports", "presence", "protocol",
        "publisher", "room", "search", "seq", "store", "supervise", "sweeper", "time"]),
    ("connection", &["change", "error", "event", "hub", "id", "limits", "mailbox", "metrics",
        "participant", "people", "ports", "protocol", "seq", "service", "session", "store",
        "time"]),

    ("memory", &["broker", "change", "event", "id", "limits", "message", "participant", "ports",
        "presence", "room", "search", "seq", "store", "time"]),
    ("conformance", &["broker", "change", "event", "id", "limits", "memory", "message",
        "participant", "ports", "presence", "room", "search", "seq", "store", "time"]),
];

/// Where the names live that stand at the crate's root.
const AT_ROOT: &[(&str, &str)] = &[
    ("Builder", "service"),
    ("Connection", "connection"),
    ("Error", "error"),
    ("Limits", "limits"),
    ("Mailbox", "mailbox"),
    ("Offer", "mailbox"),
    ("Opening", "connection"),
    ("Realtime", "service"),
    ("Scope", "connection"),
];

/// What a source of the module path `module` uses of ours, each as `module::Item`.
pub(crate) fn uses(source: &str, module: &[String]) -> Vec<String> {
    let mut uses: Vec<String> = paths(source)
        .iter()
        .filter_map(|path| of_crate(path, module))
        .filter_map(|path| {
            let first = path.first()?;
            let home = AT_ROOT.iter().find(|(name, _)| name == first);
            Some(match (home, path.get(1)) {
                (Some((name, home)), _) => format!("{home}::{name}"),
                (None, Some(item)) => format!("{first}::{item}"),
                (None, None) => first.clone(),
            })
        })
        .filter(|used| used.split("::").next() != module.first().map(String::as_str))
        .collect();
    uses.sort();
    uses.dedup();
    uses
}

/// The entry of the table that allows `used` to `module`; an error names what is
/// wrong.
pub(crate) fn allowed_by(module: &str, used: &str) -> Result<&'static str, String> {
    let (_, allowed) = EDGES
        .iter()
        .find(|(name, _)| *name == module)
        .ok_or_else(|| format!("the module {module} is not in the table of edges"))?;
    let home = used.split("::").next().unwrap_or(used);
    allowed
        .iter()
        .find(|entry| **entry == home || **entry == used)
        .copied()
        .ok_or_else(|| format!("{module} must not use {used}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(module: &str, source: &str) -> Vec<String> {
        uses(source, &[module.to_owned()])
            .iter()
            .filter_map(|used| allowed_by(module, used).err())
            .collect()
    }

    #[test]
    fn a_planted_violation_is_found() {
        let planted = "use crate::{id::RoomId, store::Store};\nfn f(_: crate::Realtime) {}";
        let expected = [
            "session must not use service::Realtime",
            "session must not use store::Store",
        ];
        assert_eq!(faults("session", planted), expected);
        assert_eq!(
            faults("session", "use super::hub::Hub;"),
            ["session must not use hub::Hub"]
        );
        assert_eq!(
            faults("fresh", "use crate::id::RoomId;"),
            ["the module fresh is not in the table of edges"]
        );
    }

    #[test]
    fn an_item_is_allowed_alone() {
        assert!(faults("session", "use crate::ports::Identity;").is_empty());
        assert_eq!(
            faults("session", "use crate::ports::Presence;"),
            ["session must not use ports::Presence"]
        );
    }
}
