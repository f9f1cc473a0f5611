//! What every answer has, and who is refused.

use crate::{server::Limits, streams::Streams};
use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode, Uri,
        header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::net::IpAddr;

/// Nothing comes from elsewhere, nothing is inline. Pictures that a person drops are shown from memory.
const POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'self'";

/// The names under which a page may be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// Whatever name it has: for an address that others can reach.
    Any,
    /// Addresses, localhost, and the names here: for a page on loopback. A site elsewhere could have its own name mean this
    /// machine, and read the page in a browser here.
    Only(Vec<String>),
}

impl Names {
    fn has(&self, host: &str) -> bool {
        let Self::Only(names) = self else { return true };
        is_sure(host, names)
    }
}

/// Whether no site elsewhere can have `host` mean this machine: it is an address, localhost, or one of `names`.
fn is_sure(host: &str, names: &[String]) -> bool {
    let name = name_of(host);
    let is_local = name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost");
    is_local || name.parse::<IpAddr>().is_ok() || names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Who may ask, and how many may listen.
#[derive(Debug, Clone)]
pub struct Access {
    /// The names under which the page may be asked for.
    pub names: Names,
    /// Sites whose pages may ask as the page itself does, such as `https://host:8000`.
    pub origins: Vec<HeaderValue>,
    /// This machine's own names. A browser that knows it by another one may look, but not steer.
    pub own: Vec<String>,
    /// The places of those who listen.
    pub streams: Streams,
}

impl Default for Access {
    /// Under any name, for no other site, with the places of [`Limits::default`].
    fn default() -> Self {
        let streams = Streams::of(Limits::default().connections);
        Self { names: Names::Any, origins: Vec::new(), own: Vec::new(), streams }
    }
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    }
}

/// Refuses a name that the page does not have, and what another site's page sends.
pub(crate) async fn check(State(access): State<Access>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let host = text(headers, HOST.as_str()).or_else(|| request.uri().host()).unwrap_or_default();
    if !access.names.has(host) {
        let text = format!(
            "This page is on loopback, and {host:?} is no name of this machine. Open it as localhost, or have your proxy send \
             the header Host: localhost\n"
        );
        return (StatusCode::MISDIRECTED_REQUEST, text).into_response();
    }
    let is_named = headers.get(ORIGIN).is_some_and(|origin| access.origins.contains(origin));
    if request.method() == Method::POST && !is_named && is_foreign(headers, host) {
        let text = "Another site's page sent this: name the site with --http-origin if it may\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    if steers(headers) && !is_named && !is_sure(host, &access.own) {
        let text = format!(
            "A browser asks for {host:?}, and another site could have this name mean this machine. Start the coordinator with \
             --http-origin and the page's address, if it may steer\n"
        );
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    next.run(request).await
}

/// Whether a browser calls a method of gRPC, such as one that stops the run. Only browsers say where they come from.
fn steers(headers: &HeaderMap) -> bool {
    let is_browser = headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site");
    is_browser && text(headers, CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("application/grpc"))
}

/// Whether a browser says that another site's page asks. Behind a proxy, the page's own name is in a header of the proxy's.
fn is_foreign(headers: &HeaderMap, host: &str) -> bool {
    if let Some(site) = text(headers, "sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(headers, ORIGIN.as_str()) else { return false };
    let origin = origin.parse::<Uri>().ok();
    let Some(origin) = origin.as_ref().and_then(Uri::authority) else { return true };
    origin.as_str() != host && text(headers, "x-forwarded-host") != Some(origin.as_str())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// What every answer has.
pub(crate) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_on_loopback_has_names_of_this_machine_alone() {
        let names = Names::Only(vec!["node7".to_owned()]);
        for host in
            ["127.0.0.1:8080", "[::1]:8080", "localhost", "LOCALHOST:8080", "a.localhost:1", "Node7:8080", "10.0.0.1"]
        {
            assert!(names.has(host), "{host}");
        }
        for host in ["evil.example", "evil.example:8080", "localhost.evil.example", ""] {
            assert!(!names.has(host) && Names::Any.has(host), "{host}");
        }
    }

    #[test]
    fn a_browser_steers_under_names_alone_that_no_site_can_have() {
        let own = ["node7".to_owned()];
        assert!(is_sure("10.0.0.5:8080", &own) && is_sure("node7:8080", &own) && is_sure("localhost:1", &own));
        assert!(!is_sure("evil.example:8080", &own) && !is_sure("node7.evil.example", &own) && !is_sure("", &own));
        let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
            pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
        };
        let grpc = ("content-type", "application/grpc-web+proto");
        assert!(steers(&headers(&[grpc, ("origin", "http://evil.example:8080")])));
        assert!(!steers(&headers(&[grpc])), "a script");
        assert!(!steers(&headers(&[("content-type", "image/png"), ("origin", "http://a:1")])), "a picture");
    }

    #[test]
    fn a_browser_tells_of_other_sites() {
        let told = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            is_foreign(&headers, "localhost:8080")
        };
        assert!(!is_foreign(&HeaderMap::new(), "localhost:8080"), "a script without a browser");
        assert!(!told("origin", "http://localhost:8080"));
        assert!(told("origin", "http://localhost:8081") && told("origin", "null"));
        assert!(!told("sec-fetch-site", "same-origin") && told("sec-fetch-site", "cross-site"));
    }
}
