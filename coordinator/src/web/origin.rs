//! Sites whose pages may ask the run.

use http::HeaderValue;
use std::str::FromStr;
use url::Url;

/// What a browser says a page is from, such as `https://host:8000`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(pub HeaderValue);

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted =
            "give what all addresses of the site begin with, such as https://host.example:8000, without a path";
        let url = Url::parse(text).map_err(|_| wanted.to_owned())?;
        let origin = url.origin();
        if !origin.is_tuple()
            || !matches!(url.scheme(), "http" | "https")
            || !matches!(text.strip_prefix(&origin.ascii_serialization()), Some("" | "/"))
        {
            return Err(wanted.to_owned());
        }
        HeaderValue::from_str(&origin.ascii_serialization()).map(Self).map_err(|_| wanted.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_one_site_and_never_all_of_them() {
        for (text, origin) in [
            ("http://localhost:8000", "http://localhost:8000"),
            ("https://host.example/", "https://host.example"),
            ("http://[::1]:8000", "http://[::1]:8000"),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().0, origin);
        }
        // A file, and a frame without rights, have the origin null: anybody can make one.
        for text in
            ["null", "*", "file:///x.html", "localhost:8000", "http://host/path", "http://a@host", "https://host:443"]
        {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }
}
