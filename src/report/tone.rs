//! What colour says on a terminal; words always say the same.
//!
//! In: a tone. Out: its escape code. Which verdict has which tone is up to the page.

/// How something is said.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tone {
    Bad,
    Worrying,
    Good,
    Strong,
    Quiet,
}

impl Tone {
    /// The parameters of "select graphic rendition".
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Bad => "1;31",
            Self::Worrying => "1;33",
            Self::Good => "1;32",
            Self::Strong => "1",
            Self::Quiet => "2",
        }
    }
}
