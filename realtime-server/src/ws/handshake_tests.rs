use super::*;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const PROTOCOL: &str = "rt.v1.json";

fn request(change: impl FnOnce(&mut Request<()>)) -> Request<()> {
    let mut request = Request::builder()
        .uri("/ws/")
        .header("host", "chat.example")
        .header("connection", "keep-alive, Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", VERSION)
        .header("sec-websocket-key", KEY)
        .body(())
        .unwrap();
    change(&mut request);
    request
}

fn set(name: &'static str, value: &'static str) -> impl FnOnce(&mut Request<()>) {
    move |request| {
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
}

fn add(name: &'static str, value: &'static str) -> impl FnOnce(&mut Request<()>) {
    move |request| {
        request
            .headers_mut()
            .append(name, HeaderValue::from_static(value));
    }
}

fn remove(name: &'static str) -> impl FnOnce(&mut Request<()>) {
    move |request| {
        request.headers_mut().remove(name);
    }
}

fn checked(change: impl FnOnce(&mut Request<()>)) -> Result<Response<()>, Refusal> {
    Handshake::check(&mut request(change), &Origins::Own, PROTOCOL)
        .map(|handshake| handshake.response)
}

fn status(change: impl FnOnce(&mut Request<()>)) -> u16 {
    checked(change)
        .map_or_else(|refusal| refusal.status(), |response| response.status())
        .as_u16()
}

#[test]
fn a_good_request_is_answered_with_the_key_of_rfc_6455() {
    let response = checked(|_| {}).unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let accept = &response.headers()[header::SEC_WEBSOCKET_ACCEPT];
    assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert!(
        !response
            .headers()
            .contains_key(header::SEC_WEBSOCKET_PROTOCOL)
    );
}

#[test]
fn what_is_no_upgrade_is_told_to_upgrade() {
    assert_eq!(status(remove("upgrade")), 426);
    assert_eq!(status(set("upgrade", "h2c")), 426);
    assert_eq!(status(|request| request.headers_mut().clear()), 426);
    let (name, value) = Refusal::NotUpgrade.header().unwrap();
    assert_eq!(
        (name.as_str(), value.as_bytes()),
        ("upgrade", b"websocket".as_slice())
    );
}

#[test]
fn other_versions_are_told_the_right_one() {
    for version in ["8", "14", "", "13, 8", "013"] {
        assert_eq!(
            status(set("sec-websocket-version", version)),
            426,
            "{version}"
        );
    }
    assert_eq!(status(add("sec-websocket-version", "13")), 426);
    assert_eq!(status(remove("sec-websocket-version")), 426);
    let (name, value) = Refusal::Version.header().unwrap();
    assert_eq!(
        (name.as_str(), value.as_bytes()),
        ("sec-websocket-version", b"13".as_slice())
    );
}

#[test]
fn a_bad_key_is_refused() {
    for key in [
        "",
        "c2hvcnQ=",
        "dGhlIHNhbXBsZSBub25jZQ!!",
        "AAAAAAAAAAAAAAAAAAAAAAAA",
    ] {
        assert_eq!(status(set("sec-websocket-key", key)), 400, "{key}");
    }
    assert_eq!(status(remove("sec-websocket-key")), 400);
    assert_eq!(status(add("sec-websocket-key", KEY)), 400);
}

#[test]
fn http_itself_must_be_right() {
    assert_eq!(status(|request| *request.method_mut() = Method::POST), 405);
    assert_eq!(
        status(|request| *request.version_mut() = Version::HTTP_10),
        400
    );
    assert_eq!(status(set("connection", "close")), 400);
    assert_eq!(status(set("connection", "keep-alive")), 400);
    assert_eq!(status(remove("connection")), 400);
    assert_eq!(status(add("host", "chat.example")), 400);
    assert_eq!(status(remove("host")), 400);
    assert_eq!(status(set("content-length", "5")), 400);
    assert_eq!(status(set("transfer-encoding", "chunked")), 400);
    assert_eq!(status(set("content-length", "0")), 101);
}

#[test]
fn the_subprotocol_is_chosen_among_what_is_offered() {
    let chosen = |offer| {
        let response = checked(set("sec-websocket-protocol", offer)).unwrap();
        response.headers()[header::SEC_WEBSOCKET_PROTOCOL].clone()
    };
    assert_eq!(chosen("rt.v1.json"), PROTOCOL);
    assert_eq!(chosen("graphql-ws, rt.v1.json"), PROTOCOL);
    for offer in ["graphql-ws", "", "RT.V1.JSON", "rt.v1.json2", ","] {
        assert_eq!(status(set("sec-websocket-protocol", offer)), 400, "{offer}");
    }
    let long = HeaderValue::from_str(&"x".repeat(10_000)).unwrap();
    let refused = status(|request| {
        request
            .headers_mut()
            .insert(header::SEC_WEBSOCKET_PROTOCOL, long);
    });
    assert_eq!(refused, 400);
}

#[test]
fn foreign_pages_are_refused() {
    assert_eq!(status(set("origin", "https://chat.example")), 101);
    assert_eq!(status(set("origin", "https://evil.example")), 403);
    assert_eq!(status(set("origin", "null")), 403);
}

#[test]
fn a_token_in_the_url_is_refused() {
    for uri in [
        "/ws/?token=abc",
        "/ws/?x=1&access_token=abc",
        "/ws/?Token",
        "/ws/?jwt=",
    ] {
        assert_eq!(
            status(|request| *request.uri_mut() = uri.parse().unwrap()),
            400,
            "{uri}"
        );
    }
    assert_eq!(
        status(|request| *request.uri_mut() = "/ws/?v=2".parse().unwrap()),
        101
    );
}
