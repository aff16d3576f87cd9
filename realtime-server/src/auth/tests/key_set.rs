//! Key sets from a server on this machine, good and bad.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures::stream;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use jsonwebtoken::{DecodingKey, jwk::Jwk};
use tokio::net::TcpListener;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// How the issuer answers.
#[derive(Clone)]
enum Answer {
    Body(Bytes),
    /// A status with a body that would be a key set.
    Status(StatusCode, Bytes),
    Redirect,
    /// Bytes without end.
    Endless,
    /// The headers, and then nothing.
    Stalled,
    /// Nothing at all.
    Silent,
}

/// An issuer of keys on this machine.
struct Issuer {
    address: SocketAddr,
    state: Arc<Mutex<(Answer, Vec<String>)>>,
}

impl Issuer {
    async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new((answer, Vec::new())));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                let service = service_fn(move |request| answer_to(request, Arc::clone(&state)));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
            }
        });
        Self { address, state }
    }

    async fn with_keys(keys: &[Value]) -> Self {
        Self::start(key_set(keys)).await
    }

    fn answers(&self, answer: Answer) {
        self.state.lock().unwrap().0 = answer;
    }

    fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap().1.clone()
    }

    fn verifier(&self) -> Verifier {
        let url = JwksUrl::parse(&format!("http://{}/keys?of=realtime", self.address)).unwrap();
        let jwks = Jwks::start(url).unwrap();
        Verifier::new(Keys::default(), Some(jwks), Rules::default()).unwrap()
    }
}

async fn answer_to(
    request: Request<Incoming>,
    state: Arc<Mutex<(Answer, Vec<String>)>>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let answer = {
        let mut state = state.lock().unwrap();
        state.1.push(request.uri().to_string());
        state.0.clone()
    };
    let response = Response::builder();
    let empty = Full::new(Bytes::new()).boxed();
    Ok(match answer {
        Answer::Body(body) => response.body(Full::new(body).boxed()),
        Answer::Status(status, body) => response.status(status).body(Full::new(body).boxed()),
        Answer::Redirect => response
            .status(StatusCode::FOUND)
            .header(header::LOCATION, "/elsewhere")
            .body(empty),
        Answer::Endless => {
            let chunk = || Ok(Frame::data(Bytes::from_static(&[b' '; 1_024])));
            response.body(StreamBody::new(stream::repeat_with(chunk)).boxed())
        }
        Answer::Stalled => response.body(StreamBody::new(stream::pending()).boxed()),
        Answer::Silent => std::future::pending().await,
    }
    .unwrap())
}

fn key_set(keys: &[Value]) -> Answer {
    Answer::Body(key_set_body(keys))
}

fn key_set_body(keys: &[Value]) -> Bytes {
    json!({ "keys": keys }).to_string().into()
}

/// Waits until something holds, for at most five seconds of any clock.
async fn until(holds: impl Fn() -> bool + Send + Sync) {
    let wait = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), wait)
        .await
        .unwrap();
}

fn jwk(algorithm: Algorithm, kid: &str, public_pem: &str) -> Value {
    let pem = public_pem.as_bytes();
    let key = match algorithm {
        Algorithm::Hs256 => DecodingKey::from_secret(pem),
        Algorithm::Rs256 => DecodingKey::from_rsa_pem(pem).unwrap(),
        Algorithm::Es256 => DecodingKey::from_ec_pem(pem).unwrap(),
        Algorithm::EdDsa => DecodingKey::from_ed_pem(pem).unwrap(),
    };
    let jwk = Jwk::from_decoding_key(&key, Some(algorithm.in_library())).unwrap();
    let mut value = serde_json::to_value(jwk).unwrap();
    value["kid"] = json!(kid);
    value["use"] = json!("sig");
    value
}

fn changed(mut value: Value, changes: &Value) -> Value {
    for (name, change) in changes.as_object().unwrap() {
        value[name] = change.clone();
    }
    value
}

fn token(kid: &str) -> String {
    signed_by(Algorithm::Es256, Some(kid), EC_PRIVATE, &good())
}

/// Lets a minute pass in an instant.
async fn a_minute_later() {
    tokio::time::pause();
    tokio::time::advance(MINUTE).await;
    tokio::time::resume();
}

#[tokio::test]
async fn tokens_of_every_kind_are_checked_with_the_keys_of_the_set() {
    let keys = ASYMMETRIC.map(|(algorithm, _, public)| jwk(algorithm, algorithm.as_str(), public));
    let issuer = Issuer::with_keys(&keys).await;
    let verifier = issuer.verifier();
    for (algorithm, private, _) in ASYMMETRIC {
        for kid in [Some(algorithm.as_str()), None] {
            let token = signed_by(algorithm, kid, private, &good());
            let claims = verifier.verify_or_refresh(&token, NOW_MS).await.unwrap();
            assert_eq!(claims.user.as_deref(), Some("ann"));
        }
    }
    assert_eq!(issuer.requests(), ["/keys?of=realtime"]);
}

#[tokio::test]
async fn a_rotated_key_is_found_and_the_old_one_forgotten() {
    let issuer = Issuer::with_keys(&[jwk(Algorithm::Es256, "old", EC_PUBLIC)]).await;
    let verifier = issuer.verifier();
    assert!(
        verifier
            .verify_or_refresh(&token("old"), NOW_MS)
            .await
            .is_ok()
    );

    issuer.answers(key_set(&[jwk(Algorithm::Es256, "new", EC_PUBLIC)]));
    let too_soon = verifier.verify_or_refresh(&token("new"), NOW_MS).await;
    assert!(
        matches!(too_soon, Err(AuthError::Refused(TokenError::UnknownKey))),
        "{too_soon:?}"
    );

    a_minute_later().await;
    assert!(
        verifier
            .verify_or_refresh(&token("new"), NOW_MS)
            .await
            .is_ok()
    );
    assert_eq!(
        verifier.verify(&token("old"), NOW_MS),
        Err(TokenError::UnknownKey)
    );
    assert_eq!(issuer.requests().len(), 2);
}

#[tokio::test]
async fn a_flood_of_unknown_keys_costs_one_fetch_a_minute() {
    let issuer = Issuer::with_keys(&[jwk(Algorithm::Es256, "k1", EC_PUBLIC)]).await;
    let verifier = issuer.verifier();
    for minute in 1..=3 {
        let tokens: Vec<String> = (0..100).map(|n| token(&format!("{minute}-{n}"))).collect();
        let flood = tokens
            .iter()
            .map(|token| verifier.verify_or_refresh(token, NOW_MS));
        for refusal in futures::future::join_all(flood).await {
            assert!(matches!(
                refusal,
                Err(AuthError::Refused(TokenError::UnknownKey))
            ));
        }
        assert_eq!(issuer.requests().len(), minute);
        a_minute_later().await;
    }
}

#[tokio::test]
async fn tokens_that_no_key_set_can_help_cause_no_fetch() {
    let issuer = Issuer::with_keys(&[jwk(Algorithm::Es256, "k1", EC_PUBLIC)]).await;
    let verifier = issuer.verifier();
    assert!(
        verifier
            .verify_or_refresh(&token("k1"), NOW_MS)
            .await
            .is_ok()
    );
    a_minute_later().await;
    let expired = signed_by(
        Algorithm::Es256,
        Some("k1"),
        EC_PRIVATE,
        &good_but(&json!({"exp": 1})),
    );
    let with_links = signed_with_header(
        &json!({
            "alg": "HS256",
            "kid": "unknown",
            "jku": format!("http://{}/evil", issuer.address),
            "x5u": format!("http://{}/evil", issuer.address),
        }),
        &good(),
    );
    for token in [expired, with_links, "garbage".to_owned(), signed(&good())] {
        let refusal = verifier.verify_or_refresh(&token, NOW_MS).await;
        assert!(matches!(refusal, Err(AuthError::Refused(_))), "{refusal:?}");
    }
    assert_eq!(issuer.requests(), ["/keys?of=realtime"]);
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_take_the_fetch_with_it() {
    let issuer = Issuer::with_keys(&[jwk(Algorithm::Es256, "k1", EC_PUBLIC)]).await;
    let verifier = issuer.verifier();
    let token = token("k1");
    {
        let mut impatient = Box::pin(verifier.verify_or_refresh(&token, NOW_MS));
        assert!(futures::poll!(&mut impatient).is_pending());
    }
    assert!(verifier.verify_or_refresh(&token, NOW_MS).await.is_ok());
    assert_eq!(issuer.requests().len(), 1);
}

#[tokio::test]
async fn the_last_good_keys_stay_when_the_issuer_fails() {
    let issuer = Issuer::with_keys(&[jwk(Algorithm::Es256, "k1", EC_PUBLIC)]).await;
    let verifier = issuer.verifier();
    assert!(
        verifier
            .verify_or_refresh(&token("k1"), NOW_MS)
            .await
            .is_ok()
    );
    let other = key_set_body(&[jwk(Algorithm::Es256, "k2", EC_PUBLIC)]);
    for answer in [
        Answer::Status(StatusCode::INTERNAL_SERVER_ERROR, other.clone()),
        Answer::Status(StatusCode::NOT_MODIFIED, Bytes::new()),
        Answer::Status(StatusCode::CREATED, other),
        Answer::Redirect,
        Answer::Endless,
        Answer::Body(Bytes::from_static(b"<html>")),
        Answer::Body(vec![b' '; 300 * 1024].into()),
        key_set(&[]),
        key_set(&[json!(5)]),
    ] {
        issuer.answers(answer);
        a_minute_later().await;
        let before = issuer.requests().len();
        let unknown = verifier
            .verify_or_refresh(&token("k2"), NOW_MS)
            .await
            .unwrap_err();
        assert!(
            unknown.is_transient(),
            "the key may be in the set that failed: {unknown}"
        );
        assert_eq!(issuer.requests().len(), before + 1);
        assert!(
            verifier
                .verify_or_refresh(&token("k1"), NOW_MS)
                .await
                .is_ok()
        );
    }
    assert!(
        issuer
            .requests()
            .iter()
            .all(|path| path == "/keys?of=realtime"),
        "no redirect"
    );
}

#[tokio::test]
async fn an_answer_that_is_too_large_says_so() {
    let issuer = Issuer::start(Answer::Endless).await;
    let error = issuer
        .verifier()
        .verify_or_refresh(&token("k1"), NOW_MS)
        .await
        .unwrap_err();
    let AuthError::Unavailable(cause) = error else {
        panic!("{error}")
    };
    assert_eq!(cause.to_string(), "the key set is larger than 262144 bytes");
}

#[tokio::test]
async fn a_key_set_may_have_256_kib_and_not_a_byte_more() {
    let mut body = key_set_body(&[jwk(Algorithm::Es256, "k1", EC_PUBLIC)]).to_vec();
    for (length, is_accepted) in [(256 * 1024, true), (256 * 1024 + 1, false)] {
        body.resize(length, b' ');
        let issuer = Issuer::start(Answer::Body(body.clone().into())).await;
        let verdict = issuer
            .verifier()
            .verify_or_refresh(&token("k1"), NOW_MS)
            .await;
        assert_eq!(verdict.is_ok(), is_accepted, "{length}");
    }
}

#[tokio::test]
async fn keys_are_fetched_again_every_ten_minutes_unasked() {
    let issuer = Issuer::with_keys(&[jwk(Algorithm::Es256, "k1", EC_PUBLIC)]).await;
    let verifier = issuer.verifier();
    assert!(
        verifier
            .verify_or_refresh(&token("k1"), NOW_MS)
            .await
            .is_ok()
    );
    issuer.answers(key_set(&[jwk(Algorithm::Es256, "k2", EC_PUBLIC)]));
    for _ in 0..10 {
        assert_eq!(issuer.requests().len(), 1);
        a_minute_later().await;
    }
    until(|| verifier.verify(&token("k2"), NOW_MS).is_ok()).await;
    assert_eq!(issuer.requests().len(), 2);
}

#[tokio::test]
async fn a_verifier_that_is_dropped_stops_fetching() {
    let issuer = Issuer::start(Answer::Stalled).await;
    let tasks = tokio::runtime::Handle::current().metrics();
    let before = tasks.num_alive_tasks();
    let verifier = issuer.verifier();
    until(|| issuer.requests().len() == 1).await;
    drop(verifier);
    until(|| tasks.num_alive_tasks() == before).await;
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_does_not_answer_is_given_up() {
    for answer in [Answer::Silent, Answer::Stalled] {
        let issuer = Issuer::start(answer).await;
        let began = tokio::time::Instant::now();
        let error = issuer
            .verifier()
            .verify_or_refresh(&token("k1"), NOW_MS)
            .await
            .unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert!(
            began.elapsed() <= Duration::from_secs(6),
            "{:?}",
            began.elapsed()
        );
    }
}

#[tokio::test]
async fn an_issuer_that_is_not_there_is_not_the_tokens_fault() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let jwks = Jwks::start(JwksUrl::parse(&format!("http://{address}/")).unwrap()).unwrap();
    let verifier = Verifier::new(Keys::default(), Some(jwks), Rules::default()).unwrap();
    let error = verifier
        .verify_or_refresh(&token("k1"), NOW_MS)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "busy");
}

#[tokio::test]
async fn keys_that_are_not_for_us_are_passed_over() {
    let good = jwk(Algorithm::Es256, "good", EC_PUBLIC);
    let rsa = || jwk(Algorithm::Rs256, "bad", RSA_PUBLIC);
    let ed = || jwk(Algorithm::EdDsa, "bad", ED_PUBLIC);
    let ec = || jwk(Algorithm::Es256, "bad", EC_PUBLIC);
    let bad = [
        json!(null),
        json!({"kty": "future", "kid": "bad"}),
        jwk(Algorithm::Hs256, "bad", SECRET),
        changed(ec(), &json!({"use": "enc"})),
        changed(ec(), &json!({"key_ops": ["sign"]})),
        changed(ec(), &json!({"alg": "ES384"})),
        changed(ec(), &json!({"crv": "P-384"})),
        changed(ec(), &json!({"x": "AAAA"})),
        changed(ec(), &json!({"x": encoded([0; 31]), "y": encoded([0; 33])})),
        changed(ec(), &json!({"kid": "a\nb"})),
        changed(rsa(), &json!({"alg": "PS256"})),
        changed(rsa(), &json!({"n": encoded([255; 128])})),
        changed(rsa(), &json!({"n": encoded([255; 1_024])})),
        changed(rsa(), &json!({"n": encoded([254; 256])})),
        changed(rsa(), &json!({"e": ""})),
        changed(rsa(), &json!({"e": "AQ"})),
        changed(rsa(), &json!({"n": "?"})),
        changed(ed(), &json!({"x": ""})),
        changed(ed(), &json!({"x": encoded([7; 31])})),
        changed(ed(), &json!({"x": encoded([7; 33])})),
        changed(ed(), &json!({"crv": "P-256"})),
    ];
    for key in &bad {
        let issuer = Issuer::with_keys(std::slice::from_ref(key)).await;
        let error = issuer
            .verifier()
            .verify_or_refresh(&token("bad"), NOW_MS)
            .await
            .unwrap_err();
        let AuthError::Unavailable(cause) = error else {
            panic!("{error} for {key}")
        };
        assert_eq!(cause.to_string(), "the key set has no usable key", "{key}");
    }
    let issuer = Issuer::with_keys(&[&bad[..], &[good]].concat()).await;
    assert!(
        issuer
            .verifier()
            .verify_or_refresh(&token("good"), NOW_MS)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_set_of_many_keys_is_read_in_part() {
    let many: Vec<Value> = (0..100)
        .map(|n| jwk(Algorithm::Es256, &format!("k{n}"), EC_PUBLIC))
        .collect();
    let issuer = Issuer::with_keys(&many).await;
    let verifier = issuer.verifier();
    assert!(
        verifier
            .verify_or_refresh(&token("k63"), NOW_MS)
            .await
            .is_ok()
    );
    assert!(
        verifier
            .verify_or_refresh(&token("k64"), NOW_MS)
            .await
            .is_err()
    );
}

#[test]
fn a_key_set_needs_a_runtime() {
    let url = JwksUrl::parse("https://id.example/keys").unwrap();
    assert_eq!(Jwks::start(url).unwrap_err(), KeyError::NoRuntime);
}

#[test]
fn a_key_set_comes_over_https_or_from_this_machine() {
    for url in [
        "https://id.example/keys",
        "https://10.0.0.1:8443/keys",
        "http://localhost:8000/keys",
        "http://127.0.0.1/keys",
        "http://127.8.8.8/keys",
        "http://[::1]:80/keys",
    ] {
        assert!(JwksUrl::parse(url).is_ok(), "{url}");
    }
    for url in [
        "",
        "/keys",
        "id.example/keys",
        "http://id.example/keys",
        "http://localhost.evil.example/keys",
        "http://127.0.0.1.evil.example/keys",
        "http://[::2]/keys",
        "https://user:password@id.example/keys",
        "http://localhost@id.example/keys",
        "ftp://id.example/keys",
        "file:///etc/passwd",
        "https:///keys",
        "https://id example/keys",
    ] {
        assert_eq!(JwksUrl::parse(url).unwrap_err(), KeyError::BadUrl, "{url}");
    }
    let shown = format!(
        "{:?}",
        JwksUrl::parse("https://id.example/keys?access=s3cret").unwrap()
    );
    assert_eq!(shown, "https://id.example/keys");
}
