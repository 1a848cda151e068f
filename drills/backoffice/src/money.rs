//! Amounts as people type and read them; cents everywhere else.

/// Largest amount a form takes: keeps every sum far from overflow.
const CENTS_MAX: i64 = 100_000_000_000;

/// Cents from `1234.5`, `1 234,50` or `1.234,50`; `None` when it is not clear.
pub(crate) fn parse(typed: &str) -> Option<i64> {
    let typed: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
    let (whole, cents) = match typed.rfind(['.', ',']) {
        Some(at) if typed.len() - at <= 3 => (&typed[..at], &typed[at + 1..]),
        _ => (typed.as_str(), ""),
    };
    let groups: Vec<&str> = whole.split(['.', ',']).collect();
    let grouped_well = groups[1..].iter().all(|group| group.len() == 3);
    let digits = groups.concat();
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if digits.is_empty() || !grouped_well || !all_digits(&digits) || !all_digits(cents) {
        return None;
    }
    let cents: i64 = format!("{cents:0<2}").parse().ok()?;
    let amount = digits
        .parse::<i64>()
        .ok()?
        .checked_mul(100)?
        .checked_add(cents)?;
    (amount <= CENTS_MAX).then_some(amount)
}

/// `123456` as `1 234.56`, with a narrow no-break space.
pub(crate) fn show(cents: i64) -> String {
    let digits = (cents.unsigned_abs() / 100).to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    let sign = if cents < 0 { "\u{2212}" } else { "" };
    format!("{sign}{grouped}.{:02}", cents.unsigned_abs() % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_typed_in_any_of_our_countries() {
        for (typed, cents) in [
            ("1234.5", Some(123_450)),
            ("1 234,50", Some(123_450)),
            ("1.234,50", Some(123_450)),
            ("1,234", Some(123_400)),
            ("7", Some(700)),
            ("12,3,4", None),
            ("-5", None),
            ("", None),
            (",50", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(parse(typed), cents, "{typed:?}");
        }
    }

    #[test]
    fn amounts_are_shown_in_groups_of_three() {
        assert_eq!(show(123_456_789), "1\u{202f}234\u{202f}567.89");
        assert_eq!(show(-5), "\u{2212}0.05");
    }
}
