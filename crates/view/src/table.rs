//! Tables of text.

use console::measure_text_width;

/// On which side a column is padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// The lines of a table, two blanks between columns, each as wide as its widest cell. Missing cells are empty.
#[must_use]
pub fn table(columns: &[Align], rows: &[Vec<String>]) -> Vec<String> {
    let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
    let width = |column: usize| rows.iter().map(|row| measure_text_width(&cell(row, column))).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for (column, (align, width)) in columns.iter().zip(&widths).enumerate() {
            let text = cell(row, column);
            let padding = " ".repeat(width.saturating_sub(measure_text_width(&text)));
            if column > 0 {
                line += "  ";
            }
            match align {
                Align::Left => line += &(text + &padding),
                Align::Right => line += &(padding + &text),
            }
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let row = |name: &str, rank: &str| vec![name.to_owned(), rank.to_owned()];
        let lines = table(&[Align::Left, Align::Right], &[row("NAME", "RANK"), row("gpu-10", "0"), row("机", "1")]);
        assert_eq!(lines, ["NAME    RANK", "gpu-10     0", "机         1"]);
    }
}
