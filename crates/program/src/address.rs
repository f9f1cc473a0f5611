//! The address of a coordinator, as people give it.

use http::Uri;

/// The address in `text`: `http://HOST:PORT`, or HOST:PORT, to which `http://` is added. What could never be reached, such
/// as port 0 or a name with blanks in it, is refused.
///
/// # Errors
/// What is wrong with it, and how it has to look.
pub fn parse(text: &str) -> Result<Uri, String> {
    let wrong = |why: &str| format!("{why}; an address has the form http://HOST:PORT");
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let uri: Uri = full.parse().map_err(|error| wrong(&format!("{error}")))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some(other) => return Err(wrong(&format!("coxswain does not speak {other}"))),
        None => return Err(wrong("it names no host")),
    }
    let host = uri.host().unwrap_or_default();
    if host.is_empty() || host == "[]" {
        return Err(wrong("it names no host"));
    }
    match uri.port_u16() {
        None => return Err(wrong("it names no port")),
        Some(0) => return Err(wrong("port 0 is none that can be reached")),
        Some(_) => {}
    }
    Ok(uri)
}

/// As [`parse`], as text. Only the host and port count: gRPC decides on the path.
///
/// # Errors
/// As [`parse`].
pub fn normalise(text: &str) -> Result<String, String> {
    let uri = parse(text)?;
    Ok(format!("http://{}", uri.authority().map_or("", |authority| authority.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_scheme_is_added() {
        assert_eq!(normalise("127.0.0.1:50051").unwrap(), "http://127.0.0.1:50051");
        assert_eq!(normalise("node-1:50051").unwrap(), "http://node-1:50051");
        assert_eq!(normalise("http://[::1]:50051/").unwrap(), "http://[::1]:50051");
        assert_eq!(normalise("[::1]:50051").unwrap(), "http://[::1]:50051");
        assert_eq!(normalise("h:1/status?x").unwrap(), "http://h:1");
        assert_eq!(parse("HTTP://h:1").unwrap().scheme_str(), Some("http"));
    }

    #[test]
    fn what_could_never_be_reached_is_refused() {
        let wrong = [
            "",
            "http://",
            "node-1",
            "node-1:",
            "https://node-1:443",
            "grpc://h:1",
            "http://:50051",
            "http://a b:1",
            "a b:1",
            "h:0",
            "http://h:65536",
            "http://h:-1",
            "::1:50051",
            "http://[]:1",
            "http://h:port",
            "http://http://h:1",
            "/tmp/socket",
            "h\u{e9}:1",
        ];
        for text in wrong {
            let message = parse(text).unwrap_err();
            assert!(message.ends_with("an address has the form http://HOST:PORT"), "{text:?}: {message}");
        }
    }
}
