//! A folder that a web server serves, on this host or on one behind SSH.
//!
//! ```text
//! /srv/status/current -> copies/20261118T021409123     what the web server serves
//! /srv/status/copies/20261118T021409123/index.html     this edition
//! /srv/status/copies/20261118T021229087/...            the one before
//! ```
//!
//! The link is swung by a rename of another link over it: a request that comes before
//! reads the old edition, one that comes after the new one, and a file that is open stays
//! readable. Why not one rename for each file in place: between two renames a reader finds
//! a front page that links to an incident's page which is not there yet, or the other way
//! round when it goes.
//!
//! Nothing is ever written into a file that can be read already: files are made anew, or
//! linked from the edition before. Nothing is synced to disk: after a power failure a
//! keeper that comes back publishes at once, and one that does not is not outlived by its
//! copies for longer than they are valid.
//!
//! Only folders below `copies` whose names are times as ours are ever removed.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use evenkeel_core::{Timestamp, time};
use evenkeel_guards::guard::BoxFuture;
use evenkeel_guards::sftp::{Login, Session};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{FILE_MAX, Target, TargetError};
use crate::publish::edition::Edition;
use crate::publish::places::{ReadError, read_file};

/// The link that is served.
const CURRENT: &str = "current";
/// Where editions are.
const COPIES: &str = "copies";

/// A folder that is published to.
pub struct Folders {
    root: Root,
    /// What is served, as far as this process put it there. Held by whoever writes: a
    /// second try never begins beside one that hangs.
    known: Arc<Mutex<Known>>,
}

enum Root {
    Local(PathBuf),
    Ssh(Login, String),
}

/// What is served now.
#[derive(Default)]
struct Known {
    copy: Option<String>,
    hashes: BTreeMap<String, [u8; 32]>,
}

/// What is done to publish an edition; paths are relative to the root.
struct Plan {
    /// The folder of the edition: `copies/20261118T021409123`.
    copy: String,
    /// Folders below it, parents first.
    folders: Vec<String>,
    files: Vec<Put>,
    /// Where the link is made before it is swung.
    link: String,
}

struct Put {
    to: String,
    /// The same file of the edition that is served.
    same_as: Option<String>,
    bytes: Bytes,
}

impl Folders {
    /// A folder of this host.
    pub fn local(path: PathBuf) -> Self {
        Self::at(Root::Local(path))
    }

    /// A folder of a server behind SSH.
    pub fn behind_ssh(login: Login, folder: String) -> Self {
        Self::at(Root::Ssh(login, folder))
    }

    fn at(root: Root) -> Self {
        Self {
            root,
            known: Arc::default(),
        }
    }
}

impl Plan {
    fn of(edition: &Edition, known: &Known) -> Self {
        let made_at = edition.stamp.made_at;
        let name_at = |at: Timestamp| at.strftime("%Y%m%dT%H%M%S%3f").to_string();
        let mut name = name_at(made_at);
        if known.copy == Some(format!("{COPIES}/{name}")) {
            // What is served is never written into.
            name = name_at(time::after(made_at, Duration::from_millis(1)));
        }
        let copy = format!("{COPIES}/{name}");
        let mut folders = Vec::new();
        let mut files = Vec::new();
        for file in &edition.files {
            let name = file.name();
            for (at, _) in name.match_indices('/') {
                let folder = format!("{copy}/{}", &name[..at]);
                if !folders.contains(&folder) {
                    folders.push(folder);
                }
            }
            let is_same = known.hashes.get(&name) == Some(&file.hash);
            let before = known
                .copy
                .as_ref()
                .filter(|before| is_same && **before != copy);
            files.push(Put {
                to: format!("{copy}/{name}"),
                same_as: before.map(|before| format!("{before}/{name}")),
                bytes: file.bytes.clone(),
            });
        }
        Self {
            link: format!("{CURRENT}.{name}"),
            copy,
            folders,
            files,
        }
    }
}

/// Whether a folder below `copies` is an edition's: `20261118T021409123`.
fn is_copy(name: &str) -> bool {
    let digits = name.bytes().enumerate();
    name.len() == 18
        && digits.into_iter().all(|(at, byte)| match at {
            8 => byte == b'T',
            _ => byte.is_ascii_digit(),
        })
}

impl Target for Folders {
    fn place(&self) -> String {
        match &self.root {
            Root::Local(path) => path.display().to_string(),
            Root::Ssh(login, folder) => format!("sftp://{}{folder}", login.host),
        }
    }

    fn read<'a>(
        &'a self,
        names: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<Bytes>>, TargetError>> {
        Box::pin(async move {
            let unreadable = |why| TargetError::Unreadable {
                place: self.place(),
                why,
            };
            match &self.root {
                Root::Local(root) => {
                    let (root, names) = (root.clone(), names.to_vec());
                    let read = tokio::task::spawn_blocking(move || read_here(&root, &names));
                    let read = read.await.map_err(|error| unreadable(error.to_string()))?;
                    read.map_err(|error| unreadable(crate::pump::store::chain(&error)))
                }
                Root::Ssh(login, folder) => {
                    let session = Session::open(login).await.map_err(unreadable)?;
                    match remote::read(&session.sftp, folder, names).await {
                        Ok(read) => session.close().await.map(|()| read),
                        Err(error) => Err(session.failed(error).await),
                    }
                    .map_err(unreadable)
                }
            }
        })
    }

    fn publish<'a>(&'a self, edition: &'a Edition) -> BoxFuture<'a, Result<usize, TargetError>> {
        Box::pin(async move {
            let known = self.known.clone().try_lock_owned();
            let mut known = known.map_err(|_| TargetError::Hangs)?;
            let plan = Plan::of(edition, &known);
            let hashes = edition.files.iter();
            let hashes = hashes.map(|file| (file.name(), file.hash)).collect();
            let served = Known {
                copy: Some(plan.copy.clone()),
                hashes,
            };
            match &self.root {
                Root::Local(root) => {
                    let root = root.clone();
                    // The lock goes along: it is free when the file system has answered.
                    let done = tokio::task::spawn_blocking(move || {
                        let written = write_here(&root, &plan)?;
                        *known = served;
                        drop::<OwnedMutexGuard<Known>>(known);
                        Ok(written)
                    });
                    done.await.unwrap_or(Err(TargetError::Hangs))
                }
                Root::Ssh(login, folder) => {
                    let written = write_there(login, folder, &plan).await;
                    let written = written.map_err(|why| TargetError::Ssh {
                        place: self.place(),
                        why,
                    })?;
                    *known = served;
                    Ok(written)
                }
            }
        })
    }
}

/// All of one edition, whatever is published meanwhile.
fn read_here(root: &Path, names: &[String]) -> Result<Vec<Option<Bytes>>, ReadError> {
    let Ok(copy) = std::fs::canonicalize(root.join(CURRENT)) else {
        return Ok(vec![None; names.len()]);
    };
    let read = |name: &String| read_file(copy.join(name), name.clone(), FILE_MAX);
    names.iter().map(read).collect()
}

fn write_here(root: &Path, plan: &Plan) -> Result<usize, TargetError> {
    let at = |path: &str| root.join(path);
    let told = |path: &str| {
        let path = at(path);
        move |source| TargetError::Folder { path, source }
    };
    let mut folder = std::fs::DirBuilder::new();
    // A web server that runs as somebody else reads it.
    folder.mode(0o755);
    if !at(COPIES).is_dir() {
        folder.create(at(COPIES)).map_err(told(COPIES))?;
        open_to_all(&at(COPIES), 0o755).map_err(told(COPIES))?;
    }
    let before = std::fs::read_link(at(CURRENT)).ok();
    // What a try left behind that was given up.
    remove_tree(&at(&plan.copy)).map_err(told(&plan.copy))?;
    let fill = || -> Result<usize, TargetError> {
        let mut written = 0;
        for path in std::iter::once(&plan.copy).chain(&plan.folders) {
            folder.create(at(path)).map_err(told(path))?;
            open_to_all(&at(path), 0o755).map_err(told(path))?;
        }
        for Put { to, same_as, bytes } in &plan.files {
            let linked = same_as.as_ref();
            if linked.is_some_and(|same| std::fs::hard_link(at(same), at(to)).is_ok()) {
                continue;
            }
            write_new(&at(to), bytes).map_err(told(to))?;
            written += 1;
        }
        let _leftover = std::fs::remove_file(at(&plan.link));
        let linked = std::os::unix::fs::symlink(&plan.copy, at(&plan.link));
        linked.map_err(told(&plan.link))?;
        std::fs::rename(at(&plan.link), at(CURRENT)).map_err(told(CURRENT))?;
        Ok(written)
    };
    let written = fill().inspect_err(|_| {
        // Its room may be what is lacking.
        let _kept = remove_tree(&at(&plan.copy));
        let _kept = std::fs::remove_file(at(&plan.link));
    })?;
    let keep = [Some(PathBuf::from(&plan.copy)), before];
    let copies = std::fs::read_dir(at(COPIES)).map_err(told(COPIES))?;
    for copy in copies.flatten() {
        let name = copy.file_name();
        let path = Path::new(COPIES).join(&name);
        let is_ours = name.to_str().is_some_and(is_copy);
        if is_ours && !keep.iter().flatten().any(|kept| *kept == path) {
            remove_tree(&root.join(&path)).map_err(told(COPIES))?;
        }
    }
    Ok(written)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path)?;
    file.write_all(bytes)?;
    open_to_all(path, 0o644)
}

/// Whatever the mask of this process is.
fn open_to_all(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

fn remove_tree(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

async fn write_there(login: &Login, folder: &str, plan: &Plan) -> Result<usize, String> {
    let session = Session::open(login).await?;
    match remote::write(&session.sftp, folder, plan).await {
        Ok(written) => session.close().await.map(|()| written),
        Err(remote::Failed { path, error }) => {
            let why = session.failed(error).await;
            Err(format!("{path} cannot be written: {why}"))
        }
    }
}

/// The same over SFTP, with what servers differ in.
mod remote {
    use std::pin::pin;

    use axum::body::Bytes;
    use futures_util::StreamExt;
    use openssh_sftp_client::error::SftpErrorKind;
    use openssh_sftp_client::fs::Fs;
    use openssh_sftp_client::{Error, Sftp};

    use super::{COPIES, CURRENT, FILE_MAX, Plan, Put, is_copy};

    pub(super) struct Failed {
        pub(super) path: String,
        pub(super) error: Error,
    }

    /// Folders in folders that are removed: an edition has three levels.
    const DEPTH_MAX: usize = 8;

    pub(super) async fn write(sftp: &Sftp, root: &str, plan: &Plan) -> Result<usize, Failed> {
        let at = |path: &str| format!("{}/{path}", root.trim_end_matches('/'));
        let told = |path: &str| {
            let path = at(path);
            move |error| Failed { path, error }
        };
        let mut fs = sftp.fs();
        if fs.metadata(at(COPIES)).await.is_err() {
            fs.create_dir(at(COPIES)).await.map_err(told(COPIES))?;
        }
        let before = fs.read_link(at(CURRENT)).await.ok();
        remove(&mut fs, &at(&plan.copy), 0)
            .await
            .map_err(told(&plan.copy))?;
        let mut written = 0;
        for path in std::iter::once(&plan.copy).chain(&plan.folders) {
            fs.create_dir(at(path)).await.map_err(told(path))?;
        }
        for Put { to, same_as, bytes } in &plan.files {
            let linked = match same_as {
                // Not every server can; then it is written.
                Some(same) => fs.hard_link(at(same), at(to)).await.is_ok(),
                None => false,
            };
            if !linked {
                fs.write(at(to), bytes).await.map_err(told(to))?;
                written += 1;
            }
        }
        let _leftover = fs.remove_file(at(&plan.link)).await;
        let linked = fs.symlink(&plan.copy, at(&plan.link)).await;
        linked.map_err(told(&plan.link))?;
        let swung = fs.rename(at(&plan.link), at(CURRENT)).await;
        swung.map_err(told(CURRENT))?;
        let before = before.and_then(|before| before.to_str().map(str::to_owned));
        for name in names(&mut fs, &at(COPIES)).await.map_err(told(COPIES))? {
            let path = format!("{COPIES}/{name}");
            if is_copy(&name) && path != plan.copy && Some(&path) != before.as_ref() {
                remove(&mut fs, &at(&path), 0).await.map_err(told(&path))?;
            }
        }
        Ok(written)
    }

    pub(super) async fn read(
        sftp: &Sftp,
        root: &str,
        names: &[String],
    ) -> Result<Vec<Option<Bytes>>, Error> {
        let root = root.trim_end_matches('/');
        let mut fs = sftp.fs();
        let copy = match fs.read_link(format!("{root}/{CURRENT}")).await {
            Ok(copy) => copy,
            Err(Error::SftpError(SftpErrorKind::NoSuchFile, _)) => {
                return Ok(vec![None; names.len()]);
            }
            Err(error) => return Err(error),
        };
        let mut files = Vec::with_capacity(names.len());
        for name in names {
            let path = format!("{root}/{}/{name}", copy.display());
            files.push(match fs.metadata(&path).await {
                Ok(meta) if meta.len().is_some_and(|len| len <= FILE_MAX as u64) => {
                    Some(fs.read(&path).await?.freeze())
                }
                Ok(_) | Err(Error::SftpError(SftpErrorKind::NoSuchFile, _)) => None,
                Err(error) => return Err(error),
            });
        }
        Ok(files)
    }

    async fn names(fs: &mut Fs, folder: &str) -> Result<Vec<String>, Error> {
        let entries = fs.open_dir(folder).await?.read_dir();
        let mut entries = pin!(entries);
        let mut names = Vec::new();
        while let Some(entry) = entries.next().await {
            if let Some(name) = entry?.filename().to_str()
                && ![".", ".."].contains(&name)
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    async fn remove(fs: &mut Fs, path: &str, depth: usize) -> Result<(), Error> {
        let names = match names(fs, path).await {
            Err(Error::SftpError(SftpErrorKind::NoSuchFile, _)) => return Ok(()),
            names => names?,
        };
        for name in names {
            let below = format!("{path}/{name}");
            match fs.remove_file(&below).await {
                Err(_) if depth < DEPTH_MAX => Box::pin(remove(fs, &below, depth + 1)).await?,
                removed => removed?,
            }
        }
        fs.remove_dir(path).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_ours_is_a_copy() {
        assert!(is_copy("20261118T021409123"));
        for name in [
            "",
            "current",
            "20261118",
            "20261118X021409123",
            "20261118T0214091234",
        ] {
            assert!(!is_copy(name), "{name}");
        }
    }
}
