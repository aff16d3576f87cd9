use super::*;
use crate::limits::Limits;

const CONNECT: &str = r#"{"id":1,"connect":{"token":"t"}}"#;

fn ann() -> UserId {
    UserId::parse("ann").unwrap()
}

fn open(now: Instant) -> Session {
    let mut session = Session::new(now, &Limits::default());
    assert!(matches!(
        session.on_line(CONNECT),
        Some(Effect::Connect { id: Some(1), .. })
    ));
    session.connected(ann(), &Identity::of(ann()), now, Timestamp::default());
    session
}

fn said(effect: Option<Effect>) -> String {
    match effect {
        Some(Effect::Say(line)) => line.to_string(),
        other => panic!("nothing was said but {other:?}"),
    }
}

#[test]
fn connect_comes_first_and_once() {
    let mut session = Session::new(Instant::now(), &Limits::default());
    let read = r#"{"id":9,"history":{"room":"01890a5d-ac96-774b-bcce-b302099a8057"}}"#;
    assert!(said(session.on_line(read)).contains("unauthenticated"));
    assert_eq!(session.on_line(r#"{"pong":{}}"#), None);
    let mut session = open(Instant::now());
    assert!(said(session.on_line(CONNECT)).contains("conflict"));
    assert!(matches!(session.on_line(read), Some(Effect::Run(_))));
}

#[test]
fn while_a_connect_is_looked_at_nothing_else_is_done() {
    let mut session = Session::new(Instant::now(), &Limits::default());
    session.on_line(CONNECT);
    assert!(said(session.on_line(CONNECT)).contains("connect comes first"));
    session.refused();
    assert_eq!(session.on_line(CONNECT), None);
    assert_eq!(session.deadline(&Limits::default()), None);
}

#[test]
fn who_only_talks_nonsense_is_sent_away() {
    let mut session = Session::new(Instant::now(), &Limits::default());
    for _ in 0..STRIKES {
        said(session.on_line("nonsense"));
    }
    assert_eq!(
        session.on_line("nonsense"),
        Some(Effect::Close(CloseCode::BadProtocol))
    );
}

#[test]
fn the_deadline_is_always_ahead_after_the_time_was_told() {
    let limits = Limits::default();
    let start = Instant::now();
    let mut session = open(start);
    let mut pings = 0;
    for _ in 0..20 {
        let deadline = session.deadline(&limits).unwrap();
        for effect in session.on_time(deadline, &limits) {
            assert!(matches!(effect, Effect::Say(_)));
            pings += 1;
        }
        assert!(
            session.deadline(&limits).unwrap() > deadline,
            "else the driver would spin"
        );
        session.heard();
    }
    assert_eq!(pings, 20);
}

#[test]
fn a_token_longer_than_any_clock_has_no_deadline_to_overflow() {
    let limits = Limits::default();
    let now = Instant::now();
    let mut session = Session::new(now, &limits);
    session.on_line(CONNECT);
    let identity = Identity {
        expires_at: Some(Timestamp::from_millis(i64::MAX)),
        ..Identity::of(ann())
    };
    session.connected(ann(), &identity, now, Timestamp::default());
    assert!(session.deadline(&limits).is_some());
}

#[test]
fn a_token_that_has_ended_already_closes_at_once() {
    let limits = Limits::default();
    let now = Instant::now();
    let mut session = Session::new(now, &limits);
    session.on_line(CONNECT);
    let identity = Identity {
        expires_at: Some(Timestamp::from_millis(5)),
        ..Identity::of(ann())
    };
    session.connected(ann(), &identity, now, Timestamp::from_millis(10));
    assert!(
        session
            .deadline(&limits)
            .is_some_and(|deadline| deadline <= now)
    );
    assert_eq!(
        session.on_time(now, &limits),
        [Effect::Close(CloseCode::TokenExpired)]
    );
    assert_eq!(session.deadline(&limits), None);
}

#[test]
fn one_may_type_in_a_bounded_number_of_rooms() {
    let (limits, now) = (Limits::default(), Instant::now());
    let mut session = open(now);
    let room = |n: u128| RoomId::from_uuid(uuid::Uuid::from_u128(n));
    for n in 0..TYPING_ROOMS as u128 {
        assert!(session.typing(room(n), true, now, &limits));
    }
    assert!(!session.typing(room(99), true, now, &limits));
    assert!(session.typing(room(0), true, now, &limits), "again is fine");
    assert!(session.typing(room(0), false, now, &limits));
    assert!(
        !session.typing(room(0), false, now, &limits),
        "stopped already"
    );
    let over = session.on_time(now + limits.typing_ttl, &limits);
    assert_eq!(over.len(), TYPING_ROOMS - 1);
}
