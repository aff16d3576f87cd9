use super::*;

fn verify(token: &str) -> Result<Claims, TokenError> {
    verifier().verify(token, NOW_MS)
}

#[test]
fn an_unsigned_token_is_refused_in_any_spelling() {
    for alg in ["none", "None", "NONE", "nOnE", "", "null"] {
        let header = json!({"alg": alg, "typ": "JWT"}).to_string();
        let unsigned = format!("{}.{}.", encoded(&header), encoded(good().to_string()));
        assert_eq!(verify(&unsigned), Err(TokenError::Malformed), "{alg}");
        let signed = signed_text(&header, &good().to_string(), SECRET.as_bytes());
        assert_eq!(verify(&signed), Err(TokenError::Malformed), "{alg}");
    }
}

#[test]
fn an_empty_signature_is_refused() {
    let token = signed(&good());
    let (message, _) = token.rsplit_once('.').unwrap();
    assert_eq!(
        verify(&format!("{message}.")),
        Err(TokenError::BadSignature)
    );
    assert_eq!(verify(message), Err(TokenError::Malformed));
}

#[test]
fn a_public_key_is_no_secret() {
    for (algorithm, _, public) in ASYMMETRIC {
        for secret in [public, public.trim_end()] {
            for kid in [None, Some("k1")] {
                let forged = signed_by(Algorithm::Hs256, kid, secret, &good());
                let refusal = with_public_key(kid, algorithm, public).verify(&forged, NOW_MS);
                let expected = match kid {
                    Some(_) => TokenError::UnsupportedAlgorithm,
                    None => TokenError::UnknownKey,
                };
                assert_eq!(refusal, Err(expected), "{algorithm}");
            }
        }
    }
}

#[test]
fn a_key_accepts_only_its_own_algorithm() {
    let claims = good();
    for (algorithm, private, public) in ASYMMETRIC {
        let token = signed_by(algorithm, Some("k1"), private, &claims);
        assert!(
            with_public_key(Some("k1"), algorithm, public)
                .verify(&token, NOW_MS)
                .is_ok()
        );
        for (other, _, other_public) in ASYMMETRIC.into_iter().filter(|o| o.0 != algorithm) {
            let refusal = with_public_key(Some("k1"), other, other_public).verify(&token, NOW_MS);
            assert_eq!(
                refusal,
                Err(TokenError::UnsupportedAlgorithm),
                "{algorithm} for {other}"
            );
        }
    }
}

#[test]
fn algorithms_that_are_not_offered_are_refused_even_with_the_right_key() {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    for algorithm in [
        jsonwebtoken::Algorithm::HS384,
        jsonwebtoken::Algorithm::HS512,
    ] {
        let token = jsonwebtoken::encode(&Header::new(algorithm), &good(), &key).unwrap();
        assert_eq!(verify(&token), Err(TokenError::UnsupportedAlgorithm));
    }
    let rsa = EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes()).unwrap();
    for algorithm in [
        jsonwebtoken::Algorithm::RS384,
        jsonwebtoken::Algorithm::RS512,
        jsonwebtoken::Algorithm::PS256,
    ] {
        let token = jsonwebtoken::encode(&Header::new(algorithm), &good(), &rsa).unwrap();
        let refusal = with_public_key(None, Algorithm::Rs256, RSA_PUBLIC).verify(&token, NOW_MS);
        assert_eq!(refusal, Err(TokenError::UnsupportedAlgorithm));
    }
}

#[test]
fn a_signature_by_another_key_is_refused() {
    let other = signed_text(
        r#"{"alg":"HS256"}"#,
        &good().to_string(),
        b"another secret of tests, also long enough",
    );
    assert_eq!(verify(&other), Err(TokenError::BadSignature));
    let other = signed_by(Algorithm::Rs256, None, RSA2_PRIVATE, &good());
    let refusal = with_public_key(None, Algorithm::Rs256, RSA_PUBLIC).verify(&other, NOW_MS);
    assert_eq!(refusal, Err(TokenError::BadSignature));
}

#[test]
fn a_kid_only_ever_selects_a_key() {
    let hostile = [
        "../../../../dev/null",
        "' OR 1=1 --",
        "http://127.0.0.1/key",
        "unknown",
        "K1",
        "k1 ",
    ];
    for kid in hostile {
        let token = signed_with_header(&json!({"alg": "HS256", "kid": kid}), &good());
        assert_eq!(verify(&token), Err(TokenError::UnknownKey), "{kid}");
    }
    for kid in ["", "a\u{0}b", "a\r\nb", &*"k".repeat(257)] {
        let token = signed_with_header(&json!({"alg": "HS256", "kid": kid}), &good());
        assert_eq!(verify(&token), Err(TokenError::Malformed), "{kid:?}");
    }
    let long = signed_with_header(&json!({"alg": "HS256", "kid": "k".repeat(10_240)}), &good());
    assert_eq!(verify(&long), Err(TokenError::TooLarge));
    for kid in [json!(1), json!(["k1"]), json!({})] {
        let token = signed_with_header(&json!({"alg": "HS256", "kid": kid}), &good());
        assert_eq!(verify(&token), Err(TokenError::Malformed), "{kid}");
    }
}

#[test]
fn a_token_finds_its_key_among_several_by_kid() {
    let old = Secret::new("the secret of last year, long enough to be one").unwrap();
    let keys = Keys::new(vec![
        VerificationKey::hs256(Some("new"), &secret()).unwrap(),
        VerificationKey::hs256(Some("old"), &old).unwrap(),
        VerificationKey::from_file_contents(Some("rsa"), Algorithm::Rs256, RSA_PUBLIC.as_bytes())
            .unwrap(),
    ]);
    let verifier = Verifier::new(keys.unwrap(), None, Rules::default()).unwrap();
    let with_kid = |kid: &str, secret: &[u8]| {
        let header = json!({"alg": "HS256", "kid": kid}).to_string();
        verifier.verify(&signed_text(&header, &good().to_string(), secret), NOW_MS)
    };
    assert!(with_kid("new", SECRET.as_bytes()).is_ok());
    assert!(with_kid("old", old.as_bytes()).is_ok());
    assert_eq!(
        with_kid("old", SECRET.as_bytes()),
        Err(TokenError::BadSignature)
    );
    assert_eq!(
        with_kid("rsa", SECRET.as_bytes()),
        Err(TokenError::UnsupportedAlgorithm)
    );
    let rsa = signed_by(Algorithm::Rs256, Some("rsa"), RSA_PRIVATE, &good());
    assert!(verifier.verify(&rsa, NOW_MS).is_ok());
    // Without a kid, every key of the algorithm is tried.
    let unnamed = signed_text(r#"{"alg":"HS256"}"#, &good().to_string(), old.as_bytes());
    assert!(verifier.verify(&unnamed, NOW_MS).is_ok());
}

#[test]
fn keys_that_a_token_brings_are_ignored() {
    // A key set with the attacker's own key, in every place that a header has.
    let attackers = b"the attacker's secret, which is long enough";
    let header = json!({
        "alg": "HS256",
        "jwk": {"kty": "oct", "alg": "HS256", "k": encoded(attackers)},
        "jku": "http://127.0.0.1:9/keys.json",
        "x5u": "http://127.0.0.1:9/cert.pem",
        "x5c": [encoded(RSA_PUBLIC)],
    });
    let forged = signed_text(&header.to_string(), &good().to_string(), attackers);
    assert_eq!(verify(&forged), Err(TokenError::BadSignature));
    assert!(verify(&signed_with_header(&header, &good())).is_ok());
}

#[test]
fn a_token_that_needs_an_extension_is_refused() {
    for crit in [json!(["b64"]), json!(["exp"]), json!([])] {
        let token = signed_with_header(
            &json!({"alg": "HS256", "b64": false, "crit": crit}),
            &good(),
        );
        assert_eq!(verify(&token), Err(TokenError::CriticalHeader), "{crit}");
    }
    let token = signed_with_header(&json!({"alg": "HS256", "crit": "b64"}), &good());
    assert_eq!(verify(&token), Err(TokenError::Malformed));
}

#[test]
fn a_long_token_is_refused_before_it_is_read() {
    let token = signed(&good_but(&json!({"padding": "x".repeat(100_000)})));
    assert_eq!(verify(&token), Err(TokenError::TooLarge));
    let longest = signed(&good_but(&json!({"padding": "x".repeat(5_900)})));
    assert!(
        longest.len() <= MAX_TOKEN_BYTES && longest.len() > 8_000,
        "{}",
        longest.len()
    );
    assert!(verify(&longest).is_ok());
}

#[test]
fn what_is_no_token_is_refused() {
    let token = signed(&good());
    let parts: Vec<&str> = token.split('.').collect();
    for garbage in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        "a.b.c".to_owned(),
        "\u{0}".to_owned(),
        "Bearer ".to_owned() + &token,
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{}.{}", parts[1], parts[2]),
        format!("{token} "),
        format!("{token}="),
        format!("{token}\n"),
        format!("{}.{}", parts[0], parts[1]),
    ] {
        assert_eq!(verify(&garbage), Err(TokenError::Malformed), "{garbage:?}");
    }
}

#[test]
fn a_payload_must_be_one_json_object() {
    let header = r#"{"alg":"HS256"}"#;
    let deep = format!("{}1{}", "[".repeat(2_500), "]".repeat(2_500));
    for payload in ["", "null", "[]", "5", "\"x\"", "{", "{}{}", "\u{0}", &*deep] {
        let token = signed_text(header, payload, SECRET.as_bytes());
        assert_eq!(verify(&token), Err(TokenError::Malformed), "{payload}");
    }
}

#[test]
fn nothing_that_is_shown_holds_the_token_or_the_secret() {
    let mut shown = format!("{:?} {:?} {:?}", verifier(), secret(), Rules::default());
    let hostile = json!({"token_type": "access", "exp": "tell-tale", "user_id": "tell-tale"});
    for token in [
        signed(&hostile),
        signed(&good()).replace("ey", "tell-tale"),
        "tell-tale".into(),
    ] {
        let refusal = verify(&token).unwrap_err();
        let auth = AuthError::from(refusal.clone());
        shown.push_str(&format!("{refusal} {refusal:?} {auth} {auth:?}"));
    }
    assert!(!shown.contains("tell-tale"), "{shown}");
    assert!(!shown.contains(SECRET), "{shown}");
}
