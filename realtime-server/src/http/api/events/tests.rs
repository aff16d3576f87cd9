use std::time::Duration;

use realtime_core::{
    change::{DomainEvent, History, Legacy, RoomAction, Roster},
    time::Timestamp,
};
use serde_json::{Value, json};

use super::{
    Event, fingerprint,
    reaction::{REACTIONS, Todo, reaction_to},
};
use crate::{config::Events, http::Problem};

const NOW: Timestamp = Timestamp::from_millis(0);
/// Of `event("job.accepted")`, by the version before this test.
const PRINT_OF_0_1: i64 = 2_890_974_276_141_818_151;

fn event(kind: &str) -> Event {
    event_with(kind, &json!({}))
}

fn event_with(kind: &str, more: &Value) -> Event {
    let mut event = json!({
        "type": kind, "id": "e1", "subject": {"type": "job", "id": "7"},
        "participants": [{"user": "ann", "role": "owner"}, {"user": "ben"}],
        "data": {"address": "14 Elm St", "code": "forged"},
    });
    for (key, value) in more.as_object().unwrap() {
        event[key] = value.clone();
    }
    serde_json::from_value(event).unwrap()
}

fn todo(event: Event) -> Result<Todo, Problem> {
    reaction_to(event, &Events::default(), NOW)
}

fn applied(event: Event) -> DomainEvent {
    match todo(event).unwrap() {
        Todo::Apply(event) => *event,
        Todo::Erase(erasure, _) => panic!("{erasure:?}"),
    }
}

fn refused(event: Event) -> String {
    format!("{:?}", todo(event).unwrap_err())
}

#[test]
fn accepting_opens_and_finishing_locks() {
    let accepted = applied(event("job.accepted"));
    assert_eq!(accepted.open.unwrap().participants.len(), 2);
    assert_eq!((accepted.action, accepted.roster.len()), (None, 0));
    let lock = |at: Timestamp| Some(RoomAction::Lock { at: Some(at) });
    let day = NOW.after(Duration::from_secs(24 * 60 * 60));
    assert_eq!(applied(event("job.completed")).action, lock(day));
    assert_eq!(applied(event("job.cancelled")).action, lock(NOW));
    assert_eq!(applied(event("job.started")).action, None);
    assert_eq!(applied(event("job.rescheduled")).open, None);
}

#[test]
fn a_job_comes_back_and_is_put_away() {
    let reopened = applied(event("job.reopened"));
    assert_eq!(reopened.action, Some(RoomAction::Reopen));
    assert_eq!(reopened.message.unwrap().body.as_str(), "Job reopened");
    let archived = applied(event("job.archived"));
    assert_eq!(archived.action, Some(RoomAction::Archive));
    assert_eq!(archived.message, None);
}

#[test]
fn a_job_is_handed_over_from_one_to_another() {
    let cal = json!([{"user": "cal", "role": "cleaner", "name": "Cal"}]);
    let handed = |more: &Value| event_with("job.reassigned", more);
    let told = applied(handed(&json!({"leaves": "ben", "participants": cal})));
    let [
        Roster::Replace {
            leaves,
            comes,
            history,
        },
    ] = told.roster.as_slice()
    else {
        panic!("{:?}", told.roster);
    };
    assert_eq!((leaves.as_str(), comes.user.as_str()), ("ben", "cal"));
    assert_eq!(*history, History::FromNow);
    let all = handed(&json!({"leaves": "ben", "participants": cal, "history": "all"}));
    assert!(matches!(
        applied(all).roster.as_slice(),
        [Roster::Replace {
            history: History::All,
            ..
        }]
    ));
    assert!(refused(handed(&json!({"participants": cal}))).contains("leaves"));
    assert!(refused(handed(&json!({"leaves": "cal", "participants": cal}))).contains("leaves"));
    for nobody in [json!(null), json!([])] {
        let nobody = json!({"leaves": "ben", "participants": nobody});
        assert!(refused(handed(&nobody)).contains("participants"));
    }
    assert!(refused(handed(&json!({"leaves": "ben"}))).contains("participants"));
}

#[test]
fn a_person_is_erased_and_nothing_else() {
    let ann = json!({"subject": {"type": "user", "id": "ann"}});
    let Todo::Erase(erasure, _) = todo(event_with("user.erased", &ann)).unwrap() else {
        panic!("a person is no room");
    };
    assert_eq!(erasure.user.as_str(), "ann");
    assert_eq!(erasure.messages, Legacy::Tombstone);
    let mut keep = ann;
    keep["messages"] = json!("keep");
    let Todo::Erase(erasure, _) = todo(event_with("user.erased", &keep)).unwrap() else {
        panic!("a person is no room");
    };
    assert_eq!(erasure.messages, Legacy::Keep);
    assert!(refused(event("user.erased")).contains("subject.type"));
}

#[test]
fn the_message_says_what_happened_in_words_and_in_a_code() {
    let message = applied(event("job.accepted")).message.unwrap();
    assert_eq!(message.body.as_str(), "Job accepted");
    let metadata = Value::from(message.metadata.unwrap());
    assert_eq!(
        metadata,
        json!({"code": "job.accepted", "address": "14 Elm St"})
    );
}

#[test]
fn what_cannot_be_is_refused_with_its_field() {
    let unknown = refused(event("job.exploded"));
    for reaction in REACTIONS {
        assert!(unknown.contains(reaction.code), "{unknown}");
    }
    let nobody = Event {
        participants: None,
        ..event("job.accepted")
    };
    assert!(refused(nobody).contains("participants"));
}

#[test]
fn another_event_has_another_fingerprint() {
    let mut other = event("job.accepted");
    assert_eq!(fingerprint(&other), fingerprint(&event("job.accepted")));
    other.data.insert("starts_at".into(), json!("nine"));
    assert_ne!(fingerprint(&other), fingerprint(&event("job.accepted")));
    let others = [
        json!({"title": ""}),
        json!({"leaves": "ben"}),
        json!({"leaves": "cal"}),
        json!({"history": "all"}),
        json!({"history": "from_now"}),
        json!({"participants": [{"user": "ann"}]}),
    ];
    let mut seen = vec![fingerprint(&event("job.accepted"))];
    for other in others {
        let print = fingerprint(&event_with("job.accepted", &other));
        assert!(!seen.contains(&print), "{other}");
        seen.push(print);
    }
}

/// What was told to an earlier version of this server and is told again is a repeat.
#[test]
fn the_fingerprints_of_earlier_versions_stay() {
    assert_eq!(fingerprint(&event("job.accepted")), PRINT_OF_0_1);
}
