//! What the coordinator sends to others over HTTP: by POST, and again if it is not taken.

use std::{thread::sleep, time::Duration};
use ureq::{
    Agent, Error,
    tls::{PemItem, RootCerts, TlsConfig, parse_pem},
};

/// How long an attempt may take.
const TIME: Duration = Duration::from_secs(10);
/// Before the second attempt. It doubles with each.
const PAUSE: Duration = Duration::from_secs(1);

/// Where to send.
#[derive(Debug)]
pub struct Receiver<'a> {
    /// The address.
    pub url: &'a str,
    /// The certificates that it is believed by, from [`certificates`]; `None`: those that everybody believes.
    pub authority: Option<RootCerts>,
    /// What it knows the sender by.
    pub token: Option<&'a str>,
}

impl<'a> Receiver<'a> {
    /// One that anybody may send to.
    pub fn open(url: &'a str) -> Self {
        Self { url, authority: None, token: None }
    }

    /// Sends JSON, in so many attempts at the most, each within `time`.
    ///
    /// # Errors
    /// If it is not taken, in words.
    pub fn post(&self, json: &str, attempts: u32, time: Duration) -> Result<(), String> {
        let mut config = Agent::config_builder().timeout_global(Some(time.min(TIME)));
        if let Some(authority) = &self.authority {
            config = config.tls_config(TlsConfig::builder().root_certs(authority.clone()).build());
        }
        if self.token.is_some() {
            // It is for this address alone.
            config = config.max_redirects(0).https_only(true);
        }
        let agent = Agent::new_with_config(config.build());
        let mut pause = PAUSE;
        for attempt in 1.. {
            let mut request = agent.post(self.url).header("Content-Type", "application/json");
            if let Some(token) = self.token {
                request = request.header("Authorization", format!("Bearer {token}"));
            }
            match request.send(json) {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => return Err(format!("it answers {}", answer.status().as_u16())),
                Err(error) if attempt == attempts || !may_pass(&error) => return Err(why(&error)),
                Err(_) => sleep(pause),
            }
            pause *= 2;
        }
        Ok(())
    }
}

/// The certificates in a file of PEM.
///
/// # Errors
/// If there are none, in words.
pub fn certificates(pem: &[u8]) -> Result<RootCerts, String> {
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(_) => {}
            Err(_) => return Err("what stands between BEGIN and END in it is damaged".to_owned()),
        }
    }
    if certificates.is_empty() {
        Err("it holds no certificate, which begins with -----BEGIN CERTIFICATE-----".to_owned())
    } else {
        Ok(RootCerts::new_with_certs(&certificates))
    }
}

/// Whether another attempt may succeed.
fn may_pass(error: &Error) -> bool {
    match error {
        Error::StatusCode(status) => *status >= 500 || *status == 429 || *status == 408,
        Error::BadUri(_) => false,
        _ => true,
    }
}

fn why(error: &Error) -> String {
    match error {
        Error::StatusCode(status) => format!("it answers {status}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_told() {
        let why = |pem: &str| certificates(pem.as_bytes()).map(drop).unwrap_err();
        for none in ["", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert!(why(none).contains("it holds no certificate"), "{none}: {}", why(none));
        }
        assert!(why("-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n").contains("damaged"));
    }
}
