//! What is said of services and accounts that were seen in part, or in which nothing happened.

use super::*;

#[test]
fn a_quiet_service_has_nothing_but_good_to_say() {
    let world = World::quiet();
    let service = &world.observe()[2];
    assert_eq!(service.type_name, TypeName::DELIVERY_SERVICE);
    assert_eq!(service.uid.as_str(), format!("{PIPELINE}/deliveries"));
    for (property, _) in SERVICE_RULES {
        world.service(property).is_good();
    }
    for (property, _) in ACCOUNT_RULES {
        world.account(property).is_good();
    }
}

#[test]
fn of_a_service_that_nobody_looked_at_nothing_is_known() {
    let world = World::quiet().without(|_| true);
    for (property, _) in SERVICE_RULES.iter().filter(|(property, _)| !NEEDS_MORE.contains(property)) {
        world.service(property).is_open("not looked at");
    }
    for (property, _) in ACCOUNT_RULES {
        world.account(property).is_open("not looked at");
    }
}

#[test]
fn where_everything_was_seen_and_nothing_is_there_codedeploy_has_no_part() {
    let told = |world: &World| {
        let resource = world.observe().into_iter().find(|it| it.type_name == TypeName::DELIVERY_SERVICE).unwrap();
        resource.properties.get("DeploysWithCodeDeploy").and_then(Value::as_bool)
    };
    // It would deploy with CodeDeploy, and to what is not known.
    assert_eq!(told(&World::quiet()), None);
    let mut stacks = World::quiet();
    stacks.amend(PIPELINE, |pipeline| {
        let text = serde_json::to_string(&pipeline.properties["Stages"]).unwrap();
        let text = text.replace("\"CodeDeploy\"", "\"CloudFormation\"");
        pipeline.properties.insert("Stages".to_owned(), serde_json::from_str(&text).unwrap());
    });
    assert_eq!(told(&stacks), Some(false));
    assert_eq!(told(&stacks.clone().without(|source| source == HistorySource::PipelineExecutions)), None);
    stacks.forget(PIPELINE);
    assert_eq!(told(&stacks), None, "what its pipeline would do was not seen");
    let mut released = World::quiet();
    released.release("x1", NOON, None);
    assert_eq!(told(&released), Some(true));
}

#[test]
fn what_global_services_say_elsewhere_makes_no_place_there() {
    let mut world = World::quiet();
    world.history.coverage.spans.retain(|span| span.region.as_ref().is_none_or(|it| it.as_str() != "us-east-1"));
    let (from, to) = (world.options.earliest(), AS_OF);
    world.look(HistorySource::LookupEvents, Some("us-east-1"), Some("PutRolePolicy"), from, to);
    world.call("iam", "PutRolePolicy", NOON, "alice", json!({"roleName": "x"}), json!(null));
    let places = |world: &World| {
        let accounts = world.observe().into_iter().filter(|it| it.type_name == TypeName::DELIVERY_ACCOUNT);
        accounts.map(|it| it.region.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(places(&world), ["eu-west-1"]);
    world.look(HistorySource::LookupEvents, Some("us-east-1"), None, from, to);
    assert_eq!(places(&world), ["eu-west-1", "us-east-1"]);
}

#[test]
fn what_is_known_to_deploy_elsewhere_deploys_not_to_production() {
    let told = |change: &dyn Fn(&mut Service)| {
        let mut world = World::quiet();
        change(&mut world.delivery.services[0]);
        let resource = world.observe().into_iter().find(|it| it.type_name == TypeName::DELIVERY_SERVICE).unwrap();
        resource.properties.get("DeploysToProduction").and_then(Value::as_bool)
    };
    let without = |service: &mut Service, is_elsewhere: bool| {
        service.production = None;
        service.not_measurable = Some("nothing of it deploys to production (stage name Test)".to_owned());
        service.is_elsewhere = is_elsewhere;
    };
    assert_eq!(told(&|_| {}), Some(true));
    assert_eq!(told(&|service| without(service, true)), Some(false));
    assert_eq!(told(&|service| without(service, false)), None);
}

/// Without a freeze it has nothing to be about; with one, its own test takes its sources away.
const NEEDS_MORE: &[&str] = &["FreezeDeployments"];

#[test]
fn what_is_found_through_deployments_is_open_where_executions_were_denied() {
    let denied = World::quiet().without(|source| source == HistorySource::PipelineExecutions);
    for property in ["SilencedAlarms", "ForeignHookResults", "UnguardedDeployments", "DeploymentGroupChanges"] {
        denied.service(property).is_open("executions were not looked at");
    }
    let mut unread = World::quiet();
    unread.direct("d-9", NOON, TriggerKind::Direct);
    let unread = unread.without(|source| source.tells_events() || source == HistorySource::Deployments);
    for property in ["SilencedAlarms", "ForeignHookResults", "UnguardedDeployments", "DeploymentGroupChanges"] {
        unread.service(property).is_open("not looked at");
    }
}

#[test]
fn rules_and_facts_name_the_same_properties() {
    let world = World::quiet();
    for resource in world.observe() {
        let mut joins = crate::facts::Joins::new(crate::facts::Rules::default(), AS_OF, 7);
        joins.finish();
        let subject = crate::facts::subject(&resource, &joins).unwrap();
        let mut unknown: Vec<&str> = subject.facts.unknown.keys().map(AsRef::as_ref).collect();
        // No deployment: no metric, and nobody knows with what.
        unknown.retain(|name| {
            !name.ends_with("Minutes") && !name.ends_with("Percent") && *name != "deploysWithCodeDeploy"
        });
        assert!(unknown.is_empty(), "{unknown:?}");
        let rules =
            if resource.type_name == TypeName::DELIVERY_SERVICE { SERVICE_RULES.len() } else { ACCOUNT_RULES.len() };
        let sets = subject.facts.known.iter().filter(|(name, fact)| {
            matches!(fact, crate::facts::Fact::Set(_)) && !["tags", "tagKeys", "freezes"].contains(&name.as_ref())
        });
        assert_eq!(sets.count(), rules);
    }
}
