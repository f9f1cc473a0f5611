//! CSV by RFC 4180, but with line feeds alone.

/// A line of `cells`, without its end.
#[must_use]
pub fn line(cells: impl IntoIterator<Item = String>) -> String {
    cells.into_iter().map(cell).collect::<Vec<_>>().join(",")
}

fn cell(text: String) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_line_is_quoted() {
        let cells = ["plain", "", "a,b", "say \"hi\"", "two\nlines"].map(str::to_owned);
        assert_eq!(line(cells), "plain,,\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\"");
    }
}
