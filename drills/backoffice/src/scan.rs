//! What document scanning reads from the text of a page: who sent it, and the
//! largest amount on a line that speaks of a total.

use crate::money;

/// The first line that is not empty: letterheads stand at the top.
pub(crate) fn supplier(page: &str) -> String {
    let first = page.lines().map(str::trim).find(|line| !line.is_empty());
    first.unwrap_or("unknown").chars().take(80).collect()
}

/// Cents as text; 0 when no total was found.
pub(crate) fn total_cents(page: &str) -> String {
    let total = page
        .lines()
        .filter(|line| {
            let line = line.to_lowercase();
            ["total", "totaal", "summe", "gesamt", "razem", "i alt"]
                .iter()
                .any(|word| line.contains(word))
        })
        .flat_map(|line| line.split_whitespace().filter_map(money::parse))
        .max();
    total.unwrap_or(0).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn supplier_and_total_are_read_from_a_page() {
        let page = "\n  Elektro Brandt GmbH\nRechnung 4711\nKabel  120,00\nGesamt EUR 1.142,80\n";
        assert_eq!(supplier(page), "Elektro Brandt GmbH");
        assert_eq!(total_cents(page), "114280");
        assert_eq!(total_cents("no amounts"), "0");
    }
}
