//! Which of our languages a client likes best.
//!
//! One way for all that speaks to customers: the edge's own pages, its banner, and the
//! status page, so that whoever follows a link from one to the other goes on in his language.

pub use evenkeel_core::language::Language;

/// Languages of a client that are looked at.
const LIKED_MAX: usize = 16;

/// The one that a client likes best by its `Accept-Language` field; English where it likes
/// none.
pub fn liked(accepts: &str) -> Language {
    best(accepts, Language::of).unwrap_or_default()
}

/// Of what `known` knows, what stands highest in an `Accept-Language` field.
pub(crate) fn best<T>(accepts: &str, known: impl Fn(&str) -> Option<T>) -> Option<T> {
    let mut best = None;
    let mut weight_max = 0;
    for item in accepts.split(',').take(LIKED_MAX) {
        let (tag, quality) = item.split_once(';').unwrap_or((item, ""));
        let weight = weight(quality);
        if weight > weight_max
            && let Some(found) = known(tag.trim())
        {
            weight_max = weight;
            best = Some(found);
        }
    }
    best
}

/// `q=0.8` in thousandths; all of it where nothing is said.
fn weight(quality: &str) -> u32 {
    let Some(number) = quality.trim().strip_prefix("q=") else {
        return 1000;
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = part.bytes().chain(*b"000").take(3);
    let part = digits.fold(0, |sum, digit| {
        sum * 10 + u32::from(digit.wrapping_sub(b'0').min(9))
    });
    if whole == "0" { part } else { 1000 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_one_the_client_likes_best_of_ours() {
        for (accepts, tag) in [
            ("", "en"),
            ("nl", "nl"),
            ("de-AT,de;q=0.9,en;q=0.8", "de"),
            ("fr,pl;q=0.3,da;q=0.7", "da"),
            ("fr", "en"),
            ("*", "en"),
            ("pl;q=0,nl;q=0.001", "nl"),
            ("PL", "pl"),
            (";;q=,,,=", "en"),
        ] {
            assert_eq!(liked(accepts).tag(), tag, "{accepts}");
        }
    }

    #[test]
    fn a_long_list_is_not_read_to_its_end() {
        let accepts = format!("{}da", "fr,".repeat(LIKED_MAX));
        assert_eq!(liked(&accepts), Language::English);
    }
}
