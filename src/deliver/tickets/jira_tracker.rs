//! Issues of Jira projects.
//!
//! In: what is to be read or written of tickets. Out: calls to Jira's REST API, version 3 (Cloud) or 2 (Data Center).
//! Issues are found by labels, and carry what is in them as an entity property, which no screen shows.
//!
//! <https://developer.atlassian.com/cloud/jira/platform/rest/v3/>,
//! <https://docs.atlassian.com/software/jira/docs/api/REST/9.17.0/>

use std::collections::BTreeSet;

use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::UtcOffset;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use super::access::Access;
use super::http::{Answer, Ask, Does, Http, Refusal};
use super::jira_settings::{Deployment, Destination, JiraOptions};
use super::page::{Page, Words, cut};
use super::{Content, Found, Mark, Remote, Status, Tracker, Trouble, adf, markdown, wiki};

/// Pages of a search, of a hundred issues each.
const PAGES: usize = 500;
const PAGE: u64 = 100;
/// Comments that are looked through for one of ours, the newest first.
const COMMENTS: &str = "100";
/// Key of the entity property.
const PROPERTY: &str = "pipewarden";
/// Findings that it names at most; a property has room for 32,768 characters.
const MOST_MARKED: usize = 1_400;
/// Fields that say how an issue stands.
const FIELDS: [&str; 5] = ["status", "resolution", "resolutiondate", "statuscategorychangedate", "labels"];

pub(super) struct ToJira {
    http: Http,
    access: Access,
    options: JiraOptions,
}

impl ToJira {
    pub(super) fn new(http: Http, access: Access, options: JiraOptions) -> Self {
        Self { http, access, options }
    }

    fn is_cloud(&self) -> bool {
        self.options.deployment == Deployment::Cloud
    }

    fn destination(&self, owner: Option<&str>) -> &Destination {
        owner.and_then(|owner| self.options.owners.get(owner)).unwrap_or(&self.options.default)
    }

    async fn ask(
        &self,
        does: Does,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, Refusal> {
        let base = ["rest", "api", self.options.deployment.version()];
        let path: Vec<&str> = base.iter().chain(path).copied().collect();
        let authorization = self.access.authorization(&self.http, false).await?;
        self.http.ask(&authorization, &Ask { does, method, path: &path, query, body }).await
    }

    /// One page of the issues that a query finds, and what asks for the next one.
    async fn page(&self, jql: &str, from: &Value) -> Result<(Vec<Value>, Option<Value>), Refusal> {
        let mut body = json!({"jql": jql, "fields": FIELDS, "maxResults": PAGE});
        let path: &[&str] = if self.is_cloud() { &["search", "jql"] } else { &["search"] };
        let start = if self.is_cloud() { "nextPageToken" } else { "startAt" };
        if let (Some(fields), false) = (body.as_object_mut(), from.is_null()) {
            fields.insert(start.to_owned(), from.clone());
        }
        let answer = self.ask(Does::Read, Method::POST, path, &[], Some(&body)).await?.value;
        let issues = answer.get("issues").and_then(Value::as_array).cloned().unwrap_or_default();
        let next = if self.is_cloud() {
            answer.get("nextPageToken").filter(|token| token.is_string()).cloned()
        } else {
            let end = from.as_u64().unwrap_or(0) + issues.len() as u64;
            let total = answer.get("total").and_then(Value::as_u64).unwrap_or(0);
            (!issues.is_empty() && end < total).then(|| json!(end))
        };
        Ok((issues, next))
    }

    fn remote(&self, issue: &Value) -> Option<Remote> {
        let id = issue.get("key")?.as_str()?.to_owned();
        let number = issue.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok()).unwrap_or(0);
        let text = |pointer: &str| issue.pointer(pointer).and_then(Value::as_str);
        let resolution = text("/fields/resolution/name").unwrap_or_default().to_lowercase();
        let status = if text("/fields/status/statusCategory/key") != Some("done") {
            Status::Open
        } else if self.options.declined_resolutions.contains(&resolution) {
            Status::Declined
        } else {
            let at = text("/fields/resolutiondate").or_else(|| text("/fields/statuscategorychangedate"));
            Status::Done(at.and_then(rfc3339))
        };
        Some(Remote { id, status, number, content: None })
    }

    fn new_issue(&self, destination: &Destination, page: &Page, mark: &Mark) -> Value {
        let mut fields: Map<String, Value> = self.options.fields.clone();
        let mut labels: Vec<String> = vec![label_of(&mark.of), label_of(&mark.key)];
        labels.extend(destination.labels.iter().cloned());
        fields.insert("project".to_owned(), json!({"key": destination.project}));
        fields.insert("issuetype".to_owned(), json!({"name": self.options.issue_type}));
        fields.insert("labels".to_owned(), json!(labels));
        fields.extend(self.text_of(page));
        if let Some(priority) = self.options.priority.get(&page.severity) {
            fields.insert("priority".to_owned(), json!({"name": priority}));
        }
        if let Some(component) = &destination.component {
            fields.insert("components".to_owned(), json!([{"name": component}]));
        }
        if let Some(assignee) = &destination.assignee {
            let who = if self.is_cloud() { json!({"accountId": assignee}) } else { json!({"name": assignee}) };
            fields.insert("assignee".to_owned(), who);
        }
        json!({"fields": fields, "properties": [property(mark)]})
    }

    fn text_of(&self, page: &Page) -> Map<String, Value> {
        let description = if self.is_cloud() { adf::description(page) } else { json!(wiki::description(page)) };
        // A title is one line of plain text, and mentions nobody.
        let fields = [("summary", json!(cut(&page.title, 250))), ("description", description)];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Moves an issue through its workflow.
    async fn transition(&self, id: &str, wanted: &Wanted<'_>) -> Result<(), Trouble> {
        let path = ["issue", id, "transitions"];
        let answer = self.ask(Does::Read, Method::GET, &path, &[], None).await.map_err(|r| trouble(&r, Some(id)))?;
        let transitions = answer.value.get("transitions").and_then(Value::as_array).cloned().unwrap_or_default();
        let Some(transition) = wanted.among(&transitions) else {
            return Err(Trouble::Ticket(wanted.missing(id, &transitions)));
        };
        let mut body = json!({"transition": {"id": transition}});
        if let (Some(resolution), Some(fields)) = (wanted.resolution, body.as_object_mut()) {
            fields.insert("fields".to_owned(), json!({"resolution": {"name": resolution}}));
        }
        // Done twice, the second is refused, and the first has been done.
        let done = self.ask(Does::Make, Method::POST, &path, &[], Some(&body)).await;
        done.map(drop).map_err(|refusal| trouble(&refusal, Some(id)))
    }
}

/// Which way through a workflow is looked for.
struct Wanted<'a> {
    /// The key that names it.
    key: &'static str,
    name: Option<&'a str>,
    /// Categories of the status that it leads to, the best first.
    categories: &'static [&'static str],
    resolution: Option<&'a str>,
}

impl Wanted<'_> {
    /// Its id: by the name of the transition, then of the status that it leads to; without a name, by the category.
    fn among<'v>(&self, transitions: &'v [Value]) -> Option<&'v str> {
        let text = |transition: &'v Value, pointer: &str| transition.pointer(pointer).and_then(Value::as_str);
        let id = |transition: &'v Value| text(transition, "/id");
        let Some(name) = self.name else {
            let of = |category: &str| {
                transitions.iter().find(|one| text(one, "/to/statusCategory/key") == Some(category)).and_then(id)
            };
            return self.categories.iter().find_map(|category| of(category));
        };
        let named = |pointer: &str| {
            transitions
                .iter()
                .find(|one| text(one, pointer).is_some_and(|it| it.eq_ignore_ascii_case(name)))
                .and_then(id)
        };
        named("/name").or_else(|| named("/to/name"))
    }

    fn missing(&self, id: &str, transitions: &[Value]) -> String {
        let names: Vec<&str> = transitions.iter().filter_map(|one| one.get("name")?.as_str()).collect();
        let offered = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let key = self.key;
        match self.name {
            Some(name) => format!(
                "{id}: its workflow has no transition `{name}` from where it stands; mend `{key}` (offered: {offered})"
            ),
            None => format!(
                "{id}: its workflow leads to no such status from where it stands; name a transition as `{key}` (offered: {offered}), or grant the right to transition issues"
            ),
        }
    }
}

/// A label of ours.
fn label_of(hash: &str) -> String {
    format!("pipewarden-{hash}")
}

/// The key of a ticket, in one of its labels.
fn key_of(issue: &Value) -> Option<String> {
    let labels = issue.pointer("/fields/labels")?.as_array()?;
    let hashes = labels.iter().filter_map(|label| label.as_str()?.strip_prefix("pipewarden-"));
    let is_key = |hash: &&str| hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    hashes.into_iter().find(is_key).map(str::to_owned)
}

fn property(mark: &Mark) -> Value {
    let content = &mark.content;
    json!({"key": PROPERTY, "value": {
        "of": mark.of,
        "key": mark.key,
        "worst": content.worst,
        "whole": content.whole && content.findings.len() <= MOST_MARKED,
        "findings": markdown::packed(content, MOST_MARKED),
    }})
}

fn content_of(value: &Value) -> Option<Content> {
    Some(Content {
        findings: markdown::unpacked(value.get("findings")?.as_str()?)?,
        worst: value.get("worst").and_then(|worst| serde_json::from_value(worst.clone()).ok()),
        whole: value.get("whole")?.as_bool()?,
    })
}

/// `2026-11-20T10:00:00.000+0100` → `2026-11-20T09:00:00Z`
fn rfc3339(text: &str) -> Option<String> {
    let jiras = format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond][offset_hour sign:mandatory][offset_minute]"
    );
    let time = OffsetDateTime::parse(text, &jiras).or_else(|_| OffsetDateTime::parse(text, &Rfc3339)).ok()?;
    time.to_offset(UtcOffset::UTC).replace_nanosecond(0).ok()?.format(&Rfc3339).ok()
}

/// What a refusal amounts to; Jira names fields one by one.
fn trouble(refusal: &Refusal, ticket: Option<&str>) -> Trouble {
    if let Some(trouble) = refusal.stops() {
        return trouble;
    }
    let said = said(refusal);
    let of = ticket.map_or_else(String::new, |id| format!("{id}: "));
    match refusal.status {
        401 => Trouble::Stop(
            format!("the token is not accepted ({said})"),
            "give `email` and an API token of that account (Cloud), or a personal access token without `email` (Data Center)".to_owned(),
        ),
        403 => Trouble::Place(format!(
            "the account may not do this ({said}): grant Browse Projects, Create, Edit, Transition and Assign Issues, and Add Comments"
        )),
        _ => Trouble::Ticket(format!("{of}HTTP {}: {said}", refusal.status)),
    }
}

fn said(refusal: &Refusal) -> String {
    let value = &refusal.value;
    let messages = value.get("errorMessages").and_then(Value::as_array).into_iter().flatten();
    let messages = messages.filter_map(Value::as_str).map(str::to_owned);
    let fields = value.get("errors").and_then(Value::as_object).into_iter().flatten();
    let fields = fields.map(|(field, problem)| {
        format!("field `{field}`: {}; give it in `fields`, or mend what is given", problem.as_str().unwrap_or_default())
    });
    let all: Vec<String> = messages.chain(fields).collect();
    if all.is_empty() { refusal.said.clone() } else { super::http::clean(&all.join("; "), &[]) }
}

#[async_trait]
impl Tracker for ToJira {
    fn receiver(&self) -> String {
        let site = self.options.site.host_str().unwrap_or_default();
        let places: Vec<String> = self.places().into_iter().collect();
        format!("Jira at {site}, {}", cut(&places.join(", "), 100))
    }

    fn places(&self) -> BTreeSet<String> {
        let owners = self.options.owners.values().map(|destination| destination.project.clone());
        owners.chain([self.options.default.project.clone()]).collect()
    }

    fn place(&self, owner: Option<&str>) -> String {
        self.destination(owner).project.clone()
    }

    fn place_of(&self, id: &str) -> String {
        id.rsplit_once('-').map_or(id, |(project, _)| project).to_owned()
    }

    fn size(&self, page: &Page, mark: &Mark) -> u64 {
        self.new_issue(&self.options.default, page, mark).to_string().len() as u64
    }

    async fn list(&self, of: &str, places: &BTreeSet<String>) -> (Found, Vec<(String, Trouble)>) {
        let mut found = Found::new();
        let mut unseen = Vec::new();
        for place in places {
            // A search leaves out in silence what the account may not see.
            if let Err(refusal) = self.ask(Does::Read, Method::GET, &["project", place], &[], None).await {
                let trouble = match trouble(&refusal, None) {
                    Trouble::Ticket(said) => Trouble::Place(format!(
                        "the account does not see this project ({said}): mend its key, or grant Browse Projects"
                    )),
                    other => other,
                };
                let stops = matches!(trouble, Trouble::Stop(..));
                unseen.push((place.clone(), trouble));
                if stops {
                    return (found, unseen);
                }
            }
        }
        // Issues that people moved to another project are still those.
        let jql = format!("labels = \"{}\" ORDER BY created ASC", label_of(of));
        let mut from = Value::Null;
        for _ in 0..PAGES {
            let (issues, next) = match self.page(&jql, &from).await {
                Ok(page) => page,
                Err(refusal) => {
                    let trouble = match trouble(&refusal, None) {
                        Trouble::Place(said) | Trouble::Ticket(said) => Trouble::Stop(
                            format!("it cannot be asked which issues there are: {said}"),
                            "mend it, and deliver the run again".to_owned(),
                        ),
                        stop @ Trouble::Stop(..) => stop,
                    };
                    unseen.push((self.receiver(), trouble));
                    return (found, unseen);
                }
            };
            for issue in &issues {
                if let (Some(key), Some(remote)) = (key_of(issue), self.remote(issue)) {
                    found.entry(key).or_default().push(remote);
                }
            }
            match next {
                Some(next) => from = next,
                None => return (found, unseen),
            }
        }
        let said = format!("it has more than {PAGES} pages of issues with the label {}", label_of(of));
        unseen.push((self.receiver(), Trouble::Stop(said, "give the delivery another `name`".to_owned())));
        (found, unseen)
    }

    async fn look(&self, id: &str) -> Result<Option<Remote>, Trouble> {
        let query = [("fields", FIELDS.join(","))];
        let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        match self.ask(Does::Read, Method::GET, &["issue", id], &query, None).await {
            Ok(answer) => Ok(self.remote(&answer.value)),
            Err(refusal) if refusal.status == 404 => Ok(None),
            Err(refusal) => Err(trouble(&refusal, Some(id))),
        }
    }

    async fn content(&self, remote: &Remote) -> Result<Option<Content>, Trouble> {
        let path = ["issue", remote.id.as_str(), "properties", PROPERTY];
        match self.ask(Does::Read, Method::GET, &path, &[], None).await {
            Ok(answer) => Ok(answer.value.get("value").and_then(content_of)),
            Err(refusal) if refusal.status == 404 => Ok(None),
            Err(refusal) => Err(trouble(&refusal, Some(&remote.id))),
        }
    }

    async fn open(&self, owner: Option<&str>, page: &Page, mark: &Mark) -> Result<(String, Option<String>), Trouble> {
        let destination = self.destination(owner);
        let body = self.new_issue(destination, page, mark);
        let answer = self.ask(Does::Make, Method::POST, &["issue"], &[], Some(&body)).await;
        let answer = answer.map_err(|refusal| match trouble(&refusal, None) {
            Trouble::Ticket(said) => Trouble::Ticket(format!("a ticket in {}: {said}", destination.project)),
            other => other,
        })?;
        match answer.value.get("key").and_then(Value::as_str) {
            Some(key) => Ok((key.to_owned(), None)),
            None => Err(Trouble::Stop(
                "the answer to a new issue names none".to_owned(),
                "deliver the run again; what was opened is looked for first".to_owned(),
            )),
        }
    }

    async fn write(&self, id: &str, page: &Page, mark: &Mark) -> Result<(), Trouble> {
        let body = json!({"fields": self.text_of(page), "properties": [property(mark)]});
        let written = self.ask(Does::Set, Method::PUT, &["issue", id], &[], Some(&body)).await;
        written.map(drop).map_err(|refusal| trouble(&refusal, Some(id)))
    }

    async fn say(&self, id: &str, words: &Words) -> Result<(), Trouble> {
        let body = json!({"body": if self.is_cloud() { adf::comment(words) } else { json!(wiki::comment(words)) }});
        let path = ["issue", id, "comment"];
        let said = self.ask(Does::Make, Method::POST, &path, &[], Some(&body)).await;
        said.map(drop).map_err(|refusal| trouble(&refusal, Some(id)))
    }

    async fn has_said(&self, id: &str, mark: &str) -> Result<bool, Trouble> {
        let query = [("orderBy", "-created"), ("maxResults", COMMENTS)];
        let path = ["issue", id, "comment"];
        let answer = self.ask(Does::Read, Method::GET, &path, &query, None).await.map_err(|r| trouble(&r, Some(id)))?;
        let comments = answer.value.get("comments").map(Value::to_string).unwrap_or_default();
        Ok(comments.contains(&adf::said(mark)))
    }

    async fn close(&self, id: &str) -> Result<(), Trouble> {
        let wanted = Wanted {
            key: "close_transition",
            name: self.options.close_transition.as_deref(),
            categories: &["done"],
            resolution: self.options.close_resolution.as_deref(),
        };
        self.transition(id, &wanted).await
    }

    async fn reopen(&self, id: &str) -> Result<(), Trouble> {
        let wanted = Wanted {
            key: "reopen_transition",
            name: self.options.reopen_transition.as_deref(),
            categories: &["new", "indeterminate"],
            resolution: None,
        };
        self.transition(id, &wanted).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transitions_are_found_by_name_status_or_category() {
        let transitions = [
            json!({"id": "11", "name": "Begin", "to": {"name": "In Progress", "statusCategory": {"key": "indeterminate"}}}),
            json!({"id": "21", "name": "Finish", "to": {"name": "Done", "statusCategory": {"key": "done"}}}),
        ];
        let wanted = |name| Wanted { key: "close_transition", name, categories: &["done"], resolution: None };
        for (name, id) in
            [(None, Some("21")), (Some("finish"), Some("21")), (Some("in progress"), Some("11")), (Some("Close"), None)]
        {
            assert_eq!(wanted(name).among(&transitions), id, "{name:?}");
        }
        let missing = wanted(Some("Close")).missing("SEC-1", &transitions);
        assert!(
            missing.contains("`Close`") && missing.contains("Begin, Finish") && missing.contains("close_transition")
        );
    }

    #[test]
    fn jiras_times_are_told_in_utc() {
        assert_eq!(rfc3339("2026-11-20T10:00:00.123+0100").as_deref(), Some("2026-11-20T09:00:00Z"));
        assert_eq!(rfc3339("2026-11-20T10:00:00Z").as_deref(), Some("2026-11-20T10:00:00Z"));
        assert_eq!(rfc3339("yesterday"), None);
    }

    #[test]
    fn errors_are_named_field_by_field() {
        let value = json!({"errorMessages": ["no"], "errors": {"customfield_1": "Team is required."}});
        let refusal = Refusal { status: 400, value, ..Refusal::default() };
        let Trouble::Ticket(said) = trouble(&refusal, Some("SEC-1")) else { panic!() };
        assert!(said.contains("field `customfield_1`: Team is required.") && said.contains("`fields`"), "{said}");
    }

    #[test]
    fn what_is_in_an_issue_is_read_from_its_property() {
        let content = Content { findings: ["a".repeat(32)].into(), worst: None, whole: true };
        let mark = Mark { of: "o".to_owned(), key: "k".to_owned(), content: content.clone() };
        assert_eq!(content_of(&property(&mark)["value"]), Some(content));
        assert_eq!(content_of(&json!({})), None);
        let many =
            Content { findings: (0..2_000).map(|nth| format!("{nth:032x}")).collect(), worst: None, whole: true };
        let mark = Mark { content: many, ..mark };
        let value = &property(&mark)["value"];
        assert!(value.to_string().len() < 32_768 && value["whole"] == false);
    }
}
