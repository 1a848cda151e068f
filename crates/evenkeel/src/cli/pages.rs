//! `signing-key` and `verify-page`: who signs the published page, and whether a copy is theirs.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::Outcome;
use super::print::{self, say};
use crate::config::Config;
use crate::publish::places::Place;
use crate::publish::signing::{Key, Signer};
use crate::publish::verifying::{self, Remembered};

/// The largest file with a key, or with what was seen, that is read.
const FILE_MAX: u64 = 64 * 1024;

/// What to verify, and by what.
#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// Where the copy is: https://status.example.com, or a folder.
    place: String,
    /// A public key, or a file with one; again for the witness's.
    #[arg(long, required = true, value_name = "KEY")]
    key: Vec<String>,
    /// Keep the newest edition seen in this file, and say where an older one comes back.
    #[arg(long, value_name = "FILE")]
    remember: Option<PathBuf>,
}

pub(super) fn signing_key(config: &Config, json: bool) -> Outcome {
    crate::serve::make_folder(&config.data_dir).map_err(|error| error.to_string())?;
    let signer = Signer::of(&config.data_dir).map_err(|error| error.to_string())?;
    let key = signer.public();
    if json {
        print::json(&serde_json::json!({ "public_key": key }))?;
    } else {
        say(&format!("{key}\n"));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn verify_page(arguments: &VerifyArguments, json: bool) -> Outcome {
    let keys = arguments.key.iter().map(|given| key_of(given));
    let keys: Vec<Key> = keys.collect::<Result<_, _>>()?;
    let place = Place::of(&arguments.place)?;
    let mut remembered = match &arguments.remember {
        Some(path) => Some(remembered(path)?),
        None => None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let found = runtime.block_on(verifying::verify(&place, &keys, remembered.as_mut()));
    let found = found.map_err(|error| {
        let why = print::chain(&error);
        format!(
            "{} cannot be read: {why}; is the address right?",
            place.shown()
        )
    })?;
    if let (Some(path), Some(remembered)) = (&arguments.remember, &remembered) {
        keep(path, remembered)?;
    }
    if json {
        print::json(&found)?;
    } else {
        say(&format!("{}\n", found.said.join("\n")));
    }
    Ok(match found.good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(FILE_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// A key as it stands there, else the one in the file of that name.
fn key_of(given: &str) -> Result<Key, String> {
    let wrong = |why| format!("--key {given} {why}");
    match Key::parse(given) {
        Ok(key) => Ok(key),
        Err(why) if !Path::new(given).exists() => Err(wrong(why)),
        Err(_) => {
            let text = read(Path::new(given));
            let text = text.map_err(|error| wrong(format!("cannot be read: {error}")))?;
            Key::parse(&text).map_err(wrong)
        }
    }
}

fn remembered(path: &Path) -> Result<Remembered, String> {
    let shown = path.display();
    match read(path) {
        Ok(text) => serde_json::from_str(&text).map_err(|error| {
            format!("{shown} is not what verify-page remembers: {error}; name another file")
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Remembered::default()),
        Err(error) => Err(format!("{shown} cannot be read: {error}")),
    }
}

/// Whole or not at all.
fn keep(path: &Path, remembered: &Remembered) -> Result<(), String> {
    let text = serde_json::to_string(remembered).map_err(|error| error.to_string())?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", std::process::id()));
    std::fs::write(&draft, text)
        .and_then(|()| std::fs::rename(&draft, path))
        .map_err(|error| format!("{} cannot be written: {error}", path.display()))
}
