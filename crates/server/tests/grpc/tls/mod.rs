//! TLS, mutual TLS, and who a certificate makes its holder (core/ID-6 … ID-12).

mod handshakes;
mod matrix;
mod minting;
mod replacement;
mod startup;

use std::fs;
use std::path::Path;

use minting::{Authority, Pair};
use server::ServerOptions;
use server::tls::{ClientFiles, Files, Tls};
use tempfile::TempDir;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::running_server::RunningServer;

/// The files of a server for `localhost`.
struct ServerFiles {
    folder: TempDir,
    authority: Authority,
    verify_organization: bool,
}

impl ServerFiles {
    /// Without any client authority yet.
    fn new() -> Self {
        let files = Self {
            folder: tempfile::tempdir().unwrap(),
            authority: Authority::new("authority of the server"),
            verify_organization: true,
        };
        files.write_server_pair();
        files.write("ca.crt", &files.authority.pem());
        fs::create_dir(files.folder.path().join("client")).unwrap();
        files
    }

    /// Writes a new certificate of the server, by its authority.
    fn write_server_pair(&self) {
        let pair = self.authority.issue(&["Server"], |_| {});
        self.write("tls.crt", &pair.chain);
        self.write("tls.key", &pair.key);
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file, and the folders on the way to it.
    fn write(&self, name: &str, contents: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    fn files(&self) -> Files {
        Files {
            certificate: self.path().join("tls.crt"),
            key: self.path().join("tls.key"),
            clients: Some(ClientFiles {
                server_authorities: self.path().join("ca.crt"),
                client_authorities: self.path().join("client"),
                verify_organization: self.verify_organization,
            }),
        }
    }

    async fn start(&self) -> RunningServer {
        self.start_with(|_| {}).await
    }

    /// Starts with settings changed by `adjust`.
    async fn start_with(&self, adjust: impl FnOnce(&mut ServerOptions)) -> RunningServer {
        let tls = Tls::load(&self.files()).unwrap();
        RunningServer::start_with(|options| {
            options.access.tls = Some(tls);
            adjust(options);
        })
        .await
    }

    /// A connection of its own with this certificate.
    fn connect(&self, server: &RunningServer, pair: Option<&Pair>) -> Channel {
        let mut tls = ClientTlsConfig::new()
            .domain_name("localhost")
            .ca_certificate(Certificate::from_pem(self.authority.pem()));
        if let Some(Pair { chain, key }) = pair {
            tls = tls.identity(Identity::from_pem(chain, key));
        }
        Endpoint::try_from(format!("https://{}", server.address))
            .unwrap()
            .tls_config(tls)
            .unwrap()
            .connect_lazy()
    }
}
