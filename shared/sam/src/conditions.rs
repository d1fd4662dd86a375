//! The template's `Conditions`, evaluated once, before any resource.

use std::collections::BTreeMap;

use super::{
    error::Problem,
    intrinsics::exactly,
    node::{Node, Value},
    scope::Scope,
};

/// Whether each condition holds, by name.
pub(crate) fn read(template: &Node, scope: &Scope<'_>) -> Result<BTreeMap<String, bool>, Problem> {
    let Some(declared) = template.get("Conditions") else {
        return Ok(BTreeMap::new());
    };
    let conditions = Conditions { declared, scope };
    let all = declared.map()?.iter();
    all.map(|(name, node)| Ok((name.clone(), conditions.named(name, node, &mut Vec::new())?)))
        .collect()
}

struct Conditions<'a> {
    declared: &'a Node,
    scope: &'a Scope<'a>,
}

impl Conditions<'_> {
    /// `trail` holds the conditions that are being evaluated, so that a circle is found.
    fn named(&self, name: &str, at: &Node, trail: &mut Vec<String>) -> Result<bool, Problem> {
        if trail.iter().any(|earlier| earlier == name) {
            return Err(at.invalid(format!("the condition {name} depends on itself")));
        }
        let declared = self.declared.get(name);
        let condition = declared.ok_or_else(|| at.invalid(format!("the template has no condition {name}")))?;
        trail.push(name.to_owned());
        let holds = self.holds(condition, trail)?;
        trail.pop();
        Ok(holds)
    }

    fn holds(&self, node: &Node, trail: &mut Vec<String>) -> Result<bool, Problem> {
        let Value::Map(entries) = &node.value else {
            return Err(not_a_condition(node));
        };
        let [(function, argument)] = entries.as_slice() else {
            return Err(not_a_condition(node));
        };
        match function.as_str() {
            "Condition" => self.named(argument.text()?, argument, trail),
            "Fn::Equals" => self.equal(argument),
            "Fn::Not" => {
                let [inner] = exactly(argument, "a list of one condition")?;
                Ok(!self.holds(inner, trail)?)
            }
            "Fn::And" => Ok(self.each(argument, trail)?.into_iter().all(|holds| holds)),
            "Fn::Or" => Ok(self.each(argument, trail)?.into_iter().any(|holds| holds)),
            _ => Err(not_a_condition(node)),
        }
    }

    fn each(&self, argument: &Node, trail: &mut Vec<String>) -> Result<Vec<bool>, Problem> {
        argument.list()?.iter().map(|inner| self.holds(inner, trail)).collect()
    }

    fn equal(&self, argument: &Node) -> Result<bool, Problem> {
        let [left, right] = exactly(argument, "[value, value]")?;
        Ok(self.scope.resolve_some(left)?.text()? == self.scope.resolve_some(right)?.text()?)
    }
}

fn not_a_condition(node: &Node) -> Problem {
    node.invalid("must be one of Condition, Fn::And, Fn::Equals, Fn::Not, Fn::Or")
}

#[cfg(test)]
mod tests {
    use super::super::testing::read_with;

    /// Whether the condition `C`, written so, lets its queue exist in the stage `dev`.
    fn holds(condition: &str) -> Result<bool, String> {
        let template = format!(
            "Parameters:\n  Stage: {{Type: String}}\nConditions:\n  IsDev: !Equals [!Ref Stage, dev]\n  C: {condition}\n\
             Resources:\n  Q: {{Type: AWS::SQS::Queue, Condition: C}}\n"
        );
        Ok(!read_with(&template, &[("Stage", "dev")])?.queues.is_empty())
    }

    #[test]
    fn conditions_combine() {
        assert!(holds("!Condition IsDev").unwrap());
        assert!(!holds("!Not [!Condition IsDev]").unwrap());
        assert!(holds("!And [!Condition IsDev, !Equals [a, a]]").unwrap());
        assert!(!holds("!And [!Condition IsDev, !Equals [a, b]]").unwrap());
        assert!(holds("!Or [!Not [{Condition: IsDev}], !Equals [!Sub '${Stage}1', dev1]]").unwrap());
        assert!(!holds("!Or [!Equals [a, b], !Equals [c, d]]").unwrap());
    }

    #[test]
    fn a_condition_that_depends_on_itself_is_refused() {
        assert_eq!(
            holds("!Not [!Condition C]").unwrap_err(),
            "t.yaml:5: Conditions.C[0]: the condition C depends on itself"
        );
    }

    #[test]
    fn a_circle_is_found_behind_a_condition_that_is_fine() {
        let message = holds("!Or [!Condition IsDev, !Condition C]").unwrap_err();
        assert!(message.ends_with("the condition C depends on itself"), "{message}");
        assert!(
            holds("!And [!Condition IsDev, !Condition IsDev]").unwrap(),
            "twice is no circle"
        );
    }

    #[test]
    fn an_unknown_condition_or_function_is_refused() {
        assert!(
            holds("!Condition Gone")
                .unwrap_err()
                .ends_with("the template has no condition Gone")
        );
        assert!(
            holds("!Ref Stage")
                .unwrap_err()
                .ends_with("must be one of Condition, Fn::And, Fn::Equals, Fn::Not, Fn::Or")
        );
    }
}
