//! Tables that a person reads.

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};

/// A table in the project's style.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table
        .load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction(' ')))
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    table.to_string()
}

/// A figure, and how many times the floor's it is.
pub(crate) fn times_floor(figure: f64, floor: f64, digits: usize) -> String {
    match floor > 0.0 {
        true => format!("{figure:.digits$} ({:.1}x)", figure / floor),
        false => format!("{figure:.digits$}"),
    }
}
