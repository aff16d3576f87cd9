//! `openapi`: the description of the REST calls.

use realtime_server::http::openapi_document;

use super::{Failure, print};

pub(super) fn run() -> Result<(), Failure> {
    print(format_args!("{:#}", openapi_document()))
}
