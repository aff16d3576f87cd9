use super::*;

const RSA_1024_PUBLIC: &str = include_str!("keys/rsa1024.public.pem");
const EC_384_PUBLIC: &str = include_str!("keys/ec384.public.pem");

fn key_error(algorithm: Algorithm, contents: &str) -> KeyError {
    VerificationKey::from_file_contents(None, algorithm, contents.as_bytes()).unwrap_err()
}

#[test]
fn a_public_key_file_must_fit_its_algorithm() {
    for (algorithm, private, public) in ASYMMETRIC {
        let key = VerificationKey::from_file_contents(Some("k"), algorithm, public.as_bytes());
        assert_eq!(key.unwrap().algorithm(), algorithm);
        assert_eq!(key_error(algorithm, private), KeyError::PrivateKey);
        let wrong_kind = KeyError::WrongKind {
            algorithm: algorithm.as_str(),
        };
        for (_, _, other) in ASYMMETRIC.into_iter().filter(|other| other.0 != algorithm) {
            assert_eq!(key_error(algorithm, other), wrong_kind);
        }
        for garbage in [
            "",
            "not a key",
            SECRET,
            &public[..60],
            &public.replace("\nM", "\nA"),
        ] {
            assert_eq!(key_error(algorithm, garbage), wrong_kind, "{garbage}");
        }
        assert_eq!(
            key_error(algorithm, &"x".repeat(65_537)),
            KeyError::TooLarge
        );
    }
}

#[test]
fn a_key_that_is_weak_or_of_another_curve_is_refused() {
    assert_eq!(
        key_error(Algorithm::Rs256, RSA_1024_PUBLIC),
        KeyError::RsaSize
    );
    let wrong_kind = KeyError::WrongKind { algorithm: "ES256" };
    assert_eq!(key_error(Algorithm::Es256, EC_384_PUBLIC), wrong_kind);
}

#[test]
fn a_certificate_is_told_from_a_key() {
    let certificate = RSA_PUBLIC.replace("PUBLIC KEY", "CERTIFICATE");
    assert_eq!(
        key_error(Algorithm::Rs256, &certificate),
        KeyError::Certificate
    );
}

#[test]
fn a_secret_is_something_and_no_public_key() {
    assert_eq!(Secret::new(""), Err(KeyError::EmptySecret));
    assert!(Secret::new("x".repeat(31)).unwrap().is_weak());
    assert!(!Secret::new("x".repeat(32)).unwrap().is_weak());
    assert_eq!(Secret::new(RSA_PUBLIC), Err(KeyError::PublicSecret));
    assert_eq!(Secret::new(vec![0; 70_000]), Err(KeyError::TooLarge));
    assert_eq!(key_error(Algorithm::Hs256, "\n"), KeyError::EmptySecret);
}

#[test]
fn a_secret_file_may_end_with_one_line_break() {
    let bare = Secret::new(SECRET).unwrap();
    for ending in ["", "\n", "\r\n"] {
        let file = format!("{SECRET}{ending}");
        assert_eq!(Secret::from_file_contents(file.as_bytes()).unwrap(), bare);
    }
    let two = Secret::from_file_contents(format!("{SECRET}\n\n").as_bytes()).unwrap();
    assert_ne!(two, bare);
}

#[test]
fn a_kid_names_one_key() {
    let key = |kid: Option<&str>| VerificationKey::hs256(kid, &secret());
    for kid in ["", "a\nb", &*"k".repeat(257)] {
        assert_eq!(key(Some(kid)).unwrap_err(), KeyError::BadKid);
    }
    let twice = Keys::new(vec![key(Some("a")).unwrap(), key(Some("a")).unwrap()]);
    assert_eq!(
        twice.unwrap_err(),
        KeyError::DuplicateKid {
            kid: "a".to_owned()
        }
    );
    assert!(Keys::new(vec![key(None).unwrap(), key(None).unwrap()]).is_ok());
    let many = (0..65).map(|_| key(None).unwrap()).collect();
    assert_eq!(Keys::new(many).unwrap_err(), KeyError::TooManyKeys);
}

#[test]
fn a_verifier_without_keys_cannot_be_made() {
    let none = Verifier::new(Keys::default(), None, Rules::default());
    assert_eq!(none.unwrap_err(), KeyError::NoKeys);
}

#[test]
fn algorithms_are_named_to_the_letter() {
    assert_eq!("EdDSA".parse(), Ok(Algorithm::EdDsa));
    for name in ["none", "hs256", "HS384", "", "EDDSA"] {
        assert!(name.parse::<Algorithm>().is_err(), "{name}");
    }
}
