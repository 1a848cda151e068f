//! The pages on which customers subscribe, confirm, change and leave.
//!
//! Without script, in five languages, and never in a copy elsewhere: a form needs a server.
//! A link from a mail is opened by whoever scans the mail, too; so opening one shows a page
//! and changes nothing, and what changes something is a button (`POST`). The one exception
//! is wanted: mail programs send `List-Unsubscribe=One-Click` to the same address (RFC 8058),
//! as a form of either kind.
//!
//! **Nobody learns who is subscribed**: whatever address is typed, the answer is the same,
//! and so is what is done to give it; only whose mailbox it is reads more. How often may be
//! asked is bounded ([`people`](crate::subscribers::people)). Nothing here is kept by caches, and the
//! address of a page with a link in it is told to no other site.

use std::sync::LazyLock;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use evenkeel_core::Timestamp;
use evenkeel_core::ids::ComponentId;
use maud::{Markup, html};
use tokio::time::Instant;

use super::asked::Asked;
use super::documents::{self, address};
use super::missing;
use crate::public::words::{Language, Words};
use crate::pump::store::chain;
use crate::subscribers::Subscribers;
use crate::subscribers::address as addresses;
use crate::subscribers::store::people::Asked as Outcome;
use crate::subscribers::store::{Kind, Standing, StoreError, Subscriber, Wishes};
use crate::web::serving::Peer;
use crate::web::{Site, Style};

static STYLE: LazyLock<Style> = LazyLock::new(|| {
    Style::with_forms(concat!(
        include_str!("page.css"),
        include_str!("subscribing.css")
    ))
});

/// The largest form, bytes: an address and the names of all components.
const FORM_MAX: usize = 16 << 10;

/// Fields of one: every component there may be, and some.
const FIELDS_MAX: usize = 2000;

/// Every route: a golden list guards it.
pub fn routes() -> Vec<(&'static str, MethodRouter<Site>)> {
    vec![
        ("/{language}/subscribe", get(form).post(ask)),
        ("/{language}/subscription/{link}", get(show).post(act)),
    ]
}

/// The pages; they answer that there is nothing where nobody may subscribe.
pub(super) fn router(site: &Site) -> Router<Site> {
    let policy = STYLE.policy_with(&site.settings.brand.css(), "form-action 'self'");
    let mut router = Router::new();
    for (path, method) in routes() {
        router = router.route(path, method);
    }
    router.layer(middleware::map_response(move |response: Response| {
        let mut response = STYLE.guard_by(response, "no-store", policy.clone());
        let noindex = HeaderValue::from_static("noindex");
        response.headers_mut().insert("x-robots-tag", noindex);
        async move { response }
    }))
}

/// Where the form is, from wherever this stands.
pub(super) fn form_address(site: &Site, language: Language) -> Option<String> {
    let subscribers = site.subscribers.as_ref()?;
    subscribers.settings().mail.as_ref()?;
    let base = site.url.trim_end_matches('/');
    Some(format!("{base}/{}/subscribe", language.tag()))
}

/// What is asked of a page: who may be asked, and in which language.
struct Talk {
    site: Site,
    subscribers: Subscribers,
    language: Language,
}

/// Nothing, where the address names no language of ours, or nobody may subscribe.
fn talk(site: &Site, tag: &str) -> Option<Talk> {
    Some(Talk {
        site: site.clone(),
        subscribers: site.subscribers.clone()?,
        language: Language::of_tag(tag)?,
    })
}

impl Talk {
    fn words(&self) -> &'static Words {
        Words::of(self.language)
    }

    fn page(&self, status: StatusCode, title: &str, main: Markup) -> Response {
        let words = self.words();
        let name = documents::name(&self.site, words);
        let body = html! {
            header { (name) }
            main { h1 { (title) } (main) }
            footer { p { a href=(address(self.language, None)) { (words.home()) } } }
        };
        let title = format!("{title} · {}", self.site.name);
        let head = documents::accent(&self.site);
        let page = STYLE.page(self.language.tag(), &title, head, body);
        let tag = [(header::CONTENT_LANGUAGE, self.language.tag())];
        (status, tag, page).into_response()
    }

    fn broken(&self, error: &StoreError) -> Response {
        tracing::error!("a subscription could not be looked after: {}", chain(error));
        let words = self.words();
        self.page(
            StatusCode::SERVICE_UNAVAILABLE,
            &words.subscribe(),
            html! { p role="alert" { (words.subscribe_busy()) } },
        )
    }

    /// Every component that customers know, in the order of the page.
    fn components(&self) -> Vec<(&ComponentId, &str)> {
        let mut all: Vec<_> = self.site.policy.components.iter().collect();
        all.sort_by_key(|(_, policy)| policy.position);
        all.into_iter()
            .map(|(id, policy)| (id, policy.name.as_str()))
            .collect()
    }

    /// Fields for what somebody wants, filled in with what they want now.
    fn fields(&self, wishes: &Wishes) -> Markup {
        let words = self.words();
        let wanted =
            |id: &ComponentId| wishes.components.is_empty() || wishes.components.contains(id);
        html! {
            fieldset {
                legend { (words.functions_wanted()) }
                @for (id, name) in self.components() {
                    label { input type="checkbox" name="component" value=(id) checked[wanted(id)]; " " (name) }
                }
            }
            label.box {
                input type="checkbox" name="maintenance_only" value="yes" checked[wishes.maintenance_only];
                " " (words.maintenance_only())
            }
            label { (words.mail_language())
                select name="language" {
                    @for one in Language::ALL {
                        option value=(one.tag()) lang=(one.tag()) selected[one == wishes.language] { (one.own_name()) }
                    }
                }
            }
        }
    }

    fn subscribe_page(
        &self,
        status: StatusCode,
        typed: &str,
        wishes: &Wishes,
        wrong: Option<String>,
    ) -> Response {
        let words = self.words();
        let title = words.subscribe();
        let main = html! {
            p { (words.subscribe_about()) }
            @if let Some(wrong) = &wrong { p.wrong role="alert" id="wrong" { (wrong) } }
            form method="post" action={ "/" (self.language.tag()) "/subscribe" } {
                label { (words.mail_address())
                    input type="email" name="address" required maxlength=(addresses::MAIL_MAX)
                        autocomplete="email" value=(typed) aria-describedby=[wrong.is_some().then_some("wrong")];
                }
                (self.fields(wishes))
                button type="submit" { (words.subscribe_send()) }
            }
        };
        self.page(status, &title, main)
    }

    fn subscription_page(&self, one: &Subscriber, said: Option<String>) -> Response {
        let words = self.words();
        let link = self.subscribers.store().link(one);
        let to = format!("/{}/subscription/{link}", self.language.tag());
        let main = html! {
            @if let Some(said) = said { p.said role="status" { (said) } }
            p { (words.subscription_of(&one.address)) }
            @match one.standing {
                Standing::Active => {
                    @if one.kind == Kind::Mail {
                        form method="post" action=(to) {
                            (self.fields(&one.wishes))
                            button type="submit" name="do" value="save" { (words.subscription_save()) }
                        }
                    }
                }
                Standing::Waiting | Standing::Paused => {
                    @if one.standing == Standing::Paused { p { (words.subscription_paused()) } }
                    form method="post" action=(to) {
                        button type="submit" name="do" value="confirm" { (words.subscribe_confirm()) }
                    }
                }
            }
            form.leave method="post" action=(to) {
                button.quiet type="submit" name="do" value="unsubscribe" { (words.unsubscribe()) }
                " " span { (words.unsubscribe_how()) }
            }
        };
        self.page(StatusCode::OK, &words.subscription(), main)
    }

    fn link_gone(&self) -> Response {
        let words = self.words();
        let main = html! {
            p { (words.link_gone_why()) }
            @if let Some(form) = form_address(&self.site, self.language) {
                p { a href=(form) { (words.subscribe()) } }
            }
        };
        self.page(StatusCode::NOT_FOUND, &words.link_gone(), main)
    }

    fn left(&self) -> Response {
        let words = self.words();
        self.page(
            StatusCode::OK,
            &words.subscription(),
            html! { p role="status" { (words.unsubscribed()) } },
        )
    }

    /// What a form says somebody wants; `None` where no component is chosen.
    fn wishes(&self, fields: &Fields) -> Option<Wishes> {
        let all = self.components();
        let chosen: Vec<ComponentId> = all
            .iter()
            .filter(|(id, _)| fields.all("component").any(|value| value == id.as_str()))
            .map(|(id, _)| (*id).clone())
            .collect();
        if chosen.is_empty() {
            return None;
        }
        Some(Wishes {
            language: Language::of_tag(fields.one("language")).unwrap_or(self.language),
            // Who wants all wants those to come as well.
            components: if chosen.len() == all.len() {
                Vec::new()
            } else {
                chosen
            },
            maintenance_only: fields.one("maintenance_only") == "yes",
        })
    }
}

/// The fields of a form.
struct Fields(Vec<(String, String)>);

impl Fields {
    /// The fields, and the body they stood in.
    async fn in_body_of(request: Request) -> Result<(Self, Bytes), StatusCode> {
        let body = to_bytes(request.into_body(), FORM_MAX).await;
        let body = body.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
        let fields = url::form_urlencoded::parse(&body);
        let fields = fields.into_owned().take(FIELDS_MAX).collect();
        Ok((Self(fields), body))
    }

    fn one(&self, name: &'static str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        let all = self.0.iter().filter(move |(known, _)| known == name);
        all.map(|(_, value)| value.trim())
    }
}

async fn form(site: State<Site>, Path(tag): Path<String>, asked: Asked) -> Response {
    let Some(talk) = talk(&site, &tag).filter(|talk| form_address(&site, talk.language).is_some())
    else {
        return missing(site, asked).await;
    };
    let wishes = Wishes {
        language: talk.language,
        components: Vec::new(),
        maintenance_only: false,
    };
    talk.subscribe_page(StatusCode::OK, "", &wishes, None)
}

async fn ask(
    site: State<Site>,
    Path(tag): Path<String>,
    asked: Asked,
    request: Request,
) -> Response {
    let peer = request
        .extensions()
        .get::<Peer>()
        .copied()
        .unwrap_or_default();
    let Some(talk) = talk(&site, &tag) else {
        return missing(site, asked).await;
    };
    let Some(mail) = &talk.subscribers.settings().mail else {
        return missing(site, asked).await;
    };
    let own = mail.from.to_string();
    let fields = match Fields::in_body_of(request).await {
        Ok((fields, _)) => fields,
        Err(status) => return status.into_response(),
    };
    let words = talk.words();
    let typed = fields.one("address").to_owned();
    let wishes = talk.wishes(&fields);
    let shown = wishes.clone().unwrap_or(Wishes {
        language: talk.language,
        components: Vec::new(),
        maintenance_only: false,
    });
    let bad = StatusCode::UNPROCESSABLE_ENTITY;
    let Ok(to) = addresses::mail(&typed) else {
        return talk.subscribe_page(bad, &typed, &shown, Some(words.address_wrong()));
    };
    let Some(wishes) = wishes else {
        return talk.subscribe_page(bad, &typed, &shown, Some(words.functions_none()));
    };
    if !talk
        .subscribers
        .asked()
        .may_ask(peer.address, Instant::now())
    {
        let busy = StatusCode::TOO_MANY_REQUESTS;
        return talk.subscribe_page(busy, &typed, &shown, Some(words.subscribe_busy()));
    }
    let most = talk.subscribers.settings().subscribers_max;
    let address = to.to_string();
    // Writing to ourselves would only go round.
    if !address.eq_ignore_ascii_case(&own) {
        let come = talk
            .subscribers
            .with(move |store| store.ask(&address, &wishes, most, Timestamp::now()));
        match come.await {
            Ok(Outcome::Full) => {
                tracing::error!(
                    most,
                    "nobody more can subscribe: raise [subscribers] subscribers_max"
                );
            }
            Ok(Outcome::Letter | Outcome::Lately) => talk.subscribers.ring(),
            Err(error) => return talk.broken(&error),
        }
    }
    let main = html! { p role="status" { (words.subscribe_sent_how()) } };
    talk.page(StatusCode::OK, &words.subscribe_sent(), main)
}

async fn show(
    site: State<Site>,
    Path((tag, link)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    let Some(talk) = talk(&site, &tag) else {
        return missing(site, asked).await;
    };
    match talk
        .subscribers
        .with(move |store| store.behind(&link))
        .await
    {
        Ok(Some(one)) => talk.subscription_page(&one, None),
        Ok(None) => talk.link_gone(),
        Err(error) => talk.broken(&error),
    }
}

async fn act(
    site: State<Site>,
    Path((tag, link)): Path<(String, String)>,
    asked: Asked,
    request: Request,
) -> Response {
    let Some(talk) = talk(&site, &tag) else {
        return missing(site, asked).await;
    };
    let (fields, body) = match Fields::in_body_of(request).await {
        Ok(read) => read,
        Err(status) => return status.into_response(),
    };
    let one_click = is_one_click(&body);
    let one = match talk
        .subscribers
        .with(move |store| store.behind(&link))
        .await
    {
        Ok(Some(one)) => one,
        // Pressed twice: it is as they wanted.
        Ok(None) if one_click => return talk.left(),
        Ok(None) => return talk.link_gone(),
        Err(error) => return talk.broken(&error),
    };
    let words = talk.words();
    let (id, now) = (one.id, Timestamp::now());
    let what = if one_click {
        "unsubscribe"
    } else {
        fields.one("do")
    };
    let done = match what {
        "unsubscribe" => {
            let left = talk
                .subscribers
                .with(move |store| store.unsubscribe(&one, now))
                .await;
            return match left {
                Ok(()) => talk.left(),
                Err(error) => talk.broken(&error),
            };
        }
        "confirm" => {
            let confirmed = talk
                .subscribers
                .with(move |store| store.confirm(id, now))
                .await;
            confirmed.map(|()| Some(words.subscribe_confirmed()))
        }
        "save" => match talk.wishes(&fields) {
            None => Ok(Some(words.functions_none())),
            Some(wishes) => {
                let saved = talk
                    .subscribers
                    .with(move |store| store.change_wishes(id, &wishes));
                saved.await.map(|()| Some(words.subscription_saved()))
            }
        },
        _ => Ok(None),
    };
    let said = match done {
        Ok(said) => said,
        Err(error) => return talk.broken(&error),
    };
    match talk
        .subscribers
        .with(move |store| store.subscriber(id))
        .await
    {
        Ok(Some(one)) => talk.subscription_page(&one, said),
        Ok(None) => talk.link_gone(),
        Err(error) => talk.broken(&error),
    }
}

/// What a mail program sends for its reader, as a form of either kind.
fn is_one_click(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    let whole = text.trim();
    whole == "List-Unsubscribe=One-Click"
        || (whole.starts_with("--")
            && whole.contains("name=\"List-Unsubscribe\"")
            && whole.contains("One-Click"))
}
