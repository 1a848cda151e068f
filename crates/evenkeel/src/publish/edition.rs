//! One edition: the public page as files, all of one picture.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, StatusCode, header};
use evenkeel_core::Timestamp;
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::policy::Policy;
use evenkeel_core::record::Record;
use evenkeel_core::time;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tower::ServiceExt;

use super::RENEWALS;
use super::expiry::{self, Stamp};
use crate::public::words::Language;
use crate::pump::published::Published;
use crate::web::public::documents::{address, postmortem_address};
use crate::web::public::{machines, maintenance};
use crate::web::{Site, public};

/// Incidents with pages in an edition, newest first: as many as Statuspage's API lists.
const INCIDENTS_MAX: usize = 50;

/// Maintenances with pages in an edition, the newest: what is to come is among them.
const MAINTENANCES_MAX: usize = 150;

/// The largest file; the largest page there is has a tenth of it.
const FILE_MAX: usize = 4 << 20;

/// What a file speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// How things are: it expires.
    Now,
    /// What has been, or nothing at all (an icon): it stays true.
    Past,
}

/// A path of the public listener that is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The path: `/incidents/I-3`.
    pub path: String,
    /// What it speaks of.
    pub speaks_of: Moment,
}

/// Every path that is published, in the order in which the files are: what others link to
/// comes before what links to it, the front page last.
///
/// The one list: whoever adds a page, a feed or a machine-readable file that customers
/// are to find elsewhere adds it here. Badges are left out: an image in somebody else's
/// page cannot say that it is old, and its green would stay.
pub fn paths(record: &Record, policy: &Policy) -> Vec<Listed> {
    let listed = |path: String, speaks_of| Listed { path, speaks_of };
    let mut paths: Vec<_> = ["/favicon.svg", "/robots.txt"]
        .map(|path| listed(path.into(), Moment::Past))
        .into();
    let incidents = record.incidents.values().rev();
    let incidents = incidents.filter(|incident| incident.is_public());
    for incident in incidents.take(INCIDENTS_MAX) {
        let speaks_of = match incident.status {
            IncidentStatus::Resolved => Moment::Past,
            _ => Moment::Now,
        };
        let id = incident.id;
        let pages = Language::ALL.map(|language| address(language, Some(id)));
        let pages = pages.into_iter().chain([format!("/incidents/{id}")]);
        // What links to it comes after it.
        let postmortem = record.postmortem(id);
        if postmortem.is_some_and(|postmortem| postmortem.published().is_some()) {
            let all = Language::ALL.map(|language| postmortem_address(language, id));
            let all = all
                .into_iter()
                .chain([format!("/incidents/{id}/postmortem")]);
            paths.extend(all.map(|path| listed(path, Moment::Past)));
        }
        paths.extend(pages.map(|path| listed(path, speaks_of)));
    }
    let planned = record.maintenances.values().rev();
    for state in planned.take(MAINTENANCES_MAX) {
        let speaks_of = match state.status.is_over() {
            true => Moment::Past,
            false => Moment::Now,
        };
        let id = state.id;
        let pages = Language::ALL.map(|language| maintenance::address(language, Some(id)));
        let pages = pages.into_iter().chain([format!("/maintenance/{id}")]);
        paths.extend(pages.map(|path| listed(path, speaks_of)));
    }
    let calendars = Language::ALL.map(|language| maintenance::address(language, None));
    let calendars = calendars.into_iter().chain(["/maintenance".to_owned()]);
    paths.extend(calendars.map(|path| listed(path, Moment::Now)));
    let machines = machines::paths(policy).into_iter();
    let machines = machines.filter(|path| !path.starts_with("/badge"));
    paths.extend(machines.map(|path| {
        // A feed says what happened and when.
        let of_now = ["/api/", "/hotline", "/banner.json"];
        let speaks_of = match of_now.iter().any(|start| path.starts_with(start)) {
            true => Moment::Now,
            false => Moment::Past,
        };
        listed(path, speaks_of)
    }));
    let fronts = Language::ALL.map(|language| address(language, None));
    let fronts = fronts.into_iter().chain(["/".to_owned()]);
    paths.extend(fronts.map(|path| listed(path, Moment::Now)));
    paths
}

/// A file of an edition.
#[derive(Debug, Clone)]
pub struct File {
    /// The path it answers for.
    pub path: String,
    /// What it speaks of.
    pub speaks_of: Moment,
    /// What is in it.
    pub bytes: Bytes,
    /// `content-type`, for targets that keep one.
    pub content_type: String,
    /// `cache-control`, for targets that keep one.
    pub cache_control: String,
    /// Of all of these: the same hash is the same file.
    pub hash: [u8; 32],
}

impl File {
    /// A file with its hash.
    pub fn new(
        path: String,
        speaks_of: Moment,
        bytes: Bytes,
        content_type: String,
        cache_control: String,
    ) -> Self {
        let mut hash = Sha256::new();
        for part in [&content_type, &cache_control] {
            hash.update(part);
            hash.update([0]);
        }
        hash.update(&bytes);
        Self {
            path,
            speaks_of,
            bytes,
            content_type,
            cache_control,
            hash: hash.finalize().into(),
        }
    }

    /// Its name in a folder that a web server serves: `incidents/I-3/index.html`. A name
    /// without an ending would be served as something to download.
    pub fn name(&self) -> String {
        let path = self.path.trim_matches('/');
        let last = path.rsplit('/').next().unwrap_or_default();
        match (path, last.contains('.')) {
            ("", _) => "index.html".into(),
            (path, true) => path.into(),
            (path, false) => format!("{path}/index.html"),
        }
    }

    /// Its key in an object store, which keeps the type beside: `incidents/I-3`. Stores and
    /// CDNs look for `index.html` where an address ends in a slash, and only there.
    pub fn key(&self) -> String {
        match self.path.ends_with('/') {
            true => self.name(),
            false => self.path.trim_matches('/').into(),
        }
    }
}

/// The public page as files.
#[derive(Debug, Clone)]
pub struct Edition {
    /// When it was made, and until when it speaks of now.
    pub stamp: Stamp,
    /// Its files, in the order in which they are published.
    pub files: Vec<File>,
}

/// A page that cannot be made into a file.
#[derive(Debug, thiserror::Error)]
pub enum EditionError {
    /// The router does not answer with the page.
    #[error("{path} is answered with {status}")]
    Answer {
        /// The path.
        path: String,
        /// The answer.
        status: StatusCode,
    },
    /// It cannot be read, or is too large.
    #[error("{path} cannot be read")]
    Read {
        /// The path.
        path: String,
        /// Why.
        source: axum::Error,
    },
    /// It cannot be given an end.
    #[error("{path} cannot be given an end")]
    Expiry {
        /// The path.
        path: String,
        /// Why.
        source: expiry::ExpiryError,
    },
}

/// Renders `published`, valid from now on for `valid_for`.
///
/// # Errors
/// A page that cannot be made; none of the edition is published then.
pub async fn render(
    site: &Site,
    published: Arc<Published>,
    valid_for: Duration,
) -> Result<Edition, EditionError> {
    let made_at = Timestamp::now();
    let stamp = Stamp {
        made_at,
        valid_until: time::after(made_at, valid_for),
    };
    let mut paths = paths(&published.record, &site.policy);
    if let Some(logo) = &site.settings.brand.logo {
        let path = logo.path.to_owned();
        let speaks_of = Moment::Past;
        paths.insert(0, Listed { path, speaks_of });
    }
    // All files of one picture, whatever the pump publishes meanwhile.
    let (_pump, frozen) = watch::channel(published);
    let router = public::router(Site {
        published: frozen,
        ..site.clone()
    });
    let mut files = Vec::with_capacity(paths.len());
    for listed in paths {
        files.push(asked(&router, listed, &site.name, stamp, valid_for).await?);
    }
    Ok(Edition { stamp, files })
}

/// The file of what `router` answers at a path.
///
/// # Errors
/// It does not answer with a page, or with one that cannot be given an end.
pub(crate) async fn asked(
    router: &Router,
    listed: Listed,
    title: &str,
    stamp: Stamp,
    valid_for: Duration,
) -> Result<File, EditionError> {
    let Listed { path, speaks_of } = listed;
    let request = Request::get(path.as_str()).body(Body::empty());
    let request = request.expect("a path of ours is a path");
    let Ok(answer) = router.clone().oneshot(request).await;
    let status = answer.status();
    if status != StatusCode::OK {
        return Err(EditionError::Answer { path, status });
    }
    let (head, body) = answer.into_parts();
    let of = |name: header::HeaderName| {
        let value = head.headers.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or("")
    };
    let content_type = of(header::CONTENT_TYPE).to_owned();
    let policy = of(header::CONTENT_SECURITY_POLICY);
    let cache_control = cache_control(of(header::CACHE_CONTROL), speaks_of, valid_for);
    let bytes = to_bytes(body, FILE_MAX).await;
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(source) => return Err(EditionError::Read { path, source }),
    };
    let ends = (speaks_of == Moment::Now).then_some(&stamp);
    let made = expiry::copied(bytes, &content_type, policy, title, ends);
    let bytes = match made {
        Ok(bytes) => bytes,
        Err(source) => return Err(EditionError::Expiry { path, source }),
    };
    Ok(File::new(
        path,
        speaks_of,
        bytes,
        content_type,
        cache_control,
    ))
}

/// What caches may do with a file: as the page says, and never for longer than two
/// renewals of the edition leave room for.
fn cache_control(given: &str, speaks_of: Moment, valid_for: Duration) -> String {
    if speaks_of == Moment::Past {
        return given.to_owned();
    }
    let directives = given.split(',').map(str::trim);
    let seconds = directives.filter_map(|directive| directive.strip_prefix("max-age="));
    let seconds = seconds
        .filter_map(|seconds| seconds.parse::<u64>().ok())
        .min();
    let most = (valid_for / RENEWALS / 2).as_secs();
    let seconds = seconds.unwrap_or(0).min(most);
    format!("public, max-age={seconds}, must-revalidate")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> File {
        File {
            path: path.into(),
            speaks_of: Moment::Past,
            bytes: Bytes::new(),
            content_type: String::new(),
            cache_control: String::new(),
            hash: [0; 32],
        }
    }

    #[test]
    fn a_file_has_a_name_that_servers_understand() {
        for (path, name, key) in [
            ("/", "index.html", "index.html"),
            ("/favicon.svg", "favicon.svg", "favicon.svg"),
            (
                "/incidents/I-3",
                "incidents/I-3/index.html",
                "incidents/I-3",
            ),
            ("/nl/", "nl/index.html", "nl/index.html"),
            (
                "/api/v2/summary.json",
                "api/v2/summary.json",
                "api/v2/summary.json",
            ),
        ] {
            assert_eq!(file(path).name(), name);
            assert_eq!(file(path).key(), key);
        }
    }

    #[test]
    fn no_cache_outlives_the_edition() {
        let five = Duration::from_secs(300);
        let said = |given, valid_for| cache_control(given, Moment::Now, valid_for);
        assert_eq!(
            said("public, max-age=5", five),
            "public, max-age=5, must-revalidate"
        );
        assert_eq!(
            said("public, max-age=86400", five),
            "public, max-age=50, must-revalidate"
        );
        assert_eq!(said("", five), "public, max-age=0, must-revalidate");
        let short = Duration::from_secs(6);
        assert_eq!(
            said("public, max-age=5", short),
            "public, max-age=1, must-revalidate"
        );
        let icon = cache_control("public, max-age=86400", Moment::Past, five);
        assert_eq!(icon, "public, max-age=86400");
    }
}
