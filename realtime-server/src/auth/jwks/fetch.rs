//! One request for a key set: bounded in time and size, no redirects.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::time::timeout;

use super::JwksUrl;
use crate::auth::{
    error::KeyError,
    limits::{FETCH_CONNECT_TIMEOUT, FETCH_TIMEOUT, MAX_FETCH_HEADER_BYTES, MAX_KEY_SET_BYTES},
};

const USER_AGENT: &str = concat!("realtime-server/", env!("CARGO_PKG_VERSION"));

/// Why a key set could not be had.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The issuer could not be reached, or broke off.
    #[error("the issuer of the keys cannot be reached")]
    Unreachable(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The issuer took longer than five seconds.
    #[error("the issuer of the keys did not answer in time")]
    TooSlow,
    /// The answer was not 200. Redirects are not followed.
    #[error("the issuer of the keys answered with status {0}")]
    Status(u16),
    /// The answer has more than 256 KiB.
    #[error("the key set is larger than {MAX_KEY_SET_BYTES} bytes")]
    TooLarge,
    /// The answer is no key set, or has no key that can be used here.
    #[error("the key set has no usable key")]
    NoUsableKey,
}

impl FetchError {
    fn unreachable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unreachable(Arc::from(cause.into()))
    }
}

/// A client for one URL.
#[derive(Debug)]
pub(super) struct Client {
    url: JwksUrl,
    http: legacy::Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl Client {
    pub(super) fn new(url: JwksUrl) -> Result<Self, KeyError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(FETCH_CONNECT_TIMEOUT));
        // The provider is named, because a host program may link a second one,
        // and rustls panics when it has to choose.
        let tls = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .map_err(|_| KeyError::Tls)?
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .http1_max_buf_size(MAX_FETCH_HEADER_BYTES)
            .build(tls);
        Ok(Self { url, http })
    }

    pub(super) fn host(&self) -> &str {
        self.url.host()
    }

    /// The body behind the URL.
    pub(super) async fn fetch(&self) -> Result<Bytes, FetchError> {
        timeout(FETCH_TIMEOUT, self.request())
            .await
            .map_err(|_| FetchError::TooSlow)?
    }

    async fn request(&self) -> Result<Bytes, FetchError> {
        let request = Request::get(self.url.as_uri())
            .header(header::ACCEPT, "application/jwk-set+json, application/json")
            .header(header::USER_AGENT, USER_AGENT)
            .body(Empty::new())
            .map_err(FetchError::unreachable)?;
        let response = self
            .http
            .request(request)
            .await
            .map_err(FetchError::unreachable)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let body = Limited::new(response.into_body(), MAX_KEY_SET_BYTES)
            .collect()
            .await;
        body.map(http_body_util::Collected::to_bytes)
            .map_err(|cause| {
                if cause.is::<LengthLimitError>() {
                    FetchError::TooLarge
                } else {
                    FetchError::unreachable(cause)
                }
            })
    }
}
