//! Where the page is: at the address that a person named, or at the next that is free.

use crate::error::Error;
use program::address;
use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    str::FromStr,
};
use tokio::net::TcpListener;

/// The ports that are tried where nobody named one.
const PORTS: RangeInclusive<u16> = 8080..=8143;

/// What `--http` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Http {
    /// No page.
    Off,
    /// This address, on a port that is free.
    On(IpAddr),
    /// This port and no other.
    At(SocketAddr),
}

impl FromStr for Http {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("off") {
            return Ok(Self::Off);
        }
        let text = address::numbered(text);
        if let Ok(address) = text.parse() {
            return Ok(Self::At(address));
        }
        let ip = text.trim_start_matches('[').trim_end_matches(']').parse();
        let wanted = "give an address such as 127.0.0.1:8080, one without a port for any that is free, or off; \
                      of names, only localhost is taken";
        ip.map(Self::On).map_err(|_| wanted.to_owned())
    }
}

impl Http {
    /// Listens there. Nothing without a page: where nobody named a port, a page that cannot be served stops no run.
    ///
    /// # Errors
    /// If the port that was named cannot be had.
    pub async fn bind(self) -> Result<Option<TcpListener>, Error> {
        match self {
            Self::Off => Ok(None),
            Self::At(address) => {
                let bound = TcpListener::bind(address).await;
                bound.map(Some).map_err(|source| Error::Http { address, source })
            }
            Self::On(ip) => Ok(next_free(ip).await),
        }
    }
}

async fn next_free(ip: IpAddr) -> Option<TcpListener> {
    for port in PORTS {
        match TcpListener::bind((ip, port)).await {
            Ok(listener) => {
                if port != *PORTS.start() {
                    tracing::info!("port {} is taken: the page is on port {port}", PORTS.start());
                }
                return Some(listener);
            }
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => {
                tracing::warn!("there is no page: cannot listen on {ip}: {error}; name an address with --http");
                return None;
            }
        }
    }
    tracing::warn!(
        "there is no page: ports {} to {} of {ip} are taken; name another with --http",
        PORTS.start(),
        PORTS.end()
    );
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_have_a_port_or_be_off() {
        let http = |text: &str| text.parse::<Http>();
        assert_eq!(http("off"), Ok(Http::Off));
        assert_eq!(http("0.0.0.0"), Ok(Http::On("0.0.0.0".parse().unwrap())));
        assert_eq!(http("[::1]"), Ok(Http::On("::1".parse().unwrap())));
        assert_eq!(http("[::1]:80"), Ok(Http::At("[::1]:80".parse().unwrap())));
        assert_eq!(http("localhost:8080"), Ok(Http::At("127.0.0.1:8080".parse().unwrap())));
        assert_eq!(http("localhost"), Ok(Http::On("127.0.0.1".parse().unwrap())));
        for wrong in ["", "8080", "node-1:8080", "127.0.0.1:http"] {
            assert!(http(wrong).unwrap_err().contains("such as 127.0.0.1:8080"), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_port_that_was_named_is_that_one_or_none() {
        let first = Http::At("127.0.0.1:0".parse().unwrap()).bind().await.unwrap().unwrap();
        let taken = first.local_addr().unwrap();
        let error = Http::At(taken).bind().await.unwrap_err().to_string();
        assert!(error.contains(&format!("cannot serve the page on {taken}")), "{error}");
    }

    #[tokio::test]
    async fn a_port_that_nobody_named_is_the_next_that_is_free() {
        // Of an address of loopback that nobody else uses.
        let on = Http::On("127.0.77.1".parse().unwrap());
        let mut listeners = Vec::new();
        for port in PORTS {
            let listener = on.bind().await.unwrap().unwrap();
            assert_eq!(listener.local_addr().unwrap().port(), port);
            listeners.push(listener);
        }
        assert!(on.bind().await.unwrap().is_none(), "there is none, and that is no error");
    }
}
