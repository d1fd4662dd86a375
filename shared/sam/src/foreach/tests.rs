//! Loops that are expanded, and malformed ones.

use crate::testing::read_with;

const HEAD: &str = "Transform: AWS::LanguageExtensions
Parameters:
  Prefix: {Type: String, Default: dev-}
  Ids: {Type: CommaDelimitedList, Default: 'A, B'}
Mappings:
  Kinds: {Standard: {Queues: [Orders, Refunds]}, Fifo: {Queues: [Stock]}, Unused: {Queues: []}}
  Queues:
    Orders: {Name: orders, Functions: [PlaceOrder]}
    Refunds: {Name: refunds, Functions: [RefundOrder]}
    Stock: {Name: stock.fifo, Functions: [ReserveStock]}
";

/// The names of the queues in a template with these resources.
fn names(resources: &str) -> Result<Vec<String>, String> {
    let template = read_with(&format!("{HEAD}Resources:\n{resources}\n"), &[])?;
    Ok(template.queues.into_iter().map(|queue| queue.name).collect())
}

fn refusal(resources: &str) -> String {
    let message = names(resources).unwrap_err();
    message.split_once(": ").unwrap().1.to_owned()
}

#[test]
fn collection_is_a_list_a_parameter_or_in_a_mapping() {
    let looped = |collection: &str| {
        names(&format!(
            "  Fn::ForEach::Loop: [Id, {collection}, {{'Q${{Id}}': {{Type: AWS::SQS::Queue}}}}]"
        ))
    };
    assert_eq!(looped("[A, B]").unwrap(), ["local-QA", "local-QB"]);
    assert_eq!(looped("!Ref Ids").unwrap(), ["local-QA", "local-QB"]);
    let mapped = looped("!FindInMap [Kinds, Standard, Queues]").unwrap();
    assert_eq!(mapped, ["local-QOrders", "local-QRefunds"]);
    assert_eq!(
        looped("!FindInMap [Kinds, Unused, Queues]").unwrap(),
        Vec::<String>::new()
    );
}

#[test]
fn inner_collection_depends_on_the_outer_item() {
    let nested = "
  Fn::ForEach::EachKind:
    - Kind
    - [Fifo, Standard]
    - Fn::ForEach::EachQueue:
        - Queue
        - !FindInMap [Kinds, !Ref Kind, Queues]
        - ${Queue}Queue:
            Type: AWS::SQS::Queue
            Properties:
              QueueName: !Sub ['${Prefix}${Kind}-${Name}', {Name: !FindInMap [Queues, !Ref Queue, Name]}]
              FifoQueue: !If [Never, true, !Ref AWS::NoValue]";
    let nested = format!("{nested}\nConditions: {{Never: !Equals [a, b]}}").replace("stock.fifo", "stock");
    let refused = names(&nested).unwrap_err();
    // The name of the FIFO queue ends with .fifo, which SQS accepts only with FifoQueue: true.
    assert!(refused.contains("Resources.StockQueue"), "{refused}");
    let standard = nested.replace("[Fifo, Standard]", "[Standard]");
    assert_eq!(
        names(&standard).unwrap(),
        ["dev-Standard-orders", "dev-Standard-refunds"]
    );
}

#[test]
fn references_to_looped_resources_are_built_by_sub() {
    let template = "
  Fn::ForEach::EachQueue:
    - Queue
    - [Orders, Refunds]
    - ${Queue}Queue:
        Type: AWS::SQS::Queue
        Properties:
          RedrivePolicy: {deadLetterTargetArn: !GetAtt [!Sub '${Queue}Dead', Arn], maxReceiveCount: 3}
      ${Queue}Dead: {Type: AWS::SQS::Queue}";
    let template = read_with(&format!("{HEAD}Resources:{template}\n"), &[]).unwrap();
    let orders = template
        .queues
        .iter()
        .find(|queue| queue.name == "local-OrdersQueue")
        .unwrap();
    assert!(orders.attributes["RedrivePolicy"].contains("local-OrdersDead"));
}

#[test]
fn conditions_and_properties_have_loops() {
    let template = "
  Fn::ForEach::Loop:
    - Id
    - [A, B]
    - Q${Id}:
        Type: AWS::SQS::Queue
        Properties:
          Fn::ForEach::Seconds: [Name, [VisibilityTimeout], {'${Name}': 7}]
  OnlyB: {Type: AWS::SQS::Queue, Condition: IsB}
  OnlyA: {Type: AWS::SQS::Queue, Condition: IsA}
Conditions:
  Fn::ForEach::Conditions: [Letter, [A, B], {'Is${Letter}': !Equals [!Ref Letter, B]}]";
    let template = read_with(&format!("{HEAD}Resources:{template}\n"), &[]).unwrap();
    let seen = template.queues.iter().map(|queue| queue.name.as_str());
    assert_eq!(seen.collect::<Vec<_>>(), ["local-QA", "local-QB", "local-OnlyB"]);
    assert_eq!(template.queues[0].attributes["VisibilityTimeout"], "7");
}

#[test]
fn ampersand_keeps_letters_and_digits() {
    let looped = "  Fn::ForEach::Loop: [Ip, [10.0.0.1], {'Q&{Ip}': {Type: AWS::SQS::Queue}}]";
    assert_eq!(names(looped).unwrap(), ["local-Q10001"]);
}

#[test]
fn identifier_in_a_plain_text_is_refused() {
    let looped = |properties: &str| {
        refusal(&format!(
            "  Fn::ForEach::Loop: [Id, [A], {{'Q${{Id}}': {{Type: AWS::SQS::Queue, Properties: {properties}}}}}]"
        ))
    };
    let reason = "the identifier Id of a loop needs !Ref Id, or !Sub";
    let plain = looped("{QueueName: 'jobs-${Id}'}");
    assert!(plain.ends_with(reason), "{plain}");
    // CloudFormation looks for a resource of that name before it expands the loop.
    let reference = looped("{QueueName: !Ref 'Q${Id}'}");
    assert!(reference.ends_with(reason), "{reference}");
}

#[test]
fn malformed_loop_is_refused() {
    let queue = "{'Q${Id}': {Type: AWS::SQS::Queue}}";
    for (looped, reason) in [
        ("[Id, [A]]".to_owned(), "must be [identifier, collection, {key: value}]"),
        (format!("['', [A], {queue}]"), "must be alphanumeric, not \"\""),
        (
            format!("[Prefix, [A], {queue}]"),
            "there is a parameter Prefix: rename the identifier",
        ),
        (format!("[Id, A, {queue}]"), "must be a list"),
        (
            format!("[Id, !Ref Nowhere, {queue}]"),
            "the template has no parameter or resource named Nowhere",
        ),
        (format!("[Id, [A, A], {queue}]"), "loops make QA twice"),
        (
            "[Id, [A], {Q: {Type: AWS::SQS::Queue}}]".to_owned(),
            "the key Q must contain ${Id}",
        ),
        (
            format!("[Id, [A], {{Fn::ForEach::Inner: [Id, [A], {queue}]}}]"),
            "an outer loop has the identifier Id: rename one",
        ),
    ] {
        let refused = refusal(&format!("  Fn::ForEach::Loop: {looped}"));
        assert!(refused.ends_with(reason), "{looped}: {refused}");
    }
}

#[test]
fn loop_names_are_unique() {
    let queue = |letter: &str| format!("[Id, [{letter}], {{'Q${{Id}}': {{Type: AWS::SQS::Queue}}}}]");
    let twice = format!(
        "  Fn::ForEach::Loop: {}\n  Other: {{Type: AWS::SQS::Queue}}",
        queue("A")
    );
    assert_eq!(names(&twice).unwrap().len(), 2);
    let outputs = format!("{twice}\nOutputs: {{Fn::ForEach::Loop: [Id, [A], {{'O${{Id}}': {{Value: !Ref Id}}}}]}}");
    assert!(refusal(&outputs).ends_with("Resources.Fn::ForEach::Loop has the same name"));
    let resource = twice.replace("Other:", "Loop:");
    assert!(refusal(&resource).ends_with("a loop has the same name: rename the loop"));
}

#[test]
fn loops_are_nested_up_to_five_deep() {
    let nested = |depth: usize| {
        let key: String = (1..=depth).map(|level| format!("${{I{level}}}")).collect();
        let innermost = format!("{{'{key}': {{Type: AWS::SQS::Queue}}}}");
        let all = (1..=depth).rev().fold(innermost, |inner, level| {
            format!("{{Fn::ForEach::L{level}: [I{level}, [x], {inner}]}}")
        });
        names(&format!("  {}", all.trim_start_matches('{').trim_end_matches('}')).replace("Queue]", "Queue}}]"))
    };
    assert_eq!(nested(5).unwrap(), ["local-xxxxx"]);
    assert!(nested(6).unwrap_err().ends_with("loops are nested deeper than 5"));
}

#[test]
fn loop_without_its_transform_is_refused() {
    let template = "Resources:\n  Fn::ForEach::Loop: [Id, [A], {'Q${Id}': {Type: AWS::SQS::Queue}}]\n";
    let refused = read_with(template, &[]).unwrap_err();
    assert!(
        refused.ends_with("a loop needs AWS::LanguageExtensions in Transform, before AWS::Serverless-2016-10-31"),
        "{refused}"
    );
}

#[test]
fn loops_that_multiply_texts_are_refused() {
    let items: String = (0..3_000).map(|number| format!("x{number},")).collect();
    let nested = format!(
        "  Fn::ForEach::Outer: [One, [{items}], {{Fn::ForEach::Inner: [Two, [{items}], {{'${{One}}${{Two}}': {{}}}}]}}]"
    );
    let long = format!(
        "  Fn::ForEach::Loop: [Id, [{}], {{'Q${{Id}}': !Sub '{}'}}]",
        "x".repeat(400_000),
        "${Id}".repeat(1_000)
    );
    for resources in [nested, long] {
        let refused = refusal(&resources);
        assert!(
            refused.ends_with("functions make more than 33554432 bytes"),
            "{}",
            &refused[refused.len() - 90..]
        );
    }
}
