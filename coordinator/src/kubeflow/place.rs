//! Where the controller of Kubeflow Trainer is, and how it knows its job.

use crate::outgoing::certificates;
use program::address;
use std::{fs, path::PathBuf};
use ureq::tls::RootCerts;

/// The variables that the controller sets. Version 2.2 calls them by the first, and earlier proposals by the second.
const PREFIXES: [&str; 2] = ["KUBEFLOW_TRAINER_SERVER", "KUBEFLOW_TRAINER_STATUS"];

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    url: String,
    /// The file of the token, which changes within the hour.
    token: PathBuf,
    /// The file of the certificates; `None` where it is believed as everybody is.
    authority: Option<PathBuf>,
    /// The variable that names it.
    named_by: String,
}

impl Place {
    /// As the variables say; `None` outside of a TrainJob.
    ///
    /// # Errors
    /// Which variable is missing or makes no sense, in words.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Option<Result<Self, String>> {
        let variable = |name: String| variable(&name).filter(|value| !value.trim().is_empty());
        let (prefix, url) = PREFIXES.iter().find_map(|prefix| Some((prefix, variable(format!("{prefix}_URL"))?)))?;
        let file = |name: &str| variable(format!("{prefix}_{name}")).map(PathBuf::from);
        if !url.starts_with("https://") {
            let shown = address::hide_users(&url);
            return Some(Err(format!("{prefix}_URL is {shown:?}, and the token may go over https:// alone")));
        }
        let named_by = format!("{prefix}_CA_CERT");
        let token = file("TOKEN").ok_or_else(|| format!("{prefix}_URL is set, and {prefix}_TOKEN is not"));
        Some(token.map(|token| Self { url, token, authority: file("CA_CERT"), named_by }))
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn token(&self) -> Result<String, String> {
        let token = fs::read_to_string(&self.token);
        let token = token.map_err(|error| format!("cannot read the token in {}: {error}", self.token.display()))?;
        Ok(token.trim().to_owned())
    }

    /// What it is believed by; `None`: what everybody is.
    pub(super) fn authority(&self) -> Result<Option<RootCerts>, String> {
        let Some(path) = &self.authority else { return Ok(None) };
        let bad = |why: String| {
            format!("the certificates in {}, which {} names, cannot be read: {why}", path.display(), self.named_by)
        };
        let pem = fs::read(path).map_err(|error| bad(error.to_string()))?;
        certificates(&pem).map(Some).map_err(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(set: &[(&str, &str)]) -> Option<Result<Place, String>> {
        Place::of(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn both_names_are_known_and_what_is_missing_is_told() {
        assert_eq!(of(&[]), None);
        for prefix in PREFIXES {
            let names = ["URL", "TOKEN", "CA_CERT"].map(|name| format!("{prefix}_{name}"));
            let set =
                [(names[0].as_str(), "https://controller:8082/status"), (&names[1], "/token"), (&names[2], "/ca.crt")];
            let place = of(&set).unwrap().unwrap();
            assert_eq!((place.url(), place.token.as_path()), ("https://controller:8082/status", "/token".as_ref()));
            assert!(place.authority().unwrap_err().contains(&format!("/ca.crt, which {} names", names[2])));
            assert!(of(&set[..1]).unwrap().unwrap_err().contains(&names[1]));
            let believed = of(&set[..2]).unwrap().unwrap();
            assert!(believed.authority().unwrap().is_none(), "as everybody is");
            let plain = [(names[0].as_str(), "http://me:secret@controller"), set[1], set[2]];
            let why = of(&plain).unwrap().unwrap_err();
            assert!(why.contains("https:// alone") && !why.contains("secret"), "{why}");
        }
    }
}
