//! GitHub's commits, pull requests and reviews, as the story of the repository's pipeline has them.

use serde_json::{Value, json};

use super::{Question, Reply};
use crate::simulate::estate::{Caller, Commit, HostedSpec, PipelineSpec, Story, sha};

/// Which call a path below a repository is.
pub(super) fn action(rest: &[&str]) -> Option<&'static str> {
    match rest {
        ["compare", _] => Some("github:CompareCommits"),
        ["commits", _] => Some("github:GetCommit"),
        ["commits"] => Some("github:ListCommits"),
        ["commits", _, "pulls"] => Some("github:ListPullRequestsAssociatedWithCommit"),
        ["pulls", _] => Some("github:GetPullRequest"),
        ["pulls", _, "reviews"] => Some("github:ListReviews"),
        _ => None,
    }
}

fn login(caller: Caller) -> String {
    caller.address().split('@').next().unwrap_or_default().to_owned()
}

fn rendered(question: &Question<'_>, story: &Story, at: usize, commit: &Commit) -> Value {
    let parent = at.checked_sub(1).and_then(|before| story.commits.get(before)).map(|commit| commit.id.clone());
    let mut parents: Vec<String> = parent.into_iter().collect();
    if commit.merge {
        parents.push(sha(question.world, story.place(), &format!("side-{}", story.spec.number), at));
    }
    let parents: Vec<Value> = parents.into_iter().map(|sha| json!({ "sha": sha })).collect();
    let person = |time: time::OffsetDateTime| {
        let date = time.format(&time::format_description::well_known::Rfc3339).unwrap_or_default();
        json!({ "name": login(commit.author), "email": commit.author.address(), "date": date })
    };
    json!({
        "sha": commit.id, "parents": parents,
        "commit": {
            "message": commit.message, "author": person(commit.authored), "committer": person(commit.committed)
        },
        "author": { "login": login(commit.author) }, "committer": { "login": login(commit.author) }
    })
}

/// The pull request that brought a run of commits: its number is the position of its last.
fn request(question: &Question<'_>, spec: &HostedSpec, story: &Story, number: usize) -> Option<Value> {
    let commit = story.commits.get(number)?;
    let merged = commit.committed.format(&time::format_description::well_known::Rfc3339).unwrap_or_default();
    let author = json!({ "login": login(commit.author) });
    Some(json!({
        "number": number, "title": commit.message, "state": "closed", "merged_at": merged, "user": author,
        "merged_by": author, "merge_commit_sha": commit.id, "labels": [],
        "base": { "ref": spec.branch() }, "head": { "ref": format!("feature/{number}") },
        "url": format!("{}/pulls/{number}", question.base)
    }))
}

/// What is answered of a repository's history.
pub(super) fn of_repository(question: &Question<'_>, action: &str, spec: &HostedSpec) -> Option<Reply> {
    let pipeline = PipelineSpec::new(question.world, spec.account, spec.region, spec.number);
    let story = Story::of(question.world, &pipeline);
    let parts = question.parts();
    let after = |word: &str| {
        let at = parts.iter().position(|part| *part == word)?;
        parts.get(at + 1).copied()
    };
    let place = |sha: &str| story.commits.iter().position(|commit| commit.id == sha);
    let head_of = |at: usize| story.runs.iter().find(|run| run.first <= at && at <= run.head).map(|run| run.head);
    let missing = || Reply::message(404, "Not Found");
    Some(match action {
        "github:CompareCommits" => {
            let (base, head) = after("compare")?.split_once("...")?;
            let (Some(base), Some(head)) = (place(base), place(head)) else { return Some(missing()) };
            let between = story.commits.iter().enumerate().take(head + 1).skip(base + 1);
            let commits: Vec<Value> = between.map(|(at, commit)| rendered(question, &story, at, commit)).collect();
            let (total, behind) = (head.saturating_sub(base), base.saturating_sub(head));
            let (commits, next) = question.page(commits);
            let status = if total > 0 {
                "ahead"
            } else if behind > 0 {
                "behind"
            } else {
                "identical"
            };
            let headers = next.map(|next| ("link", format!("<{next}>; rel=\"next\""))).into_iter().collect();
            let body = json!({
                "status": status, "ahead_by": total, "behind_by": behind, "total_commits": total, "commits": commits
            });
            Reply { status: 200, headers, body }
        }
        "github:GetCommit" => match after("commits").and_then(place) {
            Some(at) => story.commits.get(at).map_or_else(missing, |c| Reply::ok(rendered(question, &story, at, c))),
            None => missing(),
        },
        "github:ListCommits" => {
            let newest = place(question.text("sha")).map_or(story.commits.len(), |at| at + 1);
            let all = story.commits.iter().enumerate().take(newest).rev();
            question.linked(all.map(|(at, commit)| rendered(question, &story, at, commit)).collect())
        }
        "github:ListPullRequestsAssociatedWithCommit" => match after("commits").and_then(place) {
            Some(at) => {
                let found = head_of(at).and_then(|number| request(question, spec, &story, number));
                question.linked(found.into_iter().collect())
            }
            None => missing(),
        },
        "github:GetPullRequest" => {
            let number = after("pulls")?.parse().ok()?;
            request(question, spec, &story, number).map_or_else(missing, Reply::ok)
        }
        "github:ListReviews" => {
            let number: usize = after("pulls")?.parse().ok()?;
            let reviewer = if number.is_multiple_of(5) {
                Vec::new()
            } else {
                vec![json!({
                    "id": number, "user": { "login": "grace" }, "state": "APPROVED", "submitted_at": "2026-10-01T10:00:00Z"
                })]
            };
            question.linked(reviewer)
        }
        _ => return None,
    })
}
