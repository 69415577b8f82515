//! A disk that is small enough to be filled.

use std::io::Write;
use std::path::Path;
use std::process::Command;

/// Room for everything that the test writes, and not much more.
const SIZE: &str = "size=96m";

/// A file system of its own in a folder, if this user may make one.
pub(crate) struct SmallDisk {
    folder: tempfile::TempDir,
    is_mounted: bool,
}

impl SmallDisk {
    /// A small disk, or a folder like any other.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(folder.path()).output();
        let is_mounted = mount.is_ok_and(|output| output.status.success());
        if !is_mounted {
            println!("  no disk will be full, for this user may not mount one");
        }
        Self { folder, is_mounted }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Whether it can be filled.
    pub(crate) fn is_small(&self) -> bool {
        self.is_mounted
    }

    /// Leaves no byte free.
    pub(crate) fn fill(&self) {
        let mut file = std::fs::File::create(self.ballast()).unwrap();
        let portion = vec![0; 64 * 1024];
        while file.write_all(&portion).is_ok() {}
    }

    /// Frees what [`SmallDisk::fill`] has taken.
    pub(crate) fn free(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> std::path::PathBuf {
        self.folder.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.is_mounted {
            // The folder cannot be removed before; a process that still holds a file must not prevent it.
            let _unmounted = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
        }
    }
}
