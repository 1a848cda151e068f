//! Cells that say which column they are in. On a phone the rows of a table stand one below
//! the other and its head is not shown: there each cell carries its column's name.
//!
//! Done to a whole page, and not where each table is made: so no cell is forgotten. The page
//! is our own and escaped, so that a `<td` in it is a cell and never somebody's text.

use maud::{Markup, PreEscaped};

/// Gives every cell of a table with a head the name of its column.
pub(super) fn named(page: Markup) -> Markup {
    let mut rest = page.0.as_str();
    let mut named = String::with_capacity(rest.len() + rest.len() / 8);
    while let Some((before, head, body, after)) = next_table(rest) {
        named.push_str(before);
        named.push_str(head);
        let columns = texts(head);
        let mut rows = body.split("<tr");
        named.push_str(rows.next().unwrap_or_default());
        for row in rows {
            named.push_str("<tr");
            name_row(row, &columns, &mut named);
        }
        rest = after;
    }
    named.push_str(rest);
    PreEscaped(named)
}

/// What stands before the next table's head, the head, its body, and all after the body.
fn next_table(page: &str) -> Option<(&str, &str, &str, &str)> {
    let (before, from_head) = page.split_at(page.find("<thead")?);
    let (head, from_body) = from_head.split_at(from_head.find("</thead>")?);
    let (body, after) = from_body.split_at(from_body.find("</table>")?);
    Some((before, head, body, after))
}

fn name_row(row: &str, columns: &[String], named: &mut String) {
    let mut cells = row.split("<td");
    named.push_str(cells.next().unwrap_or_default());
    for (position, cell) in cells.enumerate() {
        named.push_str("<td");
        if let Some(column) = columns.get(position).filter(|column| !column.is_empty()) {
            named.push_str(" data-label=\"");
            named.push_str(column);
            named.push('"');
        }
        named.push_str(cell);
    }
}

/// The escaped texts of a head's cells, without what is marked in them.
fn texts(head: &str) -> Vec<String> {
    let cells = head.split("<th").skip(1);
    let cells = cells.filter(|cell| !cell.starts_with("ead"));
    let texts = cells.map(|cell| {
        let inside = cell.split_once('>').map_or("", |(_, inside)| inside);
        let inside = inside.split("</th>").next().unwrap_or_default();
        let mut text = String::new();
        let mut pieces = inside.split('<');
        text.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            text.push_str(piece.split_once('>').map_or("", |(_, text)| text));
        }
        text.trim().to_owned()
    });
    texts.collect()
}

#[cfg(test)]
mod tests {
    use maud::html;

    use super::*;

    #[test]
    fn each_cell_carries_its_columns_name() {
        let page = html! {
            p { "before" }
            table {
                thead { tr { th { "Name" } th.number { "Share " span { "of \"all\"" } } th {} } }
                tbody {
                    tr { td { "a <td> b" } td.number { "12 %" } td { "x" } }
                    tr { td { "c" } }
                }
            }
            table { tr { th { "no head" } td { "1" } } }
            table { thead { tr { th { "Other" } } } tbody { tr { td { "d" } } } }
        };
        let named = named(page).0;
        let cells: Vec<&str> = named.split("<td").skip(1).collect();
        let labels = cells.iter().map(|cell| {
            let open = cell.split('>').next().unwrap_or_default();
            open.split_once("data-label=").map(|(_, label)| label)
        });
        let labels: Vec<_> = labels.collect();
        assert!(labels[0].is_some_and(|label| label.starts_with("\"Name\"")));
        assert!(labels[1].is_some_and(|label| label.starts_with("\"Share of &quot;all&quot;\"")));
        assert_eq!(labels[2], None, "a column without a name");
        assert!(labels[3].is_some_and(|label| label.starts_with("\"Name\"")));
        assert_eq!(labels[4], None, "a table without a head");
        assert!(labels[5].is_some_and(|label| label.starts_with("\"Other\"")));
        assert_eq!(cells.len(), 6);
        assert!(named.contains("a &lt;td&gt; b"));
    }
}
