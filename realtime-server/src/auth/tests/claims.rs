use std::time::Duration;

use super::*;

fn read(claims: &Value) -> Claims {
    verifier().verify(&signed(claims), NOW_MS).unwrap()
}

#[test]
fn a_good_token_says_who_is_calling_and_until_when() {
    let claims = good_but(&json!({"name": "Ann", "scope": "profile realtime:service"}));
    let expected = Claims {
        user: Some("ann".to_owned()),
        name: Some("Ann".to_owned()),
        scope: Scope { service: true },
        expires_at_ms: NOW_MS + 300_000,
        token_id: Some("1f".to_owned()),
    };
    assert_eq!(read(&claims), expected);
}

#[test]
fn a_token_ends_at_its_exp_plus_the_leeway() {
    let token = signed(&good());
    let end = NOW_MS + 300_000 + 5_000;
    assert_eq!(
        verifier().verify(&token, end - 1).unwrap().expires_at_ms,
        NOW_MS + 300_000
    );
    assert_eq!(verifier().verify(&token, end), Err(TokenError::Expired));
    assert_eq!(
        verifier().verify(&token, i64::MAX),
        Err(TokenError::Expired)
    );
}

#[test]
fn a_leeway_is_at_most_thirty_seconds() {
    let verifier = with_rules(Rules {
        leeway: Duration::MAX,
        ..Rules::default()
    });
    assert_eq!(verifier.rules().leeway, Duration::from_secs(30));
    let token = signed(&good());
    let end = NOW_MS + 300_000 + 30_000;
    assert!(verifier.verify(&token, end - 1).is_ok());
    assert_eq!(verifier.verify(&token, end), Err(TokenError::Expired));
}

#[test]
fn exp_must_be_there_and_a_whole_number() {
    assert_eq!(refusal(&good_but(&json!({"exp": null}))), missing("exp"));
    assert_eq!(
        refusal(&good_but(&json!({"exp": NOW - 60}))),
        TokenError::Expired
    );
    assert_eq!(refusal(&good_but(&json!({"exp": 0}))), TokenError::Expired);
    for exp in [
        json!("1767225900"),
        json!(-1),
        json!(1_767_225_900.0),
        json!(1e300),
        json!(u64::MAX),
        json!(true),
        json!([NOW + 300]),
        json!({}),
    ] {
        assert_eq!(
            refusal(&good_but(&json!({"exp": exp}))),
            invalid("exp"),
            "{exp}"
        );
    }
    let null = signed_text(
        r#"{"alg":"HS256"}"#,
        r#"{"exp":null,"token_type":"access","user_id":"ann"}"#,
        SECRET.as_bytes(),
    );
    assert_eq!(verifier().verify(&null, NOW_MS), Err(invalid("exp")));
}

#[test]
fn exp_may_be_as_late_as_a_time_can_be_spelled() {
    let last = 253_402_300_799_i64;
    assert_eq!(
        read(&good_but(&json!({"exp": last}))).expires_at_ms,
        last * 1_000
    );
    assert_eq!(
        refusal(&good_but(&json!({"exp": last + 1}))),
        invalid("exp")
    );
}

#[test]
fn nbf_is_kept_within_the_leeway() {
    assert!(
        verifier()
            .verify(&signed(&good_but(&json!({"nbf": NOW + 5}))), NOW_MS)
            .is_ok()
    );
    assert_eq!(
        refusal(&good_but(&json!({"nbf": NOW + 6}))),
        TokenError::NotYetValid
    );
    assert_eq!(refusal(&good_but(&json!({"nbf": "now"}))), invalid("nbf"));
    assert_eq!(refusal(&good_but(&json!({"nbf": 1.5}))), invalid("nbf"));
}

#[test]
fn iat_must_be_a_whole_number_if_it_is_there() {
    assert!(
        verifier()
            .verify(&signed(&good_but(&json!({"iat": null}))), NOW_MS)
            .is_ok()
    );
    for iat in [json!("now"), json!(-1), json!(1.5)] {
        assert_eq!(
            refusal(&good_but(&json!({"iat": iat}))),
            invalid("iat"),
            "{iat}"
        );
    }
}

#[test]
fn only_access_tokens_are_accepted() {
    for kind in [
        json!("refresh"),
        json!("Access"),
        json!(""),
        json!(1),
        json!(["access"]),
        Value::Null,
    ] {
        assert_eq!(
            refusal(&good_but(&json!({"token_type": kind}))),
            TokenError::WrongTokenType
        );
    }
    let lenient = with_rules(Rules {
        token_type: None,
        ..Rules::default()
    });
    assert!(
        lenient
            .verify(
                &signed(&good_but(&json!({"token_type": "refresh"}))),
                NOW_MS
            )
            .is_ok()
    );
}

#[test]
fn the_issuer_and_the_audience_are_checked_when_configured() {
    let verifier = with_rules(Rules {
        issuers: vec![
            "https://id.example".to_owned(),
            "https://old.example".to_owned(),
        ],
        audiences: vec!["chat".to_owned()],
        ..Rules::default()
    });
    let verify = |iss: Value, aud: Value| {
        verifier.verify(&signed(&good_but(&json!({"iss": iss, "aud": aud}))), NOW_MS)
    };
    assert!(verify(json!("https://id.example"), json!("chat")).is_ok());
    assert!(verify(json!("https://old.example"), json!(["shop", "chat"])).is_ok());
    for iss in [
        Value::Null,
        json!("https://evil.example"),
        json!(["https://id.example"]),
        json!(1),
    ] {
        assert_eq!(verify(iss, json!("chat")), Err(TokenError::WrongIssuer));
    }
    for aud in [
        Value::Null,
        json!("shop"),
        json!([]),
        json!({"chat": 1}),
        json!("chat "),
    ] {
        assert_eq!(
            verify(json!("https://id.example"), aud),
            Err(TokenError::WrongAudience)
        );
    }
}

#[test]
fn a_user_is_a_short_printable_text_or_an_integer() {
    for (given, read_as) in [
        (json!("ann"), "ann"),
        (json!(42), "42"),
        (json!(0), "0"),
        (json!(-7), "-7"),
        (json!(u64::MAX), "18446744073709551615"),
        (json!("é".repeat(64)), &*"é".repeat(64)),
    ] {
        assert_eq!(
            read(&good_but(&json!({"user_id": given}))).user.as_deref(),
            Some(read_as)
        );
    }
    for given in [
        json!(""),
        json!("é".repeat(65)),
        json!("a\u{0}b"),
        json!("a\nb"),
        json!("a\u{85}b"),
        json!(1.5),
        json!(1e3),
        json!(true),
        json!(["ann"]),
        json!({"id": "ann"}),
    ] {
        assert_eq!(
            refusal(&good_but(&json!({"user_id": given}))),
            invalid("user_id"),
            "{given}"
        );
    }
    assert_eq!(
        refusal(&good_but(&json!({"user_id": null}))),
        missing("user_id")
    );
}

#[test]
fn a_service_needs_no_user() {
    let claims = read(&good_but(
        &json!({"user_id": null, "scope": "realtime:service"}),
    ));
    assert_eq!((claims.user, claims.scope.service), (None, true));
}

#[test]
fn a_scope_is_a_list_of_words() {
    let service = |scope: Value| read(&good_but(&json!({"scope": scope}))).scope.service;
    assert!(service(json!("realtime:service")));
    assert!(service(json!("a realtime:service b")));
    assert!(service(json!(["a", "realtime:service"])));
    assert!(!service(Value::Null));
    assert!(!service(json!("")));
    assert!(!service(json!(
        "realtime:services xrealtime:service REALTIME:SERVICE"
    )));
    assert!(!service(json!(["a realtime:service"])));
    for scope in [
        json!(1),
        json!([1]),
        json!({"realtime:service": true}),
        json!(true),
    ] {
        assert_eq!(
            refusal(&good_but(&json!({"scope": scope}))),
            invalid("scope"),
            "{scope}"
        );
    }
}

#[test]
fn a_name_is_cleaned_and_cut() {
    let name = |text: &str| read(&good_but(&json!({"name": text}))).name;
    assert_eq!(
        name("  Ann Ö.\r\n\u{1b}[31m"),
        Some("Ann Ö.[31m".to_owned())
    );
    assert_eq!(
        name("Ann\u{202E}nimda\u{2066}"),
        Some("Annnimda".to_owned())
    );
    assert_eq!(name(" \u{7} "), None);
    assert_eq!(name(&"é".repeat(500)), Some("é".repeat(128)));
    assert_eq!(refusal(&good_but(&json!({"name": 5}))), invalid("name"));
}

#[test]
fn a_token_id_is_a_short_printable_text() {
    assert_eq!(read(&good_but(&json!({"jti": null}))).token_id, None);
    for jti in [json!(5), json!("x".repeat(129)), json!("a\nb")] {
        assert_eq!(refusal(&good_but(&json!({"jti": jti}))), invalid("jti"));
    }
}

#[test]
fn every_claim_has_a_name_that_can_be_configured() {
    let verifier = with_rules(Rules {
        user_claim: "sub".to_owned(),
        name_claim: "display".to_owned(),
        scope_claim: "scp".to_owned(),
        token_type_claim: "typ".to_owned(),
        token_type: Some("Bearer".to_owned()),
        ..Rules::default()
    });
    let token = signed(&json!({
        "sub": 7, "display": "Ben", "scp": ["realtime:service"], "typ": "Bearer", "exp": NOW + 9
    }));
    let claims = verifier.verify(&token, NOW_MS).unwrap();
    assert_eq!(claims.user.as_deref(), Some("7"));
    assert_eq!(claims.name.as_deref(), Some("Ben"));
    assert!(claims.scope.service);
    let unnamed = signed(&json!({"typ": "Bearer", "exp": NOW + 9}));
    assert_eq!(verifier.verify(&unnamed, NOW_MS), Err(missing("sub")));
}

#[test]
fn a_refusal_has_the_code_of_the_protocol() {
    assert_eq!(TokenError::Expired.code(), "token_expired");
    assert!(TokenError::Expired.is_expired());
    assert_eq!(TokenError::BadSignature.code(), "unauthenticated");
    assert!(!TokenError::BadSignature.is_expired());
    let refused = AuthError::from(TokenError::Expired);
    assert_eq!(
        (refused.code(), refused.is_transient()),
        ("token_expired", false)
    );
    let denied = AuthError::Denied("the session has ended".into());
    assert_eq!(
        (denied.code(), denied.is_transient()),
        ("unauthenticated", false)
    );
    let unavailable = AuthError::Unavailable("down".into());
    assert_eq!(
        (unavailable.code(), unavailable.is_transient()),
        ("busy", true)
    );
}

#[tokio::test]
async fn an_authenticator_checks_at_the_time_of_its_clock() {
    let at = |now_ms: i64| JwtAuthenticator::new(std::sync::Arc::new(verifier()), move || now_ms);
    let token = signed(&good());
    assert_eq!(
        at(NOW_MS)
            .authenticate(&token)
            .await
            .unwrap()
            .user
            .as_deref(),
        Some("ann")
    );
    let late = at(NOW_MS + 400_000).authenticate(&token).await;
    assert_eq!(late.unwrap_err().code(), "token_expired");
}
