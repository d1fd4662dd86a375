//! CloudFormation's intrinsic functions.

use super::{
    error::Problem,
    node::{Node, Value},
    scope::Scope,
};

impl Scope<'_> {
    /// The node with all its functions evaluated; `None` if it turns out to be `AWS::NoValue`.
    pub(crate) fn resolve(&self, node: &Node) -> Result<Option<Node>, Problem> {
        let value = match &node.value {
            Value::Null | Value::Text(_) => Some(node.value.clone()),
            Value::List(items) => Some(Value::List(self.resolve_items(items)?)),
            Value::Map(entries) => match call(entries, node)? {
                Some((function, argument)) => self.call(function, argument)?,
                None => Some(self.resolve_entries(entries)?),
            },
        };
        Ok(value.map(|value| node.with(value)))
    }

    /// The node with only the choice between its own forms made (`Fn::If`), and whatever is inside left as it is: for a part
    /// of which not every property is honoured, and so not every property can be evaluated.
    pub(crate) fn resolve_shallow(&self, node: &Node) -> Result<Option<Node>, Problem> {
        let Value::Map(entries) = &node.value else {
            return self.resolve(node);
        };
        match call(entries, node)? {
            Some(("Fn::If", argument)) => self.resolve_shallow(self.chosen(argument)?),
            Some(_) => self.resolve(node),
            None => Ok(Some(node.clone())),
        }
    }

    /// As [`Self::resolve`] where a value is needed.
    pub(crate) fn resolve_some(&self, node: &Node) -> Result<Node, Problem> {
        self.resolve(node)?
            .ok_or_else(|| node.invalid("AWS::NoValue can't stand here"))
    }

    fn resolve_items(&self, items: &[Node]) -> Result<Vec<Node>, Problem> {
        items.iter().filter_map(|item| self.resolve(item).transpose()).collect()
    }

    fn resolve_entries(&self, entries: &[(String, Node)]) -> Result<Value, Problem> {
        let resolved = |(name, node): &(String, Node)| Some((name.clone(), self.resolve(node).transpose()?));
        let entries = entries
            .iter()
            .filter_map(resolved)
            .map(|(name, node)| Ok((name, node?)));
        Ok(Value::Map(entries.collect::<Result<_, Problem>>()?))
    }

    fn call(&self, function: &str, argument: &Node) -> Result<Option<Value>, Problem> {
        match function {
            "Ref" => self.reference(argument.text()?, argument),
            "Fn::If" => Ok(self.resolve(self.chosen(argument)?)?.map(|node| node.value)),
            "Fn::FindInMap" => self.find_in_map(argument).map(Some),
            "Fn::GetAtt" => self.get_att(argument).map(Some),
            "Fn::Join" => self.join(argument).map(Some),
            "Fn::Select" => self.select(argument).map(Some),
            "Fn::Split" => self.split(argument).map(Some),
            "Fn::Sub" => self.sub(argument).map(Some),
            other => Err(argument.unsupported(format!(
                "the local stack can't evaluate {other}; use a parameter, or one of Ref, Fn::FindInMap, Fn::GetAtt, Fn::If, \
                 Fn::Join, Fn::Select, Fn::Split, Fn::Sub"
            ))),
        }
    }

    /// `[condition, if true, if false]`
    fn chosen<'a>(&self, argument: &'a Node) -> Result<&'a Node, Problem> {
        let [condition, yes, no] = exactly(argument, "[condition, value if true, value if false]")?;
        Ok(if self.condition(condition.text()?, condition)? {
            yes
        } else {
            no
        })
    }

    /// `[map, top-level key, second-level key]`
    fn find_in_map(&self, argument: &Node) -> Result<Value, Problem> {
        let keys: &[Node; 3] = exactly(argument, "[map, top-level key, second-level key]")?;
        let mut found = self.mappings;
        let mut path = Vec::new();
        for key in keys {
            let key = self.resolve_some(key)?;
            found = found.and_then(|map| map.get(key.text().ok()?));
            path.push(key.text()?.to_owned());
        }
        let found = found.ok_or_else(|| argument.invalid(format!("Mappings has no {}", path.join("."))))?;
        Ok(found.value.clone())
    }

    /// `Resource.Attribute` or `[Resource, Attribute]`
    fn get_att(&self, argument: &Node) -> Result<Value, Problem> {
        if let Value::Text(text) = &argument.value {
            let (resource, attribute) = text
                .split_once('.')
                .ok_or_else(|| argument.invalid("must be Resource.Attribute"))?;
            return self.attribute(resource, attribute, argument);
        }
        let [resource, attribute] = exactly(argument, "[resource, attribute]")?;
        let attribute = self.resolve_some(attribute)?;
        self.attribute(resource.text()?, attribute.text()?, argument)
    }

    /// `[delimiter, [values]]`
    fn join(&self, argument: &Node) -> Result<Value, Problem> {
        let [delimiter, values] = exactly(argument, "[delimiter, [values]]")?;
        Ok(Value::Text(self.resolve_some(values)?.texts()?.join(delimiter.text()?)))
    }

    /// `[index, [values]]`
    fn select(&self, argument: &Node) -> Result<Value, Problem> {
        let [index, values] = exactly(argument, "[index, [values]]")?;
        let index = self.resolve_some(index)?.number(0..=u32::MAX)? as usize;
        let values = self.resolve_some(values)?;
        let selected = values.list()?.get(index);
        Ok(selected
            .ok_or_else(|| argument.invalid(format!("the list has no item {index}")))?
            .value
            .clone())
    }

    /// `[delimiter, text]`
    fn split(&self, argument: &Node) -> Result<Value, Problem> {
        let [delimiter, text] = exactly(argument, "[delimiter, text]")?;
        let text = self.resolve_some(text)?;
        let pieces = text.text()?.split(delimiter.text()?);
        Ok(Value::List(
            pieces
                .map(|piece| argument.with(Value::Text(piece.to_owned())))
                .collect(),
        ))
    }

    /// A text with `${…}`, or `[text, {name: value}]`.
    fn sub(&self, argument: &Node) -> Result<Value, Problem> {
        if matches!(argument.value, Value::Text(_)) {
            return self.substitute(argument, None);
        }
        let [text, variables] = exactly(argument, "a text, or [text, {name: value}]")?;
        self.substitute(text, Some(&self.resolve_some(variables)?))
    }

    fn substitute(&self, template: &Node, variables: Option<&Node>) -> Result<Value, Problem> {
        let mut rest = template.text()?;
        let mut text = String::new();
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| template.invalid("a ${ is never closed by }"))?;
            text.push_str(before);
            match name.strip_prefix('!') {
                Some(literal) => text.push_str(&format!("${{{literal}}}")),
                None => text.push_str(&self.variable(name.trim(), template, variables)?),
            }
            rest = after;
        }
        Ok(Value::Text(text + rest))
    }

    fn variable(&self, name: &str, at: &Node, variables: Option<&Node>) -> Result<String, Problem> {
        if let Some(own) = variables.and_then(|variables| variables.get(name)) {
            return Ok(own.text()?.to_owned());
        }
        let value = match name.split_once('.') {
            Some((resource, attribute)) => Some(self.attribute(resource, attribute, at)?),
            None => self.reference(name, at)?,
        };
        match value {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(at.invalid(format!("${{{name}}} isn't a text"))),
        }
    }
}

/// The function call that a mapping is, if it is one: a single entry named `Ref` or `Fn::…`.
fn call<'a>(entries: &'a [(String, Node)], at: &Node) -> Result<Option<(&'a str, &'a Node)>, Problem> {
    let is_function = |name: &str| name == "Ref" || name.starts_with("Fn::");
    match entries {
        [(name, argument)] if is_function(name) => Ok(Some((name, argument))),
        _ => match entries.iter().find(|(name, _)| is_function(name)) {
            Some((name, _)) => Err(at.invalid(format!("{name} must stand alone"))),
            None => Ok(None),
        },
    }
}

/// The items of a list of a known length.
pub(crate) fn exactly<'a, const N: usize>(argument: &'a Node, shape: &str) -> Result<&'a [Node; N], Problem> {
    let Value::List(items) = &argument.value else {
        return Err(argument.invalid(format!("must be {shape}")));
    };
    items
        .as_slice()
        .try_into()
        .map_err(|_| argument.invalid(format!("must be {shape}")))
}
