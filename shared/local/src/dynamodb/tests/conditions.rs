use super::*;

fn item() -> Value {
    json!({
        "id": { "S": "a" },
        "n": { "N": "5" },
        "s": { "S": "hello" },
        "b": { "B": "aGVsbG8=" },
        "t": { "BOOL": true },
        "z": { "NULL": true },
        "ss": { "SS": ["x", "y"] },
        "ns": { "NS": ["1", "2"] },
        "bs": { "BS": ["aGk="] },
        "l": { "L": [{ "N": "7" }, { "S": "x" }, { "SS": ["x", "y"] }] },
        "m": { "M": { "k": { "N": "1" }, "ins": { "M": { "deep": { "L": [{ "S": "end" }] } } } } },
    })
}

fn values() -> Value {
    json!({
        ":four": { "N": "4" },
        ":five": { "N": "5.0" },
        ":six": { "N": "6" },
        ":text": { "S": "hello" },
        ":he": { "S": "he" },
        ":ell": { "S": "ell" },
        ":bytes": { "B": "aGVs" },
        ":x": { "S": "x" },
        ":one": { "N": "1.0" },
        ":hi": { "B": "aGk=" },
        ":yx": { "SS": ["y", "x"] },
        ":true": { "BOOL": true },
        ":null": { "NULL": true },
        ":list": { "L": [] },
        ":S": { "S": "S" },
        ":NULL": { "S": "NULL" },
        ":SS": { "S": "SS" },
        ":DOG": { "S": "DOG" },
    })
}

/// The request that checks the condition on the item, with exactly the values it uses.
fn check(condition: &str) -> Value {
    let used = |name: &str| {
        condition
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == ':' || c == '_'))
            .any(|word| word == name)
    };
    let values: serde_json::Map<_, _> = values()
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| used(name))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let mut request = json!({ "TableName": HASH, "Key": key("a"), "ConditionExpression": condition });
    if !values.is_empty() {
        request["ExpressionAttributeValues"] = Value::Object(values);
    }
    request
}

/// Whether the condition holds; `UpdateItem` without an expression leaves the item as it is.
fn holds(store: &DynamoDb, condition: &str) -> bool {
    match call(store, "UpdateItem", check(condition)) {
        Ok(_) => true,
        Err(error) if error.name() == "ConditionalCheckFailedException" => {
            assert_eq!(error.message, "The conditional request failed");
            false
        }
        Err(error) => panic!("{condition}: {error}"),
    }
}

fn refusal(condition: &str) -> String {
    let store = store();
    put(&store, item());
    let error = err(&store, "UpdateItem", check(condition));
    assert_eq!(error.name(), "ValidationException", "{condition}");
    error.message
}

#[track_caller]
fn assert_all(expected: bool, conditions: &[&str]) {
    let store = store();
    put(&store, item());
    for condition in conditions {
        assert_eq!(holds(&store, condition), expected, "{condition}");
    }
}

#[test]
fn comparisons_hold_by_value() {
    assert_all(
        true,
        &[
            "n = :five",
            "n <> :four",
            "n > :four",
            "n >= :five",
            "n < :six",
            "n <= :five",
            ":four < n",
            "s > :he",
            "b > :bytes",
            "ss = :yx",
            "t = :true",
            "z = :null",
            "m.k = :one",
            "m.k < l[0]",
            "m.ins.deep[0] <> s",
            "n BETWEEN :four AND :six",
            "n between :five and :five",
            "n BETWEEN m.k AND l[0]",
            "n IN (:four, :five)",
            "ss in (:yx)",
            "(n) = (:five)",
        ],
    );
    assert_all(
        false,
        &[
            "n = :four",
            "n <> :five",
            "n > :five",
            "n BETWEEN :six AND :six",
            "n IN (:four, :six)",
            "s = n",
            "s < n",
            "s >= n",
            "l < :four",
            "n BETWEEN s AND b",
        ],
    );
}

#[test]
fn a_comparison_with_what_is_missing_is_false_and_its_negation_true() {
    assert_all(
        false,
        &[
            "nil = :five",
            "nil < :five",
            "nil >= :five",
            ":five > nil",
            "nil = absent",
            "nil BETWEEN :four AND :six",
            "n BETWEEN nil AND absent",
            "nil IN (:four, absent)",
            "contains(nil, :x)",
            "begins_with(nil, :he)",
            "attribute_type(nil, :S)",
            "size(nil) = :five",
            "size(nil) < :five",
            "l[9] = :five",
            "n.k = :five",
            "n[0] = :five",
            "m[0] = :five",
            "l.k = :five",
        ],
    );
    assert_all(
        true,
        &[
            "nil <> :five",
            "nil <> absent",
            "NOT nil = :five",
            "NOT nil < :five",
            "NOT nil BETWEEN :four AND :six",
            "NOT contains(nil, :x)",
            "NOT (nil = :five OR nil > :five)",
        ],
    );
}

#[test]
fn functions_look_into_every_type_they_are_for() {
    assert_all(
        true,
        &[
            "attribute_exists(m.ins.deep[0])",
            "attribute_not_exists(m.nil)",
            "attribute_not_exists(l[3])",
            "attribute_type(s, :S)",
            "attribute_type(z, :NULL)",
            "attribute_type(ss, :SS)",
            "attribute_type(:x, :S)",
            "begins_with(s, :he)",
            "begins_with(b, :bytes)",
            "begins_with(:text, s)",
            "contains(s, :ell)",
            "contains(b, :bytes)",
            "contains(ss, :x)",
            "contains(ns, :one)",
            "contains(bs, :hi)",
            "contains(l, :x)",
            "contains(l, :yx)",
            "size(s) = :five",
            "size(b) = :five",
            "size(l) < :four",
            "size(m) < size(l)",
            "size(bs) = :one",
            ":four < size(s)",
            "size(s) BETWEEN :four AND :six",
            "size(s) IN (:four, n)",
        ],
    );
    assert_all(
        false,
        &[
            "attribute_exists(m.nil)",
            "attribute_not_exists(s)",
            "attribute_type(n, :S)",
            "begins_with(s, :ell)",
            "begins_with(n, :he)",
            "contains(s, :one)",
            "contains(ss, :ell)",
            "contains(ns, :x)",
            "contains(n, :x)",
            "contains(m, :x)",
            "size(n) = :one",
            "size(t) = :one",
            "size(z) = :one",
            "size(s) = :text",
        ],
    );
}

#[test]
fn not_binds_tighter_than_and_and_and_tighter_than_or() {
    assert_all(
        true,
        &[
            "n = :five OR n = :five AND n = :six",
            "n = :six AND n = :six OR n = :five",
            "NOT n = :six AND n = :five",
            "NOT n = :six OR n = :six AND n = :six",
            "nOt NOT n = :five aNd (n = :six oR n = :five)",
            "NOT (n = :six AND n = :five)",
        ],
    );
    assert_all(
        false,
        &[
            "(n = :five OR n = :five) AND n = :six",
            "NOT n = :five AND n = :six",
            "NOT (n = :five OR n = :six)",
            "NOT n = :five OR n = :six",
        ],
    );
}

#[test]
fn a_syntax_error_names_the_token_and_its_place() {
    for (condition, token, near) in [
        ("n =", "<EOF>", "="),
        ("n ! :five", "!", "n ! :five"),
        ("n = :five n", "n", ":five n"),
        ("AND n = :five", "n", "AND n ="),
        ("n = :five AND", "<EOF>", "AND"),
        ("(n = :five", "<EOF>", ":five"),
        ("n = :five)", ")", ":five)"),
        ("n", "<EOF>", "n"),
        ("_n = :five", "_", "_n"),
        ("n = 5", "5", "= 5"),
        ("l[x] = :x", "x", "[x]"),
        ("attribute_exists()", ")", "()"),
        ("contains(s, )", ")", ", )"),
        ("n BETWEEN :four, :six", ",", ":four, :six"),
        ("n IN :four", ":four", "IN :four"),
        ("s = 'hello'", "'", "= 'hello"),
    ] {
        let wanted = format!("Invalid ConditionExpression: Syntax error; token: \"{token}\", near: \"{near}\"");
        assert_eq!(refusal(condition), wanted, "{condition}");
    }
    assert_eq!(
        refusal(""),
        "Invalid ConditionExpression: The expression can not be empty;"
    );
}

#[test]
fn an_expression_that_makes_no_sense_is_refused_with_the_reason() {
    for (condition, reason) in [
        (
            "status = :x",
            "Attribute name is a reserved keyword; reserved keyword: status",
        ),
        (
            "m.Data = :x",
            "Attribute name is a reserved keyword; reserved keyword: Data",
        ),
        (
            "n = :none",
            "An expression attribute value used in expression is not defined; attribute value: :none",
        ),
        (
            "#none = n",
            "An expression attribute name used in the document path is not defined; attribute name: #none",
        ),
        ("((n = :five))", "The expression has redundant parentheses;"),
        ("dog(n)", "Invalid function name; function: dog"),
        ("dog(n) = :five", "Invalid function name; function: dog"),
        ("Contains(s, :x)", "Invalid function name; function: Contains"),
        (
            "size(s)",
            "The function is not allowed to be used this way in an expression; function: size",
        ),
        (
            "attribute_exists(n) = :five",
            "The function is not allowed to be used this way in an expression; function: attribute_exists",
        ),
        (
            "n = contains(s, :x)",
            "The function is not allowed to be used this way in an expression; function: contains",
        ),
        (
            "if_not_exists(n, s) = :five",
            "The function is not allowed to be used this way in an expression; function: if_not_exists",
        ),
        (
            "size(s, n) = :five",
            "Incorrect number of operands for operator or function; operator or function: size, number of operands: 2",
        ),
        (
            "contains(s)",
            "Incorrect number of operands for operator or function; operator or function: contains, number of operands: 1",
        ),
        (
            "attribute_exists(:x)",
            "Operator or function requires a document path; operator or function: attribute_exists",
        ),
        (
            "n < :list",
            "Incorrect operand type for operator or function; operator or function: <, operand type: L",
        ),
        (
            ":true >= n",
            "Incorrect operand type for operator or function; operator or function: >=, operand type: BOOL",
        ),
        (
            "begins_with(s, :five)",
            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
        ),
        (
            "attribute_type(s, n)",
            "Incorrect operand type for operator or function; operator or function: attribute_type, operand type: \
             {NS,SS,L,BS,N,M,B,BOOL,NULL,S}",
        ),
        (
            "attribute_type(s, :DOG)",
            "Invalid attribute type name found; type: DOG, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
        ),
        (
            "m.k = m.k",
            "The first operand must be distinct from the remaining operands for this operator or function; \
             operator: =, first operand: [m, k]",
        ),
        (
            "n BETWEEN :six AND :four",
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound \
             operand: AttributeValue: {N:6}, upper bound operand: AttributeValue: {N:4}",
        ),
    ] {
        assert_eq!(
            refusal(condition),
            format!("Invalid ConditionExpression: {reason}"),
            "{condition}"
        );
    }
}

#[test]
fn a_syntax_error_goes_before_every_other_problem() {
    assert!(refusal("status = :none AND").contains("Syntax error"));
    assert!(refusal("dog(status) = :none").contains("Invalid function name"));
    assert!(refusal("status = :none").contains("reserved keyword"));
}

#[test]
fn placeholders_stand_for_names_that_could_not_stand_bare() {
    let store = store();
    put(
        &store,
        json!({ "id": { "S": "a" }, "a.b": { "M": { "status": { "S": "done" } } } }),
    );
    let request = json!({
        "TableName": HASH,
        "Key": key("a"),
        "ConditionExpression": "#1.#status = :done",
        "ExpressionAttributeNames": { "#1": "a.b", "#status": "status" },
        "ExpressionAttributeValues": { ":done": { "S": "done" } },
    });
    ok(&store, "DeleteItem", request);
    assert_eq!(get(&store, "a"), Value::Null);
}

#[test]
fn placeholders_that_are_not_used_are_refused() {
    let store = store();
    let request = |names: Value, values: Value| {
        json!({
            "TableName": HASH, "Key": key("a"), "ConditionExpression": "#a = :a",
            "ExpressionAttributeNames": names, "ExpressionAttributeValues": values,
        })
    };
    let text = json!({ "S": "" });
    let error = err(
        &store,
        "DeleteItem",
        request(json!({ "#a": "a" }), json!({ ":a": text, ":x": text, ":y": text })),
    );
    assert_eq!(
        error.message,
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:x, :y}"
    );
    let error = err(
        &store,
        "DeleteItem",
        request(json!({ "#a": "a", "#b": "b" }), json!({ ":a": text })),
    );
    assert_eq!(
        error.message,
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#b}"
    );
}

#[test]
fn placeholders_must_be_well_formed_and_have_an_expression() {
    let store = store();
    let request = |members: Value| merged(json!({ "TableName": HASH, "Key": key("a") }), members);
    for (members, message) in [
        (
            json!({ "ExpressionAttributeNames": { "#a": "a" } }),
            "ExpressionAttributeNames can only be specified when",
        ),
        (
            json!({ "ExpressionAttributeValues": { ":a": { "S": "a" } } }),
            "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null",
        ),
        (
            json!({ "ExpressionAttributeNames": {} }),
            "ExpressionAttributeNames must not be empty",
        ),
        (
            json!({ "ExpressionAttributeValues": {} }),
            "ExpressionAttributeValues must not be empty",
        ),
        (
            json!({ "ExpressionAttributeNames": { "a": "a" } }),
            "ExpressionAttributeNames contains invalid key: Syntax error; key: \"a\"",
        ),
        (
            json!({ "ExpressionAttributeValues": { ":a-b": { "S": "a" } } }),
            "ExpressionAttributeValues contains invalid key: Syntax error; key: \":a-b\"",
        ),
        (
            json!({ "ExpressionAttributeValues": { ":a": { "N": "x" } } }),
            "ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a numeric value: x \
             for key :a",
        ),
    ] {
        let error = err(&store, "DeleteItem", request(members.clone()));
        assert!(error.message.starts_with(message), "{members}: {error}");
    }
}
