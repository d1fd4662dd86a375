//! `Fn::ForEach` of the transform `AWS::LanguageExtensions`: loops that make conditions, resources, properties and outputs.

use std::collections::{BTreeMap, HashSet};

use super::{
    error::Problem,
    intrinsics::exactly,
    node::{Node, Place, Value},
    scope::Scope,
};

const LOOP: &str = "Fn::ForEach::";

/// CloudFormation's limit.
const DEEPEST: usize = 5;

/// The only sections that may have loops.
const SECTIONS: [&str; 3] = ["Conditions", "Outputs", "Resources"];

/// The template with its loops expanded. `scope` has the parameters and mappings that collections refer to.
pub(crate) fn expand(template: &Node, scope: &Scope<'_>) -> Result<Node, Problem> {
    let mut loops = Loops {
        scope,
        names: BTreeMap::new(),
    };
    let mut sections = Vec::new();
    for (name, section) in template.map()? {
        let expanded = match SECTIONS.contains(&name.as_str()) {
            true => loops.rewrite(section, section.place.clone(), &[])?,
            false => section.clone(),
        };
        sections.push((name.clone(), expanded));
    }
    let template = template.with(Value::Map(sections));
    let resource = |name: &str| template.get("Resources").and_then(|all| all.get(name));
    match loops.names.keys().find_map(|name| resource(name)) {
        Some(resource) => Err(resource.invalid("a loop has the same name: rename the loop")),
        None => Ok(template),
    }
}

/// Refuses loops, in a template without the transform.
pub(crate) fn refuse(template: &Node) -> Result<(), Problem> {
    let sections = SECTIONS.iter().filter_map(|section| template.get(section));
    for section in sections {
        if let Some((_, node)) = section.map()?.iter().find(|(name, _)| name.starts_with(LOOP)) {
            return Err(
                node.invalid("a loop needs AWS::LanguageExtensions in Transform, before AWS::Serverless-2016-10-31")
            );
        }
    }
    Ok(())
}

/// The identifier of a loop, and the item that it stands for.
#[derive(Clone)]
struct Binding<'a> {
    identifier: &'a str,
    item: String,
}

struct Loops<'a> {
    scope: &'a Scope<'a>,
    /// The place of each loop by its name, because a name must be unique.
    names: BTreeMap<String, String>,
}

impl Loops<'_> {
    /// The node with loops expanded and identifiers replaced.
    fn rewrite(&mut self, node: &Node, place: Place, bindings: &[Binding<'_>]) -> Result<Node, Problem> {
        let value = match &node.value {
            Value::Null => Value::Null,
            Value::Text(text) => match bindings.iter().find(|binding| binding.is_in(text)) {
                Some(Binding { identifier, .. }) => {
                    return Err(node.invalid(format!(
                        "the identifier {identifier} of a loop needs !Ref {identifier}, or !Sub"
                    )));
                }
                None => Value::Text(text.clone()),
            },
            Value::List(items) => {
                let items = items.iter().enumerate();
                let items = items.map(|(index, item)| self.rewrite(item, place.item(index), bindings));
                Value::List(items.collect::<Result<_, _>>()?)
            }
            Value::Map(entries) => match entries.as_slice() {
                [(function, argument)] if function == "Ref" => self.reference(argument, &place, bindings)?,
                [(function, argument)] if function == "Fn::GetAtt" => self.attribute(argument, &place, bindings)?,
                [(function, argument)] if function == "Fn::Sub" => self.sub(argument, &place, bindings)?,
                entries => Value::Map(self.entries(entries, node, &place, bindings)?),
            },
        };
        Ok(node.moved(place, value))
    }

    /// `Ref` of an identifier is the item. The name of a resource may be made by a function.
    fn reference(&mut self, argument: &Node, place: &Place, bindings: &[Binding<'_>]) -> Result<Value, Problem> {
        let name = match &argument.value {
            Value::Text(text) => bindings.iter().find(|binding| binding.identifier == text),
            _ => None,
        };
        if let Some(Binding { item, .. }) = name {
            self.scope.make(item.len(), argument)?;
            return Ok(Value::Text(item.clone()));
        }
        let name = self.name(argument, place.key("Ref"), bindings)?;
        Ok(Value::Map(vec![("Ref".to_owned(), name)]))
    }

    /// The name of the resource may be made by a function.
    fn attribute(&mut self, argument: &Node, place: &Place, bindings: &[Binding<'_>]) -> Result<Value, Problem> {
        let place = place.key("Fn::GetAtt");
        let argument = match &argument.value {
            Value::List(items) => {
                let items = items.iter().enumerate();
                let items = items.map(|(index, item)| self.name(item, place.item(index), bindings));
                let value = Value::List(items.collect::<Result<_, _>>()?);
                argument.moved(place, value)
            }
            _ => self.rewrite(argument, place, bindings)?,
        };
        Ok(Value::Map(vec![("Fn::GetAtt".to_owned(), argument)]))
    }

    fn name(&mut self, node: &Node, place: Place, bindings: &[Binding<'_>]) -> Result<Node, Problem> {
        let node = self.rewrite(node, place, bindings)?;
        match &node.value {
            Value::Map(_) => self.scope.resolve_some(&node),
            _ => Ok(node),
        }
    }

    /// `${Identifier}` in the text is the item. Other variables stay.
    fn sub(&mut self, argument: &Node, place: &Place, bindings: &[Binding<'_>]) -> Result<Value, Problem> {
        let place = place.key("Fn::Sub");
        let argument = match &argument.value {
            Value::List(items) => {
                let mut rewritten = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let place = place.item(index);
                    rewritten.push(match (index, &item.value) {
                        (0, Value::Text(_)) => self.sub_text(item, place, bindings)?,
                        _ => self.rewrite(item, place, bindings)?,
                    });
                }
                argument.moved(place, Value::List(rewritten))
            }
            Value::Text(_) => self.sub_text(argument, place, bindings)?,
            _ => self.rewrite(argument, place, bindings)?,
        };
        Ok(Value::Map(vec![("Fn::Sub".to_owned(), argument)]))
    }

    fn sub_text(&mut self, node: &Node, place: Place, bindings: &[Binding<'_>]) -> Result<Node, Problem> {
        let text = self.replaced(node.text()?, node, bindings)?;
        Ok(node.moved(place, Value::Text(text)))
    }

    fn entries(
        &mut self,
        entries: &[(String, Node)],
        node: &Node,
        place: &Place,
        bindings: &[Binding<'_>],
    ) -> Result<Vec<(String, Node)>, Problem> {
        let mut rewritten = Vec::new();
        for (key, entry) in entries {
            match key.strip_prefix(LOOP) {
                Some(name) => rewritten.extend(self.iterations(name, entry, place, bindings)?),
                None => {
                    let key = self.replaced(key, entry, bindings)?;
                    let entry = self.rewrite(entry, place.key(&key), bindings)?;
                    rewritten.push((key, entry));
                }
            }
        }
        let mut keys = HashSet::new();
        match rewritten.iter().find(|(key, _)| !keys.insert(key.as_str())) {
            Some((key, _)) => Err(node.invalid(format!("loops make {key} twice"))),
            None => Ok(rewritten),
        }
    }

    /// The entries that a loop makes.
    fn iterations(
        &mut self,
        name: &str,
        node: &Node,
        place: &Place,
        bindings: &[Binding<'_>],
    ) -> Result<Vec<(String, Node)>, Problem> {
        self.check_name(name, node)?;
        let [identifier, collection, body] = exactly(node, "[identifier, collection, {key: value}]")?;
        self.check_identifier(identifier, bindings)?;
        let identifier = identifier.text()?;
        check_keys(identifier, body)?;
        let mut entries = Vec::new();
        for item in self.items(collection, bindings)? {
            self.scope.make(body.size(), body)?;
            let mut bindings = bindings.to_vec();
            bindings.push(Binding { identifier, item });
            entries.extend(self.entries(body.map()?, body, place, &bindings)?);
        }
        Ok(entries)
    }

    /// A list, or what gives one: `Ref` of a parameter, or `Fn::FindInMap`.
    fn items(&mut self, collection: &Node, bindings: &[Binding<'_>]) -> Result<Vec<String>, Problem> {
        let collection = self.rewrite(collection, collection.place.clone(), bindings)?;
        let items = self.scope.resolve_some(&collection)?;
        Ok(items.texts()?.into_iter().map(str::to_owned).collect())
    }

    /// The text with each `${Identifier}` replaced by the item, and each `&{Identifier}` by the item's alphanumeric characters.
    fn replaced(&self, text: &str, at: &Node, bindings: &[Binding<'_>]) -> Result<String, Problem> {
        let mut text = text.to_owned();
        for Binding { identifier, item } in bindings {
            let alphanumeric: String = item.chars().filter(char::is_ascii_alphanumeric).collect();
            for (variable, item) in [
                (format!("${{{identifier}}}"), item),
                (format!("&{{{identifier}}}"), &alphanumeric),
            ] {
                self.scope
                    .make(text.matches(&variable).count().saturating_mul(item.len()), at)?;
                text = text.replace(&variable, item);
            }
        }
        Ok(text)
    }

    fn check_name(&mut self, name: &str, node: &Node) -> Result<(), Problem> {
        let place = node.place.to_string();
        let first = self.names.entry(name.to_owned()).or_insert_with(|| place.clone());
        match *first == place {
            true => Ok(()),
            false => Err(node.invalid(format!("{first} has the same name"))),
        }
    }

    fn check_identifier(&self, identifier: &Node, outer: &[Binding<'_>]) -> Result<(), Problem> {
        let text = identifier.text()?;
        let valid = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric());
        if !valid {
            return Err(identifier.invalid(format!("must be alphanumeric, not {text:?}")));
        }
        if self.scope.parameters.contains_key(text) {
            return Err(identifier.invalid(format!("there is a parameter {text}: rename the identifier")));
        }
        if outer.iter().any(|binding| binding.identifier == text) {
            return Err(identifier.invalid(format!("an outer loop has the identifier {text}: rename one")));
        }
        match outer.len() < DEEPEST {
            true => Ok(()),
            false => Err(identifier.invalid(format!("loops are nested deeper than {DEEPEST}"))),
        }
    }
}

impl Binding<'_> {
    fn is_in(&self, text: &str) -> bool {
        is_in(self.identifier, text)
    }
}

fn is_in(identifier: &str, text: &str) -> bool {
    text.contains(&format!("${{{identifier}}}")) || text.contains(&format!("&{{{identifier}}}"))
}

/// Without the identifier in the key, each item would make the same key.
fn check_keys(identifier: &str, body: &Node) -> Result<(), Problem> {
    let without = |key: &str| !key.starts_with(LOOP) && !is_in(identifier, key);
    match body.map()?.iter().find(|(key, _)| without(key)) {
        Some((key, entry)) => Err(entry.invalid(format!("the key {key} must contain ${{{identifier}}}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
