//! What a step of a journey takes from its answer for the steps after it.
//!
//! `json /id`, `header location`, or a regular expression whose first group is taken. What
//! cannot be found fails the step: the page is not what it was.

use hyper::HeaderMap;
use hyper::header::HeaderName;
use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::claim::pointer_of;

/// The longest value that is taken, bytes.
const TAKEN_MAX: usize = 8 * 1024;

/// The most memory one expression may become, bytes.
const EXPRESSION_MAX: usize = 1 << 20;

/// See the module.
#[derive(Debug, Clone)]
pub struct Capture {
    /// The name that later steps use.
    pub name: String,
    from: From,
}

#[derive(Debug, Clone)]
enum From {
    Json(String),
    Header(HeaderName),
    Body(Regex),
}

impl Capture {
    /// From `json POINTER`, `header NAME`, or `regex EXPRESSION`.
    ///
    /// # Errors
    /// What it should look like.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let (kind, rest) = text.trim().split_once(char::is_whitespace).ok_or_else(|| {
            format!(
                "`{text}` takes nothing; write `json /id`, `header location` or `regex EXPRESSION`"
            )
        })?;
        let rest = rest.trim();
        let from = match kind {
            "json" => From::Json(pointer_of(rest)?),
            "header" => {
                let header = HeaderName::from_bytes(rest.as_bytes());
                From::Header(header.map_err(|_| format!("`{rest}` is no header"))?)
            }
            "regex" => {
                let made = RegexBuilder::new(rest).size_limit(EXPRESSION_MAX).build();
                let made = made.map_err(|error| format!("`{rest}` is no expression: {error}"))?;
                if made.captures_len() < 2 {
                    return Err(format!(
                        "`{rest}` has no group; put ( ) around what is to be taken"
                    ));
                }
                From::Body(made)
            }
            _ => {
                return Err(format!(
                    "`{kind}` is no place to take from; write `json /id`, `header location` or \
                     `regex EXPRESSION`"
                ));
            }
        };
        Ok(Self {
            name: name.to_owned(),
            from,
        })
    }

    /// Whether the body has to be kept for it.
    pub(super) fn needs_body(&self) -> bool {
        !matches!(self.from, From::Header(_))
    }

    /// The value.
    ///
    /// # Errors
    /// In a sentence, that it is not there.
    pub(super) fn take(
        &self,
        headers: &HeaderMap,
        body: &str,
        document: Option<&Value>,
    ) -> Result<String, String> {
        let value = match &self.from {
            From::Json(pointer) => match document.and_then(|document| document.pointer(pointer)) {
                None => return Err(format!("{pointer} is missing in the answer")),
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            },
            From::Header(name) => {
                let value = headers.get(name);
                let value = value.ok_or_else(|| format!("the answer has no header {name}"))?;
                let text = value.to_str();
                text.map_err(|_| format!("the header {name} is no text"))?
                    .to_owned()
            }
            From::Body(expression) => {
                let found = expression.captures(body).and_then(|groups| groups.get(1));
                let found = found.ok_or_else(|| {
                    format!("nothing in the answer fits `{}`", expression.as_str())
                })?;
                without_entities(found.as_str())
            }
        };
        if value.len() > TAKEN_MAX {
            return Err(format!("what is taken is longer than {TAKEN_MAX} bytes"));
        }
        Ok(value)
    }
}

/// The entities that stand in attributes of pages: a link is written `?a=1&amp;b=2`.
fn without_entities(text: &str) -> String {
    text.replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&#x27;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_taken_from_where_they_stand() {
        let mut headers = HeaderMap::new();
        headers.insert("location", "/invoices/7".parse().expect("a value"));
        let body = "<a href=\"/x?a=1&amp;b=2\">x</a>";
        let document = json!({"id": 7, "name": "seven"});
        for (text, taken) in [
            ("json /id", Ok("7")),
            ("json /name", Ok("seven")),
            ("header Location", Ok("/invoices/7")),
            ("regex href=\"([^\"]+)\"", Ok("/x?a=1&b=2")),
            ("json /no", Err("/no is missing in the answer")),
            ("header etag", Err("the answer has no header etag")),
            (
                "regex (\\d{9})",
                Err("nothing in the answer fits `(\\d{9})`"),
            ),
        ] {
            let capture = Capture::parse("it", text).unwrap_or_else(|why| panic!("{why}"));
            let found = capture.take(&headers, body, Some(&document));
            let found = found.as_deref().map_err(String::as_str);
            assert_eq!(found, taken, "{text}");
        }
    }

    #[test]
    fn what_takes_nothing_is_told_how_to_write_it() {
        for wrong in [
            "",
            "json",
            "json id",
            "header a b",
            "regex (",
            "regex abc",
            "css #id",
        ] {
            assert!(Capture::parse("it", wrong).is_err(), "{wrong}");
        }
        // An expression that would need a gigabyte is refused, not built.
        assert!(Capture::parse("it", "regex ((a{1000}){1000}){1000}").is_err());
    }

    proptest! {
        #[test]
        fn no_text_and_no_answer_breaks_it(text in "((json|header|regex) )?.{0,40}", body in ".{0,80}") {
            if let Ok(capture) = Capture::parse("it", &text) {
                let document = serde_json::from_str(&body).ok();
                let _ = capture.take(&HeaderMap::new(), &body, document.as_ref());
            }
        }
    }
}
