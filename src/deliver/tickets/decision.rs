//! What is done with one ticket.
//!
//! In: what the run saw of what belongs in it, what became of what was in it, and how it stands at the tracker. Out: a
//! [`Decision`]. Nothing is asked and nothing is written here, so that every case can be tried.

use super::{Rules, Status, Which};

/// What the run sees of a ticket's violations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Violations that belong in it now.
    pub(super) violations: u64,
    /// Whether one of them is at or above the severity that opens a ticket.
    pub(super) opens: bool,
    /// Whether one of them is new.
    pub(super) is_news: bool,
    /// Violations that were not in it.
    pub(super) added: u64,
    /// Violations that were in it with a lower severity.
    pub(super) worse: u64,
}

/// What became of the findings that are in a ticket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Looked at, and good, gone or not applicable any more.
    pub(super) over: u64,
    /// Still violated.
    pub(super) violated: u64,
    /// Still violated, and under an exception.
    pub(super) excepted: u64,
    /// Still violated, and in another ticket: another team answers for it now.
    pub(super) elsewhere: u64,
    /// Could not be looked at, or nobody can say.
    pub(super) unseen: u64,
}

impl Standing {
    fn is_over(self) -> bool {
        self.over > 0 && self.violated + self.excepted + self.elsewhere + self.unseen == 0
    }
}

/// What was already said in a ticket, so that it is said once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Said {
    /// What is left could not be looked at.
    Unseen,
    /// What is left is under an exception.
    Excepted,
    /// What is left is another team's.
    Elsewhere,
    /// All is over.
    Resolved,
    /// Something came to it, or became worse.
    Grown,
    /// It was closed, and is violated again.
    Back,
}

/// A ticket that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ticket<'a> {
    pub(super) status: &'a Status,
    /// Whether all findings in it are known.
    pub(super) whole: bool,
    /// Whether it can be told what came to it; not where a ticket was taken over that does not name all that is in it.
    pub(super) is_known: bool,
    /// Whether its page shows what the run sees.
    pub(super) is_current: bool,
    pub(super) standing: Standing,
    pub(super) said: Option<Said>,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nobody need hear of it.
    Silent,
    /// The ticket says it already.
    Unchanged,
    /// A new ticket.
    Open,
    /// A ticket is changed, in this order.
    Change(Change),
}

/// Changes of one ticket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) reopen: bool,
    pub(super) write: bool,
    pub(super) say: Option<Said>,
    pub(super) close: bool,
}

/// Decides; `observed_at` is when the run looked, RFC 3339.
pub(super) fn decide(rules: &Rules, seen: &Seen, ticket: Option<&Ticket<'_>>, observed_at: &str) -> Decision {
    let is_wanted = seen.opens && (rules.when == Which::All || seen.is_news);
    let Some(ticket) = ticket else {
        return if seen.violations > 0 && is_wanted { Decision::Open } else { Decision::Silent };
    };
    if seen.violations == 0 {
        return left(rules, ticket);
    }
    let news = seen.worse + if ticket.is_known { seen.added } else { 0 };
    let is_back = match ticket.status {
        Status::Open => {
            let grown = match ticket.said {
                Some(Said::Resolved) => Some(Said::Back),
                _ => (news > 0).then_some(Said::Grown),
            };
            if ticket.is_current && grown.is_none() {
                return Decision::Unchanged;
            }
            return Decision::Change(Change { write: true, say: grown, ..Change::default() });
        }
        // Whoever closes a ticket knows more than a run that looked before.
        Status::Done(Some(at)) => at.as_str() < observed_at,
        Status::Done(None) => true,
        Status::Declined => news > 0,
        // Nothing can be written there any more, so what comes to it gets a ticket of its own.
        Status::Moved => return if news > 0 { Decision::Open } else { Decision::Unchanged },
    };
    match (is_back, rules.reopen) {
        (false, _) => Decision::Unchanged,
        (true, true) => {
            Decision::Change(Change { reopen: true, write: true, say: Some(Said::Back), ..Change::default() })
        }
        (true, false) => Decision::Open,
    }
}

/// Of a ticket in which nothing is violated any more, as far as the run could see.
fn left(rules: &Rules, ticket: &Ticket<'_>) -> Decision {
    if *ticket.status != Status::Open {
        return Decision::Silent;
    }
    let standing = &ticket.standing;
    let is_over = ticket.whole && standing.is_over();
    let say = if is_over {
        Said::Resolved
    } else if standing.unseen > 0 || !ticket.whole || *standing == Standing::default() {
        Said::Unseen
    } else if standing.elsewhere > 0 {
        Said::Elsewhere
    } else {
        Said::Excepted
    };
    let change =
        Change { say: (ticket.said != Some(say)).then_some(say), close: is_over && rules.close, ..Change::default() };
    if change == Change::default() { Decision::Unchanged } else { Decision::Change(change) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: &str = "2026-11-21T02:00:00Z";

    fn violated() -> Seen {
        Seen { violations: 2, opens: true, is_news: true, ..Seen::default() }
    }

    fn ticket(status: &Status, standing: Standing) -> Ticket<'_> {
        Ticket { status, whole: true, is_known: true, is_current: true, standing, said: None }
    }

    fn change(decision: Decision) -> Change {
        match decision {
            Decision::Change(change) => change,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_violation_gets_a_ticket_if_it_is_bad_and_new_enough() {
        let rules = Rules::default();
        assert_eq!(decide(&rules, &violated(), None, NOW), Decision::Open);
        assert_eq!(decide(&rules, &Seen { opens: false, ..violated() }, None, NOW), Decision::Silent);
        assert_eq!(decide(&rules, &Seen::default(), None, NOW), Decision::Silent);
        let rules = Rules { when: Which::New, ..rules };
        assert_eq!(decide(&rules, &violated(), None, NOW), Decision::Open);
        assert_eq!(decide(&rules, &Seen { is_news: false, ..violated() }, None, NOW), Decision::Silent);
    }

    #[test]
    fn a_comment_is_made_only_of_what_a_person_must_know() {
        let (rules, open) = (Rules::default(), Status::Open);
        let standing = Standing { violated: 2, over: 1, ..Standing::default() };
        assert_eq!(decide(&rules, &violated(), Some(&ticket(&open, standing)), NOW), Decision::Unchanged);
        let stale = Ticket { is_current: false, ..ticket(&open, standing) };
        let changed = change(decide(&rules, &violated(), Some(&stale), NOW));
        assert_eq!(changed, Change { write: true, ..Change::default() });
        for seen in [Seen { added: 1, ..violated() }, Seen { worse: 1, ..violated() }] {
            assert_eq!(change(decide(&rules, &seen, Some(&stale), NOW)).say, Some(Said::Grown));
        }
    }

    #[test]
    fn where_it_is_not_known_what_was_in_a_ticket_nothing_is_said_to_be_new() {
        let (rules, seen) = (Rules::default(), Seen { added: 2, ..violated() });
        for (status, expected) in [
            (Status::Open, Decision::Change(Change { write: true, ..Change::default() })),
            (Status::Declined, Decision::Unchanged),
        ] {
            let taken_over =
                Ticket { whole: false, is_known: false, is_current: false, ..ticket(&status, Standing::default()) };
            assert_eq!(decide(&rules, &seen, Some(&taken_over), NOW), expected);
        }
    }

    #[test]
    fn what_was_said_to_be_over_and_is_not_is_said_to_be_back() {
        let open = Status::Open;
        let ticket =
            Ticket { said: Some(Said::Resolved), ..ticket(&open, Standing { violated: 1, ..Standing::default() }) };
        let changed = change(decide(&Rules::default(), &violated(), Some(&ticket), NOW));
        assert_eq!(changed, Change { write: true, say: Some(Said::Back), ..Change::default() });
    }

    #[test]
    fn what_is_left_of_a_ticket_is_said_once() {
        let (rules, open) = (Rules::default(), Status::Open);
        let cases = [
            (Standing { over: 2, unseen: 1, ..Standing::default() }, Said::Unseen),
            (Standing { unseen: 1, excepted: 1, elsewhere: 1, ..Standing::default() }, Said::Unseen),
            (Standing::default(), Said::Unseen),
            (Standing { over: 2, excepted: 1, ..Standing::default() }, Said::Excepted),
            (Standing { elsewhere: 1, excepted: 1, ..Standing::default() }, Said::Elsewhere),
        ];
        for (standing, said) in cases {
            let first = ticket(&open, standing);
            let changed = change(decide(&rules, &Seen::default(), Some(&first), NOW));
            assert_eq!(changed, Change { say: Some(said), ..Change::default() }, "{standing:?}");
            let again = Ticket { said: Some(said), ..first };
            assert_eq!(decide(&rules, &Seen::default(), Some(&again), NOW), Decision::Unchanged, "{standing:?}");
        }
        let over = ticket(&open, Standing { over: 2, ..Standing::default() });
        let closed = change(decide(&rules, &Seen::default(), Some(&over), NOW));
        assert_eq!(closed, Change { say: Some(Said::Resolved), close: true, ..Change::default() });
        let rules = Rules { close: false, ..rules };
        let told = change(decide(&rules, &Seen::default(), Some(&over), NOW));
        assert_eq!(told, Change { say: Some(Said::Resolved), ..Change::default() });
    }

    #[test]
    fn what_a_person_closed_is_opened_again_only_for_a_reason() {
        let rules = Rules::default();
        let (after, before) = ("2026-11-21T03:00:00Z".to_owned(), "2026-11-20T03:00:00Z".to_owned());
        let grown = Seen { added: 1, ..violated() };
        for (status, seen, back) in [
            (Status::Done(Some(before.clone())), violated(), true),
            (Status::Done(None), violated(), true),
            (Status::Done(Some(after)), grown, false),
            (Status::Declined, violated(), false),
            (Status::Declined, grown, true),
            (Status::Declined, Seen { worse: 1, ..violated() }, true),
        ] {
            let decision = decide(&rules, &seen, Some(&ticket(&status, Standing::default())), NOW);
            assert_eq!(matches!(decision, Decision::Change(change) if change.reopen), back, "{status:?}");
            let anew = Rules { reopen: false, ..rules.clone() };
            let decision = decide(&anew, &seen, Some(&ticket(&status, Standing::default())), NOW);
            assert_eq!(decision == Decision::Open, back, "{status:?}");
        }
        let done = Status::Done(Some(before));
        let closed = ticket(&done, Standing { over: 1, ..Standing::default() });
        assert_eq!(decide(&rules, &Seen::default(), Some(&closed), NOW), Decision::Silent);
    }

    #[test]
    fn a_ticket_that_was_moved_is_left_to_whoever_has_it_now_and_news_get_a_new_one() {
        let moved = Status::Moved;
        let ticket = ticket(&moved, Standing { violated: 1, over: 1, ..Standing::default() });
        for reopen in [true, false] {
            let rules = Rules { reopen, ..Rules::default() };
            for (seen, expected) in [
                (violated(), Decision::Unchanged),
                (Seen { added: 1, ..violated() }, Decision::Open),
                (Seen { worse: 1, ..violated() }, Decision::Open),
                (Seen::default(), Decision::Silent),
            ] {
                assert_eq!(decide(&rules, &seen, Some(&ticket), NOW), expected, "{seen:?}");
            }
        }
    }

    fn status() -> impl Strategy<Value = Status> {
        prop_oneof![
            Just(Status::Open),
            Just(Status::Declined),
            Just(Status::Moved),
            Just(Status::Done(None)),
            Just(Status::Done(Some("2026-11-20T03:00:00Z".to_owned()))),
        ]
    }

    fn standing() -> impl Strategy<Value = Standing> {
        let few = || 0..3_u64;
        (few(), few(), few(), few(), few()).prop_map(|(over, violated, excepted, elsewhere, unseen)| Standing {
            over,
            violated,
            excepted,
            elsewhere,
            unseen,
        })
    }

    proptest! {
        #[test]
        fn nothing_unseen_ever_closes_a_ticket(
            (status, standing, whole, is_current) in (status(), standing(), any::<bool>(), any::<bool>()),
            (violations, added, worse, opens, is_news) in (0..3_u64, 0..2_u64, 0..2_u64, any::<bool>(), any::<bool>()),
            (close, reopen) in (any::<bool>(), any::<bool>()),
        ) {
            let rules = Rules { close, reopen, ..Rules::default() };
            let seen = Seen { violations, opens, is_news, added, worse };
            let ticket = Ticket { status: &status, whole, is_known: whole, is_current, standing, said: None };
            if let Decision::Change(change) = decide(&rules, &seen, Some(&ticket), NOW) {
                let all_is_over = whole && violations == 0 && standing.over > 0 && standing.unseen == 0
                    && standing.violated == 0 && standing.excepted == 0 && standing.elsewhere == 0;
                prop_assert!(!change.close || (all_is_over && close && status == Status::Open));
                prop_assert!(change.say != Some(Said::Resolved) || all_is_over);
            }
        }
    }
}
