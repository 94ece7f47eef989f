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

/// Something that is looked for.
pub(super) struct Found<T> {
    pub(super) what: T,
    /// What its failure comes to.
    pub(super) fate: Fate,
    /// Something reads what it writes, and may decide by that.
    pub(super) is_read: bool,
}

impl<T> Found<T> {
    /// Whether its failure ends the script with an error; `None` where that cannot be told.
    pub(super) fn stops(&self) -> Option<bool> {
        match self.fate {
            Fate::Fails { .. } | Fate::Exits | Fate::Aborts => Some(true),
            Fate::Forgotten => (!self.is_read).then_some(false),
            Fate::Unknown => None,
        }
    }
}

/// A part of a script.
pub(super) struct Piece<T> {
    pub(super) found: Vec<Found<T>>,
    pub(super) ending: Ending,
}

impl<T> Piece<T> {
    pub(super) fn new(ending: Ending) -> Self {
        Self { found: Vec::new(), ending }
    }

    pub(super) fn each(&mut self, fate: impl Fn(Fate) -> Fate) {
        for found in &mut self.found {
            found.fate = fate(found.fate);
        }
    }

    /// Something reads what it writes, and may decide by that.
    pub(super) fn be_read(&mut self) {
        for found in &mut self.found {
            found.is_read = true;
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
            // Whoever runs that shell sees its code alone: an excuse ends with it.
            Fate::Fails { .. } | Fate::Exits | Fate::Aborts => Fate::Fails { excused: false },
            other => other,
        });
        self.ending = match self.ending {
            Ending::ExitsWell => Ending::Succeeds,
            Ending::ExitsBadly => Ending::Fails,
            Ending::ExitsAsBefore => Ending::Unknown,
            other => other,
        };
    }

    /// It writes to a pipe; what reads from that may do more than pass it on.
    pub(super) fn feed(&mut self, pipes_fail: bool, may_decide: bool) {
        self.enclose();
        if may_decide {
            self.be_read();
        }
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
