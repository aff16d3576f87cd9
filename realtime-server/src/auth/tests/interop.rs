//! Tokens minted by the real `djangorestframework-simplejwt`.

use std::fs;

use super::*;

const VECTORS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../testkit/interop/vectors/simplejwt.json"
);

fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap()
}

fn verifier_of(vector: &Value) -> Verifier {
    let algorithm = text(vector, "alg").parse().unwrap();
    let key = text(vector, "key").as_bytes();
    let key = VerificationKey::from_file_contents(None, algorithm, key).unwrap();
    let one = |name: &str| {
        vector[name]
            .as_str()
            .map(str::to_owned)
            .into_iter()
            .collect()
    };
    let rules = Rules {
        issuers: one("issuer"),
        audiences: one("audience"),
        user_claim: text(vector, "user_claim").to_owned(),
        ..Rules::default()
    };
    Verifier::new(Keys::new(vec![key]).unwrap(), None, rules).unwrap()
}

#[test]
fn tokens_of_simplejwt_are_judged_as_they_should_be() {
    let vectors: Vec<Value> = serde_json::from_str(&fs::read_to_string(VECTORS).unwrap()).unwrap();
    for vector in &vectors {
        let expected = &vector["expect"];
        let verdict = match verifier_of(vector).verify(text(vector, "token"), NOW_MS) {
            Ok(claims) => {
                assert!(claims.token_id.is_some());
                let mut verdict = json!({"user": claims.user, "service": claims.scope.service});
                if let Some(name) = claims.name {
                    verdict["name"] = json!(name);
                }
                verdict
            }
            Err(refusal) => json!({"error": refusal.code()}),
        };
        assert_eq!(&verdict, expected, "{}", vector["name"]);
    }
    let accepted = vectors
        .iter()
        .filter(|vector| vector["expect"]["user"].is_string())
        .count();
    assert!(
        accepted >= 4 && vectors.len() - accepted >= 4,
        "too few vectors to show anything"
    );
}
