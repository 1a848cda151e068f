//! Pages that were just made are not made again.
//!
//! In an outage everybody looks at once. So an answer is made once for each picture,
//! second and language, and given to everybody who asks within that second: what it says
//! of now is never older than that, and a crowd costs a copy each.
//!
//! Kept is what everybody may read alike: an answer to a plain GET without a query or a
//! condition, of 200, that says it is public. Bounded in number and bytes; beyond that,
//! answers are made as if nothing were kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use evenkeel_core::Timestamp;

use super::asked::Asked;
use crate::public::words::Language;
use crate::pump::published::Published;
use crate::web::Site;

/// Answers kept at once: every page of two hundred incidents in every language.
const ANSWERS_MAX: usize = 1200;
/// What they may take together, bytes. A page takes some 15 KB.
const BYTES_MAX: usize = 24 << 20;
/// The largest that is kept, bytes.
const ANSWER_MAX: usize = 1 << 20;

/// The shelf of one listener.
pub(super) struct Kept {
    site: Site,
    shelf: Mutex<Shelf>,
}

/// What was made of one picture in one second.
#[derive(Default)]
struct Shelf {
    made_of: Option<MadeOf>,
    answers: BTreeMap<(Box<str>, Language), Answer>,
    bytes: usize,
}

/// What everything on a page depends on.
struct MadeOf {
    /// Held weakly: a picture that a reader holds has to be copied by the pump. As long as
    /// this is here, no other picture gets its address.
    picture: Weak<Published>,
    second: i64,
    is_stale: bool,
}

impl PartialEq for MadeOf {
    fn eq(&self, other: &Self) -> bool {
        Weak::ptr_eq(&self.picture, &other.picture)
            && (self.second, self.is_stale) == (other.second, other.is_stale)
    }
}

impl MadeOf {
    fn now(site: &Site) -> Self {
        let published = site.published.borrow();
        Self {
            picture: Arc::downgrade(&published),
            second: Timestamp::now().as_second(),
            is_stale: published.is_stale(),
        }
    }
}

#[derive(Clone)]
struct Answer {
    headers: HeaderMap,
    body: Bytes,
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.headers_mut() = self.headers;
        response
    }
}

impl Kept {
    pub(super) fn of(site: Site) -> Arc<Self> {
        Arc::new(Self {
            site,
            shelf: Mutex::default(),
        })
    }

    fn find(&self, of: &MadeOf, key: &(Box<str>, Language)) -> Option<Answer> {
        let shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.made_of.as_ref() != Some(of) {
            return None;
        }
        shelf.answers.get(key).cloned()
    }

    fn keep(&self, of: MadeOf, key: (Box<str>, Language), answer: Answer) {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.made_of.as_ref() != Some(&of) {
            *shelf = Shelf {
                made_of: Some(of),
                ..Shelf::default()
            };
        }
        let bytes = shelf.bytes + answer.body.len();
        if shelf.answers.len() < ANSWERS_MAX && bytes <= BYTES_MAX {
            shelf.bytes = bytes;
            shelf.answers.insert(key, answer);
        }
    }
}

/// The layer around everything that the public listener answers.
pub(super) async fn kept(State(kept): State<Arc<Kept>>, request: Request, next: Next) -> Response {
    let is_plain = request.method() == Method::GET
        && request.uri().query().is_none()
        && !request.headers().contains_key(header::IF_NONE_MATCH);
    if !is_plain {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let Ok(Asked { language, .. }) = Asked::from_request_parts(&mut parts, &()).await;
    let key = (Box::from(parts.uri.path()), language);
    // Before it is made: what changes meanwhile makes it old, and never the other way round.
    let made_of = MadeOf::now(&kept.site);
    if let Some(answer) = kept.find(&made_of, &key) {
        return answer.into_response();
    }
    let response = next.run(Request::from_parts(parts, body)).await;
    let says = response.headers().get(header::CACHE_CONTROL);
    let is_public = says.is_some_and(|says| says.as_bytes().starts_with(b"public"));
    let is_small = response
        .body()
        .size_hint()
        .upper()
        .is_some_and(|bytes| bytes <= ANSWER_MAX as u64);
    if response.status() != StatusCode::OK || !is_public || !is_small {
        return response;
    }
    let (head, body) = response.into_parts();
    let Ok(body) = to_bytes(body, ANSWER_MAX).await else {
        // Every body is in memory already and its size was just looked at.
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let answer = Answer {
        headers: head.headers,
        body,
    };
    kept.keep(made_of, key, answer.clone());
    answer.into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use evenkeel_core::record::Record;
    use tokio::sync::watch;
    use tokio::time::Instant;
    use tower::ServiceExt;

    use super::*;
    use crate::pump::published::STALE_AFTER;
    use crate::testing::site;

    struct Served {
        router: Router,
        pictures: watch::Sender<Arc<Published>>,
        made: Arc<AtomicUsize>,
    }

    impl Served {
        fn start() -> Self {
            let (site, pictures) = site(Record::default());
            let made = Arc::new(AtomicUsize::new(0));
            let answering = |cache: &'static str| {
                let made = made.clone();
                get(async move || {
                    let number = made.fetch_add(1, Ordering::Relaxed);
                    ([(header::CACHE_CONTROL, cache)], number.to_string())
                })
            };
            let router = Router::new()
                .route("/", answering("public, max-age=5"))
                .route("/private", answering("no-store"))
                .layer(from_fn_with_state(Kept::of(site), kept));
            Self {
                router,
                pictures,
                made,
            }
        }

        /// How often it is made while a request is asked a hundred times.
        async fn made_of_hundred(&self, request: impl Fn() -> Request) -> usize {
            let before = self.made.load(Ordering::Relaxed);
            for _ in 0..100 {
                let answer = self.router.clone().oneshot(request()).await.unwrap();
                let body = to_bytes(answer.into_body(), 100).await.unwrap();
                assert!(!body.is_empty());
            }
            self.made.load(Ordering::Relaxed) - before
        }

        async fn ask(&self) -> String {
            let answer = self.router.clone().oneshot(plain()).await.unwrap();
            let body = to_bytes(answer.into_body(), 100).await.unwrap();
            String::from_utf8(body.into()).unwrap()
        }
    }

    fn plain() -> Request {
        Request::get("/").body(Body::empty()).unwrap()
    }

    fn with(name: header::HeaderName, value: &str) -> Request {
        let request = Request::get("/").header(name, value);
        request.body(Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn a_crowd_gets_what_was_made_once_in_each_language() {
        let served = Served::start();
        // More than once only where a second ends meanwhile.
        let made = served.made_of_hundred(plain).await;
        assert!((1..10).contains(&made), "{made}");
        let made = served
            .made_of_hundred(|| with(header::ACCEPT_LANGUAGE, "pl"))
            .await;
        assert!((1..10).contains(&made), "{made}");
    }

    #[tokio::test]
    async fn what_is_not_for_everybody_alike_is_made_each_time() {
        let served = Served::start();
        let other = |method: Method, uri: &str| {
            let uri = uri.to_owned();
            move || {
                let request = Request::builder().method(&method).uri(&uri);
                request.body(Body::empty()).unwrap()
            }
        };
        for request in [other(Method::GET, "/private"), other(Method::GET, "/?a=b")] {
            assert_eq!(served.made_of_hundred(request).await, 100);
        }
        let known = || with(header::IF_NONE_MATCH, "\"a\"");
        assert_eq!(served.made_of_hundred(known).await, 100);
    }

    #[tokio::test]
    async fn a_new_picture_and_one_that_grew_old_are_seen_at_once() {
        let served = Served::start();
        let mut said = served.ask().await;
        for _ in 0..20 {
            let next = Published::of(Record::default());
            served.pictures.send_replace(Arc::new(next));
            let now = served.ask().await;
            assert_ne!(now, said);
            said = now;
        }
        // The same picture, which was new when it was kept, and is now too old.
        let mut picture = Published::of(Record::default());
        picture.stepped = Instant::now() - STALE_AFTER;
        let picture = Arc::new(picture);
        let of = |is_stale| MadeOf {
            picture: Arc::downgrade(&picture),
            second: 7,
            is_stale,
        };
        assert!(of(false) != of(true));
        assert!(of(true) == of(true));
    }

    #[tokio::test]
    async fn a_reader_of_the_shelf_does_not_hold_a_picture() {
        let served = Served::start();
        served.ask().await;
        let picture = served.pictures.borrow().clone();
        assert_eq!(Arc::strong_count(&picture), 2);
    }

    #[test]
    fn the_shelf_is_bounded() {
        let (site, _pictures) = site(Record::default());
        let kept = Kept::of(site);
        let of = || MadeOf {
            picture: Arc::downgrade(&kept.site.published.borrow()),
            second: 7,
            is_stale: false,
        };
        let answer = |bytes| Answer {
            headers: HeaderMap::new(),
            body: Bytes::from(vec![b'a'; bytes]),
        };
        for number in 0..2 * ANSWERS_MAX {
            let key = (Box::from(number.to_string()), Language::English);
            kept.keep(of(), key, answer(10));
        }
        let count = || kept.shelf.lock().unwrap().answers.len();
        assert_eq!(count(), ANSWERS_MAX);
        for number in 0..100 {
            let key = (Box::from(number.to_string()), Language::English);
            let next = MadeOf { second: 8, ..of() };
            kept.keep(next, key, answer(ANSWER_MAX));
        }
        assert_eq!(count(), BYTES_MAX / ANSWER_MAX);
    }
}
