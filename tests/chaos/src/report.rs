//! The tables that a person reads.

use std::collections::BTreeMap;

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};

use crate::check::{Explanation, Repeated};

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

pub(crate) fn faults(happened: &BTreeMap<String, u64>) -> String {
    let rows = happened.iter().map(|(fault, count)| [fault.clone(), count.to_string()]);
    table(["fault", "times"], rows)
}

pub(crate) fn repeated(repeated: &Repeated) -> String {
    let rows = repeated.iter().map(|((scenario, explanation), count)| {
        let explanation = match explanation {
            Explanation::Crash(cause) => cause.to_string(),
            Explanation::Nothing(why) => format!("NOTHING: {why}"),
        };
        [(*scenario).to_owned(), explanation, count.to_string()]
    });
    table(["effect repeated in", "explained by", "times"], rows)
}
