//! `Globals.Function`: what all functions of a SAM template share.

use super::{
    error::Problem,
    node::{Node, Value},
};

/// A function's own properties over the shared ones, as SAM merges them: mappings entry by entry, lists one after the other,
/// anything else replaced (AWS SAM Developer Guide, "Globals section").
pub(crate) fn over(template: &Node, own: &Node) -> Result<Node, Problem> {
    let Some(globals) = template.get("Globals") else {
        return Ok(own.clone());
    };
    if let Some((name, node)) = globals.map()?.iter().find(|(name, _)| name != "Function") {
        return Err(node.unsupported(format!(
            "the local stack creates nothing that Globals.{name} applies to: remove it"
        )));
    }
    Ok(globals
        .get("Function")
        .map_or_else(|| own.clone(), |shared| merged(shared, own)))
}

fn merged(shared: &Node, own: &Node) -> Node {
    match (&shared.value, &own.value) {
        (Value::Map(below), Value::Map(above)) if !is_function(below) && !is_function(above) => {
            let mut entries = below.clone();
            for (name, node) in above {
                match entries.iter_mut().find(|(known, _)| known == name) {
                    Some((_, known)) => *known = merged(known, node),
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
