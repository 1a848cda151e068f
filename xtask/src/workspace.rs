//! Where the workspace is, what git tracks in it, and its manifests.
//!
//! Checks look at what would be committed: tracked files and new ones that are
//! not ignored, so that a rule speaks before the commit and not after it.

use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
}

/// One text file of the tree, its path relative to the root with `/`.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Workspace {
    /// Cargo says where this crate lies; the workspace is its parent.
    pub(crate) fn find() -> Result<Self, String> {
        let here = std::env::var("CARGO_MANIFEST_DIR")
            .unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
        let root = Path::new(&here)
            .parent()
            .ok_or("xtask lies outside a workspace; start it as `cargo xtask`")?;
        Ok(Workspace {
            root: root.to_path_buf(),
        })
    }

    pub(crate) fn read(&self, path: &str) -> Result<String, String> {
        std::fs::read_to_string(self.root.join(path)).map_err(|e| format!("{path}: {e}"))
    }

    pub(crate) fn toml(&self, path: &str) -> Result<toml::Table, String> {
        self.read(path)?.parse().map_err(|e| format!("{path}: {e}"))
    }

    /// A command that starts in the root and has no input to wait for.
    pub(crate) fn program(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.root)
            .stdin(std::process::Stdio::null());
        command
    }

    /// The cargo that runs this, so that one toolchain does everything.
    pub(crate) fn cargo(&self) -> Command {
        self.program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }

    pub(crate) fn target_dir(&self) -> PathBuf {
        match std::env::var_os("CARGO_TARGET_DIR") {
            Some(dir) => self.root.join(dir),
            None => self.root.join("target"),
        }
    }

    /// Every file that is or would be committed, sorted, relative to the root.
    pub(crate) fn files(&self) -> Result<Vec<String>, String> {
        let mut git = self.program("git");
        git.args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]);
        let listed = crate::run::output_of(&mut git)?;
        let mut files: Vec<String> = listed
            .split('\0')
            .filter(|path| !path.is_empty() && self.root.join(path).is_file())
            .map(str::to_owned)
            .collect();
        files.sort();
        files.dedup();
        if files.is_empty() {
            return Err("git lists no files here; the checks need a git clone".to_owned());
        }
        Ok(files)
    }

    /// The files that hold text; pictures and databases have no lines to check.
    pub(crate) fn sources(&self) -> Result<Vec<Source>, String> {
        let mut sources = Vec::new();
        for path in self.files()? {
            let bytes = std::fs::read(self.root.join(&path)).map_err(|e| format!("{path}: {e}"))?;
            if let Ok(text) = String::from_utf8(bytes) {
                sources.push(Source { path, text });
            }
        }
        Ok(sources)
    }
}
