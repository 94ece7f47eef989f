//! What a host says of a branch and its repository, without who asked: many accounts may name the same branch.
//!
//! In: properties, and the calls that failed to bring others. Out: a [`SourceSeen`] for whichever account asks. It
//! exists so that a run asks a host once, while every account still gets its own resources and gaps.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::OnceCell;

use super::Scope;
use super::call::CallError;
use super::git_source::{Source, SourceSeen};
use super::scope::RecordedCall;
use crate::inventory::{Properties, Resource};

/// Properties of one thing, and what hides the others.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sheet {
    pub(super) properties: Properties,
    pub(super) unseen: BTreeMap<&'static str, CallError>,
}

impl Sheet {
    /// Writes a property down.
    pub(super) fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        self.properties.insert(name.to_owned(), value.into());
    }

    /// Writes properties down as unseen; `*` stands for everything but the name.
    pub(super) fn hide(&mut self, names: &[&'static str], error: &CallError) {
        self.unseen.extend(names.iter().map(|name| (*name, error.clone())));
    }

    /// Writes a property down as it was answered.
    pub(super) fn answer<T: Into<Value>>(&mut self, name: &'static str, answer: Result<T, &CallError>) {
        match answer {
            Ok(value) => self.set(name, value),
            Err(error) => self.hide(&[name], error),
        }
    }

    /// Adds everything of `other`.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.properties.extend(other.properties.clone());
        self.unseen.extend(other.unseen.iter().map(|(name, error)| (*name, error.clone())));
    }

    fn write(&self, scope: &Scope, resource: &mut Resource) {
        resource.properties.extend(self.properties.clone());
        for (name, error) in &self.unseen {
            error.clone().hides(scope, resource, &[*name]);
        }
    }
}

/// A branch and its repository.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Told {
    pub(super) branch: Sheet,
    pub(super) repository: Sheet,
}

impl Told {
    /// Both behind one failed call.
    pub(super) fn hidden(error: &CallError) -> Self {
        let mut told = Self::default();
        told.branch.hide(&["*"], error);
        told.repository.hide(&["*"], error);
        told
    }

    /// As the resources of whoever asked.
    pub(super) fn seen(&self, scope: &Scope, source: &Source) -> SourceSeen {
        let mut seen = SourceSeen::named(scope, source);
        self.branch.write(scope, &mut seen.branch);
        self.repository.write(scope, &mut seen.repository);
        seen
    }
}

/// Answers that a run asks for once; whoever comes second waits for the first.
///
/// The calls behind an answer stand in the ledger of every account that gets it, once in each, so that a ledger does not
/// hang on who came first.
#[derive(Debug)]
pub(super) struct Once<T>(Mutex<BTreeMap<String, Shared<T>>>);

type Shared<T> = Arc<OnceCell<(T, Vec<RecordedCall>)>>;

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Once<T> {
    /// The answer under `key`, asked for if nobody has yet.
    pub(super) async fn get<F, A>(&self, scope: &Scope, key: String, ask: A) -> T
    where
        A: FnOnce() -> F,
        F: Future<Output = T>,
    {
        let cell = {
            let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(cells.entry(key).or_default())
        };
        let (answer, calls) = cell.get_or_init(|| Scope::set_aside(Box::pin(ask()))).await;
        scope.share(calls);
        answer.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::{CallGate, Concurrency};
    use super::*;
    use crate::inventory::{Outcome, Partition};

    fn scope(account: &str) -> Scope {
        let config = aws_types::SdkConfig::builder().build();
        let gate = CallGate::new(Concurrency::default());
        Scope::new(account.parse().unwrap(), Partition::Aws, "eu-west-1".parse().unwrap(), &config, gate)
    }

    #[tokio::test]
    async fn two_that_ask_at_once_are_one_question() {
        let (once, asked) = (Once::default(), AtomicUsize::new(0));
        let somebody = scope("111122223333");
        let ask = || async {
            asked.fetch_add(1, Ordering::SeqCst);
            somebody.record_call("github:GetBranch", Outcome::Ok);
            tokio::task::yield_now().await;
            "answer"
        };
        let scopes = [scope("111122223333"), scope("444455556666")];
        let [one, two] = &scopes;
        let get = |scope, key: &str| once.get(scope, key.to_owned(), ask);
        let both = futures_util::future::join(get(one, "a"), get(two, "a")).await;
        assert_eq!((both, asked.load(Ordering::SeqCst)), (("answer", "answer"), 1));
        for scope in &scopes {
            assert_eq!(scope.take_coverage().totals().calls(), 1, "the call stands in both ledgers");
        }
        get(one, "b").await;
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}
