//! What must be true of an answer: its status, and what stands in it.
//!
//! Each claim is one text of the configuration and one sentence where it does not hold. A
//! sentence quotes little of the answer: what is told of a check may be read by more people
//! than the page it asks for.

use serde_json::Value;

use super::trial::short;

/// The longest value that is quoted, bytes.
const QUOTED_MAX: usize = 80;

/// Statuses that are expected: `200-299, 304`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSet(Vec<(u16, u16)>);

impl Default for StatusSet {
    fn default() -> Self {
        Self(vec![(200, 299)])
    }
}

impl StatusSet {
    /// From `200`, `200-299`, `200, 301-303`.
    ///
    /// # Errors
    /// Which part is no status.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut ranges = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let read = |text: &str| match text.trim().parse::<u16>() {
                Ok(status) if (100..=599).contains(&status) => Ok(status),
                _ => Err(format!("`{part}` is no status")),
            };
            let (from, to) = (read(from)?, read(to)?);
            if from > to {
                return Err(format!("`{part}` runs backwards"));
            }
            ranges.push((from, to));
        }
        Ok(Self(ranges))
    }

    /// Whether `status` is expected.
    pub fn has(&self, status: u16) -> bool {
        let mut ranges = self.0.iter();
        ranges.any(|(from, to)| (*from..=*to).contains(&status))
    }
}

impl std::fmt::Display for StatusSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, (from, to)) in self.0.iter().enumerate() {
            let between = if at == 0 { "" } else { ", " };
            match from == to {
                true => write!(f, "{between}{from}")?,
                false => write!(f, "{between}{from}-{to}")?,
            }
        }
        Ok(())
    }
}

/// What must be true of a JSON answer: `/status == "ok"`, `/items/0 exists`.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonClaim {
    pointer: String,
    what: What,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    Exists,
    IsMissing,
    Equals(Value),
    Differs(Value),
    Compares(Order, f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

impl JsonClaim {
    /// From `POINTER exists`, `POINTER is missing`, or `POINTER OP VALUE`, where the
    /// pointer is RFC 6901's and the value is JSON; a bare word is a text.
    ///
    /// # Errors
    /// What it should look like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (pointer, rest) = match text.split_once(char::is_whitespace) {
            Some((pointer, rest)) => (pointer, rest.trim()),
            None => (text, "exists"),
        };
        let pointer = pointer_of(pointer)?;
        let what = match rest {
            "exists" => What::Exists,
            "is missing" => What::IsMissing,
            _ => comparison(rest)?,
        };
        Ok(Self { pointer, what })
    }

    /// # Errors
    /// In a sentence, what is there instead.
    pub(super) fn holds(&self, document: &Value) -> Result<(), String> {
        let place = match self.pointer.as_str() {
            "" => "the whole answer",
            pointer => pointer,
        };
        let found = document.pointer(&self.pointer);
        let Some(found) = found else {
            return match self.what {
                What::IsMissing => Ok(()),
                _ => Err(format!("{place} is missing in the answer")),
            };
        };
        let is = || quoted(&found.to_string());
        match &self.what {
            What::Exists => Ok(()),
            What::IsMissing => Err(format!("{place} is {}, and was to be missing", is())),
            What::Equals(wanted) if is_same(found, wanted) => Ok(()),
            What::Equals(wanted) => Err(format!("{place} is {}, expected {wanted}", is())),
            What::Differs(wanted) if !is_same(found, wanted) => Ok(()),
            What::Differs(wanted) => Err(format!("{place} is {wanted}, which it must not be")),
            What::Compares(order, bound) => {
                let Some(number) = found.as_f64() else {
                    return Err(format!("{place} is {}, which is no number", is()));
                };
                let (good, sign) = match order {
                    Order::Less => (number < *bound, "<"),
                    Order::LessOrEqual => (number <= *bound, "<="),
                    Order::More => (number > *bound, ">"),
                    Order::MoreOrEqual => (number >= *bound, ">="),
                };
                match good {
                    true => Ok(()),
                    false => Err(format!("{place} is {number}, expected {sign} {bound}")),
                }
            }
        }
    }
}

/// `1` and `1.0` are one number; everything else is compared as it is.
fn is_same(found: &Value, wanted: &Value) -> bool {
    match (found.as_f64(), wanted.as_f64()) {
        (Some(found), Some(wanted)) => found == wanted,
        _ => found == wanted,
    }
}

/// A JSON pointer, RFC 6901: empty, or beginning with a slash.
pub(super) fn pointer_of(text: &str) -> Result<String, String> {
    if text == "." || text.is_empty() {
        return Ok(String::new());
    }
    if !text.starts_with('/') {
        return Err(format!(
            "`{text}` is no JSON pointer: it begins with `/`, as in `/status` or `/items/0/id`"
        ));
    }
    Ok(text.to_owned())
}

fn comparison(text: &str) -> Result<What, String> {
    let wrong = || {
        format!(
            "`{text}` is no claim; write `exists`, `is missing`, or ==, !=, <, <=, > or >= and a value"
        )
    };
    let (sign, value) = text.split_once(char::is_whitespace).ok_or_else(wrong)?;
    let value = value.trim();
    if value.is_empty() {
        return Err(wrong());
    }
    let json = || match serde_json::from_str::<Value>(value) {
        Ok(value) => Ok(value),
        // A bare word: quotes inside quotes are what people forget.
        Err(_) if !value.starts_with(['"', '{', '[']) => Ok(Value::String(value.to_owned())),
        Err(error) => Err(format!("`{value}` is no JSON value: {error}")),
    };
    let order = match sign {
        "==" => return Ok(What::Equals(json()?)),
        "!=" => return Ok(What::Differs(json()?)),
        "<" => Order::Less,
        "<=" => Order::LessOrEqual,
        ">" => Order::More,
        ">=" => Order::MoreOrEqual,
        _ => return Err(wrong()),
    };
    let bound = value.parse::<f64>().ok().filter(|bound| bound.is_finite());
    let bound = bound.ok_or_else(|| format!("`{value}` is no number to compare with"))?;
    Ok(What::Compares(order, bound))
}

/// A value of an answer, as it is quoted.
pub(super) fn quoted(text: &str) -> String {
    short(text, QUOTED_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn statuses_are_numbers_and_ranges() {
        let set = StatusSet::parse("200-204, 304").expect("a set");
        assert!(set.has(200) && set.has(204) && set.has(304));
        assert!(!set.has(205) && !set.has(199));
        assert_eq!(set.to_string(), "200-204, 304");
        for wrong in ["", "ok", "99", "600", "300-200", "200-", "200,,201"] {
            assert!(StatusSet::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn claims_hold_or_say_what_is_there() {
        let document = json!({"status": "ok", "queue": {"length": 7}, "items": [], "a/b": null});
        for (claim, said) in [
            ("/status", None),
            ("/status exists", None),
            ("/status == \"ok\"", None),
            ("/status == ok", None),
            ("/status != down", None),
            ("/a~1b == null", None),
            ("/items == []", None),
            ("/queue/length < 10", None),
            ("/queue/length >= 7", None),
            ("/queue/length == 7.0", None),
            ("/error is missing", None),
            ("/error", Some("/error is missing in the answer")),
            ("/status == up", Some("/status is \"ok\", expected \"up\"")),
            (
                "/status != ok",
                Some("/status is \"ok\", which it must not be"),
            ),
            ("/status < 3", Some("/status is \"ok\", which is no number")),
            (
                "/queue/length > 10",
                Some("/queue/length is 7, expected > 10"),
            ),
            (
                "/status is missing",
                Some("/status is \"ok\", and was to be missing"),
            ),
        ] {
            let claim = JsonClaim::parse(claim).unwrap_or_else(|why| panic!("{claim}: {why}"));
            let judged = claim.holds(&document).err();
            assert_eq!(judged.as_deref(), said, "{claim:?}");
        }
    }

    #[test]
    fn what_is_no_claim_is_told_how_to_write_one() {
        for wrong in [
            "status == ok",
            "/a ==",
            "/a = 1",
            "/a < many",
            "/a == {",
            "/a < inf",
        ] {
            assert!(JsonClaim::parse(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parsers(text in ".{0,80}") {
            let _ = JsonClaim::parse(&text);
            let _ = StatusSet::parse(&text);
        }

        #[test]
        fn no_answer_breaks_a_claim(
            pointer in "(/[a-z0-9~]{0,3}){0,4}",
            rest in "(exists|is missing|(==|!=|<|>=) (1|null|\"x\"|\\[\\]|word))",
            answer in "[\\[\\]{}\":,a-z0-9.e+-]{0,60}",
        ) {
            let claim = JsonClaim::parse(&format!("{pointer} {rest}"));
            if let (Ok(claim), Ok(document)) = (claim, serde_json::from_str::<Value>(&answer)) {
                let _ = claim.holds(&document);
            }
        }
    }
}
