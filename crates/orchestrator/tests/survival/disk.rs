//! A disk that is small enough to be filled.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// A file system of its own in a folder, if this user may make one.
pub(crate) struct SmallDisk {
    folder: tempfile::TempDir,
    is_mounted: bool,
}

impl SmallDisk {
    /// A disk of so many mebibytes, or a folder like any other; everybody may write to either.
    pub(crate) fn new(mebibytes: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o1777)).unwrap();
        let options = format!("size={mebibytes}m,mode=1777");
        let mut mount = Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).output();
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
