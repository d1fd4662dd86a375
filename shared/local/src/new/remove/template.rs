//! The functions of the template, whose layout `functions/README.md` describes: an entry in `Mappings.Queues`, a name in a list
//! of `Mappings.Kinds`, and a section of `Resources` that begins with a comment.

use std::ops::Range;

/// The names of the functions in `Mappings.Queues`, in order.
pub(super) fn functions(template: &str) -> Vec<String> {
    let before = template.lines().take_while(|line| *line != "Resources:");
    let names = before.filter_map(|line| line.strip_prefix("      FunctionName: "));
    names.map(|name| name.trim().to_owned()).collect()
}

/// The names of the parameters, in order.
pub(super) fn parameters(template: &str) -> impl Iterator<Item = &str> {
    let section = template.lines().skip_while(|line| *line != "Parameters:").skip(1);
    let section = section.take_while(|line| line.is_empty() || line.starts_with([' ', '#']));
    section.filter_map(|line| key(line, 2))
}

/// The template without these functions, and the parameters that only they used, which go as well.
pub(super) fn without(template: &str, functions: &[String]) -> Result<(String, Vec<String>), String> {
    let mut lines: Vec<&str> = template.split_inclusive('\n').collect();
    let mut lists = Vec::new();
    let mut removed = String::new();
    for function in functions {
        let (queue, entry) = entry(&lines, function)?;
        lines.drain(entry);
        lists.push(queue);
        let section = section(&lines, function)?;
        removed.extend(lines.drain(section));
    }
    let mut rest: Vec<String> = lines.into_iter().map(str::to_owned).collect();
    for queue in lists {
        unlist(&mut rest, &queue)?;
    }
    let rest = rest.concat();
    let unused = |name: &&str| uses(&removed, name) && !uses(&rest, name);
    let unused: Vec<_> = parameters(&rest).filter(unused).map(str::to_owned).collect();
    Ok((without_parameters(&rest, &unused), unused))
}

/// The key of a line of exactly this indentation, if it has one.
fn key(line: &str, indentation: usize) -> Option<&str> {
    let text = line.get(indentation..)?;
    let is_indented = line[..indentation].trim().is_empty() && !text.starts_with([' ', '#', '-']);
    let (name, rest) = text.trim_end().split_once(':')?;
    (is_indented && (rest.is_empty() || rest.starts_with(' '))).then_some(name)
}

/// The queue of a function, and the lines of its entry in `Mappings.Queues`.
fn entry(lines: &[&str], function: &str) -> Result<(String, Range<usize>), String> {
    let stated = format!("      FunctionName: {function}");
    let at = lines.iter().position(|line| line.trim_end() == stated);
    let at = at.ok_or_else(|| format!("no entry of Mappings.Queues has the line {:?}", stated.trim()))?;
    let start = (0..at).rev().find(|line| key(lines[*line], 4).is_some());
    let start = start.ok_or_else(|| format!("{:?} belongs to no queue", stated.trim()))?;
    let is_inside = |line: &&&str| line.starts_with("      ");
    let length = lines[start + 1..].iter().take_while(is_inside).count();
    let queue = key(lines[start], 4).unwrap_or_default().to_owned();
    Ok((queue, start..start + 1 + length))
}

/// The lines of the section of a function: from its comment to the next comment that stands alone, which begins another.
fn section(lines: &[&str], function: &str) -> Result<Range<usize>, String> {
    let heading = format!("  # {function}: ");
    let start = lines.iter().position(|line| line.starts_with(&heading));
    let start = start.ok_or_else(|| format!("no section of Resources begins with the comment {:?}", heading.trim()))?;
    let is_comment = |line: usize| lines[line].starts_with("  # ");
    let begins = |line: &usize| {
        let after = (*line..lines.len()).find(|line| !is_comment(*line));
        is_comment(*line)
            && lines[line - 1].trim().is_empty()
            && after.is_some_and(|line| lines[line].trim().is_empty())
    };
    let end = (start + 1..lines.len()).find(begins);
    let end = end.ok_or_else(|| format!("no other section follows that of {function}"))?;
    Ok(start..end)
}

/// Removes a queue from its list in `Mappings.Kinds`.
fn unlist(lines: &mut [String], queue: &str) -> Result<(), String> {
    for line in lines {
        let list = line
            .trim_end()
            .strip_prefix("      Queues: [")
            .and_then(|rest| rest.strip_suffix(']'));
        let Some(list) = list else { continue };
        let names: Vec<_> = list.split(',').map(str::trim).collect();
        if names.contains(&queue) {
            let others: Vec<_> = names.into_iter().filter(|name| *name != queue).collect();
            *line = format!("      Queues: [{}]\n", others.join(", "));
            return Ok(());
        }
    }
    Err(format!(
        "no list of Mappings.Kinds, written as \"Queues: [A, B]\", has {queue}"
    ))
}

/// Whether a text refers to a parameter.
fn uses(text: &str, parameter: &str) -> bool {
    let is_end = |rest: &str| !rest.starts_with(|next: char| next.is_ascii_alphanumeric());
    let refers = |reference: &str| text.split(reference).skip(1).any(is_end);
    refers(&format!("!Ref {parameter}"))
        || refers(&format!("Ref: {parameter}"))
        || text.contains(&format!("${{{parameter}}}"))
}

fn without_parameters(template: &str, names: &[String]) -> String {
    let (mut is_removed, mut is_in_parameters) = (false, false);
    let keep = |line: &&str| {
        if !line.starts_with([' ', '\n', '#']) {
            is_in_parameters = line.trim_end() == "Parameters:";
        }
        if !line.starts_with("   ") {
            is_removed =
                is_in_parameters && key(line, 2).is_some_and(|name| names.iter().any(|removed| removed == name));
        }
        !is_removed
    };
    template.split_inclusive('\n').filter(keep).collect()
}

/// `samconfig.toml` without the values of these parameters.
pub(super) fn without_values(stages: &str, parameters: &[String]) -> String {
    let is_value = |line: &&str| {
        let pair = line.trim_start().trim_start_matches(['"', '\'']);
        pair.split_once('=')
            .is_some_and(|(name, _)| parameters.iter().any(|parameter| parameter == name))
    };
    stages.split_inclusive('\n').filter(|line| !is_value(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = r#"Parameters:
  # A prefix.
  Prefix:
    Type: String
  ReceiverUrl:
    Type: String
    # It may contain a password.
    NoEcho: true
  # Of all.
  OtherUrl:
    Type: String

Mappings:
  Kinds:
    Standard:
      Queues: [Notes, Others] # none
    Fifo:
      Queues: [Lines]
  Queues:
    # The first.
    Notes:
      Name: notes
      FunctionName: send-note
      Functions: [SendNote]
    Lines:
      Name: lines
      FunctionName: keep-line
      Functions: [KeepLine]

Resources:
  # send-note: posts a note.

  SendNote:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub "${Prefix}send-note"
      Url: !Ref ReceiverUrl

  # What it needs.
  SendNotePolicy:
    Type: AWS::IAM::RolePolicy

  # keep-line: keeps a line,
  # or two.

  KeepLine:
    Type: AWS::Serverless::Function
    Name: !Sub "${Prefix}keep-line"
    Url: !Ref OtherUrl

  # Standard queues.

  Fn::ForEach::Queues: []
"#;

    fn without_send_note(template: &str) -> Result<(String, Vec<String>), String> {
        without(template, &["send-note".to_owned()])
    }

    fn template() -> String {
        TEMPLATE.replace(" # none", "")
    }

    #[test]
    fn functions_are_those_of_the_mappings() {
        assert_eq!(functions(TEMPLATE), ["send-note", "keep-line"]);
        assert_eq!(
            parameters(TEMPLATE).collect::<Vec<_>>(),
            ["Prefix", "ReceiverUrl", "OtherUrl"]
        );
    }

    #[test]
    fn function_goes_with_its_entry_section_and_parameter() {
        let (rest, parameters) = without_send_note(&template()).unwrap();
        assert_eq!(parameters, ["ReceiverUrl"]);
        let expected = template()
            .replace(
                "  ReceiverUrl:\n    Type: String\n    # It may contain a password.\n    NoEcho: true\n",
                "",
            )
            .replace("[Notes, Others]", "[Others]")
            .replace(
                "    Notes:\n      Name: notes\n      FunctionName: send-note\n      Functions: [SendNote]\n",
                "",
            );
        let (before, after) = expected.split_once("  # send-note: ").unwrap();
        let (_, after) = after.split_once("  # keep-line: ").unwrap();
        assert_eq!(
            rest,
            format!("{before}  # keep-line: {after}"),
            "all else stays, with its comments"
        );
    }

    #[test]
    fn last_queue_of_a_kind_leaves_an_empty_list() {
        let (rest, parameters) = without(&template(), &["keep-line".to_owned()]).unwrap();
        assert!(rest.contains("    Fifo:\n      Queues: []\n"), "{rest}");
        assert_eq!(parameters, ["OtherUrl"]);
    }

    #[test]
    fn parameter_that_another_function_uses_stays() {
        let shared = template().replace("!Ref OtherUrl", "!Ref ReceiverUrl");
        assert_eq!(without_send_note(&shared).unwrap().1, [""; 0]);
        let longer = template().replace("!Ref OtherUrl", "!Ref ReceiverUrlOfOthers");
        assert_eq!(without_send_note(&longer).unwrap().1, ["ReceiverUrl"]);
    }

    #[test]
    fn template_of_another_layout_is_refused() {
        let refusal = |piece: &str, other: &str| without_send_note(&template().replace(piece, other)).unwrap_err();
        assert!(
            without_send_note(TEMPLATE)
                .unwrap_err()
                .contains("\"Queues: [A, B]\", has Notes")
        );
        assert!(refusal("FunctionName: send-note", "FunctionName: notes").contains("\"FunctionName: send-note\""));
        assert!(refusal("  # send-note: ", "  # Sends: ").contains("\"# send-note:\""));
        let cut = template().split_once("\n  # What").unwrap().0.to_owned();
        assert_eq!(
            without_send_note(&cut).unwrap_err(),
            "no other section follows that of send-note"
        );
    }

    #[test]
    fn stages_lose_the_values_of_removed_parameters() {
        let stages = "parameter_overrides = [\n    \"Prefix=dev-\",\n    # Ours.\n    \"ReceiverUrl=https://a.example.com/\",\n    'OtherUrl=\"\"',\n]\n";
        let rest = without_values(stages, &["ReceiverUrl".to_owned(), "OtherUrl".to_owned()]);
        assert_eq!(rest, "parameter_overrides = [\n    \"Prefix=dev-\",\n    # Ours.\n]\n");
    }
}
