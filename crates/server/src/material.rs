//! What TLS is made of: the contents of all certificate files at one moment (core/ID-12).
//!
//! Owns the layout of the files, and reads them without looking into them: what was read can be compared with what was read before, and either
//! all of it is used or nothing. Start at [`Files`].

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use asset::OrganizationId;

use crate::pem::PemFile;
use crate::tls::Error;

/// How the names of the directories begin by which Kubernetes swaps the contents of a volume.
const VOLUME_HELPER_PREFIX: &str = "..";

/// Where certificates and keys are; all files are PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The server's certificate, followed by those between it and its authority, if there are any.
    pub certificate: PathBuf,
    /// The private key of that certificate, not encrypted.
    pub key: PathBuf,
    /// Whom to require certificates from; `None`: no client is asked for one.
    pub clients: Option<ClientFiles>,
}

/// Where the authorities of clients are, and what their certificates are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFiles {
    /// The authorities of the server's own certificate. Clients with a certificate of theirs may connect, but prove no organization.
    pub server_authorities: PathBuf,
    /// A directory with one directory for each organization, named as the organization, with files of authorities (core/ID-12).
    pub client_authorities: PathBuf,
    /// Whether the organization that a caller names must be that of its certificate (core/ID-6).
    pub verify_organization: bool,
}

/// The contents of all files. Equal if every file is; a key is among it, so it cannot be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Material {
    pub(crate) certificate: PemFile,
    pub(crate) key: PemFile,
    pub(crate) clients: Option<ClientMaterial>,
}

/// The contents of the files that [`ClientFiles`] names.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ClientMaterial {
    pub(crate) server_authorities: PemFile,
    /// The files of each organization that has a directory, in the order of their names.
    pub(crate) organizations: BTreeMap<OrganizationId, Vec<PemFile>>,
    pub(crate) verify_organization: bool,
}

impl Files {
    /// Reads all files as they are now.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn read(&self) -> Result<Material, Error> {
        Ok(Material {
            certificate: PemFile::read(&self.certificate)?,
            key: PemFile::read(&self.key)?,
            clients: self.clients.as_ref().map(ClientFiles::read).transpose()?,
        })
    }
}

impl ClientFiles {
    fn read(&self) -> Result<ClientMaterial, Error> {
        Ok(ClientMaterial {
            server_authorities: PemFile::read(&self.server_authorities)?,
            organizations: organizations(&self.client_authorities)?,
            verify_organization: self.verify_organization,
        })
    }
}

/// Reads a directory with one directory for each organization, named as the organization.
///
/// Every regular file directly in there is read, whatever its name (core/DEF-6). Links are followed, to files and to directories; everything
/// else is ignored (core/DEF-7).
fn organizations(directory: &Path) -> Result<BTreeMap<OrganizationId, Vec<PemFile>>, Error> {
    let mut organizations = BTreeMap::new();
    for path in entries(directory, fs::Metadata::is_dir)? {
        if let Some(name) = organization_name(&path) {
            let files = entries(&path, fs::Metadata::is_file)?;
            let files: Result<_, _> = files.iter().map(|file| PemFile::read(file)).collect();
            organizations.insert(OrganizationId::new(name), files?);
        }
    }
    Ok(organizations)
}

/// The name of an organization's directory; names that no header can carry, and those of Kubernetes' helpers, are nobody's.
fn organization_name(directory: &Path) -> Option<&str> {
    let name = directory.file_name()?.to_str()?;
    (!name.starts_with(VOLUME_HELPER_PREFIX)).then_some(name)
}

/// The entries of a directory that are of this kind once links are followed, in the order of their names.
fn entries(directory: &Path, kind: fn(&fs::Metadata) -> bool) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |error| Error::unreadable(directory, error);
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let metadata = fs::metadata(&path).map_err(|error| Error::unreadable(&path, error))?;
        if kind(&metadata) {
            entries.push(path);
        }
    }
    entries.sort();
    Ok(entries)
}
