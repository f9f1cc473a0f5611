//! The connection to the coordinator, and from which address of this machine it goes out.

use hyper_util::rt::TokioIo;
use proto::v1::cluster_client::ClusterClient;
use std::{
    io,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::net::TcpStream;
use tonic::transport::{Endpoint, Uri};
use tower::{Service, service_fn};

/// The address of this machine from which the coordinator was reached last.
#[derive(Debug, Clone, Default)]
pub(super) struct LocalAddress(Arc<Mutex<Option<IpAddr>>>);

impl LocalAddress {
    /// It, once there was a connection.
    pub fn get(&self) -> Option<IpAddr> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, address: IpAddr) {
        // An IPv4 address in the clothes of an IPv6 one is the IPv4 address.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(address.to_canonical());
    }
}

/// The way of what is large. Each thing has a connection of its own. On a slow line signs of life would wait behind it.
/// A connection may be dead without a word, as when a firewall has forgotten it. Then the next one is not.
#[derive(Debug, Clone)]
pub(super) struct Bulk(Endpoint);

impl Bulk {
    /// To the coordinator at `endpoint`.
    pub fn new(endpoint: Endpoint) -> Self {
        Self(endpoint)
    }

    /// Over a new connection, which is opened when it is used.
    pub fn client(&self) -> ClusterClient<tonic::transport::Channel> {
        // Others reach this worker where its orders come in, so only that address is noted.
        ClusterClient::new(self.0.connect_with_connector_lazy(connector(&LocalAddress::default())))
    }
}

/// Connects, and notes from where. A name with several addresses is tried address by address: the one that answers counts,
/// not the resolver's first.
pub(super) fn connector(
    local: &LocalAddress,
) -> impl Service<Uri, Response = TokioIo<TcpStream>, Error = io::Error, Future: Send> + Send + 'static {
    let local = local.clone();
    service_fn(move |uri: Uri| {
        let local = local.clone();
        async move {
            let host = uri.host().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "there is no host"))?;
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
            let stream = TcpStream::connect((host, port)).await?;
            stream.set_nodelay(true)?;
            local.set(stream.local_addr()?.ip());
            Ok(TokioIo::new(stream))
        }
    })
}
