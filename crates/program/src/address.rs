//! The address of a coordinator, as people give it.

use http::{Uri, uri::Authority};
use std::{borrow::Cow, net::IpAddr};

/// What stands in the place of a user and a password.
const HIDDEN: &str = "***";

/// The address in `text`: `http://HOST:PORT`, or HOST:PORT, to which `http://` is added. What could never be reached, such
/// as port 0 or a name with blanks in it, is refused. A user and a password are left out: nobody asks for them over gRPC, and
/// addresses are shown.
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
        None if uri.authority().is_some_and(|authority| has_port(authority.as_str())) => {
            return Err(wrong("its port is none: ports go from 1 to 65535"));
        }
        None => return Err(wrong("it names no port")),
        Some(0) => return Err(wrong("port 0 is none that can be reached")),
        Some(_) => {}
    }
    without_user(uri).map_err(|error| wrong(&error))
}

/// `uri` without a user and a password.
fn without_user(uri: Uri) -> Result<Uri, String> {
    let host =
        uri.authority().and_then(|authority| authority.as_str().rsplit_once('@')).map(|(_, host)| host.to_owned());
    let Some(host) = host else { return Ok(uri) };
    let mut parts = uri.into_parts();
    parts.authority = Some(Authority::try_from(host).map_err(|error| error.to_string())?);
    Uri::from_parts(parts).map_err(|error| error.to_string())
}

/// `text` with the user and the password of every address in it hidden, to be shown.
#[must_use]
pub fn hide_users(text: &str) -> Cow<'_, str> {
    let ends = |letter: char| letter.is_whitespace() || matches!(letter, '"' | '\'' | '`' | '<' | '>');
    let mut shown = String::new();
    let mut from = 0;
    for word in text.split(ends) {
        let start = word.as_ptr() as usize - text.as_ptr() as usize;
        let begin = word.find("://").map_or(0, |scheme| scheme + 3);
        let authority = word[begin..].split(['/', '?', '#']).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        // Without a scheme it may be an address of mail.
        if let Some(user) = user.filter(|user| begin > 0 || user.contains(':')) {
            shown += &text[from..start + begin];
            shown += HIDDEN;
            from = start + begin + user.len();
        }
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    Cow::Owned(shown + &text[from..])
}

/// Whether something stands where the port of `authority` is.
fn has_port(authority: &str) -> bool {
    authority.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && !port.ends_with(']'))
}

/// `text` with the name `localhost` as the number that it stands for: what listens on an address takes no other name.
#[must_use]
pub fn numbered(text: &str) -> String {
    match text.strip_prefix("localhost") {
        Some(rest) if rest.is_empty() || rest.starts_with(':') => format!("127.0.0.1{rest}"),
        _ => text.to_owned(),
    }
}

/// An address of a machine, without a port: a name or a number. Whether it is this machine's is seen when it is used.
///
/// # Errors
/// What is wrong with it.
pub fn host(text: &str) -> Result<String, String> {
    let number = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    // A link's own addresses name the link.
    let (address, _link) = number.split_once('%').unwrap_or((number, ""));
    if let Ok(address) = address.parse::<IpAddr>() {
        if address.is_unspecified() || address.is_multicast() {
            return Err(format!("{address} is the address of no one machine"));
        }
        return Ok(number.to_owned());
    }
    let letters = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    if text.is_empty() || !text.chars().all(letters) {
        return Err("it has to be the name or number of a machine, without http:// and without a port".to_owned());
    }
    Ok(text.to_owned())
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
    fn a_password_is_neither_kept_nor_shown() {
        assert_eq!(normalise("http://me:secret@collector:4317").unwrap(), "http://collector:4317");
        assert_eq!(normalise("me:se@cret@[::1]:4317").unwrap(), "http://[::1]:4317");
        assert_eq!(parse("http://me@h:1/path?x").unwrap(), "http://h:1/path?x");
        let told = "invalid value 'https://me:secret@h/x@y' for '--url': see \"ftp://u@h:1\", u:p@h:2 or a@b.org";
        let shown = "invalid value 'https://***@h/x@y' for '--url': see \"ftp://***@h:1\", ***@h:2 or a@b.org";
        assert_eq!(hide_users(told), shown);
        for plain in ["", "no address", "http://h:1/a?b=c@d", "\u{e9}\u{e9} http://h"] {
            assert!(matches!(hide_users(plain), Cow::Borrowed(same) if same == plain));
        }
    }

    #[test]
    fn localhost_is_a_number() {
        for (text, number) in [
            ("localhost:5000", "127.0.0.1:5000"),
            ("localhost", "127.0.0.1"),
            ("localhosts:1", "localhosts:1"),
            ("[::1]:1", "[::1]:1"),
        ] {
            assert_eq!(numbered(text), number);
        }
    }

    #[test]
    fn a_host_is_a_name_or_a_number() {
        for fine in ["node-1", "node_1.lan", "10.0.0.7", "::1", "fe80::1%eth0", "localhost"] {
            assert_eq!(host(fine).unwrap(), fine);
        }
        assert_eq!(host("[::1]").unwrap(), "::1");
        for wrong in ["", "a b", "http://x", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "127.0.0.1:9", "x/y", "[::1]:9"] {
            assert!(host(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_port_that_is_none_is_told_from_a_missing_one() {
        assert!(parse("http://127.0.0.1:99999").unwrap_err().contains("from 1 to 65535"));
        assert!(parse("http://127.0.0.1").unwrap_err().contains("names no port"));
        assert!(parse("http://[::1]").unwrap_err().contains("names no port"));
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
