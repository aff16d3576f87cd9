//! What a route is, and which one a request means.

use futures::future::BoxFuture;
use http::{HeaderValue, Method};
use percent_encoding::percent_decode_str;

use super::{Answer, call::Call};

/// Answers the requests of one route.
pub(crate) type Handler = fn(Call) -> BoxFuture<'static, Answer>;

/// One line of the table: from it come routing, access, `Allow` and the OpenAPI
/// document.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: Method,
    /// The path; `{name}` stands for one segment.
    pub(crate) path: &'static str,
    /// Who may call it. Which rooms they may call it for is checked by the core.
    pub(crate) who: Who,
    pub(crate) handler: Handler,
    pub(crate) doc: Doc,
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Everybody; no token is looked at.
    Anyone,
    /// Who has a token that names a user.
    User,
    /// The platform.
    Service,
    /// The platform, or who has a token that names a user, within their rooms.
    Participant,
    /// The platform, and users if the configuration lets them open rooms.
    Opener,
}

/// What the OpenAPI document says of a route beyond the rest.
#[derive(Debug)]
pub(crate) struct Doc {
    pub(crate) summary: &'static str,
    /// Query parameters, with their schemas.
    pub(crate) query: &'static [(&'static str, &'static str)],
    /// Headers that matter, with whether they must be there.
    pub(crate) headers: &'static [(&'static str, bool)],
    /// The schema of the request's body.
    pub(crate) body: Option<&'static str>,
    /// Statuses of success, with the schemas of their bodies; without one, there is no
    /// JSON.
    pub(crate) answers: &'static [(u16, Option<&'static str>)],
    /// The schema of a line, of an answer that is a stream of them.
    pub(crate) lines: Option<&'static str>,
}

impl Doc {
    pub(crate) const fn new(
        summary: &'static str,
        answers: &'static [(u16, Option<&'static str>)],
    ) -> Self {
        Self {
            summary,
            query: &[],
            headers: &[],
            body: None,
            answers,
            lines: None,
        }
    }

    pub(crate) const fn lines(self, schema: &'static str) -> Self {
        Self {
            lines: Some(schema),
            ..self
        }
    }

    pub(crate) const fn query(self, query: &'static [(&'static str, &'static str)]) -> Self {
        Self { query, ..self }
    }

    pub(crate) const fn headers(self, headers: &'static [(&'static str, bool)]) -> Self {
        Self { headers, ..self }
    }

    pub(crate) const fn body(self, schema: &'static str) -> Self {
        Self {
            body: Some(schema),
            ..self
        }
    }
}

/// The segments of a path that stand for something, decoded.
pub(crate) type Params = Vec<(&'static str, String)>;

/// The routes at one address.
#[derive(Debug)]
pub(crate) struct Found {
    /// All methods of the address.
    pub(crate) routes: Vec<&'static Route>,
    /// `None`: a segment is no UTF-8.
    pub(crate) params: Option<Params>,
}

impl Found {
    /// The route of a method; HEAD is answered by GET.
    pub(crate) fn route(&self, method: &Method) -> Option<&'static Route> {
        let of = |method: &Method| self.routes.iter().find(|route| route.method == *method);
        match (of(method), *method == Method::HEAD) {
            (Some(route), _) => Some(route),
            (None, true) => of(&Method::GET)
                .filter(|route| route.answers_head())
                .copied(),
            (None, false) => None,
        }
    }

    /// The methods of the address, for `Allow`.
    pub(crate) fn allowed(&self) -> HeaderValue {
        let mut methods: Vec<&str> = Vec::new();
        for route in &self.routes {
            methods.push(route.method.as_str());
            if route.answers_head() {
                methods.push("HEAD");
            }
        }
        methods.push("OPTIONS");
        // Method names are always header text.
        HeaderValue::from_str(&methods.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"))
    }
}

impl Route {
    /// A stream has no head of its own: opening it is its answer.
    fn answers_head(&self) -> bool {
        self.method == Method::GET && self.path != super::sse::PATH
    }
}

/// Finds the routes of a path, which is the same with and without a final slash.
pub(crate) fn find(table: &'static [Route], path: &str) -> Option<Found> {
    let asked: Vec<&str> = segments(path).collect();
    let first = table.iter().find(|route| fits(route.path, &asked))?;
    let routes = table.iter().filter(|route| route.path == first.path);
    let params = segments(first.path)
        .zip(&asked)
        .filter_map(|(pattern, segment)| Some((parameter(pattern)?, *segment)))
        .map(|(name, segment)| {
            let text = percent_decode_str(segment).decode_utf8().ok()?;
            Some((name, text.into_owned()))
        });
    Some(Found {
        routes: routes.collect(),
        params: params.collect(),
    })
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.strip_suffix('/').unwrap_or(path).split('/')
}

fn fits(pattern: &str, asked: &[&str]) -> bool {
    segments(pattern).count() == asked.len()
        && segments(pattern)
            .zip(asked)
            .all(|(pattern, segment)| parameter(pattern).is_some() || pattern == *segment)
}

/// The name in `{name}`.
pub(crate) fn parameter(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::table::ROUTES;

    fn path_of(path: &str) -> Option<&'static str> {
        find(ROUTES, path).map(|found| found.routes[0].path)
    }

    #[test]
    fn a_path_is_the_same_with_and_without_a_final_slash() {
        assert_eq!(path_of("/api/v1/rooms"), Some("/api/v1/rooms"));
        assert_eq!(path_of("/api/v1/rooms/"), Some("/api/v1/rooms"));
        assert_eq!(path_of("/"), Some("/"));
        assert_eq!(path_of("/api/v1"), None);
        assert_eq!(path_of("/api/v1/rooms/a/b/c"), None);
        assert_eq!(path_of("/api/v1/notifications/read"), None);
    }

    #[test]
    fn words_go_before_names() {
        let found = find(ROUTES, "/api/v1/rooms/by-subject/messages/7").unwrap();
        assert_eq!(found.routes[0].path, "/api/v1/rooms/by-subject/{type}/{id}");
        assert_eq!(
            found.params.unwrap(),
            [("type", "messages".to_owned()), ("id", "7".to_owned())]
        );
    }

    #[test]
    fn segments_are_decoded_one_by_one() {
        let found = find(ROUTES, "/api/v1/rooms/r/participants/a%2Fb%20c").unwrap();
        let params = found.params.unwrap();
        assert_eq!(params[1], ("user", "a/b c".to_owned()));
        let found = find(ROUTES, "/api/v1/rooms/%ff").unwrap();
        assert_eq!(found.params, None);
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        let found = find(ROUTES, "/api/v1/rooms").unwrap();
        assert!(found.route(&Method::DELETE).is_none());
        assert!(found.route(&Method::HEAD).is_some());
        assert_eq!(found.allowed(), "GET, HEAD, POST, OPTIONS");
        let stream = find(ROUTES, "/sse/").unwrap();
        assert_eq!(stream.allowed(), "GET, OPTIONS");
    }

    #[test]
    fn every_route_stands_in_the_table_once() {
        for (place, route) in ROUTES.iter().enumerate() {
            let same = |other: &Route| other.method == route.method && other.path == route.path;
            assert_eq!(ROUTES.iter().position(same), Some(place), "{}", route.path);
            let found = find(ROUTES, route.path).unwrap();
            assert_eq!(found.routes[0].path, route.path, "shadowed");
        }
    }
}
