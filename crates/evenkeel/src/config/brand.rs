//! The part of `[page]` that makes it the vendor's own.

use std::io::Read;

use super::reader::{At, Report, Section};
use super::secrets::readable;
use super::settings::Kind;
use crate::web::public::brand::{Brand, CONTRAST_MIN, Color, Logo, Scheme};
use crate::web::public::settings::Ask;

/// The largest logo: it is with the first page that everybody opens in a bad moment.
const LOGO_MAX: u64 = 64 << 10;

pub(super) fn read(section: &mut Section<'_>, report: &mut Report<'_>) -> Brand {
    let accent = color(section, report, "accent", Scheme::Light);
    let dark = color(section, report, "accent_dark", Scheme::Dark);
    let accent = match (accent, dark) {
        (Some(light), dark) => Some([light, dark.unwrap_or(light.readable(Scheme::Dark))]),
        (None, Some(dark)) => Some([dark.readable(Scheme::Light), dark]),
        (None, None) => None,
    };
    Brand {
        accent,
        logo: logo(section, report),
        imprint_url: link(section, report, "imprint_url"),
        privacy_url: link(section, report, "privacy_url"),
    }
}

/// A colour in which text can be read.
fn color(
    section: &mut Section<'_>,
    report: &mut Report<'_>,
    key: &'static str,
    scheme: Scheme,
) -> Option<Color> {
    let given = section.text(report, key)?;
    let Some(color) = Color::of(&given.value) else {
        let example = section.example(key);
        let what = format!(
            "`{}` is no colour; write for example {key} = {example}",
            given.value
        );
        report.error(&given.at, what);
        return None;
    };
    let ratio = color.worst(scheme);
    if ratio < CONTRAST_MIN {
        let (of, than) = match scheme {
            Scheme::Light => ("light", "darker"),
            Scheme::Dark => ("dark", "lighter"),
        };
        // Never rounded up to what is needed.
        let ratio = (ratio * 100.0).floor() / 100.0;
        let what = format!(
            "`{color}` has a contrast of {ratio:.2}:1 on the {of} page, and text needs {CONTRAST_MIN}:1 \
             (WCAG 2.2, 1.4.3); choose a {than} one, for example {key} = \"{}\"",
            color.readable(scheme)
        );
        report.error(&given.at, what);
        return None;
    }
    Some(color)
}

fn logo(section: &mut Section<'_>, report: &mut Report<'_>) -> Option<Logo> {
    let path = section.path(report, "logo_file", Kind::Folder)?;
    let file = readable(&path, false, report)?;
    let mut bytes = Vec::new();
    let shown = path.value.display();
    if let Err(error) = file.take(LOGO_MAX + 1).read_to_end(&mut bytes) {
        report.error(&path.at, format!("{shown} cannot be read: {error}"));
        return None;
    }
    if bytes.len() as u64 > LOGO_MAX {
        let what = format!(
            "{shown} is larger than {} KiB: everybody loads it when something is down; make it smaller",
            LOGO_MAX >> 10
        );
        report.error(&path.at, what);
        return None;
    }
    let Some((path, content_type)) = kind(&bytes) else {
        let what = format!("{shown} is no SVG, PNG or WebP");
        report.error(&path.at, what);
        return None;
    };
    Some(Logo {
        path,
        content_type,
        bytes: bytes.into(),
    })
}

/// What a file is, by what is in it.
fn kind(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let is_svg = std::str::from_utf8(bytes).is_ok_and(|text| text.contains("<svg"));
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some(("/logo.png", "image/png")),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some(("/logo.webp", "image/webp")),
        _ if is_svg => Some(("/logo.svg", "image/svg+xml")),
        _ => None,
    }
}

fn link(section: &mut Section<'_>, report: &mut Report<'_>, key: &'static str) -> Option<String> {
    let url = section.text(report, key)?;
    if !["https://", "http://", "mailto:"]
        .iter()
        .any(|start| url.value.starts_with(start))
    {
        let what = format!("`{key}` has to begin with https://, http:// or mailto:");
        report.error(&url.at, what);
    }
    Some(url.value)
}

/// What a visitor's own browser asks.
pub(super) fn ask(section: &mut Section<'_>, report: &mut Report<'_>) -> Option<Ask> {
    let At { value, at } = section.text(report, "ask_url")?;
    let ask = Ask::of(&value);
    if ask.is_none() {
        // Not shown where it may hold a password.
        let shown = match value.contains('@') {
            true => "it".to_owned(),
            false => format!("`{value}`"),
        };
        let what = format!(
            "{shown} is no address that every visitor's browser can ask; write for example ask_url = \
             \"https://app.example.com/healthz\""
        );
        report.error(&at, what);
    }
    ask
}
