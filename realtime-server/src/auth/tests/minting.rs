use std::time::Duration;

use super::*;

fn request() -> MintRequest {
    MintRequest {
        user: Some("ann".to_owned()),
        ttl: Duration::from_secs(3_600),
        now_ms: NOW_MS + 999,
        ..MintRequest::default()
    }
}

fn payload(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn a_minted_token_is_accepted_by_the_same_rules() {
    let rules = Rules {
        issuers: vec!["here".to_owned()],
        audiences: vec!["chat".to_owned()],
        user_claim: "sub".to_owned(),
        token_type: Some("Bearer".to_owned()),
        ..Rules::default()
    };
    for rules in [Rules::default(), rules] {
        let name = Some("Ann".to_owned());
        let token = mint(
            &secret(),
            &rules,
            &MintRequest {
                service: true,
                name,
                ..request()
            },
        );
        let claims = with_rules(rules).verify(&token.unwrap(), NOW_MS).unwrap();
        assert_eq!(claims.user.as_deref(), Some("ann"));
        assert_eq!(claims.name.as_deref(), Some("Ann"));
        assert!(claims.scope.service);
        assert_eq!(claims.expires_at_ms, NOW_MS + 3_600_000);
    }
}

#[test]
fn a_minted_token_looks_like_one_of_simplejwt() {
    let claims = payload(&mint(&secret(), &Rules::default(), &request()).unwrap());
    let mut names: Vec<&String> = claims.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["exp", "iat", "jti", "token_type", "user_id"]);
    assert_eq!(claims["iat"], NOW);
    assert_eq!(claims["exp"], NOW + 3_600);
    assert_eq!(claims["user_id"], "ann");
    assert_eq!(claims["token_type"], "access");
    let service = MintRequest {
        service: true,
        user: None,
        ..request()
    };
    let claims = payload(&mint(&secret(), &Rules::default(), &service).unwrap());
    assert_eq!(claims["scope"], "realtime:service");
    assert!(claims.get("user_id").is_none());
}

#[test]
fn two_minted_tokens_differ() {
    let mint = || mint(&secret(), &Rules::default(), &request()).unwrap();
    assert_ne!(mint(), mint());
}

#[test]
fn what_would_not_be_accepted_is_not_minted() {
    let refused = |request: MintRequest| mint(&secret(), &Rules::default(), &request).unwrap_err();
    assert_eq!(
        refused(MintRequest {
            user: None,
            ..request()
        }),
        MintError::Nobody
    );
    for user in ["", "a\nb", &*"x".repeat(65)] {
        let user = Some(user.to_owned());
        assert_eq!(
            refused(MintRequest { user, ..request() }),
            MintError::BadUser
        );
    }
    for ttl in [Duration::ZERO, Duration::from_millis(999), Duration::MAX] {
        assert_eq!(refused(MintRequest { ttl, ..request() }), MintError::BadTtl);
    }
    assert_eq!(
        refused(MintRequest {
            now_ms: -1,
            ..request()
        }),
        MintError::BadTtl
    );
}
