//! Functions that look something up.
//!
//! In: calls of `GetAtt`, `FindInMap`, `ImportValue`, `GetStackOutput` and `If`. Out: what they find, or a hole that
//! says what to give.

use super::function::{Attribute, Call, attribute};
use super::resolver::{Resolver, is_open};
use super::stack_output;
use super::wording::{said, written};
use crate::inventory::{Arn, Span};
use crate::template::node::{Node, Tree};

/// What a value inside an imported one costs of the text that a template may produce: it is copied once more for every stack
/// that may import it. The outputs of real stacks are texts.
const IMPORTED: usize = 1 << 10;

impl Resolver<'_> {
    /// A value that came from another stack: lists of lists of them double with every stack.
    pub(super) fn imported(&mut self, value: &Node, span: Span) -> Node {
        if self.spend(cost(value)) {
            return Node { span, ..value.clone() };
        }
        self.hole("more values than are followed", span, "make the values that stacks pass on smaller")
    }

    pub(super) fn get_att(&mut self, call: &Call<'_>, span: Span) -> Node {
        let Some((resource, attribute)) = attribute(call.argument) else {
            return self.unanswered(call, span, "give Fn::GetAtt a resource and an attribute");
        };
        match attribute {
            Attribute::Text(attribute) => {
                // `[Stack, Outputs, Name]` has three parts.
                let more = call.argument.elements().iter().skip(2).filter_map(Node::as_str);
                let path = std::iter::once(attribute).chain(more).collect::<Vec<_>>().join(".");
                self.attribute_of(resource, &path, span)
            }
            Attribute::Expression(node) => match self.resolve(node).and_then(|node| node.scalar()) {
                Some(attribute) if !crate::template::hole::has_holes(&attribute) => {
                    self.attribute_of(resource, &attribute, span)
                }
                open => {
                    let wording = open.unwrap_or_default();
                    self.hole_for(&format!("{resource}.?"), &wording, span, "write the attribute itself")
                }
            },
        }
    }

    pub(super) fn either(&mut self, call: &Call<'_>, span: Span) -> Option<Node> {
        let [condition, then, otherwise] = call.argument.elements() else {
            return Some(self.unanswered(call, span, "give Fn::If a condition and two values"));
        };
        let name = condition.scalar().filter(|_| condition.tag.is_none()).unwrap_or_default();
        let truth = if name.is_empty() { self.truth(condition) } else { self.condition(&name) };
        match truth {
            Some(true) => self.resolve(then),
            Some(false) => self.resolve(otherwise),
            None => {
                let (printed, hint) = if name.is_empty() {
                    ("Fn::If".to_owned(), "give the condition a name under Conditions, and pass it by that".to_owned())
                } else {
                    let chosen = format!("Condition {name}");
                    let hint = format!("pass it with --parameter '{chosen}=true' or '=false'");
                    (chosen, hint)
                };
                // The condition as it is written: it was resolved already, and twice per level would double.
                let then = self.worded(|this| this.resolve(then));
                let otherwise = self.worded(|this| this.resolve(otherwise));
                let wording = format!("{}\0{then}\0{otherwise}", written(condition));
                Some(self.hole_for(&printed, &wording, span, &hint))
            }
        }
    }

    pub(super) fn import_value(&mut self, call: &Call<'_>, span: Span) -> Node {
        let name = self.argument(call).and_then(|node| node.scalar()).unwrap_or_default();
        let imports = self.imports;
        if let Some(value) = imports.get(&name) {
            return self.imported(value, span);
        }
        let expression = self.told(&format!("Fn::ImportValue {name}"), "");
        let hint = format!("pass it with --parameter '{expression}=VALUE'");
        self.hole_told(&expression, span, &hint)
    }

    /// The output of another stack, which need not export it; without a Region or role it is a stack of the same place:
    /// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-getstackoutput.html>.
    pub(super) fn stack_output(&mut self, call: &Call<'_>, span: Span) -> Node {
        let argument = self.argument(call);
        let part = |key: &str| argument.as_ref().and_then(|argument| argument.get(key)).and_then(Node::scalar);
        let (Some(stack), Some(output)) = (part("StackName"), part("OutputName")) else {
            let wording = argument.as_ref().map(said).unwrap_or_default();
            let hint = "give Fn::GetStackOutput a StackName and an OutputName";
            return self.hole_for("Fn::GetStackOutput", &wording, span, hint);
        };
        let (template, imports) = (self.template, self.imports);
        let own = &template.place;
        let here = self.place.region.as_str();
        let far = part("Region").filter(|region| region != here && region != own.region.as_str());
        let role = part("RoleArn");
        let named = |role: &String| Arn::parse(role).ok().and_then(|arn| arn.account_id());
        let account = match &role {
            Some(role) => named(role).map_or_else(|| role.clone(), |account| account.as_str().to_owned()),
            None => own.account.as_str().to_owned(),
        };
        let region = far.clone().unwrap_or_else(|| own.region.as_str().to_owned());
        if let Some(value) = imports.get(&stack_output(&account, &region, &stack, &output)) {
            return self.imported(value, span);
        }
        let mut said = vec!["Fn::GetStackOutput", stack.as_str(), output.as_str()];
        said.extend(Some(region.as_str()).filter(|_| far.is_some() || own.region_known));
        said.extend(Some(account.as_str()).filter(|_| role.is_some()));
        let expression = self.told(&said.join(" "), "");
        let hint = format!("pass it with --parameter '{expression}=VALUE'");
        self.hole_told(&expression, span, &hint)
    }

    pub(super) fn find_in_map(&mut self, call: &Call<'_>, span: Span) -> Option<Node> {
        let arguments = call.argument.elements();
        let [map, top, second, options @ ..] = arguments else {
            return Some(self.unanswered(call, span, "give Fn::FindInMap a mapping and two keys"));
        };
        // A key becomes part of what is said about a hole, so that nothing hidden may be in it.
        let comparing = std::mem::replace(&mut self.comparing, false);
        self.deciding += 1;
        let [map, top, second] = [map, top, second].map(|node| {
            let value = self.resolve(node)?;
            let open = is_open(&value);
            Some((value, open))
        });
        self.deciding -= 1;
        self.comparing = comparing;
        let open = [&map, &top, &second].into_iter().flatten().find(|(_, open)| *open).map(|(node, _)| node.clone());
        let text = |key: &Option<(Node, bool)>| key.as_ref().and_then(|(node, _)| node.scalar()).unwrap_or_default();
        let (map, top, second) = (text(&map), text(&top), text(&second));
        let mapping = self.mappings.get(map.as_str()).copied();
        let found = mapping.and_then(|mapping| mapping.get(&top)).and_then(|values| values.get(&second));
        if open.is_none()
            && let Some(value) = found
        {
            return Some(self.mapped(value, span));
        }
        let expression = format!("Fn::FindInMap {map} {top} {second}");
        if let Some(open) = open {
            return Some(if let Some(value) = same_for_all(mapping, &second) {
                self.mapped(value, span)
            } else {
                let hint = self.hint_over(&open);
                self.hole(&expression, span, &hint)
            });
        }
        let default = options.iter().find_map(|option| option.get("DefaultValue"));
        match default {
            Some(default) => self.resolve(default),
            None => Some(self.hole(&expression, span, "the mapping has no such keys; correct it")),
        }
    }

    fn mapped(&mut self, value: &Node, span: Span) -> Node {
        match &value.tree {
            Tree::List(elements) => {
                let texts: Vec<Node> = elements.iter().map(|element| self.mapped(element, span)).collect();
                Node::new(Tree::List(texts), span)
            }
            Tree::String(text) => self.text(text.clone(), span),
            // A macro may have put anything here.
            Tree::Map(_) => {
                let hint = "write the value itself into the mapping";
                self.hole_for("Fn::FindInMap", &written(value), span, hint)
            }
            other => Node::new(other.clone(), span),
        }
    }
}

/// The value under a key that is the same whatever the key above it is.
fn same_for_all<'m>(mapping: Option<&'m Node>, second: &str) -> Option<&'m Node> {
    let mut values = mapping?.entries().iter().map(|entry| entry.value.get(second));
    let first = values.next()??;
    let plain = first.to_value();
    values.all(|value| value.is_some_and(|value| value.to_value() == plain)).then_some(first)
}

/// What it costs to import a value.
fn cost(value: &Node) -> usize {
    match &value.tree {
        Tree::String(text) => text.len(),
        Tree::List(items) => items.iter().map(|item| IMPORTED + cost(item)).sum(),
        Tree::Map(entries) => entries.iter().map(|entry| IMPORTED + entry.key.len() + cost(&entry.value)).sum(),
        _ => 0,
    }
}
