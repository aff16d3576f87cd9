use proptest::prelude::*;

use super::*;

/// Every token that differs from `token` in one bit and is still text.
fn bit_flips(token: &str) -> impl Iterator<Item = String> {
    (0..token.len() * 8).filter_map(move |bit| {
        let mut bytes = token.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        String::from_utf8(bytes).ok()
    })
}

#[test]
fn no_bit_of_a_token_can_be_flipped() {
    let verifier = verifier();
    let token = signed_with_header(&json!({"alg": "HS256", "typ": "JWT"}), &good());
    assert!(verifier.verify(&token, NOW_MS).is_ok());
    let accepted: Vec<_> = bit_flips(&token)
        .filter(|flipped| verifier.verify(flipped, NOW_MS).is_ok())
        .collect();
    assert_eq!(accepted, Vec::<String>::new());
    assert!(
        bit_flips(&token).count() > token.len() * 6,
        "few flips were tried"
    );
}

fn any_time() -> impl Strategy<Value = i64> {
    prop_oneof![Just(NOW_MS), any::<i64>()]
}

/// JSON as it may stand in a token.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        Just(json!("access")),
        Just(json!(NOW + 60)),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(".{0,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_claims() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "exp",
        "nbf",
        "iat",
        "jti",
        "user_id",
        "token_type",
        "scope",
        "name",
        "iss",
        "aud",
    ]);
    prop::collection::hash_map(name, any_json(), 0..4).prop_map(|changes| {
        let mut claims = good();
        for (name, value) in changes {
            claims[name] = value;
        }
        claims
    })
}

fn any_header() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "alg", "kid", "typ", "crit", "jku", "jwk", "x5u", "x5c", "cty", "enc", "zip",
    ]);
    let algorithm = prop::sample::select(vec!["HS256", "RS256", "ES256", "EdDSA", "none"]);
    (
        prop::collection::hash_map(name, any_json(), 0..6),
        algorithm,
    )
        .prop_map(|(header, alg)| {
            let mut header: serde_json::Map<String, Value> =
                header.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
            header.entry("alg").or_insert(json!(alg));
            Value::Object(header)
        })
}

proptest! {
    #[test]
    fn any_text_is_answered(text in ".{0,200}", now in any_time()) {
        prop_assert!(verifier().verify(&text, now).is_err());
    }

    #[test]
    fn any_three_parts_are_answered(
        header in any_header(),
        claims in any_json(),
        signature in prop::collection::vec(any::<u8>(), 0..80),
        now in any_time(),
    ) {
        let token = [
            encoded(header.to_string()), encoded(claims.to_string()), encoded(&signature),
        ].join(".");
        prop_assert!(verifier().verify(&token, now).is_err());
        for (algorithm, _, public) in ASYMMETRIC {
            prop_assert!(with_public_key(None, algorithm, public).verify(&token, now).is_err());
        }
    }

    #[test]
    fn what_is_accepted_keeps_the_promises_of_claims(
        claims in any_claims(), now in any_time(),
    ) {
        let token = signed(&claims);
        if let Ok(read) = verifier().verify(&token, now) {
            prop_assert!(read.user.is_some() || read.scope.service);
            let length = read.user.as_ref().map_or(1, |user| user.chars().count());
            prop_assert!((1..=64).contains(&length));
            prop_assert!(read.expires_at_ms.saturating_add(5_000) > now);
            prop_assert_eq!(&claims["token_type"], "access");
        }
    }

    #[test]
    fn no_bit_of_an_asymmetric_token_can_be_flipped(kind in 0_usize..3, position in any::<prop::sample::Index>()) {
        let (algorithm, private, public) = ASYMMETRIC[kind];
        let token = signed_by(algorithm, Some("k1"), private, &good());
        let verifier = with_public_key(Some("k1"), algorithm, public);
        prop_assert!(verifier.verify(&token, NOW_MS).is_ok());
        let mut bytes = token.into_bytes();
        let bit = position.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(flipped) = String::from_utf8(bytes) {
            prop_assert!(verifier.verify(&flipped, NOW_MS).is_err());
        }
    }
}
