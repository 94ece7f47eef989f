//! `pipewarden lambda`: one function that answers every event.
//!
//! In: events from Lambda's runtime API, or one on stdin. Out: one JSON object per event, or an error that Lambda, Step
//! Functions and dead-letter queues see as one. What an event starts is the code path of the command line: the whole audit,
//! `audit --resource`, a stage of a fan-out, `hook`. A violation is an answer; a run without a verdict is an error, and so is
//! a stage that did not deliver where that was asked to count.

mod changes;
mod changes_table;
mod event;
mod pattern;
mod runtime;
mod stages;
mod workspace;

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use clap::{Args, Parser};
use serde_json::{Value, json};
use time::OffsetDateTime;

pub(super) use runtime::{Runtime, plain_client};

use super::Exit;
use super::audit::{self, AuditArgs};
use super::failure::Failure;
use super::hook::{self, HookArgs};
use super::kept;
use super::options::print;
use super::recheck::{self, Outcome};
use super::secrets::Secrets;
use crate::deliver::{Notice, Package};
use crate::run::RunDirectory;
use event::Event;
use runtime::{Invocation, Problem};
use workspace::Workspace;

/// Folders of policies, with commas between.
const POLICIES: &str = "PIPEWARDEN_POLICIES";
/// The longest that is kept back of an event's time to say that it was not enough.
const LONGEST_MARGIN: Duration = Duration::from_secs(10);

/// Options of `lambda`. Each can be given in the environment, docs/lambda.md.
#[derive(Debug, Clone, Args)]
pub(super) struct LambdaArgs {
    /// Print the EventBridge patterns of the events that a resource is looked at again for
    #[arg(long)]
    event_pattern: bool,
    #[command(flatten)]
    audit: AuditArgs,
}

/// The options of a hook, which inside Lambda come from the environment alone.
#[derive(Debug, Parser)]
struct FromEnvironment {
    #[command(flatten)]
    hook: HookArgs,
}

/// What is the same for all events.
struct Front {
    audit: AuditArgs,
    /// Read when the first hook asks: most functions never answer one.
    gate: OnceLock<hook::Gate>,
}

pub(super) fn run(args: &LambdaArgs) -> Result<Exit, Failure> {
    if args.event_pattern {
        let pattern = serde_json::to_string_pretty(&pattern::patterns()).map_err(|error| Failure::failed(&error))?;
        print(&|out| writeln!(out, "{pattern}"))?;
        return Ok(Exit::Compliant);
    }
    let executor =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| Failure::failed(&error))?;
    let address = std::env::var(hook::RUNTIME_API).ok().filter(|address| !address.is_empty());
    if address.is_some() {
        kept::clear_what_was_left();
    }
    let front = Front::new(&args.audit);
    let Some(address) = address else {
        return once(&front?);
    };
    let runtime = Runtime::new(&address).map_err(Failure::because)?;
    let front = match front {
        Ok(front) => Arc::new(front),
        Err(failure) => {
            executor.block_on(runtime.fail_to_start(&problem_of(&failure))).map_err(Failure::because)?;
            return Err(failure);
        }
    };
    loop {
        let invocation = executor.block_on(runtime.next()).map_err(Failure::because)?;
        let id = invocation.id.clone();
        match in_time(&front, invocation) {
            Some(Ok(answer)) => executor.block_on(runtime.respond(&id, &answer)).map_err(Failure::because)?,
            Some(Err(problem)) => executor.block_on(runtime.fail(&id, &problem)).map_err(Failure::because)?,
            None => {
                let message = "the event was not answered before its deadline; nothing half-written counts, the work \
                               goes on or begins anew when it is sent again; give the function more time or memory"
                    .to_owned();
                let problem = Problem { kind: "Pipewarden.Deadline", message: message.clone() };
                executor.block_on(runtime.fail(&id, &problem)).map_err(Failure::because)?;
                // Whatever is still under way ends with the process; Lambda starts another for the next event.
                return Err(Failure::because(message));
            }
        }
    }
}

/// One event from stdin, for whoever tries it outside of Lambda.
fn once(front: &Front) -> Result<Exit, Failure> {
    let mut text = String::new();
    std::io::stdin().lock().read_to_string(&mut text).map_err(|error| {
        Failure::usage(format!("the event on stdin cannot be read: {error}; outside of Lambda, give one as JSON"))
    })?;
    let answer = match front.answer(&text, "stdin") {
        Ok(answer) => answer,
        Err(Problem { kind, message }) => {
            let line = format!("{kind}: {message}");
            let failure = if [UNKNOWN, USAGE].contains(&kind) { Failure::usage(line) } else { Failure::because(line) };
            if kind == UNDELIVERED {
                failure.print();
                return Ok(Exit::Undelivered);
            }
            return Err(failure);
        }
    };
    let written = serde_json::to_string_pretty(&answer).map_err(|error| Failure::failed(&error))?;
    print(&|out| writeln!(out, "{written}"))?;
    Ok(Exit::Compliant)
}

/// The answer, or nothing if the deadline comes first.
fn in_time(front: &Arc<Front>, invocation: Invocation) -> Option<Result<Value, Problem>> {
    let Invocation { id, event, deadline } = invocation;
    let (send, receive) = mpsc::channel();
    let front = Arc::clone(front);
    let worker = std::thread::spawn(move || {
        // Nobody listens any more once the deadline has passed.
        let _ = send.send(front.answer(&event, &id));
    });
    let left = deadline.map(|deadline| {
        let left = (deadline - OffsetDateTime::now_utc()).unsigned_abs();
        if deadline < OffsetDateTime::now_utc() { Duration::ZERO } else { left }
    });
    let received = match left {
        None => receive.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
        Some(left) => receive.recv_timeout(left.saturating_sub((left / 10).min(LONGEST_MARGIN))),
    };
    match received {
        Ok(answer) => {
            // It has nothing left to do.
            let _ = worker.join();
            Some(answer)
        }
        Err(mpsc::RecvTimeoutError::Timeout) => None,
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            let message = "pipewarden broke off; its log has the reason, and it is a defect of pipewarden".to_owned();
            Some(Err(Problem { kind: FAILED, message }))
        }
    }
}

const FAILED: &str = "Pipewarden.Failed";
const USAGE: &str = "Pipewarden.Usage";
const UNKNOWN: &str = "Pipewarden.UnknownEvent";
const UNDELIVERED: &str = "Pipewarden.Undelivered";

fn problem_of(failure: &Failure) -> Problem {
    let kind = if failure.exit() == Exit::Usage { USAGE } else { FAILED };
    Problem { kind, message: failure.in_brief() }
}

/// A stage's answer, unless its run was not delivered as a whole although `--fail-on-delivery` asked for it: Step Functions
/// looks at errors only, and a task that failed is what a redriven execution does again.
fn delivered(answer: Value) -> Result<Value, Problem> {
    if answer.get("exitCode").and_then(Value::as_u64) == Some(u64::from(Exit::Undelivered as u8)) {
        let run = answer.get("runId").and_then(Value::as_str).unwrap_or_default();
        let message = format!(
            "run {run} is finished and was not delivered as a whole; the log says to whom not. Mend the receiver and do the \
             stage again: what was sent is not sent twice"
        );
        return Err(Problem { kind: UNDELIVERED, message });
    }
    Ok(answer)
}

impl Front {
    /// Reads what can be wrong before any event comes.
    fn new(audit: &AuditArgs) -> Result<Self, Failure> {
        // Read anew for each event; a list that cannot be read is said at once.
        Secrets::open(&audit.aws)?;
        let mut audit = audit.clone();
        audit.policies.policies.extend(more_policies());
        let config = audit.run.resolve()?;
        super::policies::load_undated(&config, &audit.policies)?;
        Ok(Self { audit, gate: OnceLock::new() })
    }

    fn answer(&self, text: &str, id: &str) -> Result<Value, Problem> {
        let unknown = |message| Problem { kind: UNKNOWN, message };
        let event = Event::read(text).map_err(unknown)?;
        tracing::info!(id, event = event.word(), "event");
        let is_stage = matches!(event, Event::Stage(_));
        let answered = match event {
            Event::Hook => self.hook(text),
            Event::Stage(stage) => stages::run(stage, &self.audit),
            Event::Ignored(why) => {
                tracing::info!(id, why, "nothing to look at");
                Ok(json!({"ignored": why}))
            }
            Event::Audit => self.in_workspace(id, |args| {
                let audited = audit::audited(args)?;
                answer_of(&audited.run, audited.exit, audited.kept.place(&audited.run))
            }),
            Event::Changed(targets) => self.in_workspace(id, |args| {
                let resources: Vec<&str> = targets.iter().map(|target| target.arn.as_str()).collect();
                let mut answer = match recheck::rechecked(args, &targets)? {
                    Outcome::Concluded(concluded) => answer_of(&concluded.run, concluded.exit, concluded.place())?,
                    Outcome::LeftOut(why) => json!({"ignored": why}),
                    Outcome::NothingToJudge(_) => json!({"ignored": "nothing of the delivery path"}),
                };
                if let Some(members) = answer.as_object_mut() {
                    members.insert("resources".to_owned(), json!(resources));
                }
                Ok(answer)
            }),
        };
        let answered = answered.map_err(|failure| {
            let problem = problem_of(&failure);
            // The log has every line of it, for the person who reads it there.
            failure.print();
            problem
        });
        if is_stage { answered.and_then(delivered) } else { answered }
    }

    /// The audit's options with a folder that is gone when the event is answered, unless another was named.
    fn in_workspace(
        &self,
        id: &str,
        work: impl FnOnce(&AuditArgs) -> Result<Value, Failure>,
    ) -> Result<Value, Failure> {
        let mut args = self.audit.clone();
        let workspace = Workspace::of(&mut args.run.out, id);
        let answer = work(&args);
        drop(workspace);
        answer
    }

    fn hook(&self, text: &str) -> Result<Value, Failure> {
        if self.gate.get().is_none() {
            let args =
                FromEnvironment::try_parse_from(["lambda"]).map_err(|error| Failure::usage(error.to_string()))?;
            // Another thread may have been as fast, with the same.
            let _ = self.gate.set(args.hook.with_policies(&more_policies()).gate()?);
        }
        let gate = self.gate.get().ok_or_else(|| Failure::because("the gate cannot be opened"))?;
        let executor = tokio::runtime::Builder::new_current_thread().enable_all().build();
        executor.map_err(|error| Failure::failed(&error))?.block_on(hook::answer(gate, text))
    }
}

fn more_policies() -> Vec<PathBuf> {
    let folders = std::env::var(POLICIES).unwrap_or_default();
    folders.split(',').map(str::trim).filter(|folder| !folder.is_empty()).map(PathBuf::from).collect()
}

/// What a finished run says, for whoever started it.
fn answer_of(run: &RunDirectory, exit: Exit, report_location: String) -> Result<Value, Failure> {
    let manifest = run.manifest().map_err(|error| Failure::failed(&error))?;
    let stored = run.stored_report().map_err(|error| Failure::failed(&error))?;
    let report = stored.report();
    let package =
        Package { run, manifest: &manifest, report: &report, now: OffsetDateTime::now_utc(), report_location };
    let notice = Notice::of(&package).map_err(|error| Failure::failed(&error))?;
    Ok(json!({
        "runId": run.plan().run_id.to_string(),
        "verdict": notice.verdict,
        "exitCode": exit as u8,
        "report": notice.report,
    }))
}
