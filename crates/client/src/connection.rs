//! The connection: where it leads, on whose behalf, and how a dead one is noticed.
//!
//! Every property of the transport is set in [`open`], except those of encryption, which are in [`crate::tls`]. It does not know the services.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::{RetryPolicy, Tls};

// A dead peer is noticed after half a minute, also while only an event stream is open and nothing happens on it.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection whose calls name the organization and the channel.
pub type Connection = InterceptedService<Channel, Identity>;

/// Where to connect, and as whom.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The server, as `http://host:port`, or `https://host:port` with [`ClientOptions::tls`].
    pub uri: String,
    /// The caller: the value of the header `mspid` (core/ID-3).
    pub organization: String,
    /// The channel of all calls: the value of the header of this name (core/CHN-1).
    pub channel: String,
    /// How to encrypt, and what to prove; `None`: not at all.
    pub tls: Option<Tls>,
    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// How often, how long and at what pace an unavailable server is asked again.
    pub retry: RetryPolicy,
}

impl ClientOptions {
    /// No encryption, ten seconds to connect, and the default retries.
    pub fn new(uri: impl Into<String>, organization: impl Into<String>, channel: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            organization: organization.into(),
            channel: channel.into(),
            tls: None,
            connect_timeout: Duration::from_secs(10),
            retry: RetryPolicy::default(),
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be understood.
    #[error("{uri:?} is not the address of a server")]
    Uri {
        /// What was given.
        uri: String,
        /// What is wrong with it.
        source: tonic::transport::Error,
    },
    /// A name has characters that no header can carry.
    #[error("the {header} {value:?} cannot be sent in a header")]
    Header {
        /// Which of the two it is.
        header: &'static str,
        /// What was given.
        value: String,
    },
    /// Encryption was asked for, but not by the address: nothing would have been encrypted.
    #[error("{uri} must begin with https:// for encryption")]
    Plain {
        /// The address.
        uri: String,
    },
    /// The certificates or the key cannot be used.
    #[error("cannot use the certificates or the key")]
    Tls(#[source] tonic::transport::Error),
    /// Nobody answered in time, or somebody who does not speak HTTP/2.
    #[error("cannot connect to {uri}")]
    Connect {
        /// Where to.
        uri: String,
        /// What went wrong.
        source: tonic::transport::Error,
    },
}

/// What is added to every call: who calls, and in which channel.
#[derive(Clone, Debug)]
pub struct Identity {
    organization: MetadataValue<Ascii>,
    channel: MetadataValue<Ascii>,
    calls: Arc<AtomicU64>,
}

impl Identity {
    fn new(options: &ClientOptions, calls: Arc<AtomicU64>) -> Result<Self, Error> {
        Ok(Self {
            organization: header_value("mspid", &options.organization)?,
            channel: header_value("channel", &options.channel)?,
            calls,
        })
    }
}

impl Interceptor for Identity {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("mspid", self.organization.clone());
        request.metadata_mut().insert("channel", self.channel.clone());
        self.calls.fetch_add(1, Ordering::Relaxed);
        Ok(request)
    }
}

fn header_value(header: &'static str, value: &str) -> Result<MetadataValue<Ascii>, Error> {
    value.parse().map_err(|_| Error::Header { header, value: value.to_owned() })
}

/// Opens the connection, and counts its calls.
pub(crate) async fn open(options: &ClientOptions, calls: Arc<AtomicU64>) -> Result<Connection, Error> {
    let identity = Identity::new(options, calls)?;
    let uri = &options.uri;
    let channel = endpoint(uri, options.tls.as_ref())?
        .connect_timeout(options.connect_timeout)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .connect()
        .await
        .map_err(|source| Error::Connect { uri: uri.clone(), source })?;
    Ok(InterceptedService::new(channel, identity))
}

/// Where the connection leads, and how it is encrypted.
fn endpoint(uri: &str, tls: Option<&Tls>) -> Result<Endpoint, Error> {
    let endpoint =
        Endpoint::from_shared(uri.to_owned()).map_err(|source| Error::Uri { uri: uri.to_owned(), source })?;
    let Some(tls) = tls else {
        return Ok(endpoint);
    };
    if endpoint.uri().scheme_str() != Some("https") {
        return Err(Error::Plain { uri: uri.to_owned() });
    }
    endpoint.tls_config(tls.config()).map_err(Error::Tls)
}

#[cfg(test)]
mod tests {
    use super::{ClientOptions, Error, Identity, Interceptor, Request};
    use crate::{Pair, Tls};
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn every_call_carries_both_headers_and_is_counted() {
        let calls = Arc::new(AtomicU64::new(0));
        let options = ClientOptions::new("http://localhost:9000", "MyOrg1MSP", "mychannel");
        let mut identity = Identity::new(&options, Arc::clone(&calls)).unwrap();
        identity.call(Request::new(())).unwrap();
        let request = identity.call(Request::new(())).unwrap();
        assert_eq!(request.metadata().get("mspid").unwrap(), "MyOrg1MSP");
        assert_eq!(request.metadata().get("channel").unwrap(), "mychannel");
        assert_eq!(calls.load(std::sync::atomic::Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn what_is_wrong_with_the_options_is_named() {
        let cases = [
            ("not an address", "MyOrg1MSP", "mychannel", "\"not an address\" is not the address of a server"),
            ("http://localhost:9000", "a\nb", "mychannel", "the mspid \"a\\nb\" cannot be sent in a header"),
            (
                "http://localhost:9000",
                "MyOrg1MSP",
                "a\nb",
                "the channel \"a\\nb\" cannot be sent in a header",
            ),
        ];
        for (uri, organization, channel, message) in cases {
            let refused = super::open(&ClientOptions::new(uri, organization, channel), Arc::default()).await;
            assert_eq!(refused.unwrap_err().to_string(), message);
        }
    }

    #[tokio::test]
    async fn an_address_where_nobody_listens_fails_at_once() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let refused = super::open(&ClientOptions::new(uri, "MyOrg1MSP", "mychannel"), Arc::default()).await;
        assert!(matches!(refused, Err(Error::Connect { .. })));
    }

    #[tokio::test]
    async fn what_is_wrong_with_the_encryption_is_told_before_anything_is_sent() {
        let tls = Tls {
            authorities: String::new(),
            server_name: None,
            pair: Some(Pair { certificates: "no certificate".to_owned(), key: "no key".to_owned() }),
        };
        for (uri, message) in [
            ("http://localhost:9000", "http://localhost:9000 must begin with https:// for encryption"),
            ("https://localhost:9000", "cannot use the certificates or the key"),
        ] {
            let mut options = ClientOptions::new(uri, "MyOrg1MSP", "mychannel");
            options.tls = Some(tls.clone());
            let refused = super::open(&options, Arc::default()).await;
            assert_eq!(refused.unwrap_err().to_string(), message);
        }
    }
}
