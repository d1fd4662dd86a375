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
    /// whose properties are not all supported, and so can't all be evaluated.
    pub(crate) fn resolve_shallow(&self, node: &Node) -> Result<Option<Node>, Problem> {
        let Value::Map(entries) = &node.value else {
            return Ok(Some(node.clone()));
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
            .ok_or_else(|| node.invalid("AWS::NoValue is not allowed here"))
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
        self.copy(&found.value, argument)
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
        let (values, delimiter) = (self.resolve_some(values)?, delimiter.text()?);
        let texts = values.texts()?;
        let bytes = texts.iter().map(|text| text.len() + delimiter.len()).sum();
        self.make(bytes, argument)?;
        Ok(Value::Text(texts.join(delimiter)))
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
        let pieces = pieces.map(|piece| {
            self.make(size_of::<Node>() + piece.len(), argument)?;
            Ok(argument.with(Value::Text(piece.to_owned())))
        });
        Ok(Value::List(pieces.collect::<Result<_, Problem>>()?))
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
            self.make(before.len(), template)?;
            rest = after;
        }
        Ok(Value::Text(text + rest))
    }

    fn variable(&self, name: &str, at: &Node, variables: Option<&Node>) -> Result<String, Problem> {
        if let Some(own) = variables.and_then(|variables| variables.get(name)) {
            self.make(own.text()?.len(), at)?;
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

#[cfg(test)]
mod tests {
    use super::super::testing::read_with;

    const TEMPLATE: &str = "
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String, Default: dev}
  Zones: {Type: CommaDelimitedList, Default: 'a, b'}
Mappings:
  Sizes: {dev: {Name: small}, prod: {Name: large}}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: jobs}}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      BillingMode: PAY_PER_REQUEST
  Role: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {}}}
  OnlyInProd: {Type: AWS::SQS::Queue, Condition: IsProd}
  Function:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: provided.al2023
      CodeUri: work
      Environment:
        Variables:
          OTHER: other
          VALUE: ";

    /// What a value of the template evaluates to; an absent one is `None`.
    fn value_in(stage: &str, expression: &str) -> Result<Option<String>, String> {
        let template = read_with(&format!("{TEMPLATE}{expression}\n"), &[("Stage", stage)])?;
        Ok(template.functions[0].environment.get("VALUE").cloned())
    }

    fn value(expression: &str) -> String {
        value_in("dev", expression).unwrap().unwrap()
    }

    fn refusal(expression: &str) -> String {
        let message = value_in("dev", expression).unwrap_err();
        let (place, reason) = message.split_once(": ").unwrap().1.split_once(": ").unwrap();
        assert!(
            place.starts_with("Resources.Function.Properties.Environment.Variables.VALUE"),
            "{message}"
        );
        reason.to_owned()
    }

    #[test]
    fn ref_gives_parameters_and_pseudo_parameters() {
        assert_eq!(value("!Ref Stage"), "dev");
        assert_eq!(value("{Ref: Stage}"), "dev");
        let all = "!Sub '${AWS::Region} ${AWS::AccountId} ${AWS::Partition} ${AWS::StackName} ${AWS::URLSuffix}'";
        assert_eq!(value(all), "us-east-1 000000000000 aws local amazonaws.com");
    }

    #[test]
    fn ref_gives_a_queues_url_and_the_names_of_tables_and_functions() {
        assert_eq!(value("!Ref Queue"), "http://127.0.0.1:4566/000000000000/jobs");
        assert_eq!(value("!Ref Table"), "local-Table");
        assert_eq!(value("!Ref Function"), "local-Function");
    }

    #[test]
    fn get_att_gives_arns_names_and_urls() {
        assert_eq!(value("!GetAtt Queue.Arn"), "arn:aws:sqs:us-east-1:000000000000:jobs");
        assert_eq!(value("!GetAtt [Queue, QueueName]"), "jobs");
        assert_eq!(
            value("{'Fn::GetAtt': [Queue, QueueUrl]}"),
            "http://127.0.0.1:4566/000000000000/jobs"
        );
        assert_eq!(
            value("!GetAtt Table.Arn"),
            "arn:aws:dynamodb:us-east-1:000000000000:table/local-Table"
        );
        assert_eq!(
            value("!GetAtt Function.Arn"),
            "arn:aws:lambda:us-east-1:000000000000:function:local-Function"
        );
    }

    #[test]
    fn sub_replaces_references_and_keeps_literals() {
        assert_eq!(
            value("!Sub 'a-${Stage}-${Queue.QueueName}-${!Stage}-$x'"),
            "a-dev-jobs-${Stage}-$x"
        );
        assert_eq!(value("!Sub ['${Own}/${Stage}', {Own: !Ref Table}]"), "local-Table/dev");
    }

    #[test]
    fn a_variable_of_sub_wins_over_a_parameter() {
        assert_eq!(value("!Sub ['${Stage}', {Stage: mine}]"), "mine");
    }

    #[test]
    fn lists_are_joined_split_and_selected() {
        assert_eq!(value("!Join ['/', [a, !Ref Stage]]"), "a/dev");
        assert_eq!(value("!Join ['+', !Ref Zones]"), "a+b");
        assert_eq!(value("!Select [1, !Ref Zones]"), "b");
        assert_eq!(value("!Select [0, !Split ['-', 'x-y']]"), "x");
    }

    #[test]
    fn if_chooses_by_its_condition() {
        let choice = "!If [IsProd, big, small]";
        assert_eq!(value_in("dev", choice).unwrap().unwrap(), "small");
        assert_eq!(value_in("prod", choice).unwrap().unwrap(), "big");
    }

    #[test]
    fn the_branch_not_taken_is_not_evaluated() {
        assert_eq!(value("!If [IsProd, !ImportValue x, here]"), "here");
    }

    #[test]
    fn no_value_means_that_the_property_is_not_there() {
        assert_eq!(value_in("dev", "!If [IsProd, big, !Ref AWS::NoValue]").unwrap(), None);
        assert_eq!(value("!Join ['-', [a, !Ref AWS::NoValue, b]]"), "a-b");
    }

    #[test]
    fn find_in_map_follows_its_keys() {
        assert_eq!(value("!FindInMap [Sizes, !Ref Stage, Name]"), "small");
        assert_eq!(
            refusal("!FindInMap [Sizes, test, Name]"),
            "Mappings has no Sizes.test.Name"
        );
    }

    #[test]
    fn a_function_that_only_aws_can_evaluate_is_named() {
        let reason = refusal("!ImportValue shared-queue");
        assert!(
            reason.starts_with("the local stack can't evaluate Fn::ImportValue; use a parameter"),
            "{reason}"
        );
        assert_eq!(
            refusal("!Ref AWS::StackId"),
            "the local stack has no AWS::StackId; use a parameter instead"
        );
    }

    #[test]
    fn a_reference_to_nothing_is_refused() {
        assert_eq!(
            refusal("!Ref Nothing"),
            "the template has no parameter or resource named Nothing"
        );
        assert_eq!(
            refusal("!Sub 'x-${Nothing.Arn}'"),
            "the template has no parameter or resource named Nothing"
        );
        assert_eq!(refusal("!If [Never, a, b]"), "the template has no condition Never");
        assert_eq!(
            refusal("!If [IsPrd, a, b]"),
            "the template has no condition IsPrd; did you mean IsProd?"
        );
        for misspelt in ["!Ref Queu", "!GetAtt Queu.Arn", "!Sub '${Queu}'"] {
            assert_eq!(
                refusal(misspelt),
                "the template has no parameter or resource named Queu; did you mean Queue?"
            );
        }
    }

    #[test]
    fn a_reference_to_what_is_not_created_says_so() {
        assert_eq!(
            refusal("!GetAtt Role.Arn"),
            "the local stack creates no AWS::IAM::Role, so it can't refer to Role; use a parameter instead"
        );
        assert_eq!(
            refusal("!Ref OnlyInProd"),
            "OnlyInProd isn't created, as its condition IsProd is false"
        );
        assert_eq!(
            refusal("!GetAtt Table.StreamArn"),
            "the local stack has no attribute StreamArn of Table"
        );
    }

    #[test]
    fn functions_that_multiply_texts_are_refused() {
        let nested = (0..40).fold("x".to_owned(), |inner, _| {
            format!("!Sub ['${{A}}${{A}}', {{A: {inner}}}]")
        });
        let joined = format!(
            "!Join ['{}', !Split ['', '{}']]",
            "d".repeat(10_000),
            "x".repeat(10_000)
        );
        let split = format!("!Split ['', '{}']", "x".repeat(700_000));
        for expression in [nested, joined, split] {
            let reason = refusal(&expression);
            assert_eq!(reason, "the template's functions make more than 33554432 bytes");
        }
    }

    #[test]
    fn a_malformed_function_is_refused() {
        assert_eq!(refusal("!Sub 'x-${Stage'"), "a ${ is never closed by }");
        assert_eq!(refusal("!Sub '${Zones}'"), "${Zones} isn't a text");
        assert_eq!(refusal("!GetAtt Queue"), "must be Resource.Attribute");
        assert_eq!(refusal("!Join [a]"), "must be [delimiter, [values]]");
        assert_eq!(refusal("!Select [2, [a, b]]"), "the list has no item 2");
        assert_eq!(refusal("{Ref: Stage, Other: x}"), "Ref must stand alone");
        assert_eq!(refusal("!Ref [a]"), "must be a text");
    }
}
