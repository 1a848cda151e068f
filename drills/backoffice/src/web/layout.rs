use maud::{DOCTYPE, Markup, html};

use crate::faults::Switches;
use crate::functions::FUNCTIONS;
use crate::session::Session;

/// A page for somebody who is logged in.
pub(super) fn page(
    session: &Session,
    faults: &Switches,
    here: &str,
    title: &str,
    body: &Markup,
) -> Markup {
    document(
        title,
        &html! {
            header.top {
                a.brand href="/" { "Havenboek" }
                span.tenant { (session.tenant) }
                form.logout method="post" action="/logout" {
                    span.person { (session.user) }
                    input type="hidden" name="csrf" value=(session.csrf);
                    button.quiet { "Log out" }
                }
            }
            div.frame {
                nav aria-label="Functions" {
                    ul {
                        li { a href="/" aria-current=[(here.is_empty()).then_some("page")] { "Overview" } }
                        @for function in FUNCTIONS {
                            @if !faults.vanished.contains(function.slug) {
                                li {
                                    a href={ "/" (function.slug) }
                                        aria-current=[(here == function.slug).then_some("page")] {
                                        (function.title)
                                    }
                                }
                            }
                        }
                    }
                }
                main { (body) }
            }
        },
    )
}

/// A page for anybody.
pub(super) fn bare(title: &str, body: &Markup) -> Markup {
    document(title, &html! { main.bare { (body) } })
}

fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " \u{b7} Havenboek" }
                link rel="stylesheet" href="/style.css";
                link rel="icon" href="data:,";
            }
            body { (body) }
        }
    }
}
