//! Rows of text under headings, their columns aligned.

use super::output::Paint;

/// A table that is being written.
pub(super) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// One more row: a text without line ends or colours for each heading.
    pub(super) fn add(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// All of it; columns are two spaces apart, and no line ends in one.
    pub(super) fn finish(&self, paint: Paint) -> String {
        let width = |column: usize, heading: &str| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(String::as_str);
            cells.chain([heading]).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = self.headings.iter().enumerate().map(|(column, heading)| width(column, heading)).collect();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let padded = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            let line = padded.collect::<Vec<_>>().join("  ");
            line.trim_end().to_owned()
        };
        let mut text = format!("{}\n", paint.label(&line(&mut self.headings.iter().copied())));
        for row in &self.rows {
            text.push_str(&line(&mut row.iter().map(String::as_str)));
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::ColorWhen;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let mut table = Table::new(&["a", "long", "c"]);
        table.add(vec!["é".into(), "x".into(), String::new()]);
        table.add(vec!["123".into(), "1".into(), "end".into()]);
        let text = table.finish(Paint::new(ColorWhen::Never, false, false));
        assert_eq!(text, "a    long  c\né    x\n123  1     end\n");
    }
}
