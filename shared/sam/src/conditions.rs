//! The template's `Conditions`, evaluated once, before any resource.

use std::collections::BTreeMap;

use super::{
    error::Problem,
    intrinsics::exactly,
    node::{Node, Value},
    scope::Scope,
};

/// Deeper than conditions of any template; a limit so that a hostile file can't exhaust the stack.
const DEEPEST: usize = 100;

/// Whether each condition holds, by name.
pub(crate) fn read<'a>(template: &'a Node, scope: &'a Scope<'_>) -> Result<BTreeMap<String, bool>, Problem> {
    let Some(declared) = template.get("Conditions") else {
        return Ok(BTreeMap::new());
    };
    let all = declared.map()?;
    let mut conditions = Conditions {
        declared: all.iter().map(|(name, node)| (name.as_str(), node)).collect(),
        scope,
        known: BTreeMap::new(),
        trail: Vec::new(),
    };
    all.iter()
        .map(|(name, node)| Ok((name.clone(), conditions.named(name, node, 0)?)))
        .collect()
}

struct Conditions<'a> {
    declared: BTreeMap<&'a str, &'a Node>,
    scope: &'a Scope<'a>,
    /// Those that are evaluated. Without them, conditions that refer to each other twice would take exponential time.
    known: BTreeMap<&'a str, bool>,
    /// Those that are being evaluated, so that a circle is found.
    trail: Vec<&'a str>,
}

impl<'a> Conditions<'a> {
    /// `depth` counts functions and names, from the condition that no other refers to.
    fn named(&mut self, name: &'a str, at: &Node, depth: usize) -> Result<bool, Problem> {
        if let Some(known) = self.known.get(name) {
            return Ok(*known);
        }
        if self.trail.contains(&name) {
            return Err(at.invalid(format!("the condition {name} depends on itself")));
        }
        let declared = self.declared.get(name).copied();
        let condition = declared.ok_or_else(|| {
            let meant = cli::did_you_mean(name, self.declared.keys().map(AsRef::as_ref));
            at.invalid(format!("the template has no condition {name}{meant}"))
        })?;
        self.trail.push(name);
        let holds = self.holds(condition, depth)?;
        self.trail.pop();
        self.known.insert(name, holds);
        Ok(holds)
    }

    fn holds(&mut self, node: &'a Node, depth: usize) -> Result<bool, Problem> {
        if depth > DEEPEST {
            return Err(node.unsupported(format!(
                "conditions depend on each other over more than {DEEPEST} levels"
            )));
        }
        let Value::Map(entries) = &node.value else {
            return Err(not_a_condition(node));
        };
        let [(function, argument)] = entries.as_slice() else {
            return Err(not_a_condition(node));
        };
        match function.as_str() {
            "Condition" => self.named(argument.text()?, argument, depth + 1),
            "Fn::Equals" => self.equal(argument),
            "Fn::Not" => {
                let [inner] = exactly(argument, "a list of one condition")?;
                Ok(!self.holds(inner, depth + 1)?)
            }
            "Fn::And" => Ok(self.each(argument, depth + 1)?.into_iter().all(|holds| holds)),
            "Fn::Or" => Ok(self.each(argument, depth + 1)?.into_iter().any(|holds| holds)),
            _ => Err(not_a_condition(node)),
        }
    }

    fn each(&mut self, argument: &'a Node, depth: usize) -> Result<Vec<bool>, Problem> {
        argument.list()?.iter().map(|inner| self.holds(inner, depth)).collect()
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

    /// Conditions of which each refers to the one before, in this way.
    fn chain(length: usize, of_one_before: impl Fn(&str) -> String) -> Result<(), String> {
        let one = |number: usize| {
            let before = format!("!Condition C{}", number - 1);
            format!("  C{number}: {}\n", of_one_before(&before))
        };
        let all: String = (1..length).rev().map(one).collect();
        let template = format!("Conditions:\n{all}  C0: !Equals [a, a]\nResources: {{}}\n");
        read_with(&template, &[]).map(drop)
    }

    #[test]
    fn a_condition_that_many_refer_to_is_evaluated_once() {
        // Otherwise it would be two to the power of 40 times.
        assert_eq!(chain(40, |before| format!("!And [{before}, {before}]")), Ok(()));
    }

    #[test]
    fn conditions_nested_without_end_are_refused() {
        let why = chain(20_000, str::to_owned).unwrap_err();
        assert!(
            why.ends_with("conditions depend on each other over more than 100 levels"),
            "{why}"
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
