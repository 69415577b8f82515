//! The HTTP port: for operators and their tools, never for members (operations contract, section 8).
//!
//! Plain HTTP without authentication, so it tells nothing about channels or assets. `/healthz` answers as long as the process serves;
//! anything unknown is 404. Metrics find their place here.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;

/// An HTTP port that is open and not yet served.
#[derive(Debug)]
pub struct Admin(TcpListener);

/// Opens the HTTP port.
///
/// # Errors
/// The address is taken or not ours.
pub async fn listen(address: SocketAddr) -> std::io::Result<Admin> {
    TcpListener::bind(address).await.map(Admin)
}

impl Admin {
    /// Where it listens.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves until the future is dropped.
    ///
    /// # Errors
    /// The port cannot be served any more.
    pub async fn serve(self) -> std::io::Result<()> {
        let routes = Router::new().route("/healthz", get(|| async { "ok\n" }));
        axum::serve(self.0, routes).await
    }
}
