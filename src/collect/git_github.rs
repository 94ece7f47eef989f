//! GitHub: its branches stay behind a gap.

use super::Scope;
use super::git_source::{Source, SourceSeen};

pub(super) async fn read(scope: &Scope, source: &Source) -> SourceSeen {
    SourceSeen::not_configured(
        scope,
        source,
        &format!("no token for {}; without one its branches cannot be looked at", source.host),
    )
}
