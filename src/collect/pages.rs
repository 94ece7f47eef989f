//! Lists that AWS answers page by page, and many calls of one kind side by side.
//!
//! In: how to ask for one page, or a job per resource. Out: all items in AWS's order, and the error that ended the
//! list early. What came before an error is kept: half a list with a gap says more than a gap.

use std::collections::BTreeSet;
use std::future::Future;

use futures_util::stream::{self, StreamExt};

use super::CallError;

/// Jobs of one collector under way at once; the scope's gate limits the calls themselves.
const JOBS: usize = 8;

/// The tokens of one list so far; a token that comes twice would have the list asked for for ever.
#[derive(Debug)]
pub(super) struct Pages {
    action: &'static str,
    seen: BTreeSet<String>,
}

impl Pages {
    /// A list about to be asked for.
    pub(super) fn of(action: &'static str) -> Self {
        Self { action, seen: BTreeSet::new() }
    }

    /// The token of the page after this one, `None` if it was the last.
    pub(super) fn after(&mut self, next: Option<String>) -> Result<Option<String>, CallError> {
        let Some(next) = next.filter(|next| !next.is_empty()) else { return Ok(None) };
        if self.seen.insert(next.clone()) {
            Ok(Some(next))
        } else {
            Err(CallError::malformed(self.action, "a page token came twice, so the list has no end"))
        }
    }
}

/// The items of a list, and why it ended early if it did.
#[derive(Debug)]
pub(crate) struct Listed<T> {
    pub(crate) items: Vec<T>,
    pub(crate) error: Option<CallError>,
}

impl<T> Listed<T> {
    /// All items, or the error for which some may be missing.
    pub(crate) fn whole(self) -> Result<Vec<T>, CallError> {
        match self.error {
            None => Ok(self.items),
            Some(error) => Err(error),
        }
    }
}

/// Asks for pages until there is no next token. `ask` gets the token of the page it should fetch.
pub(crate) async fn all_pages<T, A, F>(action: &'static str, ask: A) -> Listed<T>
where
    A: Fn(Option<String>) -> F,
    F: Future<Output = Result<(Vec<T>, Option<String>), CallError>>,
{
    pages_until(action, ask, |_| false).await
}

/// Asks for pages until there is no next token, or until `enough` says so of all items that came.
pub(crate) async fn pages_until<T, A, F, E>(action: &'static str, ask: A, mut enough: E) -> Listed<T>
where
    A: Fn(Option<String>) -> F,
    F: Future<Output = Result<(Vec<T>, Option<String>), CallError>>,
    E: FnMut(&[T]) -> bool,
{
    let mut listed = Listed { items: Vec::new(), error: None };
    let mut pages = Pages::of(action);
    let mut token = None;
    loop {
        let (items, next) = match ask(token).await {
            Ok(page) => page,
            Err(error) => {
                listed.error = Some(error);
                return listed;
            }
        };
        listed.items.extend(items);
        if enough(&listed.items) {
            return listed;
        }
        token = match pages.after(next) {
            Ok(Some(next)) => Some(next),
            Ok(None) => return listed,
            Err(error) => {
                listed.error = Some(error);
                return listed;
            }
        };
    }
}

/// Runs jobs side by side; answers come in the order of the jobs.
pub(crate) async fn in_order<F: Future>(jobs: Vec<F>) -> Vec<F::Output> {
    stream::iter(jobs).buffered(JOBS).collect().await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pages_of(answers: &[Result<(u8, Option<&str>), CallError>]) -> Listed<u8> {
        let turn = std::cell::Cell::new(0);
        all_pages("s3:ListAllMyBuckets", |_| {
            let answer = answers[turn.get()].clone();
            turn.set(turn.get() + 1);
            async move { answer.map(|(item, next)| (vec![item], next.map(str::to_owned))) }
        })
        .await
    }

    #[tokio::test]
    async fn an_error_midway_keeps_what_came() {
        let error = CallError::malformed("s3:ListAllMyBuckets", "x");
        let listed = pages_of(&[Ok((1, Some("a"))), Err(error.clone())]).await;
        assert_eq!((listed.items, listed.error), (vec![1], Some(error)));
    }

    #[tokio::test]
    async fn a_repeated_token_ends_the_list_with_an_error() {
        let listed = pages_of(&[Ok((1, Some("a"))), Ok((2, Some("b"))), Ok((3, Some("a")))]).await;
        assert_eq!(listed.items, [1, 2, 3]);
        assert!(listed.error.is_some());
        let listed = pages_of(&[Ok((1, Some("a"))), Ok((2, Some("")))]).await;
        assert_eq!((listed.items, listed.error), (vec![1, 2], None));
    }
}
