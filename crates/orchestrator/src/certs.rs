//! `orchestrator certs`: certificates for trying mutual TLS, in the layout that `serve` expects (core/ID-12, docs/tls.md).
//!
//! Owns which files there are and what the certificates say. They are for development: their keys lie side by side in one directory, which no
//! real consortium may do. Start at [`run`], then read [`Layout`].

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, ensure};
use clap::Args;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose,
};
use server::tls::{ClientFiles, Files};

/// How long everything is valid.
const VALIDITY: Duration = Duration::from_secs(365 * 24 * 3600);
/// How far another machine's clock may be behind ours.
const CLOCK_SKEW: Duration = Duration::from_secs(3600);
/// Files that everybody may read, and those that only their owner may.
const PUBLIC: u32 = 0o644;
const SECRET: u32 = 0o600;

#[derive(Args)]
pub(crate) struct Certs {
    /// The directory to make; it must not exist, or be empty.
    #[arg(long, value_name = "DIR")]
    directory: PathBuf,
    /// The organizations, separated by commas.
    #[arg(long, value_name = "IDS", value_delimiter = ',', default_value = "MyOrg1MSP,MyOrg2MSP,MyOrg3MSP")]
    organizations: Vec<String>,
    /// A name or IP address by which clients reach the server; may be repeated.
    #[arg(long = "server-name", value_name = "NAME", default_values = ["localhost", "127.0.0.1", "::1"])]
    server_names: Vec<String>,
}

/// Makes all certificates, and prints what the server must be told, for a shell to evaluate.
///
/// # Errors
/// The directory is not empty or cannot be written, or a name cannot be one.
pub(crate) fn run(certs: &Certs) -> anyhow::Result<()> {
    let organizations: BTreeSet<&str> = certs.organizations.iter().map(String::as_str).collect();
    for organization in &organizations {
        ensure!(names_a_directory(organization), "{organization:?} cannot name an organization's directory");
    }
    let layout = Layout::new(&certs.directory)?;
    layout.make(&organizations, &certs.server_names)?;
    layout.explain(&organizations)
}

/// Names that begin with two dots are taken for helpers of mounted volumes.
fn names_a_directory(organization: &str) -> bool {
    Path::new(organization).file_name() == Some(organization.as_ref()) && !organization.starts_with("..")
}

/// Where everything is in the directory.
pub(crate) struct Layout(PathBuf);

impl Layout {
    /// The layout of a directory, relative to where we are or not.
    ///
    /// # Errors
    /// Nobody can tell where we are.
    pub(crate) fn new(directory: &Path) -> anyhow::Result<Self> {
        std::path::absolute(directory)
            .map(Self)
            .with_context(|| format!("cannot tell where {} is", directory.display()))
    }

    /// What the server is told, the identity check included.
    pub(crate) fn files(&self) -> Files {
        let pair = self.server_pair();
        Files {
            certificate: pair.join("tls.crt"),
            key: pair.join("tls.key"),
            clients: Some(ClientFiles {
                server_authorities: self.server_authority(),
                client_authorities: self.client_authorities(),
                verify_organization: true,
            }),
        }
    }

    /// The arguments by which grpcurl gets in as this organization.
    pub(crate) fn access(&self, organization: &str) -> String {
        let pair = self.organization(organization);
        let [authority, certificate, key] =
            [self.server_authority(), pair.join("tls.crt"), pair.join("tls.key")].map(|path| quoted(&path));
        format!("-cacert {authority} -cert {certificate} -key {key}")
    }

    fn server_pair(&self) -> PathBuf {
        self.0.join("server/pair")
    }

    fn server_authority(&self) -> PathBuf {
        self.0.join("server/cacert/ca.crt")
    }

    fn client_authorities(&self) -> PathBuf {
        self.0.join("client")
    }

    /// What an organization keeps: the pair of its clients, and the key of its authority.
    fn organization(&self, organization: &str) -> PathBuf {
        self.0.join("organizations").join(organization)
    }

    /// Makes everything, for these organizations and a server of these names.
    ///
    /// # Errors
    /// The directory is not empty or cannot be written, or a name cannot be one.
    pub(crate) fn make(&self, organizations: &BTreeSet<&str>, server_names: &[String]) -> anyhow::Result<()> {
        self.claim()?;
        self.make_server(server_names)?;
        organizations.iter().try_for_each(|organization| self.make_organization(organization))
    }

    /// Makes sure that nothing is overwritten.
    fn claim(&self) -> anyhow::Result<()> {
        let directory = self.0.display();
        fs::create_dir_all(&self.0).with_context(|| format!("cannot make {directory}"))?;
        let mut entries = fs::read_dir(&self.0).with_context(|| format!("cannot read {directory}"))?;
        ensure!(entries.next().is_none(), "{directory} is not empty, and nothing in it is overwritten");
        Ok(())
    }

    fn make_server(&self, names: &[String]) -> anyhow::Result<()> {
        let authority = authority("orchestrator server", None)?;
        write(&self.server_authority(), &authority.pem(), PUBLIC)?;
        write(&self.0.join("server/ca.key"), &authority.key().serialize_pem(), SECRET)?;
        let mut parameters =
            CertificateParams::new(names).context("cannot make a certificate for these names")?;
        parameters.distinguished_name = name("orchestrator server", None);
        // Probes use the server's own pair to get in.
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        write_pair(&self.server_pair(), parameters, &authority)
    }

    fn make_organization(&self, organization: &str) -> anyhow::Result<()> {
        let authority = authority(organization, Some(organization))?;
        let directory = self.organization(organization);
        let trusted = self.client_authorities().join(organization).join("ca.crt");
        write(&trusted, &authority.pem(), PUBLIC)?;
        write(&directory.join("ca.key"), &authority.key().serialize_pem(), SECRET)?;
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = name(&format!("{organization} client"), Some(organization));
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        write_pair(&directory, parameters, &authority)
    }

    /// Everything but the settings is a comment, so that a shell can evaluate it all.
    fn explain(&self, organizations: &BTreeSet<&str>) -> anyhow::Result<()> {
        let pair = self.server_pair();
        let settings = [
            ("ORCHESTRATOR_TLS_ENABLED", "true".to_owned()),
            ("ORCHESTRATOR_TLS_CERT_PATH", quoted(&pair.join("tls.crt"))),
            ("ORCHESTRATOR_TLS_KEY_PATH", quoted(&pair.join("tls.key"))),
            ("ORCHESTRATOR_MTLS_ENABLED", "true".to_owned()),
            ("ORCHESTRATOR_TLS_SERVER_CA_CERT", quoted(&self.server_authority())),
            ("ORCHESTRATOR_TLS_CLIENT_CA_CERT_DIR", quoted(&self.client_authorities())),
            ("ORCHESTRATOR_VERIFY_CLIENT_MSP_ID", "true".to_owned()),
        ];
        let mut out = std::io::stdout().lock();
        writeln!(out, "# Certificates for development, valid for a year. For the server:")?;
        for (name, value) in settings {
            writeln!(out, "export {name}={value}")?;
        }
        for organization in organizations {
            writeln!(out, "# For the clients of {organization}, with grpcurl:")?;
            writeln!(out, "#   {}", self.access(organization))?;
        }
        Ok(out.flush()?)
    }
}

fn authority(of: &str, organization: Option<&str>) -> anyhow::Result<CertifiedIssuer<'static, KeyPair>> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = name(&format!("{of} development authority"), organization);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    limit_validity(&mut parameters);
    let key = KeyPair::generate().context("cannot make a key")?;
    CertifiedIssuer::self_signed(parameters, key).context("cannot make an authority")
}

/// Makes a certificate and writes it to `directory`, with its key.
fn write_pair(
    directory: &Path,
    mut parameters: CertificateParams,
    authority: &CertifiedIssuer<'static, KeyPair>,
) -> anyhow::Result<()> {
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.use_authority_key_identifier_extension = true;
    limit_validity(&mut parameters);
    let key = KeyPair::generate().context("cannot make a key")?;
    let certificate = parameters.signed_by(&key, authority).context("cannot make a certificate")?;
    write(&directory.join("tls.crt"), &certificate.pem(), PUBLIC)?;
    write(&directory.join("tls.key"), &key.serialize_pem(), SECRET)
}

fn limit_validity(parameters: &mut CertificateParams) {
    let now = SystemTime::now();
    parameters.not_before = (now - CLOCK_SKEW).into();
    parameters.not_after = (now + VALIDITY).into();
}

fn name(common_name: &str, organization: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    name
}

/// Writes a new file, and makes the directories on the way to it.
fn write(path: &Path, contents: &str, mode: u32) -> anyhow::Result<()> {
    let write = || {
        path.parent().map(fs::create_dir_all).transpose()?;
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(contents.as_bytes())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// A path as a shell takes it literally.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
