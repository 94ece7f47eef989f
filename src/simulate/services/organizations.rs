//! Organizations.

use serde_json::{Map, Value, json};

use super::super::organization::{
    CONTROL_POLICIES, ControlPolicy, FIRST_WORKLOAD, Part, RESOURCE_CONTROL, SERVICE_CONTROL, State, UNITS,
    delegated_services, says_paths,
};
use super::super::protocol::{ApiError, timestamp};
use super::super::world::World;
use super::pages::{page, with_token};
use super::{Answer, Call, Operation, Service, days_ago};

pub(super) const SERVICE: Service = Service {
    prefix: "organizations",
    target: "AWSOrganizationsV20161128",
    operations: &[
        Operation {
            name: "DescribeOrganization",
            action: "organizations:DescribeOrganization",
            answer: describe_organization,
        },
        Operation { name: "ListRoots", action: "organizations:ListRoots", answer: list_roots },
        Operation {
            name: "ListOrganizationalUnitsForParent",
            action: "organizations:ListOrganizationalUnitsForParent",
            answer: list_units,
        },
        Operation {
            name: "ListAccountsForParent",
            action: "organizations:ListAccountsForParent",
            answer: list_accounts_for_parent,
        },
        Operation { name: "ListAccounts", action: "organizations:ListAccounts", answer: list_accounts },
        Operation { name: "DescribeAccount", action: "organizations:DescribeAccount", answer: describe_account },
        Operation { name: "ListParents", action: "organizations:ListParents", answer: list_parents },
        Operation { name: "ListTagsForResource", action: "organizations:ListTagsForResource", answer: list_tags },
        Operation { name: "ListPolicies", action: "organizations:ListPolicies", answer: list_policies },
        Operation {
            name: "ListPoliciesForTarget",
            action: "organizations:ListPoliciesForTarget",
            answer: list_policies_for_target,
        },
        Operation { name: "DescribePolicy", action: "organizations:DescribePolicy", answer: describe_policy },
        Operation {
            name: "ListTargetsForPolicy",
            action: "organizations:ListTargetsForPolicy",
            answer: list_targets_for_policy,
        },
        Operation {
            name: "ListDelegatedAdministrators",
            action: "organizations:ListDelegatedAdministrators",
            answer: list_delegated_administrators,
        },
        Operation {
            name: "ListDelegatedServicesForAccount",
            action: "organizations:ListDelegatedServicesForAccount",
            answer: list_delegated_services,
        },
    ],
};

/// The most that one page holds, for every list of Organizations.
const PAGE: usize = 20;

/// The management account and the delegated administrator may read, other members may not.
fn allowed<'a>(call: &Call<'a>) -> Result<&'a World, ApiError> {
    if matches!(call.world.member(call.account).part, Part::Management | Part::Tooling) {
        Ok(call.world)
    } else {
        let message = "You don't have permissions to access this resource.".to_owned();
        Err(ApiError::new(400, "AccessDeniedException", message))
    }
}

fn listed(call: &Call<'_>, member: &str, items: &[Value]) -> Answer {
    let (range, next) =
        page(items.len(), call.text("NextToken"), call.number("MaxResults"), PAGE, "InvalidInputException")?;
    let mut answer = Map::new();
    answer.insert(member.to_owned(), json!(items.get(range).unwrap_or_default()));
    Ok(with_token(Value::Object(answer), "NextToken", next))
}

fn describe_organization(call: &Call<'_>) -> Answer {
    let world = call.world;
    if let Some(state) = Some(world.member(call.account).state).filter(|state| *state != State::Active) {
        let message = format!("the account is {}", state.as_str());
        return Err(ApiError::new(400, "AWSOrganizationsNotInUseException", message));
    }
    let id = world.organization_id();
    Ok(json!({ "Organization": {
        "Id": id, "Arn": world.organizations_arn(&format!("organization/{id}")), "FeatureSet": "ALL",
        "MasterAccountArn": world.account_arn(0), "MasterAccountId": world.account_id(0),
        "MasterAccountEmail": "management@example.com",
        "AvailablePolicyTypes": [{ "Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED" }]
    } }))
}

fn list_roots(call: &Call<'_>) -> Answer {
    let world = allowed(call)?;
    let root = json!({
        "Id": world.unit_id(0), "Arn": unit_arn(world, 0), "Name": "Root",
        "PolicyTypes": [
            { "Type": SERVICE_CONTROL, "Status": "ENABLED" }, { "Type": RESOURCE_CONTROL, "Status": "ENABLED" }
        ]
    });
    listed(call, "Roots", &[root])
}

fn unit_arn(world: &World, unit: usize) -> String {
    let kind = if unit == 0 { "root" } else { "ou" };
    world.organizations_arn(&format!("{kind}/{}/{}", world.organization_id(), world.unit_id(unit)))
}

fn unit(call: &Call<'_>, id: &str) -> Result<usize, ApiError> {
    (0..UNITS.len()).find(|unit| call.world.unit_id(*unit) == id).ok_or_else(|| {
        let message = "You specified parent that doesn't exist.".to_owned();
        ApiError::new(400, "ParentNotFoundException", message)
    })
}

fn list_units(call: &Call<'_>) -> Answer {
    let world = allowed(call)?;
    let parent = unit(call, call.required("ParentId")?)?;
    let units: Vec<Value> = UNITS
        .iter()
        .enumerate()
        .filter(|(_, unit)| unit.parent == Some(parent))
        .map(|(number, unit)| json!({ "Id": world.unit_id(number), "Arn": unit_arn(world, number), "Name": unit.name }))
        .collect();
    listed(call, "OrganizationalUnits", &units)
}

/// Name of an account.
fn account_name(world: &World, account: usize) -> String {
    let member = world.member(account);
    match member.part {
        Part::Management => "management".to_owned(),
        Part::Tooling => "tooling".to_owned(),
        Part::LogArchive => "log-archive".to_owned(),
        Part::Workload => {
            let environment = member.environment.unwrap_or("sandbox");
            format!("workload-{environment}-{:03}", account - FIRST_WORKLOAD)
        }
    }
}

fn account(world: &World, account: usize) -> Value {
    let state = world.member(account).state;
    let name = account_name(world, account);
    let joined = if account == 0 { "INVITED" } else { "CREATED" };
    let mut rendered = json!({
        "Id": world.account_id(account), "Arn": world.account_arn(account), "Email": format!("{name}@example.com"),
        "Name": name, "Status": state.as_str(), "JoinedMethod": joined,
        "JoinedTimestamp": timestamp(days_ago(world, 1000, account))
    });
    // The older member `Status` is always there; `State` is newer, and not every endpoint answers it.
    if let (true, Some(fields)) = (account % 5 != 4 && state != State::Suspended, rendered.as_object_mut()) {
        fields.insert("State".to_owned(), json!(state.as_str()));
    }
    rendered
}

/// An account as lists of accounts and descriptions have it.
fn placed_account(world: &World, number: usize) -> Value {
    let mut rendered = account(world, number);
    if let (true, Some(fields)) = (says_paths(number), rendered.as_object_mut()) {
        fields.insert("Paths".to_owned(), json!([path(world, number)]));
    }
    rendered
}

/// `o-…/r-…/ou-…/111122223333/`: where an account stands, in ids.
fn path(world: &World, account: usize) -> String {
    let mut ids = vec![world.account_id(account).to_string()];
    let mut at = Some(world.member(account).unit);
    while let Some(unit) = at {
        ids.push(world.unit_id(unit));
        at = UNITS.get(unit).and_then(|unit| unit.parent);
    }
    ids.push(world.organization_id());
    ids.reverse();
    format!("{}/", ids.join("/"))
}

fn list_accounts_for_parent(call: &Call<'_>) -> Answer {
    let world = allowed(call)?;
    let parent = unit(call, call.required("ParentId")?)?;
    let children: Vec<usize> =
        (0..world.members().len()).filter(|number| world.member(*number).unit == parent).collect();
    accounts(call, world, &children)
}

fn list_accounts(call: &Call<'_>) -> Answer {
    let world = allowed(call)?;
    let all: Vec<usize> = (0..world.members().len()).collect();
    accounts(call, world, &all)
}

fn accounts(call: &Call<'_>, world: &World, numbers: &[usize]) -> Answer {
    let (range, next) =
        page(numbers.len(), call.text("NextToken"), call.number("MaxResults"), PAGE, "InvalidInputException")?;
    let page = numbers.get(range).unwrap_or_default();
    let rendered: Vec<Value> = page.iter().map(|number| placed_account(world, *number)).collect();
    Ok(with_token(json!({ "Accounts": rendered }), "NextToken", next))
}

fn known_account(world: &World, id: &str) -> Result<usize, ApiError> {
    let message = "You specified an account that doesn't exist.".to_owned();
    world.position_of(id).ok_or_else(|| ApiError::new(400, "AccountNotFoundException", message))
}

fn describe_account(call: &Call<'_>) -> Answer {
    let world = allowed(call)?;
    let number = known_account(world, call.required("AccountId")?)?;
    Ok(json!({ "Account": placed_account(world, number) }))
}

fn list_parents(call: &Call<'_>) -> Answer {
    let world = allowed(call)?;
    let child = call.required("ChildId")?;
    let parent = match world.position_of(child) {
        Some(number) => Some(world.member(number).unit),
        None => unit(call, child).ok().and_then(|number| UNITS.get(number).and_then(|unit| unit.parent)),
    };
    let Some(parent) = parent else {
        return Err(ApiError::new(400, "ChildNotFoundException", format!("there is no child {child}")));
    };
    let kind = if parent == 0 { "ROOT" } else { "ORGANIZATIONAL_UNIT" };
    listed(call, "Parents", &[json!({ "Id": world.unit_id(parent), "Type": kind })])
}

fn list_tags(call: &Call<'_>) -> Answer {
    let world = allowed(call)?;
    let id = call.required("ResourceId")?;
    let Some(number) = world.position_of(id) else {
        return match unit(call, id) {
            Ok(_) => listed(call, "Tags", &[]),
            Err(_) => Err(ApiError::new(
                400,
                "TargetNotFoundException",
                "You specified a target that doesn't exist.".to_owned(),
            )),
        };
    };
    let mut tags = vec![json!({ "Key": "owner", "Value": format!("team-{}@example.com", number % 7) })];
    if let Some(environment) = world.member(number).environment {
        tags.push(json!({ "Key": "environment", "Value": environment }));
    }
    listed(call, "Tags", &tags)
}

fn summary(world: &World, policy: &ControlPolicy) -> Value {
    let kind = policy.kind.to_ascii_lowercase();
    let path = format!("policy/{}/{kind}/{}", world.organization_id(), policy.id);
    let arn = if policy.aws_managed {
        format!("arn:{}:organizations::aws:policy/{kind}/{}", world.partition, policy.id)
    } else {
        world.organizations_arn(&path)
    };
    json!({
        "Id": policy.id, "Arn": arn, "Name": policy.name, "Description": "", "Type": policy.kind,
        "AwsManaged": policy.aws_managed
    })
}

/// The policies of the type that is asked for; of other types there are none.
fn of_type(call: &Call<'_>) -> Result<impl Iterator<Item = &'static ControlPolicy>, ApiError> {
    let wanted = call.required("Filter")?.to_owned();
    Ok(CONTROL_POLICIES.iter().filter(move |policy| policy.kind == wanted))
}

fn list_policies(call: &Call<'_>) -> Answer {
    let world = allowed(call)?;
    let policies: Vec<Value> = of_type(call)?.map(|policy| summary(world, policy)).collect();
    listed(call, "Policies", &policies)
}

fn list_policies_for_target(call: &Call<'_>) -> Answer {
    let world = allowed(call)?;
    let target = call.required("TargetId")?;
    let at = match world.position_of(target) {
        Some(_) => None,
        None => Some(unit(call, target).map_err(|_| {
            ApiError::new(400, "TargetNotFoundException", "You specified a target that doesn't exist.".to_owned())
        })?),
    };
    let attached = |policy: &ControlPolicy| match at {
        Some(unit) => policy.attached.to_unit(unit),
        None => policy.attached.to_accounts(),
    };
    let policies: Vec<Value> =
        of_type(call)?.filter(|policy| attached(policy)).map(|policy| summary(world, policy)).collect();
    listed(call, "Policies", &policies)
}

fn policy<'a>(call: &Call<'_>) -> Result<&'a ControlPolicy, ApiError> {
    let id = call.required("PolicyId")?;
    CONTROL_POLICIES.iter().find(|policy| policy.id == id).ok_or_else(|| {
        ApiError::new(400, "PolicyNotFoundException", "You specified a policy that doesn't exist.".to_owned())
    })
}

fn describe_policy(call: &Call<'_>) -> Answer {
    let world = allowed(call)?;
    let policy = policy(call)?;
    Ok(json!({ "Policy": { "PolicySummary": summary(world, policy), "Content": policy.content } }))
}

fn list_targets_for_policy(call: &Call<'_>) -> Answer {
    let world = allowed(call)?;
    let policy = policy(call)?;
    let everywhere = policy.attached.to_accounts();
    let units = UNITS.iter().enumerate().filter(|(number, _)| policy.attached.to_unit(*number));
    let mut targets: Vec<Value> = units
        .map(|(number, unit)| {
            let kind = if number == 0 { "ROOT" } else { "ORGANIZATIONAL_UNIT" };
            json!({ "TargetId": world.unit_id(number), "Arn": unit_arn(world, number), "Name": unit.name, "Type": kind })
        })
        .collect();
    if everywhere {
        targets.extend((0..world.members().len()).map(|number| {
            json!({
                "TargetId": world.account_id(number), "Arn": world.account_arn(number),
                "Name": account_name(world, number), "Type": "ACCOUNT"
            })
        }));
    }
    listed(call, "Targets", &targets)
}

fn list_delegated_administrators(call: &Call<'_>) -> Answer {
    let world = allowed(call)?;
    let administrators: Vec<Value> = (0..world.members().len())
        .filter(|number| !delegated_services(*number).is_empty())
        .map(|number| {
            let mut rendered = account(world, number);
            if let Some(fields) = rendered.as_object_mut() {
                fields.insert("DelegationEnabledDate".to_owned(), timestamp(days_ago(world, 600, number)));
            }
            rendered
        })
        .collect();
    listed(call, "DelegatedAdministrators", &administrators)
}

fn list_delegated_services(call: &Call<'_>) -> Answer {
    let world = allowed(call)?;
    let number = known_account(world, call.required("AccountId")?)?;
    let services = delegated_services(number);
    if services.is_empty() {
        let message = "The account is not a delegated administrator.".to_owned();
        return Err(ApiError::new(400, "AccountNotRegisteredException", message));
    }
    let since = timestamp(days_ago(world, 600, number));
    let services: Vec<Value> =
        services.iter().map(|service| json!({ "ServicePrincipal": service, "DelegationEnabledDate": since })).collect();
    listed(call, "DelegatedServices", &services)
}
