//! Issues of GitHub repositories.
//!
//! In: what is to be read or written of tickets. Out: calls to GitHub's REST API. Issues are found by the label that they
//! carry and the hidden line that begins their body; the listing of a repository is asked, which does not lag behind as
//! the search does.
//!
//! <https://docs.github.com/en/rest/issues/issues>

use std::collections::BTreeSet;

use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Value, json};

use super::access::Access;
use super::github::{Destination, Destinations};
use super::http::{Answer, Ask, Does, Http, Refusal};
use super::page::{Page, Words};
use super::{Content, Found, Mark, Remote, Status, Tracker, Trouble, markdown};

/// Pages of a listing, of a hundred issues each.
const PAGES: usize = 500;
/// Pages of comments that are looked through for one of ours.
const COMMENT_PAGES: usize = 20;

pub(super) struct ToGitHub {
    http: Http,
    access: Access,
    destinations: Destinations,
}

/// `acme/web#12` in parts.
fn parts(id: &str) -> Option<(&str, &str, &str)> {
    let (repository, number) = id.split_once('#')?;
    let (owner, name) = repository.split_once('/')?;
    number.parse::<u64>().ok()?;
    Some((owner, name, number))
}

fn pairs(query: &[(&str, &str)]) -> Vec<(String, String)> {
    query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn borrowed(query: &[(String, String)]) -> Vec<(&str, &str)> {
    query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn strange(id: &str) -> Trouble {
    Trouble::Ticket(format!("`{id}` is no issue of GitHub"))
}

impl ToGitHub {
    pub(super) fn new(http: Http, access: Access, destinations: Destinations) -> Self {
        Self { http, access, destinations }
    }

    fn destination(&self, owner: Option<&str>) -> &Destination {
        owner.and_then(|owner| self.destinations.owners.get(owner)).unwrap_or(&self.destinations.default)
    }

    async fn ask(&self, ask: Ask<'_>) -> Result<Answer, Refusal> {
        let authorization = self.access.authorization(&self.http, false).await?;
        match self.http.ask(&authorization, &ask).await {
            // A token of an App's installation lives for an hour.
            Err(refusal) if refusal.status == 401 && self.access.can_be_renewed() => {
                let authorization = self.access.authorization(&self.http, true).await?;
                self.http.ask(&authorization, &ask).await
            }
            answer => answer,
        }
    }

    async fn issue(
        &self,
        id: &str,
        more: &[&str],
        method: Method,
        does: Does,
        body: &Value,
    ) -> Result<Answer, Trouble> {
        let (owner, name, number) = parts(id).ok_or_else(|| strange(id))?;
        let path: Vec<&str> = ["repos", owner, name, "issues", number].iter().chain(more).copied().collect();
        let ask = Ask { does, method, path: &path, query: &[], body: Some(body) };
        self.ask(ask).await.map_err(|refusal| trouble(&format!("{owner}/{name}"), &refusal, Some(id)))
    }

    async fn list_one(&self, of: &str, repository: &str, found: &mut Found) -> Result<(), Trouble> {
        let (owner, name) = repository.split_once('/').unwrap_or_default();
        let path = ["repos", owner, name, "issues"];
        let label = self.destinations.label.as_str();
        let mut query = pairs(&[("state", "all"), ("labels", label), ("per_page", "100"), ("page", "1")]);
        for _ in 0..PAGES {
            let asked = borrowed(&query);
            let ask = Ask { does: Does::Read, method: Method::GET, path: &path, query: &asked, body: None };
            let answer = self.ask(ask).await.map_err(|refusal| trouble(repository, &refusal, None))?;
            for issue in answer.value.as_array().into_iter().flatten() {
                let mark = issue.get("body").and_then(Value::as_str).and_then(markdown::mark_of);
                let remote = remote(repository, issue);
                if let (Some(mark), Some(mut remote)) = (mark.filter(|mark| mark.of == of), remote) {
                    remote.content = Some(mark.content);
                    found.entry(mark.key).or_default().push(remote);
                }
            }
            match answer.next_query {
                Some(next) => query = next,
                None => return Ok(()),
            }
        }
        Err(Trouble::Place(format!(
            "{repository} has more than {PAGES} pages of issues with this label; use another `label`"
        )))
    }
}

/// An issue as a ticket; pull requests are issues there as well.
fn remote(repository: &str, issue: &Value) -> Option<Remote> {
    if issue.get("pull_request").is_some() {
        return None;
    }
    let text = |name: &str| issue.get(name).and_then(Value::as_str);
    let number = issue.get("number")?.as_u64()?;
    let status = match (text("state"), text("state_reason")) {
        (Some("closed"), Some("not_planned" | "duplicate")) => Status::Declined,
        (Some("closed"), _) => Status::Done(text("closed_at").map(str::to_owned)),
        _ => Status::Open,
    };
    Some(Remote { id: format!("{repository}#{number}"), status, number, content: None })
}

/// What a refusal amounts to, and how it is mended.
fn trouble(repository: &str, refusal: &Refusal, ticket: Option<&str>) -> Trouble {
    let Refusal { status, said, .. } = refusal;
    if let Some(trouble) = refusal.stops() {
        return trouble;
    }
    match status {
        401 => Trouble::Stop(
            format!("the token is not accepted: {said}"),
            "make a new token, or mend `app_id`, `installation_id` and the key".to_owned(),
        ),
        410 if ticket.is_none() => Trouble::Place(format!(
            "issues are switched off in {repository}: switch them on in its settings, or name another"
        )),
        404 | 301 if ticket.is_none() => Trouble::Place(format!(
            "{repository} is not there, was renamed, or the token may not see it ({said}): mend its name, or grant Issues (read and write)"
        )),
        // Nobody may comment on a locked issue; others take comments.
        403 if ticket.is_some() && said.to_lowercase().contains("locked") => {
            Trouble::Ticket(format!("{}: {said}: unlock it", ticket.unwrap_or(repository)))
        }
        403 => Trouble::Place(format!(
            "the token may not do this in {repository} ({said}): grant Issues (read and write); an archived repository takes none"
        )),
        422 => {
            let details: Vec<String> = refusal
                .value
                .get("errors")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(|error| {
                    let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
                    format!("`{}` {} {}", text("field"), text("code"), text("message")).trim_end().to_owned()
                })
                .collect();
            Trouble::Ticket(format!("{repository}: {said}: {}", details.join("; ")))
        }
        _ => {
            let of = ticket.unwrap_or(repository);
            Trouble::Ticket(format!("{of}: HTTP {status}: {said}"))
        }
    }
}

#[async_trait]
impl Tracker for ToGitHub {
    fn receiver(&self) -> String {
        let default = &self.destinations.default.repository;
        match self.places().len() {
            1 => format!("issues of {default}"),
            count => format!("issues of {default} and {} more", count - 1),
        }
    }

    fn places(&self) -> BTreeSet<String> {
        let owners = self.destinations.owners.values().map(|destination| destination.repository.clone());
        owners.chain([self.destinations.default.repository.clone()]).collect()
    }

    fn place(&self, owner: Option<&str>) -> String {
        self.destination(owner).repository.clone()
    }

    fn place_of(&self, id: &str) -> String {
        id.split('#').next().unwrap_or_default().to_owned()
    }

    fn size(&self, page: &Page, mark: &Mark) -> u64 {
        markdown::body(page, mark).len() as u64
    }

    async fn list(&self, of: &str, places: &BTreeSet<String>) -> (Found, Vec<(String, Trouble)>) {
        let mut found = Found::new();
        let mut troubles = Vec::new();
        for place in places {
            if let Err(trouble) = self.list_one(of, place, &mut found).await {
                let stops = matches!(trouble, Trouble::Stop(..));
                troubles.push((place.clone(), trouble));
                if stops {
                    break;
                }
            }
        }
        (found, troubles)
    }

    async fn look(&self, id: &str) -> Result<Option<Remote>, Trouble> {
        let (owner, name, number) = parts(id).ok_or_else(|| strange(id))?;
        let path = ["repos", owner, name, "issues", number];
        let ask = Ask { does: Does::Read, method: Method::GET, path: &path, query: &[], body: None };
        let repository = format!("{owner}/{name}");
        match self.ask(ask).await {
            Ok(answer) => Ok(remote(&repository, &answer.value).map(|mut remote| {
                let body = answer.value.get("body").and_then(Value::as_str);
                remote.content = body.and_then(markdown::mark_of).map(|mark| mark.content);
                remote
            })),
            Err(refusal) if matches!(refusal.status, 404 | 410) => Ok(None),
            // Somebody moved it to another repository, and takes care of it there.
            Err(refusal) if refusal.status == 301 => {
                Ok(Some(Remote { id: id.to_owned(), status: Status::Moved, number: 0, content: None }))
            }
            Err(refusal) => Err(trouble(&repository, &refusal, Some(id))),
        }
    }

    async fn content(&self, remote: &Remote) -> Result<Option<Content>, Trouble> {
        Ok(remote.content.clone())
    }

    async fn open(&self, owner: Option<&str>, page: &Page, mark: &Mark) -> Result<(String, Option<String>), Trouble> {
        let destination = self.destination(owner);
        let labels: Vec<&str> =
            std::iter::once(&self.destinations.label).chain(&destination.labels).map(String::as_str).collect();
        let body = json!({
            "title": markdown::title(page),
            "body": markdown::body(page, mark),
            "labels": labels,
            "assignees": destination.assignees,
        });
        let (org, name) = destination.repository.split_once('/').unwrap_or_default();
        let path = ["repos", org, name, "issues"];
        let ask = Ask { does: Does::Make, method: Method::POST, path: &path, query: &[], body: Some(&body) };
        let answer = self.ask(ask).await.map_err(|refusal| trouble(&destination.repository, &refusal, None))?;
        let Some(remote) = remote(&destination.repository, &answer.value) else {
            return Err(Trouble::Ticket(format!("{}: the answer holds no issue", destination.repository)));
        };
        let labelled = answer.value.get("labels").and_then(Value::as_array).into_iter().flatten();
        let mut names = labelled.filter_map(|label| label.get("name")?.as_str());
        let is_labelled = names.any(|name| name.eq_ignore_ascii_case(&self.destinations.label));
        let left_out = (!is_labelled).then(|| {
            format!(
                "{}: GitHub left the label `{}` out, by which issues are found again: the token needs the right to \
                 triage or write there",
                remote.id, self.destinations.label
            )
        });
        Ok((remote.id, left_out))
    }

    async fn write(&self, id: &str, page: &Page, mark: &Mark) -> Result<(), Trouble> {
        let body = json!({"title": markdown::title(page), "body": markdown::body(page, mark)});
        self.issue(id, &[], Method::PATCH, Does::Set, &body).await.map(drop)
    }

    async fn say(&self, id: &str, words: &Words) -> Result<(), Trouble> {
        let body = json!({"body": markdown::comment(words)});
        self.issue(id, &["comments"], Method::POST, Does::Make, &body).await.map(drop)
    }

    async fn has_said(&self, id: &str, mark: &str) -> Result<bool, Trouble> {
        let (owner, name, number) = parts(id).ok_or_else(|| strange(id))?;
        let path = ["repos", owner, name, "issues", number, "comments"];
        let mark = markdown::said(mark);
        let mut query = pairs(&[("per_page", "100"), ("page", "1")]);
        for _ in 0..COMMENT_PAGES {
            let asked = borrowed(&query);
            let ask = Ask { does: Does::Read, method: Method::GET, path: &path, query: &asked, body: None };
            let answer =
                self.ask(ask).await.map_err(|refusal| trouble(&format!("{owner}/{name}"), &refusal, Some(id)))?;
            let comments = answer.value.as_array().into_iter().flatten();
            if comments.filter_map(|comment| comment.get("body")?.as_str()).any(|body| body.contains(&mark)) {
                return Ok(true);
            }
            match answer.next_query {
                Some(next) => query = next,
                None => break,
            }
        }
        Ok(false)
    }

    async fn close(&self, id: &str) -> Result<(), Trouble> {
        let body = json!({"state": "closed", "state_reason": "completed"});
        self.issue(id, &[], Method::PATCH, Does::Set, &body).await.map(drop)
    }

    async fn reopen(&self, id: &str) -> Result<(), Trouble> {
        let body = json!({"state": "open", "state_reason": "reopened"});
        self.issue(id, &[], Method::PATCH, Does::Set, &body).await.map(drop)
    }
}
