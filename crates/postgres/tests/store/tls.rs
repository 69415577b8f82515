//! TLS to the database: each `sslmode` against a server whose certificate is for `localhost`.

use postgres::testing::{Cluster, TestDatabase};
use postgres::{Postgres, PostgresOptions};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use super::{client, eventually};

/// A server that offers TLS, and the certificate of the authority that vouches for it.
struct Secured {
    _cluster: Cluster,
    database: TestDatabase,
    folder: TempDir,
}

impl Secured {
    async fn start() -> Self {
        let cluster = Cluster::start().await;
        let database = cluster.fresh_database().await;
        let folder = tempfile::tempdir().unwrap();
        let authority = authority();
        std::fs::write(folder.path().join("authority.pem"), authority.pem()).unwrap();
        std::fs::write(folder.path().join("stranger.pem"), self::authority().pem()).unwrap();
        let key = KeyPair::generate().unwrap();
        let server =
            CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        offer(&database, &server.pem(), &key.serialize_pem()).await;
        Self { _cluster: cluster, database, folder }
    }

    /// What a connection with these parameters comes to: whether it is encrypted, or none.
    async fn connect(&self, host: &str, parameters: &str) -> Option<bool> {
        let url = self.database.url().replace("127.0.0.1", host);
        let parameters = parameters.replace("FOLDER", self.folder.path().to_str().unwrap());
        let store =
            Postgres::connect(&format!("{url}?{parameters}"), PostgresOptions::default()).await.ok()?;
        store.ping().await.ok()?;
        const ENCRYPTED: &str = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
            WHERE datname = current_database() AND application_name = 'orchestrator'";
        let client = client(&self.database).await;
        let encrypted = client.query_one(ENCRYPTED, &[]).await.unwrap().get(0);
        drop(store);
        // The next one shall be judged by its own connections.
        eventually(async || {
            client.query_one(ENCRYPTED, &[]).await.unwrap().get::<_, Option<bool>>(0).is_none()
        })
        .await;
        encrypted
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

/// Has the server write the files itself: it only takes a key that belongs to it and that nobody else can
/// read.
async fn offer(database: &TestDatabase, certificate: &str, key: &str) {
    let client = client(database).await;
    for (name, content) in [("server.crt", certificate), ("server.key", key)] {
        let lines = content.trim().lines().map(|line| format!("('{line}')")).collect::<Vec<_>>().join(", ");
        let command = format!("umask 077 && cat > {name}");
        client.batch_execute(&format!("COPY (VALUES {lines}) TO PROGRAM '{command}'")).await.unwrap();
    }
    client.batch_execute("ALTER SYSTEM SET ssl = on").await.unwrap();
    client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let is_on = async || {
        let client = self::client(database).await;
        client.query_one("SHOW ssl", &[]).await.unwrap().get::<_, String>(0) == "on"
    };
    eventually(is_on).await;
}

#[tokio::test]
async fn each_mode_keeps_its_promise() {
    let secured = Secured::start().await;
    for (host, parameters, expected) in [
        ("127.0.0.1", "sslmode=disable", Some(false)),
        ("127.0.0.1", "", Some(true)),
        ("127.0.0.1", "sslmode=allow", Some(true)),
        ("127.0.0.1", "sslmode=prefer", Some(true)),
        ("127.0.0.1", "sslmode=require", Some(true)),
        // A given authority must have signed.
        ("127.0.0.1", "sslmode=require&sslrootcert=FOLDER/authority.pem", Some(true)),
        ("127.0.0.1", "sslmode=require&sslrootcert=FOLDER/stranger.pem", None),
        ("127.0.0.1", "sslmode=verify-ca&sslrootcert=FOLDER/authority.pem", Some(true)),
        ("127.0.0.1", "sslmode=verify-ca&sslrootcert=FOLDER/stranger.pem", None),
        ("127.0.0.1", "sslmode=verify-ca", None),
        // The host must be the one of the certificate.
        ("localhost", "sslmode=verify-full&sslrootcert=FOLDER/authority.pem", Some(true)),
        ("127.0.0.1", "sslmode=verify-full&sslrootcert=FOLDER/authority.pem", None),
        ("localhost", "sslmode=verify-full&sslrootcert=FOLDER/stranger.pem", None),
        // Files that do not hold what they should.
        ("localhost", "sslmode=verify-full&sslrootcert=FOLDER/nothing.pem", None),
        ("localhost", "sslmode=require&sslcert=FOLDER/authority.pem", None),
    ] {
        assert_eq!(secured.connect(host, parameters).await, expected, "{host} {parameters}");
    }
}

#[tokio::test]
async fn require_is_not_content_with_less() {
    let database = Cluster::shared().await.fresh_database().await;
    let outcome =
        Postgres::connect(&format!("{}?sslmode=require", database.url()), PostgresOptions::default()).await;
    assert!(outcome.is_err());
    let outcome =
        Postgres::connect(&format!("{}?sslmode=prefer", database.url()), PostgresOptions::default()).await;
    assert!(outcome.is_ok());
}
