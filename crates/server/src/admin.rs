//! The HTTP port: for operators and their tools, never for members (operations contract, section 8).
//!
//! Plain HTTP without authentication, so it tells nothing about assets, and no text of a database. `/healthz` answers as long as the process serves,
//! `/readyz` says whether calls can succeed and if not, why; `/metrics` is there if it is wanted (core/OPS-1); anything else is 404.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::brief_connections::BriefConnections;
use crate::metrics::{self, Metrics};
use crate::readiness::ServerState;

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

    /// Serves until the future is dropped. Without metrics there is no `/metrics`.
    ///
    /// # Errors
    /// The port cannot be served any more.
    pub async fn serve(self, state: ServerState, metrics: Option<Arc<Metrics>>) -> std::io::Result<()> {
        let mut routes =
            Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(ready));
        if let Some(metrics) = metrics {
            let scrape = async move |State(state): State<ServerState>| scrape(&metrics, &state);
            routes = routes.route("/metrics", get(scrape));
        }
        axum::serve(BriefConnections::new(self.0), routes.with_state(state)).await
    }
}

async fn ready(State(state): State<ServerState>) -> Response {
    let readiness = state.readiness().await;
    let status = if readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, readiness.to_string()).into_response()
}

fn scrape(metrics: &Metrics, state: &ServerState) -> Response {
    match metrics.text(state) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
