//! `Globals.Function`: what all functions of a SAM template share.

use std::collections::HashMap;

use super::{
    error::Problem,
    node::{Node, Value},
    scope::Scope,
};

/// A function's own properties over the shared ones, as SAM merges them: mappings entry by entry, lists one after the other,
/// anything else replaced (AWS SAM Developer Guide, "Globals section").
pub(crate) fn over(template: &Node, scope: &Scope<'_>, own: &Node) -> Result<Node, Problem> {
    let Some(globals) = template.get("Globals") else {
        return Ok(own.clone());
    };
    if let Some((name, node)) = globals.map()?.iter().find(|(name, _)| name != "Function") {
        return Err(node.unsupported(format!(
            "the local stack creates nothing that Globals.{name} applies to: remove it"
        )));
    }
    let Some(shared) = globals.get("Function") else {
        return Ok(own.clone());
    };
    scope.make(shared.size(), shared)?;
    Ok(merged(shared, own))
}

fn merged(shared: &Node, own: &Node) -> Node {
    match (&shared.value, &own.value) {
        (Value::Map(below), Value::Map(above)) if !is_function(below) && !is_function(above) => {
            let known: HashMap<&str, usize> = below.iter().map(|(name, _)| name.as_str()).zip(0..).collect();
            let mut entries = below.clone();
            for (name, node) in above {
                match known.get(name.as_str()) {
                    Some(at) => entries[*at].1 = merged(&below[*at].1, node),
                    None => entries.push((name.clone(), node.clone())),
                }
            }
            own.with(Value::Map(entries))
        }
        (Value::List(first), Value::List(then)) => own.with(Value::List(first.iter().chain(then).cloned().collect())),
        _ => own.clone(),
    }
}

/// An intrinsic function is one value, whatever its arguments.
fn is_function(entries: &[(String, Node)]) -> bool {
    matches!(entries, [(name, _)] if name == "Ref" || name.starts_with("Fn::"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{read, with_function};

    #[test]
    fn a_function_takes_over_what_it_does_not_say_itself() {
        let globals = "Globals:
  Function:
    Timeout: 60
    MemorySize: 512
    Environment: {Variables: {SHARED: all, BOTH: global}}
";
        let own = "MemorySize: 256\nEnvironment: {Variables: {BOTH: own, OWN: mine}}";
        let template = read(&format!("{globals}{}", with_function(own))).unwrap();
        let function = &template.functions[0];
        assert_eq!((function.timeout.as_secs(), function.memory_mb), (60, 256));
        let variables: Vec<_> = function
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(variables, ["BOTH=own", "OWN=mine", "SHARED=all"]);
    }

    #[test]
    fn an_intrinsic_function_is_replaced_as_a_whole() {
        let globals = "Globals:\n  Function:\n    Environment: {Variables: {XY: !Sub 'global'}}\n";
        let own = "Environment: {Variables: {XY: !Join ['-', [own, one]]}}";
        let template = read(&format!("{globals}{}", with_function(own))).unwrap();
        assert_eq!(template.functions[0].environment["XY"], "own-one");
    }

    #[test]
    fn a_wrong_value_is_reported_where_it_stands() {
        let globals = "Globals:\n  Function:\n    Timeout: 901\n";
        let message = read(&format!("{globals}{}", with_function(""))).unwrap_err();
        assert_eq!(
            message,
            "t.yaml:3: Globals.Function.Timeout: must be a whole number from 1 to 900, not \"901\""
        );
    }

    #[test]
    fn globals_of_other_types_are_refused() {
        let message = read(&format!("Globals:\n  HttpApi: {{}}\n{}", with_function(""))).unwrap_err();
        assert_eq!(
            message,
            "t.yaml:2: Globals.HttpApi: the local stack creates nothing that Globals.HttpApi applies to: remove it"
        );
    }
}
