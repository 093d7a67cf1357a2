//! File systems of one's own: small, full, read-only, or with a disk whose power can be cut.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A mounted file system. It goes when this does, also when a test fails.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// A file system in memory.
    pub(crate) fn memory(at: &Path, bytes: u64) -> Result<Self, String> {
        Self::new(at, &["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"])
    }

    /// The file system of a disk image.
    pub(crate) fn image(image: &Path, at: &Path, options: &str) -> Result<Self, String> {
        Self::new(at, &["-o", &format!("loop,{options}"), path(image)])
    }

    /// The same folder once more, where nothing can be written, not even by root.
    pub(crate) fn read_only(folder: &Path, at: &Path) -> Result<Self, String> {
        let mount = Self::new(at, &["--bind", path(folder)])?;
        run("mount", &["-o", "remount,bind,ro", path(at)])?;
        Ok(mount)
    }

    fn new(at: &Path, arguments: &[&str]) -> Result<Self, String> {
        if fs::metadata("/proc/self").map_err(|error| error.to_string())?.uid() != 0 {
            return Err("only root mounts file systems".to_owned());
        }
        fs::create_dir_all(at).map_err(|error| error.to_string())?;
        run("mount", &[arguments, &[path(at)]].concat())?;
        Ok(Self(at.to_owned()))
    }

    pub(crate) fn at(&self) -> &Path {
        &self.0
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // What a failed test has left open goes on until it is closed, and with it the loop device.
        if let Err(error) = run("umount", &[path(&self.0)]).or_else(|_| run("umount", &["-l", path(&self.0)]))
        {
            eprintln!("{error}");
        }
    }
}

/// Makes a disk image with an empty file system. Its file takes only the room of what is written to it.
pub(crate) fn make_image(image: &Path, kind: &str, bytes: u64) -> Result<(), String> {
    File::create(image).and_then(|file| file.set_len(bytes)).map_err(|error| error.to_string())?;
    run(&format!("mkfs.{kind}"), &["-q", path(image)])
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program} cannot be run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{program} {arguments:?}: {}", said.trim())) }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("paths of tests are text")
}
