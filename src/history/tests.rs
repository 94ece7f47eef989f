//! Histories come in any order and any number of times.

use time::macros::datetime;

use super::*;

fn execution(id: &str, status: &str, updated: time::OffsetDateTime) -> PipelineExecution {
    PipelineExecution {
        updated: Some(updated),
        ..PipelineExecution::new(
            "arn:aws:codepipeline:eu-west-1:111122223333:web",
            "111122223333".parse().unwrap(),
            "eu-west-1".parse().unwrap(),
            id,
            status,
            datetime!(2026-06-01 09:00 UTC),
        )
    }
}

#[test]
fn the_newest_state_is_kept_whatever_the_order() {
    let old = execution("a", "InProgress", datetime!(2026-06-01 10:00 UTC));
    let new = execution("a", "Succeeded", datetime!(2026-06-01 11:00 UTC));
    for records in [vec![old.clone(), new.clone(), old.clone()], vec![new.clone(), old.clone(), new.clone()]] {
        let mut history = History { executions: records, ..History::default() };
        history.normalise();
        assert_eq!(history.executions, std::slice::from_ref(&new));
    }
}
