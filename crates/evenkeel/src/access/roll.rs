//! The list of people and tokens: a file in the data folder, for its owner only.
//!
//! A file and not the journal, because a password's hash must be forgotten when it is
//! changed, and the journal forgets nothing. `evenkeel people` and `evenkeel token` write
//! it, with a server running or not; the server reads it anew when it has changed.
//!
//! Written whole, beside itself, and renamed: a reader sees the old list or the new one.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use evenkeel_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Secret, hex, mark};

/// The list's name in the data folder.
pub const FILE: &str = "people.toml";

/// People on the list, and tokens: a company, not a directory.
pub const LISTED_MAX: usize = 200;

/// The largest list that is read, bytes: [`LISTED_MAX`] of each with room to spare.
const FILE_MAX: u64 = 256 << 10;

/// The longest name, letters.
const NAME_MAX: usize = 64;

const HEADING: &str = "\
# Who may open Evenkeel's console, and which programs may use its API. Written by
# `evenkeel people` and `evenkeel token`; passwords and tokens are kept as hashes only.

";

/// What a person may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look.
    Viewer,
    /// Look, and give orders.
    Operator,
}

impl Role {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Read.
    Read,
    /// Read, and give orders.
    Operate,
}

impl Scope {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
        }
    }
}

/// Somebody on the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Their name, lower case.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Their password as an argon2id hash in PHC form.
    pub password: String,
}

/// A token on the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// What it is called.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// SHA-256 of it: it is random, so that nothing slower is needed.
    pub hash: String,
    /// From when on it is good for nothing.
    pub expires_at: Timestamp,
}

/// The list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roll {
    /// Who may open the console.
    #[serde(default, rename = "person")]
    pub people: Vec<Person>,
    /// Which programs may use the API.
    #[serde(default, rename = "token")]
    pub tokens: Vec<Token>,
}

/// A list that cannot be read, or a change that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum RollError {
    /// It cannot be read.
    #[error(
        "the list of people {path} cannot be read: {why}; mend it, or move it away and begin a new one with `evenkeel people add NAME --role operator`"
    )]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It cannot be written.
    #[error(
        "the list of people {path} cannot be written: {why}; give the command as the user who runs Evenkeel"
    )]
    Unwritable {
        /// Where.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// What was asked for cannot be: why, and what to do.
    #[error("{0}")]
    Refused(String),
}

fn refused<T>(why: impl Into<String>) -> Result<T, RollError> {
    Err(RollError::Refused(why.into()))
}

impl Roll {
    /// Somebody by name.
    pub fn person(&self, name: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.name == name)
    }

    /// Adds somebody.
    pub fn add(&mut self, person: Person) -> Result<(), RollError> {
        check_name(&person.name)?;
        if self.person(&person.name).is_some() {
            return refused(format!(
                "{0} is on the list already: `evenkeel people password {0}` sets another password",
                person.name
            ));
        }
        if self.people.len() >= LISTED_MAX {
            return refused(format!(
                "the list holds {LISTED_MAX} people, and no more: remove some"
            ));
        }
        self.people.push(person);
        Ok(())
    }

    /// Takes somebody off the list.
    pub fn remove(&mut self, name: &str) -> Result<(), RollError> {
        self.somebody(name)?;
        self.people.retain(|person| person.name != name);
        Ok(())
    }

    /// Gives somebody another password, as its hash.
    pub fn set_password(&mut self, name: &str, hash: String) -> Result<(), RollError> {
        self.somebody(name)?.password = hash;
        Ok(())
    }

    /// Says what somebody may do.
    pub fn set_role(&mut self, name: &str, role: Role) -> Result<(), RollError> {
        self.somebody(name)?.role = role;
        Ok(())
    }

    fn somebody(&mut self, name: &str) -> Result<&mut Person, RollError> {
        match self.people.iter_mut().find(|person| person.name == name) {
            Some(person) => Ok(person),
            None => refused(format!(
                "there is no {name} on the list: `evenkeel people list` shows who is"
            )),
        }
    }

    /// Makes a token; what it returns is shown once and kept nowhere.
    pub fn make_token(
        &mut self,
        name: &str,
        scope: Scope,
        expires_at: Timestamp,
    ) -> Result<String, RollError> {
        check_name(name)?;
        if self.tokens.iter().any(|token| token.name == name) {
            return refused(format!(
                "there is a token {name} already: revoke it first, or choose another name"
            ));
        }
        if self.tokens.len() >= LISTED_MAX {
            return refused(format!(
                "there are {LISTED_MAX} tokens, and no more: revoke some"
            ));
        }
        let secret = Secret::fresh().map_err(|error| {
            RollError::Refused(format!("the kernel has no randomness: {error}"))
        })?;
        let text = format!("evenkeel_{}", secret.text());
        self.tokens.push(Token {
            name: name.to_owned(),
            scope,
            hash: hex(&mark(&text)),
            expires_at,
        });
        Ok(text)
    }

    /// Takes a token back.
    pub fn revoke(&mut self, name: &str) -> Result<(), RollError> {
        let before = self.tokens.len();
        self.tokens.retain(|token| token.name != name);
        if self.tokens.len() == before {
            return refused(format!(
                "there is no token {name}: `evenkeel token list` shows which there are"
            ));
        }
        Ok(())
    }
}

/// A name as it may be: it stands in the journal and on pages.
pub fn check_name(name: &str) -> Result<(), RollError> {
    let good = |letter: char| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || "._@-".contains(letter)
    };
    if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(good) {
        return refused(format!(
            "`{}` cannot be a name: use a-z, 0-9 and . _ @ -, at most {NAME_MAX} of them",
            name.escape_debug()
        ));
    }
    Ok(())
}

/// Reads the list; an empty one where there is no file.
///
/// # Errors
/// It is there and cannot be read.
pub fn read(data_dir: &Path) -> Result<Roll, RollError> {
    let path = data_dir.join(FILE);
    let unreadable = |why: String| RollError::Unreadable {
        path: path.clone(),
        why,
    };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Roll::default()),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    let mut text = String::new();
    let read = file.take(FILE_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| unreadable(error.to_string()))?;
    if text.len() as u64 > FILE_MAX {
        return Err(unreadable("it is larger than any list of people is".into()));
    }
    let roll: Roll = toml::from_str(&text).map_err(|error| {
        // Without the line it stands on: that may be a password's hash.
        unreadable(error.message().to_owned())
    })?;
    if roll.people.len() > LISTED_MAX || roll.tokens.len() > LISTED_MAX {
        return Err(unreadable(format!("more than {LISTED_MAX} are on it")));
    }
    Ok(roll)
}

/// Changes the list; nobody else changes it meanwhile.
///
/// # Errors
/// It cannot be read or written, or `change` refuses; it is as it was then.
pub fn change<T>(
    data_dir: &Path,
    change: impl FnOnce(&mut Roll) -> Result<T, RollError>,
) -> Result<T, RollError> {
    let path = data_dir.join(FILE);
    let unwritable = |error: std::io::Error| RollError::Unwritable {
        path: path.clone(),
        why: error.to_string(),
    };
    let private = |path: &Path| {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(path)
    };
    let lock = private(&data_dir.join("people.lock")).map_err(unwritable)?;
    lock.lock().map_err(unwritable)?;
    let mut roll = read(data_dir)?;
    let made = change(&mut roll)?;
    let text = toml::to_string(&roll).map_err(|error| RollError::Unwritable {
        path: path.clone(),
        why: error.to_string(),
    })?;
    let beside = data_dir.join("people.toml.new");
    let write = || -> std::io::Result<()> {
        // What a crash left there may be anyone's to read.
        if let Err(error) = std::fs::remove_file(&beside)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = private(&beside)?;
        file.write_all(HEADING.as_bytes())?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, &path)?;
        File::open(data_dir)?.sync_all()
    };
    write().map_err(unwritable)?;
    Ok(made)
}

/// What tells one state of a file from another.
type Version = (u64, i64, i64, u64);

/// The list as a running server knows it: read anew when the file has changed.
#[derive(Debug)]
pub struct RollFile {
    data_dir: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    version: Option<Option<Version>>,
    roll: Option<Arc<Roll>>,
}

impl RollFile {
    /// The list in a data folder.
    pub fn new(data_dir: &Path) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            known: Mutex::default(),
        }
    }

    /// The list as it is now; `None` where it cannot be read, which the log says once.
    pub fn read(&self) -> Option<Arc<Roll>> {
        let version = std::fs::metadata(self.data_dir.join(FILE))
            .ok()
            .map(|meta| (meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.size()));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.version != Some(version) {
            known.version = Some(version);
            known.roll = match read(&self.data_dir) {
                Ok(roll) => Some(Arc::new(roll)),
                Err(error) => {
                    tracing::error!("nobody can log in: {error}");
                    None
                }
            };
        }
        known.roll.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn ana() -> Person {
        Person {
            name: "ana".into(),
            role: Role::Viewer,
            password: "$argon2id$...".into(),
        }
    }

    #[test]
    fn the_list_is_for_its_owner_only_and_says_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        change(folder.path(), |roll| roll.add(ana())).unwrap();
        let path = folder.path().join(FILE);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(
            std::fs::read_to_string(&path)
                .unwrap()
                .starts_with("# Who may")
        );
        assert_eq!(read(folder.path()).unwrap().people, [ana()]);
    }

    #[test]
    fn a_change_that_is_refused_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        change(folder.path(), |roll| roll.add(ana())).unwrap();
        for name in ["ana", "Ana", "", "a b", "a\nb", &"a".repeat(65)] {
            let person = Person {
                name: name.into(),
                ..ana()
            };
            change(folder.path(), |roll| roll.add(person)).unwrap_err();
        }
        assert_eq!(read(folder.path()).unwrap().people.len(), 1);
    }

    #[test]
    fn a_damaged_list_is_not_overwritten_and_its_hashes_not_told() {
        let folder = tempfile::tempdir().unwrap();
        let text = "[[person]]\nname = \"ana\"\nrole = \"king\"\npassword = \"$argon2id$secret\"\n";
        std::fs::write(folder.path().join(FILE), text).unwrap();
        let error = change(folder.path(), |roll| roll.remove("ana")).unwrap_err();
        assert!(!error.to_string().contains("$argon2id"), "{error}");
        assert_eq!(
            std::fs::read_to_string(folder.path().join(FILE)).unwrap(),
            text
        );
    }
}
