//! The text format of metrics. Tests of hosts include this file.

use std::collections::HashSet;

/// Panics unless this is the text format
/// ([OpenMetrics](https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md)).
pub(crate) fn is_valid(text: &str) {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !name.starts_with(char::is_numeric)
    };
    let (mut families, mut samples) = (HashSet::new(), HashSet::new());
    let (body, end) = text.split_at(text.len() - "# EOF\n".len());
    assert_eq!(end, "# EOF\n");
    for line in body.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["#", "HELP" | "UNIT", name, ..] => assert!(is_name(name), "{line}"),
            ["#", "TYPE", name, "counter" | "gauge" | "histogram"] => {
                assert!(families.insert(name), "twice: {line}");
            }
            _ => {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                assert!(samples.insert(sample), "twice: {line}");
                assert!(value.parse::<f64>().is_ok(), "{line}");
                let (name, labels) = sample.strip_suffix('}').unwrap().split_once('{').unwrap();
                assert!(
                    is_name(name) && families.iter().any(|family| name.starts_with(family)),
                    "{line}"
                );
                for label in labels.split(',') {
                    let (label, value) = label.split_once('=').unwrap();
                    assert!(["queue", "outcome", "operation", "le"].contains(&label), "{line}");
                    assert!(value.starts_with('"') && value.ends_with('"'), "{line}");
                }
            }
        }
    }
}
