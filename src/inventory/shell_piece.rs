//! Parts of a shell script, and what becomes of a failure in them where they are joined.
//!
//! In: what is looked for in each part. Out: the same for the whole. The rules are those of POSIX, "Shell Command
//! Language": lists, pipelines, and `set -e`, which minds only the last command of `&&` and `||`.

/// What a failure comes to, as far as the script was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// What holds the command fails with it. In the middle of `&&`, `set -e` does not mind.
    Fails { excused: bool },
    /// The script ends by `exit`.
    Exits,
    /// The script ends by `set -e`.
    Aborts,
    /// Nothing.
    Forgotten,
    /// It depends on what cannot be seen.
    Unknown,
}

/// How a part of a script ends, where that is certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Succeeds,
    Fails,
    ExitsWell,
    ExitsBadly,
    /// With the code of what ran before.
    ExitsAsBefore,
    Unknown,
}

/// A part of a script.
pub(super) struct Piece<T> {
    /// What is looked for, and what its failure comes to.
    pub(super) found: Vec<(T, Fate)>,
    pub(super) ending: Ending,
}

impl<T> Piece<T> {
    pub(super) fn new(ending: Ending) -> Self {
        Self { found: Vec::new(), ending }
    }

    pub(super) fn each(&mut self, fate: impl Fn(Fate) -> Fate) {
        for (_, found) in &mut self.found {
            *found = fate(*found);
        }
    }

    /// Whether its failure counts depends on what cannot be seen.
    pub(super) fn doubt(&mut self) {
        self.each(|fate| if fate == Fate::Forgotten { fate } else { Fate::Unknown });
        self.ending = Ending::Unknown;
    }

    /// It runs beside what follows, which may wait for it.
    pub(super) fn run_beside(&mut self, is_awaited: bool) {
        let fate = if is_awaited { Fate::Unknown } else { Fate::Forgotten };
        self.each(|found| if found == Fate::Forgotten { found } else { fate });
        self.ending = Ending::Succeeds;
    }

    /// `set -e` is on.
    pub(super) fn abort(&mut self) {
        self.each(|fate| if fate == (Fate::Fails { excused: false }) { Fate::Aborts } else { fate });
    }

    /// It runs several times; a later time may forget the failure.
    pub(super) fn repeat(&mut self) {
        self.each(|fate| if matches!(fate, Fate::Fails { .. }) { Fate::Unknown } else { fate });
        self.ending = Ending::Unknown;
    }

    /// It runs in a shell of its own, which ends instead of this one.
    pub(super) fn enclose(&mut self) {
        self.each(|fate| match fate {
            Fate::Exits | Fate::Aborts => Fate::Fails { excused: false },
            other => other,
        });
        self.ending = match self.ending {
            Ending::ExitsWell => Ending::Succeeds,
            Ending::ExitsBadly => Ending::Fails,
            Ending::ExitsAsBefore => Ending::Unknown,
            other => other,
        };
    }

    /// Something reads what it writes.
    pub(super) fn feed(&mut self, pipes_fail: bool) {
        self.enclose();
        if !pipes_fail {
            self.each(|fate| if fate == Fate::Unknown { fate } else { Fate::Forgotten });
        }
    }

    /// `next` runs instead of it, or after it; which is not known.
    pub(super) fn or_maybe(&mut self, next: Self) {
        self.found.extend(next.found);
        self.ending = Ending::Unknown;
    }

    /// `self && next`
    pub(super) fn and(&mut self, next: Self) {
        self.each(|fate| match fate {
            Fate::Fails { .. } => Fate::Fails { excused: true },
            // Before `&&`, a list in brackets goes on after a failure.
            Fate::Aborts => Fate::Unknown,
            other => other,
        });
        self.found.extend(next.found);
        self.ending = match self.ending {
            Ending::Succeeds => next.ending,
            other => other,
        };
    }

    /// `self || next`
    pub(super) fn or(&mut self, next: Self) {
        let handled = match next.ending {
            Ending::Succeeds | Ending::ExitsWell => Fate::Forgotten,
            Ending::Fails => Fate::Fails { excused: false },
            Ending::ExitsBadly | Ending::ExitsAsBefore => Fate::Exits,
            Ending::Unknown => Fate::Unknown,
        };
        self.each(|fate| match fate {
            Fate::Fails { .. } => handled,
            Fate::Aborts => Fate::Unknown,
            other => other,
        });
        self.found.extend(next.found);
        self.ending = match self.ending {
            Ending::Fails => next.ending,
            other => other,
        };
    }
}
