//! The files of the organizations, found by the storage addresses that they register.
//!
//! Each organization has a folder; an address names the organization as its host and the file in that folder as its path. Reaching into
//! another organization's folder stands for a download, so nothing that is read is believed before its checksum was compared with the one
//! that the orchestrator knows. Start at [`Storage::write`] and [`Storage::read`].

use std::fmt::Display;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, bail, ensure};
use proto::Addressable;

use super::learning::file::{self, Malformed};

const SCHEME: &str = "http://";

/// The folder with the folders of all organizations.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    folder: PathBuf,
}

/// The storage address of a file of an organization.
pub(super) fn address(organization: &str, file: &str) -> String {
    format!("{SCHEME}{organization}/{file}")
}

impl Storage {
    pub(super) fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Writes a file of an organization, and says what to register: its checksum and its address.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub(super) fn write(
        &self,
        organization: &str,
        file: &str,
        value: &impl Display,
    ) -> anyhow::Result<Addressable> {
        let storage_address = address(organization, file);
        let path = self.path(&storage_address)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        Ok(Addressable { checksum: file::write(&path, value)?, storage_address })
    }

    /// Reads a file of any organization, if it is still what was registered.
    ///
    /// # Errors
    ///
    /// There is no such file, its checksum is another one, or it is not in the form of a `T`.
    pub(super) fn read<T: FromStr<Err = Malformed>>(&self, registered: &Addressable) -> anyhow::Result<T> {
        let path = self.path(&registered.storage_address)?;
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let checksum = file::checksum(&bytes);
        ensure!(
            checksum == registered.checksum,
            "{} has the checksum {checksum}, but {} was registered",
            path.display(),
            registered.checksum
        );
        file::read(&path)
    }

    /// Where the file of an address is, which can only be inside the folder.
    pub(super) fn path(&self, address: &str) -> anyhow::Result<PathBuf> {
        let Some(file) = address.strip_prefix(SCHEME) else {
            bail!("{address:?} is not an address of this demo");
        };
        let is_inside =
            Path::new(file).components().all(|component| matches!(component, Component::Normal(_)));
        ensure!(is_inside, "{address:?} leads out of the demo's folder");
        Ok(self.folder.join(file))
    }
}

#[cfg(test)]
mod tests {
    use super::super::learning::Model;
    use super::{Storage, address};
    use asset::storage_address::is_strict_storage_address;

    #[test]
    fn addresses_are_acceptable_to_every_server() {
        for organization in ["MyOrg1MSP", "MyOrg20MSP"] {
            let address = address(organization, "models/0b7e1a52-6a0e-4d5c-8f0e-2f6b0c1d9a11.csv");
            assert!(is_strict_storage_address(&address), "{address}");
        }
    }

    #[test]
    fn what_one_organization_wrote_another_one_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let model = Model::initial(1);
        let registered = Storage::new(folder.path()).write("MyOrg1MSP", "models/a.csv", &model).unwrap();
        assert_eq!(registered.storage_address, "http://MyOrg1MSP/models/a.csv");
        assert!(folder.path().join("MyOrg1MSP/models/a.csv").is_file());
        assert_eq!(Storage::new(folder.path()).read::<Model>(&registered).unwrap(), model);
    }

    #[test]
    fn a_file_that_was_changed_is_refused_even_if_its_form_is_right() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::new(folder.path());
        let registered = storage.write("MyOrg1MSP", "models/a.csv", &Model::initial(1)).unwrap();
        storage.write("MyOrg1MSP", "models/a.csv", &Model::initial(2)).unwrap();
        let refused = storage.read::<Model>(&registered).unwrap_err().to_string();
        assert!(refused.contains("was registered"), "{refused}");
    }

    #[test]
    fn no_address_leads_out_of_the_folder() {
        let storage = Storage::new("demo");
        for address in ["http://../secret", "http:///etc/passwd", "http://a/../../b", "ftp://a/b", "a/b"] {
            assert!(storage.path(address).is_err(), "{address}");
        }
    }
}
