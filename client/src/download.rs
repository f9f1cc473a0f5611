//! Pictures from the web, with addresses as browsers understand them.

use crate::image::LIMIT;
use std::{
    env,
    fmt::Write,
    time::{Duration, Instant},
};
use ureq::{
    Agent, Proxy,
    http::{Uri, header::LOCATION},
};
use url::Url;

/// For a whole download.
const DOWNLOAD: Duration = Duration::from_secs(30);
/// How often a server may send one elsewhere.
const REDIRECTS: usize = 10;
/// The variables that name a proxy, in the order in which ureq looks at them.
const PROXIES: [&str; 6] = ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];

/// What a server answers.
enum Answer {
    Picture(Vec<u8>),
    Elsewhere(Url),
}

/// The file at `address`. Blocks.
///
/// # Errors
/// If there is none, or no way to it: the message says why, and by way of what it was tried.
pub fn download(address: &str) -> Result<Vec<u8>, String> {
    let mut url = Url::parse(address).map_err(|error| format!("this is no address of a picture: {error}"))?;
    let until = Instant::now() + DOWNLOAD;
    for redirects in 0..=REDIRECTS {
        match ask(&url, until) {
            Ok(Answer::Picture(bytes)) => return Ok(bytes),
            Ok(Answer::Elsewhere(next)) => url = next,
            Err(why) => {
                let redirected = (redirects > 0).then(|| format!("it was redirected to {}", shown(&url)));
                let by_way_of: Vec<String> = redirected.into_iter().chain(proxy(&url)).chain(passed_over()).collect();
                return Err(if by_way_of.is_empty() { why } else { format!("{why} ({})", by_way_of.join("; ")) });
            }
        }
    }
    Err(format!("it was redirected more than {REDIRECTS} times, at last to {}", shown(&url)))
}

/// One request. Redirects are followed by hand: ureq takes only those that are plain ASCII without spaces.
fn ask(url: &Url, until: Instant) -> Result<Answer, String> {
    let config = Agent::config_builder().max_redirects(0).user_agent(concat!("cox/", env!("CARGO_PKG_VERSION")));
    let agent = config.timeout_global(Some(until.saturating_duration_since(Instant::now()))).build().new_agent();
    let mut response = agent.get(&sent(url)).call().map_err(|error| failed(&error))?;
    if response.status().is_redirection() {
        let status = response.status().as_u16();
        let location = response.headers().get(LOCATION).filter(|_| matches!(status, 301..=303 | 307 | 308));
        let location = location.ok_or_else(|| format!("the server answers {status}; check the address"))?;
        return elsewhere(url, location.as_bytes()).map(Answer::Elsewhere);
    }
    let picture = response.body_mut().with_config().limit(LIMIT).read_to_vec();
    picture.map(Answer::Picture).map_err(|error| failed(&error))
}

/// What the server gets to see of a URL.
fn sent(url: &Url) -> String {
    let mut url = url.clone();
    url.set_fragment(None);
    url.into()
}

/// The URL for other people to see.
fn shown(url: &Url) -> Url {
    let mut url = url.clone();
    // Neither can fail for http and https.
    let _ = (url.set_username(""), url.set_password(None));
    url
}

/// Where a `Location` leads to, as seen from `url`. Bytes beyond ASCII stay as they are, whatever their encoding is.
fn elsewhere(url: &Url, location: &[u8]) -> Result<Url, String> {
    let text = location.iter().fold(String::new(), |mut text, byte| {
        if byte.is_ascii() {
            text.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
        text
    });
    let wrong = |why: String| format!("the server redirects to {text:?}: {why}");
    let next = url.join(&text).map_err(|error| wrong(error.to_string()))?;
    match next.scheme() {
        "http" | "https" => Ok(next),
        _ => Err(wrong("only http and https URLs can be downloaded".to_owned())),
    }
}

/// By way of which proxy ureq goes to `url`, and which variable says so.
fn proxy(url: &Url) -> Option<String> {
    let proxy = Proxy::try_from_env()?;
    let uri: Uri = sent(url).parse().ok()?;
    if proxy.is_no_proxy(&uri) {
        return None;
    }
    let names_it = |name: &&&str| env::var(name).is_ok_and(|value| Proxy::new(&value).is_ok());
    let variable = PROXIES.iter().find(names_it)?;
    let scheme = proxy.uri().scheme_str().unwrap_or("http");
    Some(format!("by way of the proxy {scheme}://{}:{}, which {variable} names", proxy.host(), proxy.port()))
}

/// Which variable should name a proxy and does not.
fn passed_over() -> Option<String> {
    let is_none = |name: &&&str| env::var(name).is_ok_and(|value| !value.is_empty() && Proxy::new(&value).is_err());
    let variable = PROXIES.iter().find(is_none)?;
    Some(format!("what {variable} says is no address of a proxy, and was passed over"))
}

fn failed(error: &ureq::Error) -> String {
    match error {
        ureq::Error::BodyExceedsLimit(_) => crate::image::too_large(),
        ureq::Error::StatusCode(status) => format!("the server answers {status}; check the address"),
        ureq::Error::Timeout(_) => format!("the download took longer than {} s", DOWNLOAD.as_secs()),
        other => format!("it cannot be downloaded: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever is an address to browsers is one to ureq.
        #[test]
        fn every_url_can_be_sent(text in ".{0,40}", location in prop::collection::vec(any::<u8>(), 0..40)) {
            let base = Url::parse("http://name:word@h:1/a/b?c#d").unwrap();
            let urls = [Url::parse(&format!("http://h/{text}")).ok(), base.join(&text).ok(), elsewhere(&base, &location).ok()];
            // Browsers let a host have characters that no name has.
            for url in urls.into_iter().flatten().filter(|url| url.host_str() == Some("h")) {
                prop_assert!(sent(&url).parse::<Uri>().is_ok(), "{}", url);
            }
        }
    }
}
