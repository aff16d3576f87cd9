//! The description of the REST calls, made from the table that routes them.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    Answer,
    call::Call,
    json as answer,
    route::{Route, Who, parameter},
    table::ROUTES,
};

/// Everything that bodies and parameters may be.
const SCHEMAS: &str = include_str!("schemas.json");
/// Routes for browsers and machines of which clients of the API need not know.
const NOT_TOLD: [&str; 2] = ["/", "/assets/{name}"];

/// Serves the document.
pub(crate) async fn serve(_: Call) -> Answer {
    answer(StatusCode::OK, &document())
}

/// The OpenAPI 3.1 document of everything this server answers over HTTP.
pub fn document() -> Value {
    let mut paths = Map::new();
    let told = ROUTES
        .iter()
        .filter(|route| !NOT_TOLD.contains(&route.path));
    for route in told {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation(route);
    }
    let schemas: Value = serde_json::from_str(SCHEMAS).unwrap_or_default();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Realtime",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Chat and notifications. What happens while one looks comes \
                over the WebSocket at /ws/ or the event stream at /sse/; everything else \
                is here.",
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
            "responses": {"Problem": {
                "description": "It was not done; `code` says why.",
                "content": {"application/problem+json": {"schema": reference("Problem")}},
            }},
        },
    })
}

fn operation(route: &Route) -> Value {
    let doc = &route.doc;
    let mut operation = json!({
        "summary": doc.summary,
        "operationId": operation_id(route),
        "description": who(route.who),
        "parameters": parameters(route),
        "responses": responses(route),
    });
    if route.who != Who::Anyone {
        operation["security"] = json!([{"token": []}]);
    }
    if let Some(body) = doc.body {
        operation["requestBody"] = json!({
            // Only a lock may do without.
            "required": body != "Lock",
            "content": {"application/json": {"schema": reference(body)}},
        });
    }
    operation
}

fn operation_id(route: &Route) -> String {
    let words = route.path.split('/').filter(|word| !word.is_empty());
    let words = words.filter(|word| !["api", "v1"].contains(word));
    let words = words.map(|word| word.trim_matches(['{', '}']).replace(['-', '.'], "_"));
    let path: Vec<String> = words.collect();
    format!(
        "{}_{}",
        route.method.as_str().to_lowercase(),
        path.join("_")
    )
}

const fn who(who: Who) -> &'static str {
    match who {
        Who::Anyone => "For everybody.",
        Who::User => "For users: any valid token that names one.",
        Who::Service => "For the platform: a token with the scope `realtime:service`.",
        Who::Participant => "For participants of the room, and for the platform.",
        Who::Opener => "For the platform; for users if the server is configured so.",
    }
}

fn parameters(route: &Route) -> Vec<Value> {
    let in_path = route.path.split('/').filter_map(parameter).map(|name| {
        let schema = match name {
            "room" => "RoomId",
            "user" => "UserId",
            "seq" => "Seq",
            _ => "SubjectWord",
        };
        json!({"name": name, "in": "path", "required": true, "schema": reference(schema)})
    });
    let in_query = route.doc.query.iter().map(|(name, schema)| {
        let mut parameter = json!({"name": name, "in": "query", "schema": reference(schema)});
        if *schema == "UserIds" {
            parameter["explode"] = Value::from(false);
        }
        let is_position = *name == "after_rev" && !route.path.ends_with("/edits");
        if is_position || *name == "users" {
            parameter["required"] = Value::from(true);
        }
        parameter
    });
    let in_headers = route.doc.headers.iter().map(|(name, required)| {
        let schema = json!({"type": "string"});
        json!({"name": name, "in": "header", "required": required, "schema": schema})
    });
    in_path.chain(in_query).chain(in_headers).collect()
}

fn responses(route: &Route) -> Value {
    let mut responses = Map::new();
    for (status, schema) in route.doc.answers {
        let mut response = json!({"description": "As asked."});
        if let Some(schema) = schema {
            response["content"] = json!({"application/json": {"schema": reference(schema)}});
        }
        responses.insert(status.to_string(), response);
    }
    if let Some(line) = route.doc.lines {
        let response = json!({
            "description": "One JSON object a line.",
            "content": {"application/x-ndjson": {"schema": reference(line)}},
        });
        responses.insert(StatusCode::OK.as_str().to_owned(), response);
    }
    let problem = json!({"$ref": "#/components/responses/Problem"});
    responses.insert("default".to_owned(), problem);
    Value::from(responses)
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn references(value: &Value, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                let reference = map.get("$ref").and_then(Value::as_str);
                into.extend(reference.map(str::to_owned));
                map.values().for_each(|value| references(value, into));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, into)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_route_is_told() {
        let document = document();
        for route in ROUTES.iter().filter(|it| !NOT_TOLD.contains(&it.path)) {
            let operation = &document["paths"][route.path][route.method.as_str().to_lowercase()];
            assert_eq!(operation["summary"], route.doc.summary, "{}", route.path);
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_schema_is_used() {
        let document = document();
        let mut used = BTreeSet::new();
        references(&document, &mut used);
        for reference in &used {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        for schema in document["components"]["schemas"]
            .as_object()
            .unwrap()
            .keys()
        {
            let reference = format!("#/components/schemas/{schema}");
            assert!(used.contains(&reference), "{schema} is used nowhere");
        }
    }

    #[test]
    fn operations_have_names_of_their_own() {
        let names: BTreeSet<String> = ROUTES.iter().map(operation_id).collect();
        assert_eq!(names.len(), ROUTES.len());
    }
}
