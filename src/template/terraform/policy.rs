//! `data.aws_iam_policy_document` → the policy it will be.
//!
//! In: the data source, whose statements a plan holds even where the JSON made of them is known after apply. Out: the
//! policy, with the ARNs of the plan's resources in it.

use super::super::hole::has_holes;
use super::super::node::{Entry, Node, Tree};
use super::mapping::{Attribute, How, many, mapped, same, words};
use super::plan::Instance;
use super::values::Values;

const PRINCIPALS: &[Attribute] = &[same("type", "type"), same("identifiers", "identifiers")];
const CONDITIONS: &[Attribute] = &[same("test", "test"), same("variable", "variable"), same("values", "values")];
const STATEMENT: &[Attribute] = &[
    same("sid", "Sid"),
    words("effect", "Effect", &[]),
    same("actions", "Action"),
    same("not_actions", "NotAction"),
    same("resources", "Resource"),
    same("not_resources", "NotResource"),
    many("principals", "Principal", PRINCIPALS),
    many("not_principals", "NotPrincipal", PRINCIPALS),
    many("condition", "Condition", CONDITIONS),
];
const DOCUMENT: &[Attribute] = &[
    same("version", "Version"),
    many("statement", "Statement", STATEMENT),
    Attribute { from: "source_policy_documents", to: "Sources", how: How::Same },
    Attribute { from: "override_policy_documents", to: "Overrides", how: How::Same },
];

/// The policy of a data source.
pub(super) fn document<'p>(values: &Values<'_, 'p>, source: &Instance<'p>, depth: usize) -> Node {
    let read = values.attributes_at(source, DOCUMENT.iter().map(|attribute| attribute.from), depth);
    let made = mapped(&read, DOCUMENT);
    let mut statements: Vec<Node> = Vec::new();
    for text in made.get("Sources").map(Node::elements).unwrap_or_default() {
        statements.extend(others(text));
    }
    let own = made.get("Statement");
    match own.map(Node::elements) {
        Some(own) if !own.is_empty() => statements.extend(own.iter().map(finished)),
        _ => statements.extend(own.filter(|own| own.as_str().is_some_and(has_holes)).cloned()),
    }
    for text in made.get("Overrides").map(Node::elements).unwrap_or_default() {
        for statement in others(text) {
            let sid = statement.text_at(&["Sid"]).map(str::to_owned);
            statements.retain(|known| sid.is_none() || known.text_at(&["Sid"]) != sid.as_deref());
            statements.push(statement);
        }
    }
    let mut entries = Vec::new();
    let version = made.get("Version").cloned().unwrap_or_else(|| Node::text("2012-10-17", read.span));
    entries.push(Entry { key: "Version".to_owned(), key_span: read.span, value: version });
    let value = Node::new(Tree::List(statements), read.span);
    entries.push(Entry { key: "Statement".to_owned(), key_span: read.span, value });
    Node::new(Tree::Map(entries), read.span)
}

/// The statements of another policy; one that is open is an open statement.
fn others(text: &Node) -> Vec<Node> {
    let Some(json) = text.as_str().filter(|text| !has_holes(text)) else { return vec![text.clone()] };
    let parsed: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
    match parsed.get("Statement") {
        Some(serde_json::Value::Array(all)) => all.iter().map(|one| Node::from_value(one, text.span)).collect(),
        Some(one) => vec![Node::from_value(one, text.span)],
        None => Vec::new(),
    }
}

/// A statement as IAM writes it: principals by type, conditions by operator.
fn finished(statement: &Node) -> Node {
    let Tree::Map(entries) = &statement.tree else { return statement.clone() };
    let mut made: Vec<Entry> = Vec::with_capacity(entries.len() + 1);
    for entry in entries {
        let value = match entry.key.as_str() {
            "Principal" | "NotPrincipal" => principals(&entry.value),
            "Condition" => conditions(&entry.value),
            _ => entry.value.clone(),
        };
        made.push(Entry { key: entry.key.clone(), key_span: entry.key_span, value });
    }
    if statement.get("Effect").is_none() {
        let value = Node::text("Allow", statement.span);
        made.push(Entry { key: "Effect".to_owned(), key_span: statement.span, value });
    }
    Node::new(Tree::Map(made), statement.span)
}

fn principals(blocks: &Node) -> Node {
    let mut by_type: Vec<Entry> = Vec::new();
    for block in blocks.elements() {
        let who = block.get("identifiers").cloned();
        let (Some(kind), Some(who)) = (block.text_at(&["type"]), who) else { continue };
        // The data source writes anyone as the bare star.
        let anyone = who.elements().iter().any(|one| one.as_str() == Some("*"));
        if anyone && matches!(kind, "*" | "AWS") && blocks.elements().len() == 1 {
            return Node::text("*", block.span);
        }
        let kind = if kind == "*" { "AWS" } else { kind };
        match by_type.iter_mut().find(|entry| entry.key == kind) {
            Some(entry) => {
                if let (Tree::List(known), Tree::List(more)) = (&mut entry.value.tree, who.tree) {
                    known.extend(more);
                }
            }
            None => by_type.push(Entry { key: kind.to_owned(), key_span: block.span, value: who }),
        }
    }
    if by_type.is_empty() { blocks.clone() } else { Node::new(Tree::Map(by_type), blocks.span) }
}

fn conditions(blocks: &Node) -> Node {
    let mut tests = Node::new(Tree::Map(Vec::new()), blocks.span);
    for block in blocks.elements() {
        let (Some(test), Some(variable)) = (block.text_at(&["test"]), block.text_at(&["variable"])) else { continue };
        let values = block.get("values").cloned().unwrap_or_else(|| Node::new(Tree::List(Vec::new()), block.span));
        super::mapping::put(&mut tests, &[test, variable], block.span, values);
    }
    if tests.entries().is_empty() { blocks.clone() } else { tests }
}

/// Which identities the open elements of a list are: one each. A policy's resources name a bucket and what is in it, so
/// twice as many open elements as buckets are each bucket and its objects.
pub(super) fn spread(found: Vec<String>, open: usize, name: &str) -> Vec<String> {
    let bucket = |text: &String| text.contains(":s3:::");
    match found.len() {
        // One alone may be the bucket or what is in it.
        count if count == open && !(name == "resources" && found.iter().any(bucket)) => found,
        1 if name != "resources" => std::iter::repeat_n(found, open).flatten().collect(),
        count if name == "resources" && count * 2 == open && found.iter().all(bucket) => {
            found.into_iter().flat_map(|arn| [format!("{arn}/*"), arn]).collect()
        }
        _ => Vec::new(),
    }
}
