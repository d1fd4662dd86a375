//! `Transform`: what rewrites the template before it is deployed.

use std::borrow::Cow;

use super::{error::Problem, foreach, node::Node, scope::Scope};

const LANGUAGE_EXTENSIONS: &str = "AWS::LanguageExtensions";
const SAM: &str = "AWS::Serverless-2016-10-31";

/// The template with its loops expanded, if it has `AWS::LanguageExtensions`.
pub(crate) fn language_extensions<'a>(template: &'a Node, scope: &Scope<'_>) -> Result<Cow<'a, Node>, Problem> {
    let stated = stated(template)?;
    let position = |name| stated.iter().position(|transform| *transform == name);
    let Some(first) = position(LANGUAGE_EXTENSIONS) else {
        foreach::refuse(template)?;
        return Ok(Cow::Borrowed(template));
    };
    match (position(SAM), template.get("Transform")) {
        (Some(sam), Some(transform)) if sam < first => {
            Err(transform.invalid(format!("{LANGUAGE_EXTENSIONS} must come before {SAM}")))
        }
        _ => foreach::expand(template, scope).map(Cow::Owned),
    }
}

/// Without its transform, CloudFormation doesn't know SAM's resources.
pub(crate) fn check_sam(template: &Node, function: &Node) -> Result<(), Problem> {
    match stated(template)?.contains(&SAM) {
        true => Ok(()),
        false => Err(function.invalid(format!("AWS::Serverless::Function needs Transform: {SAM} at the top"))),
    }
}

fn stated(template: &Node) -> Result<Vec<&str>, Problem> {
    let Some(transform) = template.get("Transform") else {
        return Ok(Vec::new());
    };
    let stated = match transform.texts() {
        Ok(transforms) => transforms,
        Err(_) => vec![transform.text()?],
    };
    let known = |name: &&&str| ![SAM, LANGUAGE_EXTENSIONS].contains(*name);
    match stated.iter().find(known) {
        Some(other) => {
            Err(transform.unsupported(format!("the local stack can't run the transform {other}: remove it")))
        }
        None => Ok(stated),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{read, with_function};

    fn with(transform: &str) -> Result<(), String> {
        read(&with_function("").replace("AWS::Serverless-2016-10-31", transform)).map(drop)
    }

    #[test]
    fn sam_may_run_after_the_language_extensions_but_no_macro() {
        assert_eq!(with("[AWS::LanguageExtensions, AWS::Serverless-2016-10-31]"), Ok(()));
        assert_eq!(
            with("[AWS::Serverless-2016-10-31, AWS::LanguageExtensions]").unwrap_err(),
            "t.yaml:1: Transform: AWS::LanguageExtensions must come before AWS::Serverless-2016-10-31"
        );
        assert_eq!(
            with("[Rename, AWS::Serverless-2016-10-31]").unwrap_err(),
            "t.yaml:1: Transform: the local stack can't run the transform Rename: remove it"
        );
        let missing = with("[AWS::LanguageExtensions]").unwrap_err();
        assert!(
            missing.contains("needs Transform: AWS::Serverless-2016-10-31"),
            "{missing}"
        );
    }
}
