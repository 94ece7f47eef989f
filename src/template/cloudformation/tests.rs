//! Every function in both of its forms, every kind of choice, and templates that mean harm.

#![expect(clippy::format_push_string, reason = "texts are built as they are read")]

use serde_json::{Value, json};

use super::*;
use crate::template::Limits;

fn template(text: &str, given: &[(&str, &str)]) -> Template {
    let document = Document::read("t.yaml", text.as_bytes(), &Limits::default()).unwrap();
    let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let place = Place::new("111122223333".parse().ok(), "eu-west-1".parse().ok());
    Template::of(&document, &given, &place, None)
}

/// The properties of the resource `R`, holes as `${expression}`, under the base choice.
fn resolved(text: &str, given: &[(&str, &str)]) -> Value {
    let template = template(text, given);
    let base = template.choices().into_iter().filter_map(|c| Some((c.name, c.values.first()?.clone()))).collect();
    properties(&template, &base)
}

fn properties(template: &Template, assignment: &Assignment) -> Value {
    let mut holes = Holes::default();
    let raws = template.declare(assignment, &mut holes);
    let raw = raws.iter().find(|raw| raw.logical_id == "R").unwrap();
    spoken(&raw.properties.to_value(), &holes)
}

fn spoken(value: &Value, holes: &Holes) -> Value {
    match value {
        Value::String(text) => Value::from(holes.spoken(text)),
        Value::Array(items) => items.iter().map(|item| spoken(item, holes)).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), spoken(value, holes))).collect(),
        other => other.clone(),
    }
}

const HEAD: &str = "
Parameters:
  Size: {Type: String}
  Named: {Type: String, Default: web}
  Listed: {Type: CommaDelimitedList, Default: 'a, b,c'}
  Open: {Type: 'List<AWS::EC2::Subnet::Id>'}
  Path: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /ci/bucket}
  Token: {Type: String, NoEcho: true, Default: hunter2}
Mappings:
  Sizes:
    web: {Small: 1, Zones: [x, y], Same: s}
    api: {Small: 2, Zones: [z], Same: s}
Resources:
  Store: {Type: 'AWS::S3::Bucket', Properties: {BucketName: !Sub '${Named}-store'}}
  Key: {Type: 'AWS::KMS::Key'}
  Nested: {Type: 'AWS::CloudFormation::Stack'}
  R:
    Type: AWS::CodeBuild::Project
    Properties:
";

/// One expression as the value of a property.
fn value(expression: &str) -> Value {
    resolved(&format!("{HEAD}      V: {expression}\n"), &[]).get("V").cloned().unwrap_or(json!("nothing"))
}

#[test]
fn every_function_in_both_forms() {
    let key = "arn:aws:kms:eu-west-1:111122223333:key/Key";
    for (expression, expected) in [
        ("!Ref Named", json!("web")),
        ("{Ref: Named}", json!("web")),
        ("!Ref Size", json!("${Size}")),
        ("!Ref Store", json!("web-store")),
        ("!GetAtt Key.Arn", json!(key)),
        ("{'Fn::GetAtt': [Key, Arn]}", json!(key)),
        ("{'Fn::GetAtt': Key.Arn}", json!(key)),
        ("!GetAtt [Key, Arn]", json!(key)),
        ("!GetAtt [Key, !Ref Size]", json!("${Key.?}")),
        ("!GetAtt Nested.Outputs.Name", json!("${Nested.Outputs.Name}")),
        ("!Sub 'x-${Size}-${!Size}-${Store}-${Key.Arn}'", json!(format!("x-${{Size}}-${{Size}}-web-store-{key}"))),
        ("!Sub ['${A}-${Named}', {A: !Ref Size}]", json!("${Size}-web")),
        ("!Sub 'a-${AWS::Region}-${AWS::AccountId}-${AWS::Partition}'", json!("a-eu-west-1-111122223333-aws")),
        ("!Join ['-', [a, !Ref Named, !Ref 'AWS::NoValue', !Ref Size]]", json!("a-web-${Size}")),
        ("!Join [',', !Ref Listed]", json!("a,b,c")),
        ("!Join [',', !Ref Open]", json!("${Fn::Join ${Open}}")),
        ("!Ref Listed", json!(["a", "b", "c"])),
        ("!Select [1, !Ref Listed]", json!("b")),
        ("!Select ['1', !Split ['/', 'a/b/c']]", json!("b")),
        ("!Select [9, !Ref Listed]", json!("${Fn::Select 9}")),
        ("!Select [0, !Ref Open]", json!("${Fn::Select 0 ${Open}}")),
        ("!Select [!Ref Size, [a, b]]", json!("${Fn::Select ${Size}}")),
        ("!Select [0, !Split ['-', !Ref Size]]", json!("${Fn::Select 0 ${Fn::Split ${Size}}}")),
        ("!Split ['-', !Sub 's3cret-${Size}-x-${Path}']", json!("${Fn::Split ${Size} ${Path}}")),
        ("!Select [1, !Split ['/', !Ref 'AWS::StackId']]", json!("${AWS::StackName}")),
        ("!FindInMap [Sizes, !Ref Named, Small]", json!(1)),
        ("!FindInMap [Sizes, web, Zones]", json!(["x", "y"])),
        ("!FindInMap [Sizes, db, Small, {DefaultValue: 7}]", json!(7)),
        ("!FindInMap [Sizes, db, Small]", json!("${Fn::FindInMap Sizes db Small}")),
        ("!ImportValue shared", json!("${Fn::ImportValue shared}")),
        ("{'Fn::ImportValue': !Sub '${Named}-x'}", json!("${Fn::ImportValue web-x}")),
        ("!ImportValue {'Fn::Sub': '${Size}-x'}", json!("${Fn::ImportValue ${Size}-x}")),
        ("!Base64 abc", json!("YWJj")),
        ("{'Fn::Base64': !Sub '${Named}'}", json!("d2Vi")),
        ("{'Fn::Base64': !Sub 's3cret ${Size}'}", json!("${Fn::Base64}")),
        ("!Cidr ['10.0.0.0/16', 2, 8]", json!("${Fn::Cidr}")),
        ("!GetAZs ''", json!("${Fn::GetAZs}")),
        ("!GetAZs {Ref: 'AWS::Region'}", json!("${Fn::GetAZs}")),
        ("!GetStackOutput {StackName: a, OutputName: B}", json!("${Fn::GetStackOutput a B eu-west-1}")),
        (
            "{'Fn::GetStackOutput': {StackName: !Ref Size, OutputName: B, Region: us-east-1, \
             RoleArn: 'arn:aws:iam::444455556666:role/r'}}",
            json!("${Fn::GetStackOutput ${Size} B us-east-1 444455556666}"),
        ),
        ("{'Fn::Length': !Ref Listed}", json!(3)),
        ("{'Fn::Length': !Ref Open}", json!("${Fn::Length ${Open}}")),
        ("{'Fn::ToJsonString': {a: !Ref Named, b: [1]}}", json!(r#"{"a":"web","b":[1]}"#)),
        ("!Ref Path", json!("${Path}")),
        ("!Ref Token", json!("${Token}")),
        ("!Ref 'AWS::NoValue'", json!("nothing")),
        ("!Ref 'AWS::URLSuffix'", json!("amazonaws.com")),
        ("!Ref Nobody", json!("${Nobody}")),
        ("!Wat x", json!("${Fn::Wat}")),
        ("{'Fn::GetAtt:': [Key, Arn]}", json!("${Fn::GetAtt:}")),
        ("{'Fn::Transform': {Name: Up, Parameters: {In: !Ref Named}}}", json!("${Fn::Transform Up}")),
        ("!Transform {Name: Up, Parameters: {In: !Ref Token}}", json!("${Fn::Transform Up}")),
        ("{'Fn::Transform': [s3cret]}", json!("${Fn::Transform a macro}")),
        ("{a: 1, 'Fn::Transform': {Name: AWS::Include}}", json!("${Fn::Transform AWS::Include}")),
        ("!If [!Equals [!ImportValue x, y], s3cret, z]", json!("${Fn::If}")),
        ("'{{resolve:secretsmanager:x:SecretString:y}}'", json!("{{resolve:secretsmanager:x:SecretString:y}}")),
        ("'a-{{resolve:ssm:/x:1}}'", json!("a-${{{resolve:ssm:/x:1}}}")),
        (
            "{EnvironmentVariables: [{Value: '{{resolve:ssm:/x}}'}]}",
            json!({"EnvironmentVariables": [{"Value": "{{resolve:ssm:/x}}"}]}),
        ),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
}

/// What nothing before a deployment answers is one value only where all of it is the same.
#[test]
fn two_calls_of_one_macro_are_two_values() {
    let of = |given: &str| format!("{{'Fn::Transform': {{Name: Up, Parameters: {{In: {given}}}}}}}");
    let text = |end: &str| of(&format!("!Sub '${{AWS::StackName}}-{end}'"));
    let long = |end: &str| of(&format!("{}{end}", "x".repeat(300)));
    for (one, other) in [
        (text("a"), text("b")),
        (long("a"), long("b")),
        ("{a: 1, 'Fn::Transform': {Name: Up}}".into(), "{a: 2, 'Fn::Transform': {Name: Up}}".into()),
        ("!Cidr [10.0.0.0/16, 2, 8]".into(), "!Cidr [10.1.0.0/16, 2, 8]".into()),
        ("!Wat a".into(), "!Wat b".into()),
        ("!Base64 {Ref: Size}".into(), "!Base64 {Ref: Path}".into()),
        ("!Join ['-', !Ref Open]".into(), "!Join ['.', !Ref Open]".into()),
        ("!Split ['-', !Ref Size]".into(), "!Split ['.', !Ref Size]".into()),
        ("!Select [!Ref Size, [a, b]]".into(), "!Select [!Ref Size, [c, d]]".into()),
        ("!GetAtt [Key, !Ref Size]".into(), "!GetAtt [Key, !Ref Path]".into()),
        (
            "!GetStackOutput {StackName: a, OutputName: X}".to_owned(),
            "!GetStackOutput {StackName: a, OutputName: X, Region: us-east-1}".to_owned(),
        ),
    ] {
        let properties = format!("{HEAD}      A: {one}\n      B: {other}\n      C: {one}\n");
        let text = format!("Conditions: {{Same: !Equals [{one}, {other}]}}\n{properties}");
        let template = template(&text, &[]);
        let mut holes = Holes::default();
        let raws = template.declare(&Assignment::new(), &mut holes);
        let raw = raws.iter().find(|raw| raw.logical_id == "R").unwrap();
        let value = |key: &str| raw.properties.get(key).map(Node::to_value).unwrap();
        assert_ne!(value("A"), value("B"), "{one}");
        assert_eq!(value("A"), value("C"), "{one}");
        let imports = BTreeMap::new();
        let nothing = Assignment::new();
        let mut resolver = Resolver::new(&template, &template.root, &nothing, &imports, &mut holes);
        assert_eq!(resolver.condition("Same"), None, "{one}");
    }
}

/// Macros are given keys, and machines are given scripts: reports go further than templates do.
#[test]
fn calls_are_told_apart_without_what_they_are_applied_to() {
    let call = |given: &str| format!("{{'Fn::Transform': {{Name: Up, Parameters: {{ApiKey: {given}}}}}}}");
    let (one, other) = (call("s3cret=1"), call("s3cret=2"));
    let script = |end: &str| format!("{{'Fn::Base64': !Sub 'echo s3cret ${{Size}} {end}'}}");
    let (first, second) = (script("a"), script("b"));
    let text = format!(
        "{HEAD}      A: {one}\n      B: {other}\n      C: {one}\n      D: {first}\n      E: {second}\n      F: {first}\n"
    );
    let expected = json!({
        "A": "${Fn::Transform Up}", "B": "${Fn::Transform Up (2)}", "C": "${Fn::Transform Up}",
        "D": "${Fn::Base64}", "E": "${Fn::Base64 (2)}", "F": "${Fn::Base64}",
    });
    assert_eq!(resolved(&text, &[]), expected);
    // The second can be given by its name as well.
    assert_eq!(resolved(&text, &[("Fn::Transform Up (2)", "x")])["B"], json!("x"));
}

#[test]
fn long_expressions_are_cut_and_still_told_apart() {
    let long = |end: &str| format!("!ImportValue {}{end}", "x".repeat(300));
    let text = format!("{HEAD}      A: {}\n      B: {}\n      C: {}\n", long("a"), long("b"), long("a"));
    let found = resolved(&text, &[]);
    let said = |key: &str| found[key].as_str().unwrap().to_owned();
    assert_eq!(said("A"), said("C"));
    assert_eq!(said("B"), said("A").replace('}', " (2)}"));
    assert!(said("A").ends_with("xx…}") && said("A").chars().count() < 210, "{found}");
}

#[test]
fn an_open_key_of_a_mapping_matters_only_where_its_values_differ() {
    let value = |key: &str, given: &[(&str, &str)]| {
        resolved(&format!("{HEAD}      V: !FindInMap [Sizes, !ImportValue size, {key}]\n"), given)["V"].clone()
    };
    assert_eq!(value("Same", &[]), json!("s"));
    assert_eq!(value("Small", &[]), json!("${Fn::FindInMap Sizes ${Fn::ImportValue size} Small}"));
    assert_eq!(value("Small", &[("Fn::ImportValue size", "api")]), json!(2));
    // A parameter has one of the keys, or the stack cannot be made.
    let text = format!("{HEAD}      V: !FindInMap [Sizes, !Ref Size, Small]\n");
    let choice = &template(&text, &[]).choices()[0];
    assert_eq!(
        (choice.name.as_str(), choice.values.as_slice()),
        ("Size", ["api", "web"].map(str::to_owned).as_slice())
    );
}

#[test]
fn whatever_has_no_value_can_be_given_by_its_expression() {
    let text = format!(
        "{HEAD}      A: !ImportValue shared\n      B: !Ref AWS::StackName\n      C: !Ref Path\n      D: !Ref Size\n"
    );
    let given = [
        ("Fn::ImportValue shared", "one"),
        ("AWS::StackName", "two"),
        ("{{resolve:ssm:/ci/bucket}}", "three"),
        ("Size", "four"),
    ];
    assert_eq!(resolved(&text, &given), json!({"A": "one", "B": "two", "C": "three", "D": "four"}));
    // What is hidden stays so, even where it was given.
    assert_eq!(resolved(&format!("{HEAD}      V: !Ref Token\n"), &[("Token", "s3cret")]), json!({"V": "${Token}"}));
}

#[test]
fn no_value_takes_its_property_or_element_away() {
    let head = format!("Conditions:\n  On: !Equals [!Ref Named, web]\n  Off: !Not [!Condition On]\n{HEAD}");
    let body = "
      A: !If [On, 1, !Ref 'AWS::NoValue']
      B: !If [Off, 1, !Ref 'AWS::NoValue']
      C: [x, !If [Off, y, !Ref 'AWS::NoValue'], {'Fn::If': [On, z, w]}]
";
    let text = format!("{head}{body}");
    assert_eq!(resolved(&text, &[]), json!({"A": 1, "C": ["x", "z"]}));
    assert_eq!(resolved(&text, &[("Named", "api")]), json!({"B": 1, "C": ["x", "y", "w"]}));
}

#[test]
fn values_stand_where_their_expression_stands() {
    let text = "Conditions:\n  On: !Equals [a, a]\nResources:\n  R:\n    Type: AWS::CodeBuild::Project\n    Properties:\n      A: !If\n        - On\n        - !Ref AWS::Region\n        - x\n";
    let mut holes = Holes::default();
    let raws = template(text, &[]).declare(&Assignment::new(), &mut holes);
    let value = raws[0].properties.get("A").unwrap();
    assert_eq!((value.as_str(), value.span.start.line, raws[0].span.start.line), (Some("eu-west-1"), 9, 4));
}

fn said(text: &str) -> Vec<String> {
    let choices = template(text, &[]).choices();
    choices.into_iter().map(|choice| format!("{} {:?} {:?}", choice.name, choice.default, choice.values)).collect()
}

#[test]
fn only_what_decides_something_about_the_delivery_path_is_a_choice() {
    let text = "
Parameters:
  Gate: {Type: String, Default: 'No', AllowedValues: ['Yes', 'No']}
  Stage: {Type: String}
  Fleet: {Type: String, Default: small}
  Color: {Type: String, AllowedValues: [red, blue], Default: blue}
  Key: {Type: String, Default: ''}
  Token: {Type: String, NoEcho: 'true', Default: hunter2}
Conditions:
  Gated: !Equals [!Ref Gate, 'Yes']
  Prod: !Or [!Equals [!Ref Stage, prod], !Equals [live, !Ref Stage]]
  Both: !And [!Condition Gated, !Condition Prod]
  Big: !Equals [!Ref Fleet, big]
  HasKey: !Not [!Equals ['', !Ref Key]]
  HasToken: !Not [!Equals ['', !Ref Token]]
Resources:
  Fleet: {Type: 'AWS::EC2::Instance', Condition: Big}
  R:
    Type: AWS::CodePipeline::Pipeline
    Condition: Both
    Properties:
      Name: !Sub 'web-${Color}'
      Key: !If [HasKey, !Ref Key, !Ref 'AWS::NoValue']
      Token: !If [HasToken, a, b]
";
    assert_eq!(
        said(text),
        [
            r#"Color Some("blue") ["blue", "red"]"#,
            r#"Gate Some("No") ["No", "Yes"]"#,
            r#"Key Some("") ["", "anything else"]"#,
            r#"Stage None ["prod", "live", "anything else"]"#,
            r#"Token Some("its default") ["its default", "", "anything else"]"#,
        ]
    );
}

#[test]
fn the_region_is_a_choice_only_where_it_is_unknown_and_decides() {
    let text = "
Conditions:
  Home: !Equals [!Ref 'AWS::Region', eu-west-1]
Resources:
  R:
    Type: AWS::CodePipeline::Pipeline
    Condition: Home
    Properties:
      ArtifactStores: [{Region: us-east-1}, {Region: eu-west-1}]
";
    assert!(said(text).is_empty());
    let document = Document::read("t.yaml", text.as_bytes(), &Limits::default()).unwrap();
    let template = Template::of(&document, &BTreeMap::new(), &Place::new(None, None), None);
    let choices = template.choices();
    assert_eq!(choices[0].name, "AWS::Region");
    assert_eq!(choices[0].values, ["eu-west-1", "us-east-1", "anything else"]);
    let chosen = |value: &str| Assignment::from([("AWS::Region".to_owned(), value.to_owned())]);
    let raws = |value: &str| template.declare(&chosen(value), &mut Holes::default());
    assert_eq!(raws("eu-west-1")[0].place.region.as_str(), "eu-west-1");
    assert!(raws("us-east-1").is_empty() && raws("anything else").is_empty());
}

#[test]
fn conditions_that_nothing_decides_are_chosen_themselves() {
    let text = "
Conditions:
  Imported: !Equals [!ImportValue x, y]
  Circle: !Not [!Condition Circle]
  Never: !And [!Condition Imported, !Equals [a, b]]
Resources:
  R:
    Type: AWS::CodePipeline::Pipeline
    Properties: {A: !If [Imported, 1, 2], B: !If [Circle, 1, 2], C: !If [Never, 1, 2], D: !If [Missing, 1, 2]}
";
    let chosen = said(text);
    assert_eq!(
        chosen,
        [
            r#"Condition Circle None ["true", "false"]"#,
            r#"Condition Imported None ["true", "false"]"#,
            r#"Condition Missing None ["true", "false"]"#,
        ]
    );
    assert_eq!(resolved(text, &[]), json!({"A": 1, "B": 1, "C": 2, "D": 1}));
}

#[test]
fn another_value_than_production_is_none_and_any_other_value_is_open() {
    let text = |name: &str, literal: &str| {
        format!(
            "
Parameters: {{{name}: {{Type: String}}}}
Conditions: {{Is: !Equals [!Ref {name}, {literal}]}}
Resources:
  R: {{Type: 'AWS::CodePipeline::Pipeline', Properties: {{A: !If [Is, 1, 2], B: !Ref {name}}}}}
"
        )
    };
    let under = |name: &str, literal: &str| {
        let other = Assignment::from([(name.to_owned(), "anything else".to_owned())]);
        properties(&template(&text(name, literal), &[]), &other)
    };
    assert_eq!(under("Flavor", "prod"), json!({"A": 2, "B": "other"}));
    assert_eq!(under("Flavor", "x"), json!({"A": 2, "B": "${Flavor}"}));
    assert_eq!(under("Stage", "x"), json!({"A": 2, "B": "other"}));
}

#[test]
fn a_free_name_of_an_environment_may_be_production() {
    let values = |parameter: &str, more: &str| {
        let text = format!(
            "
Parameters: {{{parameter}}}
Mappings: {{Sizes: {{qa: {{Size: 1}}, live: {{Size: 2}}}}}}
Conditions: {{Is: !Equals [!Ref Stage, production]}}
Resources:
  R: {{Type: 'AWS::CodePipeline::Pipeline', Properties: {{Name: !Ref Stage{more}}}}}
"
        );
        said(&text).join("; ")
    };
    assert_eq!(values("Stage: {Type: String}", ""), r#"Stage None ["prod", "dev"]"#);
    assert_eq!(values("Stage: {Type: String, Default: qa}", ""), r#"Stage Some("qa") ["qa", "prod"]"#);
    assert_eq!(values("Stage: {Type: String, Default: production}", ""), "");
    // What production is called is said, and what there is no key for cannot be given.
    assert_eq!(values("Stage: {Type: String}", ", A: !If [Is, 1, 2]"), r#"Stage None ["production", "anything else"]"#);
    assert_eq!(
        values("Stage: {Type: String}", ", A: !FindInMap [Sizes, !Ref Stage, Size]"),
        r#"Stage None ["live", "qa"]"#
    );
}

#[test]
fn loops_are_unrolled_in_every_section_and_inside_each_other() {
    let text = "
Transform: AWS::LanguageExtensions
Parameters: {Teams: {Type: CommaDelimitedList, Default: 'web,api'}}
Conditions:
  'Fn::ForEach::C': [T, !Ref Teams, {'Is${T}': !Equals ['${T}', web]}]
Resources:
  'Fn::ForEach::Outer':
    - Team
    - !Ref Teams
    - 'Fn::ForEach::Inner':
        - Range
        - ['10.0/1', '10.0/2']
        - 'Bucket${Team}&{Range}':
            Type: AWS::S3::Bucket
            Condition: 'Is${Team}'
            Properties:
              BucketName: !Sub '${Team}-&{Range}-${AWS::Region}'
              Tag: !Ref Range
              'Fn::ForEach::P': [K, [One, Two], {'Key${K}': !Ref K}]
";
    let raws = template(text, &[]).declare(&Assignment::new(), &mut Holes::default());
    let ids: Vec<&str> = raws.iter().map(|raw| raw.logical_id.as_str()).collect();
    assert_eq!(ids, ["Bucketweb1001", "Bucketweb1002"]);
    let expected = json!({"BucketName": "web-1001-eu-west-1", "Tag": "10.0/1", "KeyOne": "One", "KeyTwo": "Two"});
    assert_eq!(raws[0].properties.to_value(), expected);
    assert!(template(text, &[]).notices().is_empty());
}

#[test]
fn a_loop_over_an_open_list_turns_once_for_an_open_element() {
    let text = "
Transform: AWS::LanguageExtensions
Parameters: {Teams: {Type: CommaDelimitedList}}
Resources:
  'Fn::ForEach::T': [Team, !Ref Teams, {'Bucket${Team}': {Type: 'AWS::S3::Bucket', Properties: {BucketName: 'x-${Team}'}}}]
  R: {Type: 'AWS::S3::Bucket', Properties: {A: 1, 'Fn::ForEach::P': [K, !Ref Teams, {'${K}': 1}]}}
";
    let mut holes = Holes::default();
    let raws = template(text, &[]).declare(&Assignment::new(), &mut holes);
    assert_eq!(raws[0].logical_id, "Bucket${Teams}");
    assert_eq!(holes.spoken(raws[0].properties.text_at(&["BucketName"]).unwrap()), "x-${Teams}");
    assert!(raws[1].more.is_some(), "{:?}", raws[1]);
}

#[test]
fn what_refers_to_itself_or_grows_without_end_ends() {
    let mut doubling = String::from("Resources:\n");
    for n in 0..60 {
        doubling.push_str(&format!(
            "  B{n}: {{Type: 'AWS::S3::Bucket', Properties: {{BucketName: !Sub '${{B{}}}${{B{}}}'}}}}\n",
            n + 1,
            n + 1
        ));
    }
    let mut chain = String::from("Resources:\n");
    for n in 0..3000 {
        chain.push_str(&format!("  B{n}: {{Type: 'AWS::S3::Bucket', Properties: {{BucketName: !Ref B{}}}}}\n", n + 1));
    }
    let mut conditions = String::from("Conditions:\n");
    for n in 0..3000 {
        conditions.push_str(&format!("  C{n}: !Not [!Condition C{}]\n", n + 1));
    }
    conditions.push_str("Resources:\n  R: {Type: 'AWS::S3::Bucket', Condition: C0}\n");
    let circle = "Resources:\n  A: {Type: 'AWS::S3::Bucket', Properties: {BucketName: !Ref B}}\n  B: {Type: 'AWS::S3::Bucket', Properties: {BucketName: !Ref A}}\n";
    let mut bomb = String::from("Transform: AWS::LanguageExtensions\nResources:\n");
    let list = format!("[{}]", (0..50).map(|n| format!("v{n}")).collect::<Vec<_>>().join(","));
    let mut indent = String::from("  ");
    for n in 0..8 {
        bomb.push_str(&format!("{indent}'Fn::ForEach::L{n}':\n{indent}  - I{n}\n{indent}  - {list}\n{indent}  -\n"));
        indent.push_str("    ");
    }
    bomb.push_str(&format!("{indent}'B${{I0}}': {{Type: 'AWS::S3::Bucket'}}\n"));
    let mut inline = "{Ref: Open}".to_owned();
    for _ in 0..40 {
        inline = format!("{{'Fn::If': [{{'Fn::Equals': [{inline}, a]}}, b, c]}}");
    }
    let bucket = |name: &str| format!("{{Type: 'AWS::S3::Bucket', Properties: {{BucketName: {name}}}}}");
    let open = "Parameters: {Open: {Type: String}}\nResources:\n";
    let nested = format!("{open}  B: {}\n", bucket(&inline));
    let (mut asked, mut imported) = (open.to_owned(), open.to_owned());
    for n in 0..40 {
        let before = if n == 0 { "Open".to_owned() } else { format!("R{}", n - 1) };
        let name = format!("{{'Fn::GetStackOutput': {{StackName: !Ref {before}, OutputName: !Ref {before}}}}}");
        asked.push_str(&format!("  R{n}: {}\n", bucket(&name)));
        let name = format!("{{'Fn::ImportValue': !Sub '${{{before}}}${{{before}}}'}}");
        imported.push_str(&format!("  R{n}: {}\n", bucket(&name)));
    }
    for text in [doubling, chain, conditions, circle.to_owned(), bomb, nested, asked, imported] {
        let template = template(&text, &[]);
        let _ = (template.choices(), template.notices());
        let mut holes = Holes::default();
        let raws = template.declare(&Assignment::new(), &mut holes);
        let size: usize = raws.iter().map(|raw| raw.properties.to_value().to_string().len()).sum();
        assert!(size < 64 << 20, "{size}");
        assert!(holes.iter().all(|(_, hole)| hole.expression.chars().count() < 220));
    }
}

#[test]
fn parts_that_nobody_looked_at_are_noticed() {
    let text = "
Transform: AWS::CodeDeployBlueGreen
Hooks: {Shift: {Type: 'AWS::CodeDeploy::BlueGreen', Properties: {Applications: []}}}
Resources:
  Set: {Type: 'AWS::CloudFormation::StackSet', Properties: {StackSetName: x, TemplateBody: '{}'}}
  Gate: {Type: 'Acme::Delivery::Gate::MODULE'}
  Inc: !Include pipeline.yml
  Empty:
  Pipe: {Type: 'AWS::CloudFormation::Stack', Properties: {TemplateURL: ./pipe.yaml, Parameters: {Gate: 'Yes'}}}
  App: {Type: 'AWS::Serverless::Application', Properties: {Location: !Ref Where}}
  Store: {Type: 'AWS::S3::Bucket'}
";
    let template = template(text, &[]);
    let lines = |notices: Vec<(Span, String)>| -> Vec<(u32, String)> {
        notices.into_iter().map(|(span, text)| (span.start.line, text)).collect()
    };
    let found = lines(template.notices());
    assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 5, 6, 7, 8], "{found:?}");
    for ((_, text), said) in found.iter().zip(["`Shift`", "stack set Set", "::MODULE", "`!Include`", "no `Type`"]) {
        assert!(text.contains(said), "{found:?}");
    }
    let found = lines(notices::nested(&template.root));
    assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [9, 10], "{found:?}");
    assert!(found[0].1.contains("Pipe (./pipe.yaml)") && found[1].1.contains("App was not"), "{found:?}");
}

#[test]
fn odd_templates_are_noticed_with_their_place() {
    let text = "
Transform: [AWS::Serverless-2016-10-31, Shiny]
Parameters: {Gate: {Type: String, AllowedValues: [a, b]}}
Conditions: {On: !Equals [!Ref Gate, a]}
Resources:
  R:
    Type: AWS::CodePipeline::Pipeline
    Properties: {A: !Reff x, B: {'Fn::GetAtt:': [x, y]}, C: !Ref SomethingGenerated}
";
    let noticed = |text: &str, given: &[(&str, &str)]| -> Vec<(u32, String)> {
        template(text, given).notices().into_iter().map(|(span, text)| (span.start.line, text)).collect()
    };
    let found = noticed(text, &[("Gate", "c")]);
    let lines: Vec<u32> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [2, 3, 8, 8], "{found:?}");
    assert!(found[0].1.contains("`Shiny`") && found[1].1.contains("`c`"), "{found:?}");
    let plain = text.replace("[AWS::Serverless-2016-10-31, Shiny]", "AWS::LanguageExtensions");
    let found = noticed(&plain, &[]);
    assert!(found.iter().any(|(line, text)| *line == 8 && text.contains("`SomethingGenerated`")), "{found:?}");
}
