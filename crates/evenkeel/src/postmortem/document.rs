//! A document as blocks, and how blocks are written: as HTML, and as Markdown.
//!
//! HTML goes through the pages' own macros, which escape everything. Markdown escapes every
//! character that can mean something anywhere in CommonMark, and HTML with it: a text that a
//! person wrote is shown as they wrote it, line by line, and cannot become markup.

use std::fmt::Write as _;
use std::sync::LazyLock;

use evenkeel_core::Timestamp;
use evenkeel_core::language::Language;
use evenkeel_core::telling::FreeText;
use maud::{Markup, html};

use crate::web::{Style, clock};

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The language of what is not marked with another.
    pub language: Language,
    /// Its title.
    pub title: String,
    /// What is in it.
    pub blocks: Vec<Block>,
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading.
    Heading(String),
    /// A paragraph.
    Paragraph(String),
    /// What a person wrote, after what says in which language it is.
    Original {
        /// What says so.
        said: String,
        /// The text.
        text: FreeText,
    },
    /// Sentences side by side.
    List(Vec<String>),
    /// What happened when.
    Moments(Vec<(Timestamp, String, String)>),
    /// Measures.
    Measures(Vec<Item>),
    /// Words and what they stand for.
    Facts(Vec<(String, String)>),
}

/// A measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What is to be done, as a person wrote it.
    pub what: FreeText,
    /// Where it stands.
    pub stands: String,
    /// Whether it is late.
    pub is_late: bool,
}

/// Lines of a person's text that say something.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n')
        .map(str::trim)
        .filter(|line| !line.is_empty())
}

/// The blocks as HTML; `level` is that of their headings.
pub fn html(document: &Document) -> Markup {
    html! {
        @for block in &document.blocks {
            @match block {
                Block::Heading(text) => h2 { (text) },
                Block::Paragraph(text) => p { (text) },
                Block::Original { said, text } => {
                    @if text.language != document.language { p.dim { (said) } }
                    div.original lang=(text.language.tag()) {
                        @for line in lines(&text.text) { p { (line) } }
                    }
                }
                Block::List(items) => ul.plain { @for item in items { li { (item) } } },
                Block::Moments(moments) => ol.moments {
                    @for (at, when, what) in moments {
                        li { (clock::element(*at, when)) " " span { (what) } }
                    }
                },
                Block::Measures(items) => ol.measures {
                    @for item in items {
                        li {
                            p lang=(item.what.language.tag()) { (item.what.text) }
                            p.dim { @if item.is_late { strong { (item.stands) } } @else { (item.stands) } }
                        }
                    }
                },
                Block::Facts(facts) => dl.known {
                    @for (name, value) in facts { div { dt { (name) } dd { (value) } } }
                },
            }
        }
    }
}

static STYLE: LazyLock<Style> = LazyLock::new(|| Style::new(include_str!("document.css")));

/// A whole page, for a file of its own: nothing is fetched from anywhere.
pub fn page(document: &Document, service: &str) -> String {
    let body = html! {
        main {
            p.dim { (service) }
            h1 { (document.title) }
            (html(document))
        }
    };
    let title = format!("{} · {service}", document.title);
    let tag = document.language.tag();
    STYLE.alone(tag, &title, body).into_string()
}

/// The document as Markdown.
pub fn markdown(document: &Document) -> String {
    let mut text = format!("# {}\n", escaped(&document.title));
    for block in &document.blocks {
        text.push('\n');
        write(&mut text, document.language, block);
    }
    text
}

fn write(into: &mut String, language: Language, block: &Block) {
    // Writing to a text cannot fail.
    let mut line = |text: &str| {
        let _written = writeln!(into, "{text}");
    };
    match block {
        Block::Heading(text) => line(&format!("## {}", escaped(text))),
        Block::Paragraph(text) => line(&escaped(text)),
        Block::Original { said, text } => {
            if text.language != language {
                line(&format!("*{}*\n", escaped(said)));
            }
            let quoted: Vec<String> = lines(&text.text)
                .map(|part| format!("> {}", escaped(part)))
                .collect();
            line(&quoted.join("\n>\n"));
        }
        Block::List(items) => items
            .iter()
            .for_each(|item| line(&format!("- {}", escaped(item)))),
        Block::Moments(moments) => moments
            .iter()
            .for_each(|(_, when, what)| line(&format!("- {}: {}", escaped(when), escaped(what)))),
        Block::Measures(items) => {
            for (number, item) in items.iter().enumerate() {
                let what: Vec<String> = lines(&item.what.text).map(escaped).collect();
                line(&format!("{}. {}", number + 1, what.join(" ")));
                line(&format!("   *{}*", escaped(&item.stands)));
            }
        }
        Block::Facts(facts) => facts
            .iter()
            .for_each(|(name, value)| line(&format!("- {}: {}", escaped(name), escaped(value)))),
    }
}

/// A text as Markdown shows it, on one line: every character of ASCII that can mean
/// something has a backslash before it, which CommonMark allows for all of them.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut begins = true;
    let mut digits = false;
    for letter in text.chars() {
        let letter = if letter.is_control() { ' ' } else { letter };
        let special = matches!(
            letter,
            '\\' | '`'
                | '*'
                | '_'
                | '{'
                | '}'
                | '['
                | ']'
                | '<'
                | '>'
                | '('
                | ')'
                | '#'
                | '!'
                | '|'
                | '~'
                | '&'
                | '@'
                | '$'
                | '^'
        );
        // A dash, a plus or an equals sign at the beginning, and `1.`, begin lists and rules.
        let at_start = begins && matches!(letter, '-' | '+' | '=');
        let of_list = digits && letter == '.';
        // Bare addresses become links in some readers.
        let of_link = letter == ':' && out.ends_with(['p', 's', 'o']);
        if special || at_start || of_list || of_link {
            out.push('\\');
        }
        out.push(letter);
        digits = letter.is_ascii_digit() && (begins || digits);
        begins = begins && letter.is_whitespace();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hostile() -> Document {
        let text = "<script>alert(1)</script>\n\n# not a heading\n- no item\n1. none\n[x](javascript:alert(1)) **no** `no` | | https://evil.example\n<!-- -->";
        let text = FreeText {
            language: Language::Danish,
            text: text.into(),
        };
        Document {
            language: Language::English,
            title: "<b>Post-mortem</b>".into(),
            blocks: vec![
                Block::Original {
                    said: "Original text (dansk):".into(),
                    text: text.clone(),
                },
                Block::Measures(vec![Item {
                    what: text,
                    stands: "*late*".into(),
                    is_late: true,
                }]),
            ],
        }
    }

    #[test]
    fn nothing_a_person_wrote_becomes_markup() {
        let page = page(&hostile(), "A & B");
        assert!(
            !page.contains("<script") && !page.contains("<!-- "),
            "{page}"
        );
        assert!(page.contains("&lt;script&gt;") && page.contains("A &amp; B"));
        let text = markdown(&hostile());
        let mut events = pulldown_cmark::Parser::new_ext(&text, pulldown_cmark::Options::all());
        use pulldown_cmark::{Event, Tag};
        let odd = events.find(|event| {
            matches!(
                event,
                Event::Html(_)
                    | Event::InlineHtml(_)
                    | Event::Code(_)
                    | Event::Rule
                    | Event::Start(
                        Tag::Link { .. }
                            | Tag::Image { .. }
                            | Tag::Strong
                            | Tag::Table(_)
                            | Tag::CodeBlock(_)
                            | Tag::HtmlBlock
                    )
            )
        });
        assert_eq!(odd, None, "{text}");
        // What it says is all there, and the one heading is the document's own.
        let parser = pulldown_cmark::Parser::new_ext(&text, pulldown_cmark::Options::all());
        let headings = parser.filter(|event| matches!(event, Event::Start(Tag::Heading { .. })));
        assert_eq!(headings.count(), 1);
        let parser = pulldown_cmark::Parser::new_ext(&text, pulldown_cmark::Options::all());
        let said: String = parser
            .filter_map(|event| match event {
                Event::Text(text) => Some(text.into_string()),
                _ => None,
            })
            .collect();
        for part in [
            "<script>alert(1)</script>",
            "# not a heading",
            "- no item",
            "1. none",
            "[x](javascript:alert(1))",
        ] {
            assert!(said.contains(part), "{part} in {said}");
        }
    }

    #[test]
    fn a_text_in_another_language_says_so() {
        let page = page(&hostile(), "Back office");
        assert!(page.contains(r#"lang="da""#) && page.contains("Original text (dansk):"));
        assert!(markdown(&hostile()).contains("*Original text \\(dansk\\)"));
    }
}
